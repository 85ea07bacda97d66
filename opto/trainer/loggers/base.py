"""What a logger is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from opto.trainer.objectives import number_of

__all__ = ["BaseLogger", "pieces"]

L = TypeVar("L", bound="BaseLogger")


class BaseLogger(ABC):
    """Takes in the numbers and texts of a run, as they come.

    A logger is one method, which may be called from several threads:

        class Kept(BaseLogger):
            '''Keeps everything in a list.'''

            def __init__(self):
                self.kept = []

            def log(self, name, data, step, **kwargs):
                self.kept.append((step, name, data))

        with Kept() as logger:
            logger.log("score", 0.5, step=1, color="green")

    Loggers pickle; what they write to is opened again where it is next needed.
    """

    @abstractmethod
    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        """Take in one entry.

        Args:
            name: what it is, such as "train/score".
            data: a number, a text, a dict of these, or anything else, whose text is logged. None is no value: some
                loggers say so, others leave it out.
            step: the step of the run that it belongs to.
            **kwargs: what only some loggers know, such as `color`.
        """

    def close(self) -> None:  # noqa: B027  # most have nothing to close
        """Write out what is still held. Logging again afterwards is allowed."""

    def __enter__(self: L) -> L:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def pieces(name: str, data: Any, *, none: str | None = None) -> Iterator[tuple[str, float | str]]:
    """The entry as numbers and texts by name; a dict gives one for each of its keys, as `name/key`.

    Args:
        name: of the entry.
        data: what is logged.
        none: what stands for None; None leaves it out.
    """
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from pieces(f"{name}/{key}", value, none=none)
        return
    number = number_of(data)
    if number is not None:
        yield name, number
    elif data is not None:
        from opto.trainer.guides.base import shown

        text = data if isinstance(data, str) else shown(data)
        yield name, text.encode("utf-8", "backslashreplace").decode("utf-8")
    elif none is not None:
        yield name, none
