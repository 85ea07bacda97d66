"""Minibatches: what a batch holds, where an epoch ends, and how a position is saved."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.runs import codec
from opto.trainer.loader import DataLoader

FIVE = {"inputs": [1, 2, 3, 4, 5], "infos": ["a", "b", "c", "d", "e"]}


def in_order(batch_size: int = 2, **options: Any) -> DataLoader:
    """A loader of five examples in their order."""
    return DataLoader(FIVE, batch_size=batch_size, randomize=False, **options)


def test_a_short_last_batch_is_filled_from_the_next_epoch() -> None:
    """Five examples by two give 12, 34, 51, and the pass ends."""
    assert list(in_order()) == [([1, 2], ["a", "b"]), ([3, 4], ["c", "d"]), ([5, 1], ["e", "a"])]


def test_after_the_end_an_epoch_begins_at_the_first_example() -> None:
    """`next` raises StopIteration once, and goes on with the first batch."""
    loader = in_order()
    for _ in range(3):
        next(loader)
    with pytest.raises(StopIteration):
        next(loader)
    assert next(loader)[0] == [1, 2]


def test_sampling_never_ends_and_goes_on_within_an_epoch() -> None:
    """After 51 comes 23, and the loader is never exhausted."""
    loader = in_order()
    batches = []
    for _ in range(6):
        batches.append(loader.sample()[0])
        assert loader._exhausted is False
    assert batches == [[1, 2], [3, 4], [5, 1], [2, 3], [4, 5], [1, 2]]


def test_sampling_after_the_last_batch_of_a_loop_goes_on() -> None:
    """`sample` does not raise where `next` would."""
    loader = in_order()
    for _ in range(3):
        next(loader)
    assert loader.sample()[0] == [2, 3]
    assert next(loader)[0] == [4, 5]


def test_a_new_epoch_can_be_started_by_hand() -> None:
    """`_start_new_epoch` goes back to the first example."""
    loader = in_order()
    loader.sample()
    loader._start_new_epoch()
    assert [inputs for inputs, _ in loader] == [[1, 2], [3, 4], [5, 1]]


def test_a_loop_left_after_the_last_batch_is_followed_by_a_whole_one() -> None:
    """No pass is empty."""
    loader = in_order()
    for number, _ in enumerate(loader, 1):
        if number == 3:
            break
    assert len(list(loader)) == 3


@given(size=st.integers(1, 12), batch_size=st.integers(1, 30), shuffle=st.booleans(), seed=st.integers(-5, 5))
def test_every_epoch_has_every_example(size: int, batch_size: int, shuffle: bool, seed: int) -> None:
    """All batches are full; the first `size` examples of a pass, whatever the order, are all of them."""
    loader = DataLoader({"inputs": range(size), "infos": range(size)}, batch_size, shuffle=shuffle, seed=seed)
    for epoch in (1, 2, 3):
        batches = list(loader)
        assert all(len(inputs) == batch_size and inputs == infos for inputs, infos in batches)
        seen = [each for inputs, _ in batches for each in inputs]
        assert sorted(seen[:size]) == list(range(size))
        assert len(batches) == len(loader)
        assert loader.n_epochs == epoch


@given(batch_size=st.integers(1, 9), before=st.integers(0, 20), sampled=st.booleans(), seed=st.integers(0, 3))
def test_a_saved_position_is_continued(batch_size: int, before: int, sampled: bool, seed: int) -> None:
    """A loader that loads a state, also through a file, gives what the first one gives next."""
    first = DataLoader(FIVE, batch_size, seed=seed)
    for _ in range(before):
        first.sample() if sampled else next(first, None)
    state = codec.loads(codec.dumps(first.state_dict()))
    second = DataLoader(FIVE, batch_size, seed=99)
    second.load_state_dict(state)
    assert [next(first, None) for _ in range(9)] == [next(second, None) for _ in range(9)]
    assert first.n_epochs == second.n_epochs


def test_a_seed_repeats_the_order() -> None:
    """Equal seeds give equal orders, which differ from epoch to epoch unless shuffle is False."""
    data = {"inputs": list(range(30)), "infos": list(range(30))}
    orders = [[list(DataLoader(data, 30, seed=seed)) for _ in range(2)] for seed in (1, 2)]
    assert orders[0][0] == orders[0][1] != orders[1][0]
    loader = DataLoader(data, 30, seed=1)
    assert list(loader) != list(loader)
    fixed = DataLoader(data, 30, seed=1, shuffle=False)
    assert list(fixed) == list(fixed) != [(data["inputs"], data["infos"])]


def test_what_fills_a_batch_begins_the_next_epoch() -> None:
    """With a random order too, the next epoch begins with the example that filled the batch."""
    loader = DataLoader(FIVE, 2, seed=3)
    *_, (filled, _) = loader
    assert next(loader)[0][0] == filled[1]


def test_replacement_repeats_examples_within_an_epoch() -> None:
    """An epoch drawn with replacement lacks some examples."""
    loader = DataLoader({"inputs": range(50), "infos": range(50)}, 50, replacement=True, seed=0)
    assert 20 < len(set(loader.sample()[0])) < 45


def test_pickles_leave_the_dataset_out() -> None:
    """An unpickled loader asks for its dataset, and goes on where it was."""
    loader = DataLoader(FIVE, 2, seed=5)
    loader.sample()
    bytes_ = pickle.dumps(loader)
    assert b"inputs" not in bytes_
    again = pickle.loads(bytes_)
    assert again.dataset is None
    with pytest.raises(ValueError, match="dataset is missing"):
        again.sample()
    with pytest.raises(ValueError, match="had 5 examples, and this has 1"):
        again.dataset = [1]
    again.dataset = FIVE
    assert again.sample() == loader.sample()


def test_copies_share_the_dataset_and_have_a_position_of_their_own() -> None:
    """A deep copy does not copy the examples."""
    loader = DataLoader(FIVE, 2, seed=5)
    twin = copy.deepcopy(loader)
    assert twin.dataset is loader.dataset
    first = twin.sample()
    assert loader.sample() == first


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be >= 1, got 0"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an int"),
        ({"batch_size": True}, TypeError, "batch_size must be an int"),
        ({"seed": "x"}, TypeError, "seed must be an int or None"),
        ({"dataset": {"inputs": [1], "infos": []}}, ValueError, "equal length"),
        ({"dataset": []}, ValueError, "at least one example"),
        ({"dataset": 5}, TypeError, "dataset must be"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """The message names the argument and the value."""
    with pytest.raises(error, match=message):
        DataLoader(**{"dataset": FIVE, **arguments})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 6}, "6 examples, and this one has 5"),
        ({"position": 5}, "position 5 of 5"),
        ({"position": -1}, "must hold numbers"),
        ({"exhausted": 1}, "must hold numbers"),
        ({"more": 1}, "must have"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], message: str) -> None:
    """Loading a damaged state raises, and leaves the position as it was."""
    loader = DataLoader(FIVE, 2, seed=1)
    before = loader.state_dict()
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict({**before, **change})
    with pytest.raises(TypeError, match="state_dict"):
        loader.load_state_dict([])  # type: ignore[arg-type]
    assert loader.state_dict() == before


def test_memory_stays_flat_over_many_batches() -> None:
    """Ten thousand batches of a large dataset leave nothing behind."""
    loader = DataLoader({"inputs": range(10_000), "infos": range(10_000)}, 8, seed=0)
    for _ in range(1300):
        loader.sample()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3000):
            loader.sample()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 700_000  # the order of the epoch under way, which was not counted before
