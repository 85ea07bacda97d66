"""A message in two parts: each has requirements of which every example checks some. Also noisy, and with brevity."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from training_problem import Example, Parameter, TrainingProblem, Verdict, split

__all__ = ["message", "noisy", "two_objectives"]

_PARTS = ("subject", "body")
_SUBJECTS = ["News on what you wrote to us", "About the thing that you sent in", "An answer to the letter of last week"]
_BODIES = [
    "We got your letter and will look into it very soon",
    "Thanks for the call, our team is looking into the matter now",
    "The parcel is late and we are sorry for it, so it is on the way",
]
_SUBJECT_WORDS = ["order", "delivery", "refund", "invoice", "complaint", "renewal", "return label", "account"]
_BODY_WORDS = ["Friday", "receipt", "apology", "phone", "warranty", "office", "tracking number", "discount", "manager"]
_OPENINGS = {"subject": ["Re", "Update", "Notice"], "body": ["Dear customer", "Good morning", "Hello"]}
_ENDS = ["Regards", "Sincerely", "Goodbye"]
_CHECKED = 4
NOISE = 0.2


@dataclass(frozen=True)
class Requirement:
    """One thing that a part of the message must be."""

    part: str
    words: str
    holds: Callable[[str], bool]


def message(seed: int, *, sizes: tuple[int, int, int], budget: int) -> TrainingProblem:
    """A message of a subject and a body, each with seven requirements, one of them met,
    that only the words tell.

    An example checks four of them; its score is the share that is met. What is said is one unmet requirement of each
    part at most.
    """
    return _problem("text", seed, sizes, budget)


def noisy(seed: int, *, sizes: tuple[int, int, int], budget: int) -> TrainingProblem:
    """The same, but to each score that an algorithm sees a normally distributed number is added."""
    return _problem("noisy", seed, sizes, budget, noise=NOISE, target=0.9)


def two_objectives(seed: int, *, sizes: tuple[int, int, int], budget: int) -> TrainingProblem:
    """The same with a second objective: brevity, 1 for a message that is short enough, less for a longer one.

    What is said may also be that a part should have at most so many words, and leaves room for what it must say.
    """
    return _problem("two objectives", seed, sizes, budget, weights={"quality": 0.7, "brevity": 0.3}, target=0.9)


def _problem(
    kind: str,
    seed: int,
    sizes: tuple[int, int, int],
    budget: int,
    *,
    weights: dict[str, float] | None = None,
    noise: float = 0.0,
    target: float = 0.95,
) -> TrainingProblem:
    rng = random.Random(f"message training {seed}")
    starts = {"subject": rng.choice(_SUBJECTS), "body": rng.choice(_BODIES)}
    rules = [*_subject(rng), *_body(rng), *(_mention(part, max(starts[part].split(), key=len)) for part in _PARTS)]
    rooms = {part: _room(rules, part) for part in _PARTS} if weights else {}
    examples = _examples(rules, sum(sizes), rng)
    train, validation, held_out = split(examples, sizes)
    parameters = (
        Parameter("subject", "text", starts["subject"], "the subject line of a message to a customer"),
        Parameter("body", "text", starts["body"], "the body of a message to a customer"),
    )

    def compute(values: Any, example: Example) -> Any:
        return values["subject"] + "\n" + values["body"]

    def judge(output: Any, example: Example) -> Verdict:
        return _judge(str(output), example, rooms)

    return TrainingProblem(
        kind,
        seed,
        parameters,
        train,
        validation,
        held_out,
        compute,
        judge,
        target,
        budget,
        weights or {"score": 1.0},
        noise,
    )


def _subject(rng: random.Random) -> list[Requirement]:
    opening = rng.choice(_OPENINGS["subject"])
    return [
        *(_mention("subject", word) for word in rng.sample(_SUBJECT_WORDS, 4)),
        _opening("subject", opening),
        Requirement("subject", 'The subject should avoid "to".', lambda said: "to" not in said.lower().split()),
    ]


def _body(rng: random.Random) -> list[Requirement]:
    end = rng.choice(_ENDS)
    return [
        *(_mention("body", word) for word in rng.sample(_BODY_WORDS, 4)),
        _opening("body", rng.choice(_OPENINGS["body"])),
        Requirement(
            "body", f'The body should end with "{end}".', lambda said: said.lower().rstrip(" .!?").endswith(end.lower())
        ),
    ]


def _mention(part: str, word: str) -> Requirement:
    return Requirement(part, f'The {part} should mention "{word}".', lambda said: word.lower() in said.lower())


def _opening(part: str, opening: str) -> Requirement:
    return Requirement(
        part,
        f'The {part} should begin with "{opening}".',
        lambda said: said.lower().strip().startswith(opening.lower()),
    )


def _room(rules: Sequence[Requirement], part: str) -> int:
    """How many words are enough for what a part must say, and three more."""
    quoted = [rule.words.split('"')[1] for rule in rules if rule.part == part and "avoid" not in rule.words]
    return sum(len(each.split()) for each in quoted) + 3


def _examples(rules: Sequence[Requirement], count: int, rng: random.Random) -> list[Example]:
    """Examples that check the requirements about equally often, also in each run of a few examples."""
    waiting: list[Requirement] = []
    examples = []
    for number in range(count):
        checked: list[Requirement] = []
        while len(checked) < _CHECKED:
            if not any(each not in checked for each in waiting):
                fresh = [*rules]
                rng.shuffle(fresh)
                waiting += fresh
            place = next(at for at, each in enumerate(waiting) if each not in checked)
            checked.append(waiting.pop(place))
        about = f"request {number}"
        examples.append(Example(about, number, tuple(checked), about))
    return examples


def _judge(output: str, example: Example, rooms: dict[str, int]) -> Verdict:
    subject, _, body = output.partition("\n")
    said = {"subject": subject, "body": body}
    unmet = [rule for rule in example.wanted if not rule.holds(said[rule.part])]
    quality = 1 - len(unmet) / len(example.wanted)
    remarks = []
    for part in _PARTS:
        first = next((rule.words for rule in unmet if rule.part == part), None)
        if first:
            remarks.append((part, first))
    if not rooms:
        return Verdict({"score": quality}, tuple(remarks) or (("", "The message is fine."),))
    brevity = 1.0
    for part in _PARTS:
        words = len(said[part].split())
        brevity = min(brevity, rooms[part] / max(1, words))
        if words > rooms[part]:
            remarks.append((part, f"The {part} should have at most {rooms[part]} words."))
    return Verdict(
        {"quality": quality, "brevity": min(1.0, brevity)}, tuple(remarks) or (("", "The message is fine."),)
    )
