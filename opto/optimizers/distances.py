"""How near each value of a problem lies to its outputs and its variables: what is far is left out first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from opto.optimizers.folding import Item, results

if TYPE_CHECKING:
    from opto.optimizers.problem import Call, FunctionFeedback

__all__ = ["by_distance", "distances"]

T = TypeVar("T")
_UNREACHED = 1 << 30


def distances(summary: FunctionFeedback, calls: Sequence[Call], items: Sequence[Item]) -> dict[str, int]:
    """The distance of every name: calls to the nearest output or variable, and turns to the nearer end of its loop.

    The turns count double, so that of a long loop the first and the last values come first. One pass over the calls
    for each direction.
    """
    arguments = {call.result: call.inputs for call in calls}
    users: dict[str, list[str]] = {}
    for result, names in arguments.items():
        for name in names:
            users.setdefault(name, []).append(result)
    near = _reached(summary.output, arguments)
    for name, distance in _reached(summary.variables, users).items():
        near[name] = min(distance, near.get(name, _UNREACHED))
    inward = {name: turns for item in items for name, turns in results(item)}
    for name, turns in inward.items():
        near[name] = near.get(name, _UNREACHED) + 2 * turns
    for name, using in users.items():
        if name not in inward:  # an input is as far as the nearest call that reads it
            near[name] = min(near[result] for result in using)
    return near


def by_distance(keys: Iterable[T], near: Mapping[T, int]) -> list[T]:
    """The keys, nearest first; those at one distance stay in order. Linear, where distances are as many as keys."""
    buckets: dict[int, list[T]] = {}
    for key in keys:
        buckets.setdefault(near.get(key, _UNREACHED), []).append(key)
    return [key for distance in sorted(buckets) for key in buckets[distance]]


def _reached(starts: Iterable[str], neighbours: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The distance of all that can be reached, in steps from the nearest start."""
    found = dict.fromkeys(starts, 0)
    front = list(found)
    distance = 0
    while front:
        distance += 1
        following = []
        for name in front:
            for neighbour in neighbours.get(name, ()):
                if neighbour not in found:
                    found[neighbour] = distance
                    following.append(neighbour)
        front = following
    return found
