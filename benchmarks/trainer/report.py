"""The page, in Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.intervals import Estimate, bootstrap, table
from benchmarks.trainer.curves import Record, at, kept, paired, reached

__all__ = ["MAIN", "best", "last_line", "main_competence", "page", "with_reach"]

MAIN = 0.6
"""The value of p that the tables of the problems, and the last line, are about."""

LABEL = (
    "**A simulation.** No language model was asked: the answers come from `opto.testing.Simulated`, a program that "
    "reads the requests by rules and answers well with probability p. The tables compare what training algorithms make "
    "of the same quality of answers within the same number of evaluations; they do not say how well a real model would "
    "do."
)

EXPLAINED = """\
- An evaluation is one run of the program on one example, for whatever purpose: to see what is wrong, to compare
  candidates, to validate. Each algorithm has {budget} of them on each problem; there are {train} examples for training,
  {validation} for validation, and {held_out} held out (for the function {cases}).
- p: the probability that an answer of the model is good. Of the other answers the share p/2 holds a good value in a
  malformed answer; the rest is of no use (a change for the worse, none, prose only, another type, broken).
- The score of an algorithm after so many evaluations is the true score of the candidate that it then believes best: the
  mean on the held-out examples, which it never sees, without noise.
- reached: of {seeds} seeds, those in which that score was the target at some time; evaluations: until then. kept: those
  in which it was the target to the end; for good: evaluations until it was so. A run that does not reach, or does not
  keep it, counts as the whole budget, {budget}. For good is what a user can rely on, who does not see the true score:
  an algorithm that believes one candidate after the other touches the target early, and leaves it again.
- mean: of that score over the whole run. end: that score when the budget is spent. calls, tokens: of the model, tokens
  estimated at four characters each. seconds: CPU time of a run without the model's.
- The best of opto, in the last line and in the picture: of the algorithms that need fewer evaluations for good than any
  variant of gepa on each single problem, the one that needs the fewest in all; if there are none, of all algorithms.
- Means with 95% intervals (percentile bootstrap over the seeds, 1,000 resamples). At p {main:g}, where not said
  otherwise.
- opto's rows are `Search.train` of each algorithm with its default options, `max_evaluations={budget}`, `seed` and
  `score_range=(0, 1)`; the optimizer is OptoPrime with `memory_size=10` ("no memory": 0). What an algorithm believes
  best is its `run.best`, before each step and at the end. Its own count of evaluations is checked against those that
  there were. Equal values on an equal example are executed once for a score, and again for feedback; where scores are
  noisy, an algorithm that wants more samples gets other ones. A program that fails returns what failed, and the judge
  says the same of it as to gepa. "4 proposals" has `num_proposals=4`, and "4, screened" a `LearnedScreening` (PROMST)
  besides, which acts from ten candidates on. "by hand" is the loop that one writes without an algorithm, with
  minibatches of 3.
- Default sizes of the minibatch: 4 for opto's algorithms, but 1 for those of the family of `PrioritySearch`, 3 for
  gepa. `FewShotSearch` is not there, for no problem has demonstrations; `SequentialUpdate` does what `Minibatch` does.
- gepa's rows are `gepa.optimize` of the package gepa in an environment of its own: with the same programs, examples,
  judges and seeds, through a `GEPAAdapter`, and the same simulated model as `reflection_lm`. For each example it is
  told what opto's optimizers are told: the input, the run (as text, in place of the graph), the output, and the
  remarks on the component that it changes. Numbers are carried as texts, and read by Python's `float`. Its own count of
  metric calls is checked against the evaluations that there were. "gepa" has the default strategies (Pareto selection,
  minibatches of 3, one component at a time); the other rows use its public options `use_merge`, `cache_evaluation` and
  `module_selector="all"`.
- The simulated model was tried on the prompts of both packages, and favours neither on purpose; it was written by the
  authors of opto. It does make use of what a request says of earlier values: gepa's requests say nothing of them,
  those of opto's optimizers do where they have a memory.
