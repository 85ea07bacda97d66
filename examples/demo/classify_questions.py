"""The live part: what a very small local model is given to classify questions is found by trying it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.common.intervals import bootstrap, wilson
from examples.demo.display import Display
from examples.demo.question_types import (
    INSTRUCTIONS,
    ROUNDS,
    SETS,
    QuestionTypes,
    demonstrations_search,
    drawn,
    instruction_search,
    measured,
    questions,
    scores,
)
from opto.llm.local import LocalModel
from opto.trace import GRAPH, TraceGraph
from opto.trace.utils import sum_feedback

__all__ = ["run"]

_SEED = 3


def run(display: Display, answering: Callable[[str], Any], *, seeds: int = 1) -> TraceGraph:
    """Find demonstrations and an instruction; returns the graph of the last call.

    Args:
        display: where to show it.
        answering: not asked: this part's model is the local one.
        seeds: how often the search is done, with other draws each time; the first is shown step by step.
    """
    del answering
    GRAPH.clear()
    with LocalModel() as local:
        display.say(
            f"The model is {local.name}, on this machine: live, no key, no recording. It does not optimize:\n"
            "FewShot and Select choose the demonstrations and the instruction it is given, by trying them.\n"
        )
        program = QuestionTypes(local)
        before = _accuracy(display, program, {}, "before")
        by_chance = _accuracy(display, program, {program.demos: drawn(_SEED)}, "with demonstrations drawn at random")
        _find_demonstrations(display, program)
        select = _choose_instruction(display, program)
        after = _accuracy(display, program, {}, "after")
        _gain(display, program, before, by_chance, after)
        if seeds > 1:
            _over_seeds(display, local, seeds, by_chance, after)
        text, label = questions("held_out")[0]
        output = program(text)
        select.backward(output, float(output.data == label))
        return sum_feedback(select.parameters)


def _find_demonstrations(display: Display, program: Any) -> None:
    few_shot = demonstrations_search(program, _SEED)
    with display.progress(f"FewShot: {SETS} sets of demonstrations compete", 4) as bar:
        few_shot.score = _advancing(few_shot.score, bar, SETS + 1)
        few_shot.search()
    display.say(f"FewShot: {len(program.demos.data)} demonstrations, after {few_shot.spent} answers:")
    for text, label in program.demos.data:
        display.say(f"  {text} [bold]{label}[/bold]")


def _choose_instruction(display: Display, program: Any) -> Any:
    select = instruction_search(program, _SEED)
    with display.progress(f"Select: {len(INSTRUCTIONS)} instructions", ROUNDS) as bar:
        for _ in range(ROUNDS):
            select.step()
            bar.advance()
    kept = program.instruction.data
    display.say(f"Select: {kept or 'stays without an instruction, because none was clearly better'}")
    for each in select.estimates():
        right, count = round((each["score"] or 0.0) * each["count"]), each["count"]
        display.say(f"  {right} of {count} different questions right  {each['values']['instruction0'] or '(none)'}")
    return select


def _gain(display: Display, program: Any, before: list[float], by_chance: list[float], after: list[float]) -> None:
    display.gain(
        f"held-out accuracy of {program.local.name}, {len(after)} questions, 95% interval",
        _shown(before),
        _shown(after),
    )
    display.say(
        f"As many demonstrations drawn at random gave {mean(by_chance):.2f}: one draw each, so the difference of "
        f"{mean(after) - mean(by_chance):+.2f} may be chance. ARGS='--seeds 5' repeats it.\n"
    )


def _over_seeds(display: Display, local: LocalModel, seeds: int, by_chance: list[float], after: list[float]) -> None:
    pairs = [(mean(by_chance), mean(after))]
    with display.progress(f"{seeds - 1} more seeds", seeds - 1) as bar:
        for seed in range(_SEED + 1, _SEED + seeds):
            outcome = measured(local, seed)
            pairs.append((mean(outcome.drawn), mean(outcome.chosen)))
            bar.advance()
    for number, (chance, found) in enumerate(pairs):
        display.say(f"  seed {_SEED + number}: drawn at random {chance:.2f}, found {found:.2f}")
    estimates = [bootstrap(values) for values in ([a for a, _ in pairs], [b for _, b in pairs])]
    gain = bootstrap([found - chance for chance, found in pairs])
    display.gain(
        f"held-out accuracy, drawn at random and found, mean of {seeds} seeds, 95% interval",
        *(f"{each.mean:.2f} ({each.low:.2f} to {each.high:.2f})" for each in estimates),
    )
    display.say(f"difference, seed by seed: {gain.mean:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})\n")


def _accuracy(display: Display, program: Any, values: Mapping[Any, Any], what: str) -> list[float]:
    """The scores on the held-out questions, which are also shown."""
    items = questions("held_out")
    found = []
    with display.progress(f"held-out questions, {what}", len(items)) as bar:
        for item in items:
            found += scores(program, values, [item])
            bar.advance()
    display.say(f"{what}: held-out accuracy {_shown(found)}")
    return found


def _advancing(score: Any, bar: Any, entrants: int) -> Callable[..., list[float]]:
    """The score, with a quarter of the bar for each `entrants` evaluations."""
    done = 0

    def scored(values: Mapping[Any, Any], items: Sequence[Any]) -> list[float]:
        nonlocal done
        done += 1
        if done % (entrants // 3) == 0:
            bar.advance()
        result: list[float] = score(values, items)
        return result

    return scored


def _shown(found: Sequence[float]) -> str:
    low, high = wilson(round(sum(found)), len(found))
    return f"{mean(found):.2f} ({low:.2f} to {high:.2f})"
