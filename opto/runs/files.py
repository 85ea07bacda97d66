"""Files that a reader finds old or new, never half written, and that others cannot read.

Everything that opto keeps goes through here. A process that is killed at any moment leaves the old file or the new
one; what it leaves beside it is a temporary file of another name, which no reader looks at and a later write removes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
import uuid
from pathlib import Path

from opto.errors import FileFormatError, RecordInUseError

__all__ = ["lock_for_writing", "make_folder", "open_appending", "read_file", "refuse_foreign_link", "write_atomic"]

_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\.tmp")
_SECONDS_LEFT_OVER = 60.0
"""A temporary file that nobody holds and that is older was left by a process that was killed."""


def write_atomic(
    path: str | os.PathLike[str], content: str | bytes, *, private: bool = True, replace: bool = True
) -> None:
    """Write `content` to `path` in one step, durably, readable by its owner alone unless told otherwise.

    The content goes to a temporary file in the same folder, is flushed to the disk, and then takes the place of what
    was at `path`; a crash at any moment leaves either the old file or the new one. Of several writers at once the last
    one wins. Missing folders are made. A symbolic link stays one: the file that it points to is replaced.

    Args:
        path: where to write.
        content: text, written as UTF-8 with its line ends kept, or bytes.
        private: keep others from reading the file and the folders that are made (modes 0600 and 0700 on POSIX);
            otherwise they get the user's usual permissions.
        replace: whether a file that is there is replaced.

    Raises:
        FileExistsError: there is a file, and `replace` is False.
        PermissionError: `path` is a link that somebody else has put into a folder that everybody may write to.
        OSError: it could not be written, or something that is no file stands in its place. The old file is as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    refuse_foreign_link(path)
    target = Path(os.path.realpath(path))
    if (there := _mode(target)) is not None and not stat.S_ISREG(there):
        raise _no_file(path, there)
    make_folder(target.parent, private=private)
    _sweep(target)
    try:
        _write(target, data, private=private, replace=replace)
    except FileNotFoundError:
        # Its temporary file was taken for one left over, because this process stood still for long.
        _write(target, data, private=private, replace=replace)
    _sync_folder(target.parent)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file. A pipe or device is refused, where reading might never end.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is a pipe, a socket or a device.
        OSError: it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise _no_file(path, mode)
        if not stat.S_ISREG(mode):
            raise FileFormatError(f"{os.fspath(path)} is a pipe or a device, and no file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def open_appending(path: str | os.PathLike[str]) -> int:
    """A descriptor to read a file and to append to it, which is made for its owner alone if it is missing.

    Raises:
        PermissionError: as in `write_atomic`.
        OSError: it cannot be opened, or is no file.
    """
    refuse_foreign_link(path)
    make_folder(Path(path).parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o600)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _no_file(path, mode)
    return descriptor


def lock_for_writing(descriptor: int, path: str | os.PathLike[str]) -> None:
    """Keep everybody else from writing until the file is closed. On Windows, which has no such lock, nobody checks.

    Raises:
        RecordInUseError: somebody else holds it.
    """
    try:
        _hold(descriptor)
    except BlockingIOError as error:
        raise RecordInUseError(
            f"{os.fspath(path)} is being written by another process, or by another part of this one: "
            "give each run a folder of its own, or wait until it ends"
        ) from error


def make_folder(folder: str | os.PathLike[str], *, private: bool = True) -> None:
    """Make a folder and those above it that are missing; one that is there stays as it is.

    Args:
        folder: its path.
        private: let nobody else enter those that are made.
    """
    missing = []
    place = Path(folder)
    while not place.is_dir():
        missing.append(place)
        if place.parent == place:
            break
        place = place.parent
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            each.mkdir(mode=0o700 if private else 0o777)
            _sync_folder(each.parent)
    if not Path(folder).is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(folder))


def refuse_foreign_link(path: str | os.PathLike[str]) -> None:
    """Refuse a link by which another user could lead the writing to a file of their choice.

    Raises:
        PermissionError: `path` is a symbolic link of another user in a folder that everybody may write to.
    """
    if os.name != "posix" or not os.path.islink(path):
        return
    folder = os.stat(os.path.dirname(os.path.abspath(path)))
    owner = os.lstat(path).st_uid
    if folder.st_mode & stat.S_IWOTH and owner not in (os.geteuid(), folder.st_uid):
        raise PermissionError(
            errno.EACCES,
            f"it is a symbolic link of another user (number {owner}) in a folder that everybody may write to: remove "
            "the link, or write elsewhere",
            os.fspath(path),
        )


def _write(target: Path, data: bytes, *, private: bool, replace: bool) -> None:
    temporary = target.with_name(f".{target.name[:32]}.{uuid.uuid4().hex}.tmp")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, 0o600 if private else 0o666)
    try:
        with open(descriptor, "wb") as file:
            with contextlib.suppress(OSError):  # a file system without locks
                _hold(descriptor)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
            if os.name == "posix":  # while it is held: elsewhere an open file cannot be moved
                _put(temporary, target, replace=replace)
        if os.name != "posix":
            _put(temporary, target, replace=replace)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _put(temporary: Path, target: Path, *, replace: bool) -> None:
    if replace:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(target)) from None
        os.replace(temporary, target)
        return
    os.unlink(temporary)


def _sweep(target: Path) -> None:
    """Remove what killed processes left of earlier writes to this file. It never keeps a write from being done."""
    start = f".{target.name[:32]}."
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if entry.name.startswith(start) and _LEFTOVER.fullmatch(entry.name, len(start) - 1):
                with contextlib.suppress(OSError):
                    _remove_left_over(entry.path)


def _remove_left_over(path: str) -> None:
    if time.time() - os.lstat(path).st_mtime < _SECONDS_LEFT_OVER * (1 if os.name == "posix" else 60):
        return
    flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    try:
        _hold(descriptor)  # an OSError where a process is still writing it
        os.unlink(path)
    finally:
        os.close(descriptor)


def _hold(descriptor: int) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _no_file(path: str | os.PathLike[str], mode: int) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    return OSError(errno.EINVAL, "a pipe or a device stands in the place of the file", os.fspath(path))


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
