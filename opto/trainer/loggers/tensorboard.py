"""Entries for TensorBoard."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from opto.errors import MissingExtraError
from opto.trainer.loggers.base import BaseLogger, pieces

__all__ = ["TensorboardLogger"]


class TensorboardLogger(BaseLogger):
    """Writes event files that TensorBoard shows: numbers as scalars, everything else as text.

        logger = TensorboardLogger("logs")       # then: tensorboard --logdir logs

    It needs the extra `tensorboard` (the package tensorboardX, no TensorFlow and no PyTorch).

    Args:
        log_dir: the folder for the event files.

    Raises:
        MissingExtraError: tensorboardX is not installed.
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs") -> None:
        try:
            import tensorboardX  # noqa: F401  # so that its absence is told of before a long run
        except ImportError as error:
            raise MissingExtraError("tensorboardX", "tensorboard", "TensorboardLogger") from error
        self.log_dir = os.fspath(log_dir)
        self._writer: Any = None
        self._lock = threading.Lock()

    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        """Write an entry."""
        with self._lock:
            if self._writer is None:
                from tensorboardX import SummaryWriter

                # Names have the second only: a file that is begun in the same one would take the place of another.
                self._writer = SummaryWriter(self.log_dir, filename_suffix=f".{time.time_ns()}.{os.getpid()}")
            for each, value in pieces(name, data):
                add = self._writer.add_text if isinstance(value, str) else self._writer.add_scalar
                add(each, value, step)

    def close(self) -> None:
        """Write out what is held, and close the file; the next entry begins another."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"log_dir": self.log_dir}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
