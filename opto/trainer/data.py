"""The examples of a run, in splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opto.trainer.datasets import Dataset, as_dataset

__all__ = ["Data"]


@dataclass
class Data:
    """The examples of a run.

    Attributes:
        train: those that feedback is about.
        validate: those that candidates are compared on; None for the same.
        test: those that nothing but the final score is measured on; None for none.
    """

    train: Dataset
    validate: Dataset | None = None
    test: Dataset | None = None

    @classmethod
    def of(cls, train: Any, validate: Any = None, test: Any = None) -> Data:
        """The datasets of whatever holds examples, see `opto.trainer.as_dataset`."""
        sets = [None if each is None else as_dataset(each) for each in (train, validate, test)]
        for name, each in zip(("train_dataset", "validate_dataset", "test_dataset"), sets, strict=True):
            if each is not None and not len(each):
                raise ValueError(f"{name} must hold at least one example, got none.")
        if sets[0] is None:
            raise TypeError("train_dataset must hold examples, got None.")
        return cls(sets[0], sets[1], sets[2])

    def split(self, name: str) -> Dataset:
        """The examples of a split."""
        found: Dataset | None = getattr(self, name)
        if found is None:
            raise ValueError(f"there are no {name} examples.")
        return found