"""

ABOUT = {
    "numeric": "One number and a graph of 5 to 9 arithmetic operators, with another constant for each example. Told, "
    'for each example, "The output should be larger." or "smaller"; right within 2% of the span of outputs.',
    "function": "A function with three mistakes, six of them in turn; the examples are test cases, and every mistake "
    "shows in some cases of each part. Told what a call returned, and what it should return.",
    "text": "A message of two parameters, subject and body, each with seven requirements; each example checks four of "
    "them. Told one unmet requirement for each part at most.",
    "noisy": "The same message; to every score that an algorithm sees a normally distributed number is added (standard "
    "deviation 0.2, kept from 0 to 1), another one each time. The true score has none.",
    "two objectives": "The same message with a second objective, brevity: 1 where each part has at most so many words, "
    "else the share. The score is 0.7 times quality and 0.3 times brevity; algorithms for several objectives see both.",
}

HEADING = ["algorithm", "reached", "evaluations", "kept", "for good", "mean", "end", "calls", "tokens", "seconds"]

LIMITS = """\
- The simulated model rarely makes a value worse, and where an optimizer has a memory it heeds all that was ever said.
  So candidates seldom have to be found out, and algorithms that validate little, or nothing (`Minibatch`), look better
  than they would with a real model. Where scores are noisy, they do not keep what they reach.
- The problems are small: one or two parameters, 8 examples for validation. What pays with hundreds of examples, such as
  putting validation off or screening candidates, has little to save here.
- Algorithms that explore several candidates at a time (`Beam` and the family of `PrioritySearch`, which keeps on
  scoring them) are made for many evaluations, and for models that often fail; with {budget} they get few steps.
- Differences between algorithms of one system of less than their intervals say nothing."""

_FIGURES = ("until", "for good", "mean", "end", "calls", "tokens", "seconds")

Key = tuple[str, str, str, float]
"""System, algorithm, problem and competence."""


def with_reach(records: Sequence[Record], problems: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The records with `reached`, and `until`: the evaluations until the target, or the whole budget; and with `kept`
    and `for good`, the same for the target that is not left again.
    """
    found = []
    for each in records:
        about = problems[each["problem"]]
        first = reached(each["curve"], about["target"], about["budget"])
        since = kept(each["curve"], about["target"], about["budget"])
        places = range(1, about["budget"] + 1)
        found.append(
            {
                **each,
                "reached": first is not None,
                "until": about["budget"] if first is None else first,
                "kept": since is not None,
                "for good": about["budget"] if since is None else since,
                "mean": sum(at(each["curve"], place) for place in places) / len(places),
                "end": each["curve"][-1][1],
            }
        )
    return found


def page(
    records: Sequence[Record],
    failures: Mapping[Key, str],
    problems: Mapping[str, Any],
    sizes: Mapping[str, Any],
    *,
    picture: str | None,
    python: str,
) -> str:
    """The whole page.

    Args:
        records: as `with_reach` gives them.
        failures: why there are no records.
        problems: `target` and `budget` of each, by name.
        sizes: what the explanation names: numbers of examples, seeds.
        picture: where the curves are, as the page links to it.
        python: which Python, in words.
    """
    main = main_competence(records)
    parts = ["# Training algorithms side by side", LABEL, EXPLAINED.format(main=main, **sizes).rstrip()]
    parts.append(
        f"Written by `make bench-trainer` on Python {python}; the same seeds give the same counts, seconds differ."
    )
    parts += ["What the figures do not say:", LIMITS.format(**sizes)]
    if picture:
        parts.append(
            "The true score of the candidate that is believed best against evaluations, means over the seeds "
            "(simulation); the best algorithms have a colour, the best of each system also its 95% interval, the "
            "others are grey, and the target is dotted.\n\n"
            f"![Curves of the score against evaluations, one panel for each problem (simulation)]({picture})"
        )
    for problem, about in ABOUT.items():
        rows = _rows(problem, main, records, failures)
        if rows:
            target = problems[problem]["target"]
            parts += [f"## {problem.capitalize()} (simulation)", f"{about} Target: {target:g}.", table(HEADING, rows)]
    for competence in [*sorted({each["competence"] for each in records} - {main}), main]:
        some = [each for each in records if each["competence"] == competence]
        parts += [f"## In all, p {competence:g} (simulation)", *_summary(some), last_line(some)]
    return "\n\n".join(parts) + "\n"


def main_competence(records: Sequence[Record]) -> float:
    """The value of p that most of the page is about."""
    return max((float(each["competence"]) for each in records), key=lambda p: (p == MAIN, p), default=MAIN)


def _rows(problem: str, competence: float, records: Sequence[Record], failures: Mapping[Key, str]) -> list[list[str]]:
    groups = _grouped(records)
    keys = [key for key in dict.fromkeys([*groups, *failures]) if key[2:] == (problem, competence)]
    return [_cells(key, groups.get(key, []), failures.get(key, "")) for key in keys]


