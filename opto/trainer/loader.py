"""Minibatches of a dataset, in an order that a seed repeats and that a saved position continues."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

from opto.trainer.datasets import Dataset, as_dataset

__all__ = ["DataLoader"]

_STATE = frozenset({"seed", "epoch", "position", "exhausted", "n_epochs", "size"})


class DataLoader:
    """Minibatches `(inputs, infos)`, two lists of exactly `batch_size`.

        loader = DataLoader({"inputs": [1, 2, 3, 4, 5], "infos": "abcde"}, batch_size=2, randomize=False)
        [inputs for inputs, _ in loader]        # [[1, 2], [3, 4], [5, 1]]

    One pass over a loader is an epoch: every example once. A last batch that would be short is filled with the first
    examples of the next epoch, which begins with them all the same. A loop that is left early is continued by the next
    one. `sample()` gives one batch after the other without end; there, the examples that fill a batch are not repeated.

    The order of an epoch depends on the seed and on its number alone. So `state_dict()` is a few numbers, and a loader
    with the same dataset that loads it goes on where the first one was. Pickles leave the dataset out: set `dataset`
    before the loader is used again. A loader belongs to one thread.

    Args:
        dataset: `{"inputs": [...], "infos": [...]}` of equal length, or whatever `as_dataset` takes.
        batch_size: how many examples a batch has.
        randomize: whether the order is random; otherwise it is that of the dataset.
        replacement: whether examples are drawn with replacement, so that an epoch may have one twice and another never.
        shuffle: whether a random order is drawn anew for each epoch; otherwise all epochs have that of the first.
        seed: makes the order repeatable; None takes a new one, which `seed` then holds.

    Attributes:
        n_epochs: how many epochs were gone through.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: an empty dataset, inputs and infos of different length, or a `batch_size` below 1.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        randomize: bool = True,
        replacement: bool = False,
        shuffle: bool = True,
        *,
        seed: int | None = None,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int):
            raise TypeError(f"batch_size must be an int, got {batch_size!r}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size}.")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise TypeError(f"seed must be an int or None, got {seed!r}.")
        self.batch_size = batch_size
        self.randomize, self.replacement, self.shuffle = bool(randomize), bool(replacement), bool(shuffle)
        self.seed = random.SystemRandom().randrange(2**31) if seed is None else seed
        self.n_epochs = 0
        self._epoch, self._position, self._exhausted = 0, 0, False
        self._size: int | None = None
        self._order: list[int] | range | None = None
        self._dataset: Dataset | None = None
        self.dataset = dataset

    @property
    def dataset(self) -> Dataset | None:
        """The examples; None in a loader that was unpickled, until they are set."""
        return self._dataset

    @dataset.setter
    def dataset(self, dataset: Any) -> None:
        examples = as_dataset(dataset)
        if not len(examples):
            raise ValueError("dataset must hold at least one example, got none.")
        if self._size is not None and self._size != len(examples):
            raise ValueError(
                f"dataset must be the one that this loader was made for: it had {self._size:,} examples, "
                f"and this has {len(examples):,}. Make a new DataLoader for another dataset."
            )
        self._dataset, self._size = examples, len(examples)

    def __iter__(self) -> DataLoader:
        """The loader itself: an epoch that was begun is continued."""
        if self._exhausted:  # a loop was left after its last batch
            self._start_new_epoch()
        return self

    def __next__(self) -> tuple[list[Any], list[Any]]:
        """The next batch of this epoch.

        Raises:
            StopIteration: the epoch is over; once, then the next one begins.
        """
        if self._exhausted:
            self._start_new_epoch()
            raise StopIteration
        before = self.n_epochs
        batch = self.sample()
        if self.n_epochs > before:
            self.n_epochs = before + 1  # what fills the batch comes again, and is no part of an epoch gone through
            self._exhausted = True
        return batch

    def sample(self) -> tuple[list[Any], list[Any]]:
        """The next batch; one epoch goes over into the next."""
        examples = self._loaded()
        self._exhausted = False
        places: list[int] = []
        while len(places) < self.batch_size:
            order = self._current_order()
            taken = order[self._position : self._position + self.batch_size - len(places)]
            places.extend(taken)
            self._position += len(taken)
            if self._position >= len(order):
                self.n_epochs += 1
                self._epoch, self._position, self._order = self._epoch + 1, 0, None
        pairs = [examples[place] for place in places]
        return [given for given, _ in pairs], [info for _, info in pairs]

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return (len(self._loaded()) + self.batch_size - 1) // self.batch_size

    def state_dict(self) -> dict[str, Any]:
        """The position, as a few numbers."""
        return {
            "seed": self.seed,
            "epoch": self._epoch,
            "position": self._position,
            "exhausted": self._exhausted,
            "n_epochs": self.n_epochs,
            "size": self._size,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the loader was that gave this state; the options stay those of this loader.

        Raises:
            TypeError: `state_dict` is no mapping.
            ValueError: it is not one of a loader, or of one over a dataset of another size. Nothing is changed then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be what state_dict() gave, got {state_dict!r}.")
        if state_dict.keys() != _STATE:
            raise ValueError(f"state_dict must have {', '.join(sorted(_STATE))}; it has {', '.join(state_dict)}.")
        numbers = {name: state_dict[name] for name in sorted(_STATE - {"exhausted"})}
        wrong = [name for name, number in numbers.items() if type(number) is not int or (number < 0 and name != "seed")]
        if wrong or type(state_dict["exhausted"]) is not bool:
            raise ValueError(f"state_dict must hold numbers, got {dict(state_dict)!r}.")
        if numbers["size"] != self._size:
            raise ValueError(
                f"state_dict is of a dataset of {numbers['size']:,} examples, and this one has {self._size:,}."
            )
        if numbers["position"] >= numbers["size"]:
            raise ValueError(f"state_dict has position {numbers['position']} of {numbers['size']} examples.")
        self.seed, self.n_epochs = numbers["seed"], numbers["n_epochs"]
        self._epoch, self._position, self._exhausted = numbers["epoch"], numbers["position"], state_dict["exhausted"]
        self._order = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_dataset": None, "_order": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> DataLoader:
        twin = copy.copy(self)
        memo[id(self)] = twin
        return twin

    def __copy__(self) -> DataLoader:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))  # the dataset is shared: nobody changes it
        return twin

    def _start_new_epoch(self) -> None:
        """Begin the next epoch at its first example, also where one is under way."""
        if self._position and not self._exhausted:
            self._epoch, self._order = self._epoch + 1, None
        self._position, self._exhausted = 0, False

    def _current_order(self) -> list[int] | range:
        if self._order is None:
            self._order = self._drawn_order()
        return self._order

    def _drawn_order(self) -> list[int] | range:
        size = len(self._loaded())
        if not self.randomize:
            return range(size)
        drawn = random.Random(f"{self.seed}/{self._epoch if self.shuffle else 0}")
        if self.replacement:
            return drawn.choices(range(size), k=size)
        order = list(range(size))
        drawn.shuffle(order)
        return order

    def _loaded(self) -> Dataset:
        if self._dataset is None:
            raise ValueError("dataset is missing: pickles leave it out. Set it first: loader.dataset = ...")
        return self._dataset

    def __repr__(self) -> str:
        size = "no" if self._dataset is None else f"{len(self._dataset):,}"
        return f"<DataLoader of {size} examples by {self.batch_size}, epoch {self._epoch}, at {self._position}>"
