"""Drafts of a prompt, each with less in it than the one before: for prompts that are put together from a few parts.

The parts give way one after the other, in a given order, each by halves; whatever is missing is said in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from opto.optimizers.forms import PromptForm
    from opto.optimizers.problem import Facts

__all__ = ["LEAST", "narrowed", "values_within"]

T = TypeVar("T")

LEAST = 24
"""A text is never cut to fewer characters than this."""


def narrowed(write: Callable[[dict[str, int]], T], *steps: tuple[str, int, int]) -> Iterator[T]:
    """Drafts from the fullest to the least.

    Args:
        write: makes a draft from a limit for each part.
        steps: the parts in the order in which they give way: the name, the limit it starts from, and the least. The
            same part may come twice, to go on from where it stopped.
    """
    limits: dict[str, int] = {}
    for name, start, _ in steps:
        limits.setdefault(name, start)
    yield write(dict(limits))
    for name, _, least in steps:
        while limits[name] > least:
            limits[name] = max(limits[name] // 2, least)
            yield write(dict(limits))


def values_within(form: PromptForm, facts: Facts, section: str, limit: int) -> str:
    """The text of the values of a section, each in about `limit` characters, and what is said of it in as many."""
    return form.separator.join(form.written(facts, section, limit))
