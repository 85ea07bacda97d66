"""The tables, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common.intervals import bootstrap, table

__all__ = ["Row", "page"]

LABEL = (
    "**A simulation.** No language model was asked: the answers come from `opto.testing.Simulated`, a program that "
    "reads the requests by rules and answers well with probability p. The table compares how optimizers use the same "
    "quality of answers; it does not say how well a real model would do."
)

EXPLAINED = """\
- p: the probability that an answer is good. Of the other answers the share p/2 holds a good value in a malformed
  answer (fences, `<think>`, single quotes, trailing commas, prose around, cut off); the rest is of no use (wrong value,
  unchanged, prose only, wrong key, wrong type, broken). A dash: the optimizer asks no model.
- solved: of {seeds} seeds. steps: until solved; a trial ends after {cap} steps, and an unsolved one counts as {cap}.
  calls, tokens: of the whole trial, tokens estimated at four characters each. seconds: CPU time of the whole trial
  without the model's. errors: steps of a trial that raised and were taken back.
- Means with 95% intervals (percentile bootstrap over the seeds, 1,000 resamples).
- All optimizers got the same problems, seeds and words. OPRO, OPROv2, Hybrid, Numeric and Select of opto are made for
  scores and got the score too. Memory of 10 where there is one. `OptoPrimeMulti (score)` and LineSearch may also run
  the program on candidates.
- TextGrad of trace-opt has no memory of earlier criticism; its like is opto's `TextGrad (no memory)`, where `TextGrad`
  shows up to 10 earlier ones.
- trace-opt's rows are its own optimizers on the same problems with the same simulated model, in an environment of
  their own. The simulated model was tried on the prompts of both packages, and favours neither on purpose; it was
  written by the authors of opto.
- The first table of the number holds graphs with `y * y`, on which trace-opt's own propagation fails: see the second.
"""

ABOUT = {
    "numeric": "A number: the problem of the Trace paper (arXiv 2406.16218, 5.1), graphs of 5 to 9 arithmetic "
    'operators drawn from the seed. Told "The output should be larger." or "smaller"; solved within 2% of the '
    "span of outputs.",
    "apart": "The same graphs, numbers and words, but no operator gets one node twice: where the program above "
    "computes `y * y`, this one computes `y * (y + 0)`. On the former trace-opt's propagation raises AssertionError, "
    "whatever the optimizer (there a node takes one feedback of each child). So the table above counts that defect "
    "with its optimizers; this one compares the optimizers alone, on one program that runs on both sides.",
    "code": "A function with one or two mistakes, six of them in turn. Told up to two failing test cases in words; "
    "solved when all pass.",
    "text": "A message that must meet four to seven requirements. Told one unmet requirement at a time, in words.",
}

TITLES = {"apart": "Numeric, no node twice in one operator"}

HEADING = ["optimizer", "p", "solved", "steps", "calls", "tokens", "seconds", "errors"]


@dataclass(frozen=True)
class Row:
    """The trials of one optimizer at one competence, or why there are none.

    Attributes:
        competence: None for an optimizer that asks no model.
    """

    system: str
    optimizer: str
    problem: str
    competence: float | None
    trials: Sequence[Mapping[str, Any]]
    reason: str = ""

    def cells(self) -> list[str]:
        """The row as texts."""
        name = self.optimizer if self.system == "opto" else f"{self.optimizer} of {self.system}"
        p = "-" if self.competence is None else f"{self.competence:g}"
        if not self.trials:
            return [name, p, f"does not run: {self.reason}", "", "", "", "", ""]
        solved = sum(bool(each["solved"]) for each in self.trials)
        figures = [str(bootstrap([float(each[key]) for each in self.trials])) for key in HEADING[3:7]]
        errors = sum(float(each["errors"]) for each in self.trials) / len(self.trials)
        return [name, p, f"{solved}/{len(self.trials)}", *figures, f"{errors:.1f}" if errors else "0"]


def page(rows: Sequence[Row], absent: Mapping[str, str], *, seeds: int, cap: int, python: str) -> str:
    """The whole page."""
    parts = ["# Optimizers side by side", LABEL, EXPLAINED.format(seeds=seeds, cap=cap).rstrip()]
    parts.append(
        f"Written by `make bench-optimizers` on Python {python}; the same seeds give the same counts, seconds differ."
    )
    for problem, about in ABOUT.items():
        found = [row for row in rows if row.problem == problem]
        if found:
            parts += [
                f"## {TITLES.get(problem, problem.capitalize())} (simulation)",
                about,
                table(HEADING, [row.cells() for row in found]),
            ]
    complaints = _complaints(rows)
    if complaints:
        parts += ["## What steps raised", "\n".join(complaints)]
    if absent:
        parts.append("## Not in the tables")
        parts.append("\n".join(f"- {name}: {reason}" for name, reason in absent.items()))
    return "\n\n".join(parts) + "\n"


def _complaints(rows: Sequence[Row]) -> list[str]:
    """The most frequent last error of each optimizer on each problem."""
    seen: dict[tuple[str, str, str], Counter[str]] = {}
    for row in rows:
        for each in row.trials:
            if each["complaint"]:
                seen.setdefault((row.system, row.optimizer, row.problem), Counter())[each["complaint"]] += 1
    return [
        f"- {optimizer} of {system}, {problem}: {count.total()} trials; most often `{count.most_common(1)[0][0]}`"
        for (system, optimizer, problem), count in seen.items()
    ]
