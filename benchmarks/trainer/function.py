"""A function with several mistakes, and test cases as examples."""

from __future__ import annotations

import random
from typing import Any

from broken import BROKEN, Broken
from training_problem import Example, Parameter, TrainingProblem, Verdict, compiled

__all__ = ["function"]


def function(seed: int, *, sizes: tuple[int, int, int], budget: int) -> TrainingProblem:
    """A function with two or three mistakes, each of which shows in some cases. The score of a case is 1 or 0."""
    broken = BROKEN[seed % len(BROKEN)]
    rng = random.Random(f"function training {seed}")
    right = compiled(broken.right, broken.name)
    train, validation, held_out = (
        tuple(_example(broken.name, arguments, right(*arguments)) for arguments in part)
        for part in _parts(broken, sizes, rng)
    )

    def compute(values: Any, example: Example) -> Any:
        return values[broken.name](*example.query)

    parameter = Parameter(broken.name, "code", broken.source, broken.about)
    return TrainingProblem("function", seed, (parameter,), train, validation, held_out, compute, _judge, 0.9, budget)


def _example(name: str, arguments: tuple[Any, ...], expected: Any) -> Example:
    call = f"{name}({', '.join(map(repr, arguments))})"
    return Example(call, arguments, (call, expected), call)


def _judge(output: Any, example: Example) -> Verdict:
    call, expected = example.wanted
    if type(output) is type(expected) and output == expected:
        return Verdict({"score": 1.0}, (("", f"{call} should return {expected!r}, and it does."),))
    return Verdict({"score": 0.0}, (("", f"{call} returned {output!r}, but it should return {expected!r}."),))


def _parts(broken: Broken, sizes: tuple[int, int, int], rng: random.Random) -> list[list[tuple[Any, ...]]]:
    """Arguments for each part: none twice, and every mistake shows in each part, in at least two cases if it can."""
    every = [*broken.arguments]
    rng.shuffle(every)
    right = compiled(broken.right, broken.name)
    showing = []
    for source in broken.single:
        wrong = compiled(source, broken.name)
        showing.append([each for each in every if _shown(wrong, each) != _shown(right, each)])
    parts: list[list[tuple[Any, ...]]] = [[] for _ in sizes]
    used: set[Any] = set()

    def give(part: list[tuple[Any, ...]], arguments: tuple[Any, ...]) -> None:
        part.append(arguments)
        used.add(repr(arguments))

    for cases in showing:
        for at, size in enumerate(sizes):
            share = min(max(2, size // 4), len(cases) // len(sizes))
            free = [each for each in cases if repr(each) not in used]
            for arguments in free[:share]:
                give(parts[at], arguments)
    for part, size in zip(parts, sizes, strict=True):
        for arguments in every:
            if len(part) >= size:
                break
            if repr(arguments) not in used:
                give(part, arguments)
        rng.shuffle(part)
    return parts


def _shown(function: Any, arguments: tuple[Any, ...]) -> str:
    try:
        return repr(function(*arguments))
    except Exception as error:  # mistakes may raise
        return type(error).__name__
