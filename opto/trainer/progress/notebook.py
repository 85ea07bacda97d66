"""One output of a notebook's cell that changes in place."""

from __future__ import annotations

import html
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from opto.trainer.progress.painting import Painter
from opto.trainer.progress.words import View, joined, lines

__all__ = ["Notebook", "in_notebook"]

_BETWEEN = 0.5
_WIDTH = 100
_NOTES = 8


class Notebook(Painter):
    """Shows the same lines as a terminal, and the last few notes above them, in one output.

    Args:
        view: gives what to show.
    """

    def __init__(self, view: Callable[[], View]) -> None:
        super().__init__(view, _BETWEEN)
        self._handle: Any = None
        self._last: deque[str] = deque(maxlen=_NOTES)

    def _open(self) -> None:
        from IPython import display

        show: Any = display.display  # has no types where it is installed
        self._handle = show(self._bundle(), raw=True, display_id=True)

    def _draw(self) -> None:
        self._last.extend(self._notes.popleft() for _ in range(len(self._notes)))
        if self._handle is not None:
            self._handle.update(self._bundle(), raw=True)

    def _close(self) -> None:
        """Nothing to do."""

    def _let_go(self) -> None:
        """Nothing to do."""

    def _bundle(self) -> dict[str, str]:
        text = "\n".join([*self._last, *map(joined, lines(self._view(), _WIDTH))])
        return {"text/plain": text, "text/html": f"<pre>{html.escape(text)}</pre>"}


def in_notebook() -> bool:
    """Whether this program runs in the kernel of a notebook."""
    interactive = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return getattr(interactive() if interactive is not None else None, "kernel", None) is not None
