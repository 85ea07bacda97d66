"""The Python interpreters of this machine that opto supports.

Looks on PATH and where pyenv and uv keep theirs. Run as `python3 -m tools.interpreters`, it prints one line for each.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

SUPPORTED = [(3, minor) for minor in range(10, 15)]

_PROBE = (
    "import sys, sysconfig; print(sys.version_info[0], sys.version_info[1], sys.implementation.name, "
    "int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), sys.executable)"
)


class Interpreter(NamedTuple):
    """An interpreter that was started once and answered."""

    version: tuple[int, int]
    path: str

    @property
    def name(self) -> str:
        """Its version as people write it: `3.12`."""
        return ".".join(map(str, self.version))


def probe(command: str) -> Interpreter | None:
    """What `command` is, or None if it is not a working CPython of a supported version.

    It is asked for its own path, so that a shim, which may stand for another version elsewhere, is looked through.
    """
    try:
        answer = subprocess.run([command, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=True)
        major, minor, implementation, free_threaded, path = answer.stdout.strip().split(" ", 4)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    version = (int(major), int(minor))
    if version not in SUPPORTED or implementation != "cpython" or free_threaded == "1":
        return None
    return Interpreter(version, path)


def _candidates() -> Iterator[str]:
    names = ["python3", "python", *(f"python{major}.{minor}" for major, minor in SUPPORTED)]
    for name in names:
        found = shutil.which(name)
        if found:
            yield found
    homes = [
        os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions"),
        os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.expanduser("~/.local/share/uv/python"),
    ]
    for home in homes:
        for major, minor in SUPPORTED:
            yield from sorted(glob.glob(os.path.join(home, f"*{major}.{minor}*", "bin", "python3")), reverse=True)


def find() -> dict[tuple[int, int], Interpreter]:
    """One interpreter for each supported version found, oldest version first; the first on PATH wins."""
    found: dict[tuple[int, int], Interpreter] = {}
    for command in _candidates():
        interpreter = probe(command)
        if interpreter:
            found.setdefault(interpreter.version, interpreter)
    return dict(sorted(found.items()))


def preferred(minimum: tuple[int, int] = (3, 10)) -> Interpreter:
    """The plain `python3` if it is at least `minimum`, else the newest interpreter found.

    Raises:
        SystemExit: there is none.
    """
    plain = probe("python3")
    if plain and plain.version >= minimum:
        return plain
    found = find()
    if found:
        return found[max(found)]
    raise SystemExit(
        f"opto needs Python 3.10 to 3.14, and none was found on PATH or in pyenv; "
        f"python3 is {sys.version.split()[0]}. Install one, for example `python3.12`, and try again."
    )


if __name__ == "__main__":
    for each in find().values():
        print(each.name, each.path)