def _grouped(records: Sequence[Record]) -> dict[Key, list[Record]]:
    groups: dict[Key, list[Record]] = defaultdict(list)
    for each in records:
        groups[each["system"], each["algorithm"], each["problem"], each["competence"]].append(each)
    return groups


def _cells(key: Key, records: Sequence[Record], reason: str) -> list[str]:
    algorithm = key[1]
    if not records:
        return [algorithm, f"does not run: {reason}", *[""] * (len(HEADING) - 2)]
    shown = {name: str(_estimate(records, name)) for name in _FIGURES}
    counts = {name: f"{sum(each[name] for each in records)}/{len(records)}" for name in ("reached", "kept")}
    first, since, *others = shown.values()
    return [algorithm, counts["reached"], first, counts["kept"], since, *others]


def _estimate(records: Sequence[Record], figure: str) -> Estimate:
    return bootstrap([float(each[figure]) for each in records])


# ---- in all


def _by_algorithm(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for each in records:
        groups[each["system"], each["algorithm"]].append(each)
    most = max((len(group) for group in groups.values()), default=0)
    return {key: group for key, group in groups.items() if len(group) == most}  # those that ran on everything


def _summary(records: Sequence[Record]) -> list[str]:
    groups = _by_algorithm(records)
    if not groups:
        return []
    ranked = sorted(groups.items(), key=lambda item: _estimate(item[1], "for good").mean)
    problems = [name for name in ABOUT if any(each["problem"] == name for each in records)]
    rows = []
    for (_, algorithm), group in ranked:
        cells = [f"{sum(each['kept'] for each in group)}/{len(group)}"]
        cells += [str(_estimate(group, name)) for name in ("for good", "until")]
        cells += [f"{_on(group, name):.1f}" for name in problems]
        rows.append([algorithm, *cells])
    told = (
        "Evaluations until the target is reached for good, over all problems, the fewest first; until it is reached "
        "for the first time; and for good on each problem."
    )
    return [told, table(["algorithm", "kept", "for good", "first", *problems], rows)]


def _on(records: Sequence[Record], problem: str) -> float:
    return _estimate([each for each in records if each["problem"] == problem], "for good").mean


def best(records: Sequence[Record], own: bool) -> str | None:
    """The algorithm of opto, or of its peer, that needs the fewest evaluations for good over all that was measured; of
    opto's, if there are some that need fewer than its peer on each problem, one of these.
    """
    groups = {key[1]: each for key, each in _by_algorithm(records).items() if (key[0] == "opto") == own}
    eligible = (_everywhere(records) if own else []) or groups
    return min(eligible, key=lambda name: _estimate(groups[name], "for good").mean, default=None)


def last_line(records: Sequence[Record]) -> str:
    """The best algorithm of opto and of gepa, and those of opto that need fewer evaluations on each problem than any
    variant of gepa.
    """
    mine, theirs = best(records, True), best(records, False)
    if mine is None or theirs is None:
        return "In all: not compared, since one of the two systems did not run."
    groups = {key[1]: each for key, each in _by_algorithm(records).items()}
    said = []
    for name in ("for good", "until"):
        difference = bootstrap(paired(groups[mine], groups[theirs], name))
        verdict = "no clear difference"
        if difference.high < 0 or difference.low > 0:
            verdict = f"{'opto' if difference.high < 0 else 'gepa'} needs fewer"
        first, second = (_estimate(groups[each], name) for each in (mine, theirs))
        said.append(f"{first} against {second}, difference by run {difference}: {verdict}")
    return (
        f"In all (simulation), opto's best, {mine}, against gepa's best, {theirs}, evaluations to reach the target, "
        f"unreached counting as the whole budget. On each problem fewer than any variant of gepa: "
        f"{', '.join(_everywhere(records)) or 'none'}. For the first time: {said[1]}. For good: {said[0]}."
    )


def _everywhere(records: Sequence[Record]) -> list[str]:
    """The algorithms of opto that need fewer evaluations for good on each problem than any variant of its peer."""
    groups = _by_algorithm(records)
    problems = {each["problem"] for each in records}
    theirs = [group for key, group in groups.items() if key[0] != "opto"]
    fewest = {name: min((_on(group, name) for group in theirs), default=0.0) for name in problems}
    own = {key[1]: group for key, group in groups.items() if key[0] == "opto"}
    return [each for each, group in own.items() if all(_on(group, name) < fewest[name] for name in problems)]
