"""The page of figures, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from benchmarks.common.intervals import Estimate, bootstrap, crossed_bootstrap
from examples.demo.question_types import INSTRUCTIONS, SETS, SIZE, Outcome

__all__ = ["page"]

ABOUT = """\
# Demonstrations, found and drawn

**Live, a real model:** {name}, a very small one, on one thread of this machine ({runtime}); no recording and
no simulation. It is the program that is optimized: it says whether a question asks for a person, a place, a number or a
time. The label is constrained by a grammar, decoding is greedy. What it is given is found by `FewShot` and `Select`,
which ask no model.

- drawn at random: {size} of the 64 training questions, with their labels.
- FewShot: the winner among {sets} sets of {size}, by successive halving; half of the training questions make the
  demonstrations, half are what they are tried on.
- FewShot, then Select: with these demonstrations, {instructions} instructions (one of them none) are tried on 48 other
  questions. Every one is tried, on different questions each time.
- Accuracy on 64 held-out questions, which nothing was chosen by. Mean of {count} seeds; each seed draws anew.
- over seeds: 95% interval (percentile bootstrap) for other seeds on the same 64 questions. over both: for other seeds
  on other questions of the kind (seeds and questions drawn anew).
- answers: what a search takes on average, without the held-out questions.
"""

HEADING = ("given to the model", "accuracy", "over seeds", "over both", "least to greatest", "answers")


def page(name: str, runtime: str, before: Sequence[float], outcomes: Sequence[Outcome], *, minutes: float) -> str:
    """The whole page."""
    arms: list[tuple[str, list[list[float]], float]] = [
        ("drawn at random", [each.drawn for each in outcomes], 0.0),
        ("FewShot", [each.found for each in outcomes], mean(each.searched for each in outcomes)),
        (
            "FewShot, then Select",
            [each.chosen for each in outcomes],
            mean(each.searched + each.tried for each in outcomes),
        ),
    ]
    rows = [["nothing", f"{mean(before):.3f}", "-", _interval(crossed_bootstrap([before])), "-", "0"]]
    rows += [_row(title, table, answers) for title, table, answers in arms]
    about = ABOUT.format(
        name=name, runtime=runtime, size=SIZE, sets=SETS, instructions=len(INSTRUCTIONS), count=len(outcomes)
    )
    lines = [about, *_table(HEADING, rows), "", *_differences(outcomes), "", *_seeds(outcomes), ""]
    lines.append(
        f"Written by `make bench-few-shot ARGS='--seeds {len(outcomes)} --output FILE'` in {minutes:.1f} minutes."
    )
    return "\n".join(lines) + "\n"


def _row(title: str, table: Sequence[Sequence[float]], answers: float) -> list[str]:
    means = [mean(row) for row in table]
    over_seeds, over_both = _interval(bootstrap(means)), _interval(crossed_bootstrap(table))
    ends = f"{min(means):.3f} to {max(means):.3f}"
    return [title, f"{mean(means):.3f}", over_seeds, over_both, ends, f"{answers:.0f}"]


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _differences(outcomes: Sequence[Outcome]) -> list[str]:
    """How much better the found ones are, seed by seed."""
    lines = ["Differences, seed by seed and question by question:", ""]
    for title, better, worse in (
        ("FewShot, less drawn at random", "found", "drawn"),
        ("FewShot and Select, less FewShot", "chosen", "found"),
    ):
        table = [
            [mine - other for mine, other in zip(getattr(each, better), getattr(each, worse), strict=True)]
            for each in outcomes
        ]
        means = [mean(row) for row in table]
        seeds, both = bootstrap(means), crossed_bootstrap(table)
        ahead, equal = sum(each > 0 for each in means), sum(each == 0 for each in means)
        lines.append(
            f"- {title}: {seeds.mean:+.3f} (over seeds {seeds.low:+.3f} to {seeds.high:+.3f}, "
            f"over both {both.low:+.3f} to {both.high:+.3f}); higher with {ahead} of {len(means)} seeds, "
            f"equal with {equal}."
        )
    return lines


def _seeds(outcomes: Sequence[Outcome]) -> list[str]:
    rows = [
        [
            str(seed),
            *(f"{mean(table):.3f}" for table in (each.drawn, each.found, each.chosen)),
            each.instruction or "(none)",
        ]
        for seed, each in enumerate(outcomes)
    ]
    return _table(("seed", "drawn at random", "FewShot", "FewShot, then Select", "instruction kept"), rows)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heading, ["---"] * len(heading), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
