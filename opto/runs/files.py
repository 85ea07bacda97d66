"""Writing a file so that a reader finds the old content or the new, never half of either."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

__all__ = ["write_atomic"]


def write_atomic(path: str | os.PathLike[str], content: str | bytes, *, private: bool = True) -> None:
    """Write `content` to `path` in one step, durably, readable by its owner alone unless told otherwise.

    The content goes to a temporary file in the same folder, is flushed to the disk, and then takes the place of what
    was at `path`; a crash at any moment leaves either the old file or the new one. Missing folders are made. A symbolic
    link stays one: the file that it points to is replaced.

    Args:
        path: where to write.
        content: text, written as UTF-8 with its line ends kept, or bytes.
        private: keep others from reading the file (mode 0600 on POSIX); otherwise it gets the user's usual permissions.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name[:32]}.{uuid.uuid4().hex}.tmp")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o600 if private else 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system can: Windows opens no folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to sync a folder; the file itself is already safe there.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
