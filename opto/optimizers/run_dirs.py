"""The record that an optimizer keeps of its own steps, where one is asked for by `run_dir=`."""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from opto.runs import heard_by, listening

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opto.runs import Recorder

__all__ = ["RunDir"]

_NOTHING: AbstractContextManager[None] = nullcontext()


class RunDir:
    """Where an optimizer writes what happens in its steps: nowhere, a folder, or a recorder that others share.

    The folder is opened at the first step, and closed when the optimizer is forgotten or the program ends. A copy of
    the optimizer in this process writes to the same record; one that was sent to another process writes nothing.

    Args:
        where: a folder, a `Recorder`, or None.

    Attributes:
        where: the same.
    """

    def __init__(self, where: str | os.PathLike[str] | Recorder | None) -> None:
        if isinstance(where, (str, os.PathLike)):
            self.where: Any = os.fspath(where)
        elif where is None or callable(getattr(where, "on_event", None)):
            self.where = where
        else:
            raise TypeError(f"run_dir must be a folder, an opto.runs.Recorder or None, got {where!r}.")
        self._recorder: Any = None

    def listening(self) -> AbstractContextManager[Any]:
        """What happens in this block is written."""
        return _NOTHING if self.where is None else self._listening()

    @contextmanager
    def _listening(self) -> Generator[None, None, None]:
        recorder = self.recorder
        if heard_by(recorder):
            yield  # a step inside another one of the same record
            return
        with listening(recorder):
            yield

    @property
    def recorder(self) -> Recorder:
        """The recorder, opened if need be.

        Raises:
            RecordInUseError: somebody else is writing to the folder.
            FileFormatError: there is something else in its place.
        """
        if self._recorder is None:
            if isinstance(self.where, str):
                from opto.optimizers.records import opened

                self._recorder = opened(self.where)
                weakref.finalize(self, self._recorder.close)
            else:
                self._recorder = self.where
        return self._recorder  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> RunDir:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return RunDir, (None,)
