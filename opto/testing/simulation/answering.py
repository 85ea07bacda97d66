"""The answer to a request: good with a given probability, else bad in one of the ways real models show."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .edits import mutants
from .forms import Form, read_form, slipped
from .numbers import direction_of, improved_number, slope_of, verdict, weight_of
from .repair import cases_of, passed, repaired_code
from .request import Task, Variable, read_task, texts_of, value_of
from .texts import improved_text, satisfied

__all__ = ["BLUNDERS", "Answer", "answer"]


@dataclass(frozen=True)
class Answer:
    """A text, and whether it is good; where it is not, the `flaw` that it has."""

    text: str
    good: bool
    flaw: str = ""


def answer(
    messages: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    *,
    competence: float,
    seed: int,
    occurrence: int = 0,
) -> Answer:
    """What the simulated model says. The same arguments give the same answer.

    With probability `competence` the answer is good in value and form. Of the other ones the share `competence / 2`
    has a good value in a malformed answer; the rest is of no use.

    Args:
        messages: the request.
        options: its options; only `response_format` is understood, the others make it another request.
        competence: from 0 to 1.
        seed: for what is left to chance.
        occurrence: how many equal requests came before.
    """
    rng = random.Random(_key(messages, options, seed, occurrence))
    draw, slip = rng.random(), rng.random()
    form, task = read_form(messages, options), read_task(messages)
    if draw < competence:
        return Answer(_good(form, task, messages, rng), True)
    if slip < competence / 2:
        return Answer(*_slip(_good(form, task, messages, rng), form, rng))
    return _bad(form, task, rng)


def _key(messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any], seed: int, occurrence: int) -> int:
    said = [[str(each.get("role")), str(each.get("content"))] for each in messages]
    kept = {name: str(value) for name, value in options.items() if name not in ("timeout", "metadata", "occurrence")}
    text = json.dumps([said, kept, seed, occurrence], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _slip(text: str, form: Form, rng: random.Random) -> tuple[str, bool, str]:
    written, kind = slipped(text, form, rng)
    return written, False, kind


# ---- good answers


def _good(form: Form, task: Task, messages: Sequence[Mapping[str, Any]], rng: random.Random) -> str:
    if form.kind == "prose":
        return _criticism(task)
    if form.kind == "choice":
        return form.written({"": _best_proposal(task, messages, rng)}, "It does most of what the feedback demands.")
    suggestion = {each.name: _improved(each, task, rng) for each in task.variables}
    return form.written(suggestion, f"The feedback says: {_brief(task.feedback)} So the value has to change.")


def _improved(variable: Variable, task: Task, rng: random.Random) -> Any:
    if variable.is_code:
        return repaired_code(variable, task, rng)
    if variable.is_number:
        return improved_number(variable, task, rng)
    if variable.kind == "bool":
        return not value_of(variable.text)
    return improved_text(variable, task, rng)


def _brief(text: str) -> str:
    words = " ".join(text.replace("<", "").replace(">", "").split())
    return words if len(words) <= 200 else f"{words[:200]}..."


def _criticism(task: Task) -> str:
    """A textual gradient: what was said of the output, as far as it concerns this variable."""
    said = task.feedback.strip()
    numbers = [each for each in task.variables if each.is_number]
    way = verdict(said)
    if not numbers or not way:
        return f"This has to answer what was said of the output. {said}"
    slope = slope_of(numbers[0], task)
    wanted = "larger" if way * (1.0 if slope is None else slope) > 0 else "smaller"
    weight = "" if slope is None else f"; the result follows it {abs(slope) * weight_of(said):.3g} times"
    return f"To do what the feedback asks for, this value should be {wanted}{weight}."


def _best_proposal(task: Task, messages: Sequence[Mapping[str, Any]], rng: random.Random) -> int:
    """The number of the proposal whose values do most of what the feedback demands."""
    numbered = re.split(r"^(?:\w+ )?(\d+)[.:)][ \t]*$", texts_of(messages)[-1], flags=re.MULTILINE)
    ranked = []
    for number, text in zip(numbered[1::2], numbered[2::2], strict=True):
        ranked.append((sum(_rated(each, task, text, rng) for each in task.variables), -int(number)))
    return -max(ranked)[1] if ranked else 1


def _rated(variable: Variable, task: Task, proposal: str, rng: random.Random) -> float:
    """How good the value is that a proposal has for a variable; the worst where it has none."""
    quoted = re.search(rf'"{re.escape(variable.name)}"\s*:\s*("(?:[^"\\]|\\.)*"|[^,\n}}]+)', proposal)
    named = rf"<\w+>\s*{re.escape(variable.name)}\s*</\w+>\s*<(\w+)>\n?(.*?)\n?</\1>"
    tagged = re.search(named, proposal, re.DOTALL)
    if quoted is None and tagged is None:
        return float("-inf")
    text = tagged[2] if tagged else str(value_of(quoted[1])) if quoted else ""
    if variable.is_code:
        cases = cases_of(variable, task)
        return passed(text, cases) / max(1, len(cases))
    if variable.is_number:
        value = value_of(text)
        if not isinstance(value, (int, float)):
            return float("-inf")
        return -abs(value - improved_number(variable, task, rng))
    return satisfied(task, variable, text)


# ---- bad answers

BLUNDERS = ("wrong value", "unchanged", "prose only", "wrong key", "wrong type", "broken")
"""What is wrong with an answer that is of no use: a change for the worse, none, no value, another name, a value of
another type, and code that does not compile (for other values, an answer that ends in the middle of its first word)."""


def _bad(form: Form, task: Task, rng: random.Random) -> Answer:
    flaw = rng.choice(BLUNDERS)
    reasoning = "The present values look reasonable, with some room for improvement in clarity and robustness."
    if form.kind == "prose":
        return Answer(reasoning, False, "prose only")
    if form.kind == "choice":
        return Answer(form.written({"": rng.randrange(1, 6)}, reasoning), False, "wrong value")
    if flaw == "prose only" or not task.variables:
        return Answer(reasoning, False, "prose only")
    suggestion = {each.name: _spoiled(each, task, flaw, rng) for each in task.variables}
    if flaw == "wrong key":
        suggestion = {f"{name or 'value'}_new": value for name, value in suggestion.items()}
    text = form.written(suggestion, reasoning)
    if flaw == "broken" and not any(each.is_code for each in task.variables):
        return Answer(text[: rng.randrange(1, 12)], False, flaw)
    if rng.random() < 0.25:
        text, _ = slipped(text, form, rng)
    return Answer(text, False, flaw)


def _spoiled(variable: Variable, task: Task, flaw: str, rng: random.Random) -> Any:
    if flaw == "unchanged":
        return value_of(variable.text) if variable.is_number else variable.text
    if flaw == "wrong type":
        return {"value": None} if not variable.is_code else 42
    if variable.is_code:
        return _broken(variable.text, rng) if flaw == "broken" else _worse_code(variable, rng)
    if variable.is_number:
        return _worse_number(variable, task, rng)
    words = variable.text.split()
    rng.shuffle(words)
    return " ".join(words)


def _worse_code(variable: Variable, rng: random.Random) -> str:
    edits = mutants(variable.text)
    return rng.choice(edits) if edits else variable.text


def _broken(source: str, rng: random.Random) -> str:
    """Code as a hasty hand leaves it: a bracket or a colon is missing."""
    places = [match.start() for match in re.finditer(r"[:()]", source)]
    at = rng.choice(places) if places else 0
    return source[:at] + source[at + 1 :]


def _worse_number(variable: Variable, task: Task, rng: random.Random) -> float | int:
    """A step the wrong way, where the feedback says which is the right one; else any number."""
    present = value_of(variable.text)
    width = max(abs(float(present)), 1.0) * rng.uniform(0.1, 2.0)
    way = verdict(task.feedback) * (direction_of(variable, task) or 1) or rng.choice((-1, 1))
    wrong = float(present) - way * width
    return round(wrong) if isinstance(present, int) else float(f"{wrong:.6g}")
