"""Snapshots: whole old or whole new sets of parameters, never a mixture."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opto.optimizers import OptoPrime
from opto.trace import Module, bundle, node, snapshot
from opto.trace.snapshots import assign, kept


class Pair(Module):
    """Reads two parameters that are always set to the same number, with a pause between."""

    def __init__(self, pause: Any = None) -> None:
        self.first, self.second = node(0, trainable=True), node(0, trainable=True)
        self.pause = pause or (lambda: None)

    def forward(self) -> tuple[int, int]:
        first = self.first.data
        self.pause()
        return first, self.second.data


@bundle()
def both(a: int, b: int) -> tuple[int, int]:
    """Both."""
    return a, b


class Traced(Pair):
    """Reads them through operators and bundled functions."""

    def forward(self) -> Any:
        first = self.first + 0
        self.pause()
        return both(first, self.second)


class Waiting(Pair):
    """Awaits between the reads."""

    async def forward(self) -> tuple[int, int]:
        first = self.first.data
        await self.pause()
        return first, self.second.data


def _set(pair: Pair, value: int) -> None:
    OptoPrime(pair.parameters()).update({pair.first: value, pair.second: value})


def _joined(action: Any) -> None:
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


@pytest.mark.parametrize("kind", [Pair, Traced])
def test_a_forward_pass_sees_one_set(kind: type[Pair]) -> None:
    """An update by another thread in the middle of a forward pass is not seen in it, and is seen after it."""
    pair = kind()
    pair.pause = lambda: _joined(lambda: _set(pair, 1))
    output = pair()
    assert getattr(output, "data", output) == (0, 0)
    pair.pause = lambda: None
    output = pair()
    assert getattr(output, "data", output) == (1, 1)
    assert not kept


def test_an_awaited_forward_pass_sees_one_set() -> None:
    """So does a coroutine, whatever other tasks set while it waits."""
    pair = Waiting()

    async def main() -> list[tuple[int, int]]:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def pause() -> None:
            arrived.set()
            await go_on.wait()

        pair.pause = pause
        reading = asyncio.create_task(pair())
        await arrived.wait()
        _set(pair, 1)
        go_on.set()
        return [await reading, await pair()]

    assert asyncio.run(main()) == [(0, 0), (1, 1)]
    assert not kept


def test_what_a_block_sets_itself_is_seen_in_it() -> None:
    """A step inside a forward pass is seen by the rest of that pass."""
    pair = Pair()
    pair.pause = lambda: _set(pair, 5)
    with snapshot():
        assert pair() == (0, 5)
        pair.first._set(7)
        assert pair.first.data == 7


def test_own_writes_uncover_nobody_elses() -> None:
    """Setting or making a parameter in a block does not bring in what others set meanwhile."""
    x, y = node(0, trainable=True), node(0, trainable=True)
    with snapshot():
        _joined(lambda: assign([x, y], [1, 1]))
        node(3, trainable=True)
        x._set(5)
        _joined(lambda: assign([x, y], [2, 2]))
        assert (x.data, y.data) == (5, 0)
    assert (x.data, y.data) == (2, 2)


def test_snapshots_at_different_moments_see_different_values() -> None:
    """Each open snapshot has its own values, and nothing is kept when the last one closes."""
    x = node(0, trainable=True)
    old, newer = contextvars.copy_context(), contextvars.copy_context()
    first, second = snapshot(), snapshot()
    old.run(first.__enter__)
    _joined(lambda: x._set(1))
    newer.run(second.__enter__)
    _joined(lambda: x._set(2))
    _joined(lambda: x._set(3))
    assert (old.run(lambda: x.data), newer.run(lambda: x.data), x.data) == (0, 1, 3)
    old.run(first.__exit__, None, None, None)
    assert (newer.run(lambda: x.data), len(kept)) == (1, 1)
    newer.run(second.__exit__, None, None, None)
    assert not kept


def test_readers_and_writers_in_many_threads() -> None:
    """Sixteen threads read while two write: no reader ever sees a mixture."""
    pair, stop = Pair(), threading.Event()

    def write(start: int) -> None:
        for value in range(start, start + 400):
            _set(pair, value)

    def look() -> int:
        looks = 0
        while not stop.is_set() or not looks:
            first, second = pair()
            assert first == second
            state = list(pair.state_dict().values())
            assert state[0] == state[1]
            looks += 1
        return looks

    with ThreadPoolExecutor(18) as pool:
        readers = [pool.submit(look) for _ in range(16)]
        for writer in [pool.submit(write, start) for start in (0, 1000)]:
            writer.result()
        stop.set()
        assert all(reader.result() for reader in readers)
    assert not kept


def test_a_snapshot_holds_for_one_block() -> None:
    """Entering one twice is an error; one inside another does nothing."""
    x = node(0, trainable=True)
    again = snapshot()
    with again, snapshot():
        _joined(lambda: x._set(1))
        assert x.data == 0
        with pytest.raises(RuntimeError, match="one block"), again:
            pass
    assert x.data == 1


def test_a_context_that_outlives_its_snapshot_reads_present_values() -> None:
    """A thread that was started in a block and goes on after it reads what there is."""
    x = node(0, trainable=True)
    with snapshot():
        inside = contextvars.copy_context()
    x._set(1)
    assert inside.run(lambda: x.data) == 1


def test_copies_and_pickles_take_the_value_that_is_seen() -> None:
    """A parameter is copied and pickled as it is read."""
    x = node(0, trainable=True)
    with snapshot():
        _joined(lambda: assign([x], [1]))
        assert (copy.deepcopy(x).data, pickle.loads(pickle.dumps(x)).data) == (0, 0)
    assert (copy.deepcopy(x).data, pickle.loads(pickle.dumps(x)).data) == (1, 1)
