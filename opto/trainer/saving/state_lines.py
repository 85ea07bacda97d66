"""A growing file of states by number, of which so many bytes count."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.runs import codec
from opto.runs.own_lines import OwnLines

__all__ = ["StateLines"]

_KIND = "state"


class StateLines:
    """Keeps the last state of each of many things, writing only those that changed.

    Whoever saves `size` with a step finds the states as they were at that step, whatever was written after it.

    Args:
        path: the file; made if it is missing.

    Attributes:
        size: how many bytes count.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self.size = Path(path), 0

    def write(self, states: dict[int, Any]) -> None:
        """Append states by number."""
        if not states:
            return
        lines = OwnLines(self.path)
        try:
            lines.cut(self.size)  # what a killed step left there
            lines.append(b"".join(codec.dumps_line([number, state], kind=_KIND) for number, state in states.items()))
        finally:
            lines.close()
        self.size = lines.size

    def read(self, size: int) -> dict[int, Any]:
        """The last state of each number, as of when the file counted so many bytes.

        Raises:
            FileFormatError: the file is shorter, or damaged.
        """
        content = b""
        if size:
            with open(self.path, "rb") as file:
                content = file.read(size)
        if len(content) < size:
            raise FileFormatError(f"{self.path} is shorter than the state of the run says: it was cut or exchanged.")
        self.size = size
        return dict(codec.loads(each.decode(), kind=_KIND) for each in content.splitlines())
