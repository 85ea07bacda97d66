"""Programs that run in a pseudo-terminal, and what a person sees in it."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


_BEGIN = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # so that Ctrl-C is a signal


class Terminal:
    """A pseudo-terminal with a program in it.

    Attributes:
        sent: all that the program wrote so far.
        code: what the program exited with; minus the number of the signal that ended it.
    """

    def __init__(self, program: str, *, columns: int = 100, lines: int = 30, **environment: str) -> None:
        import fcntl
        import pty
        import termios

        self.columns, self.lines = columns, lines
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "COLUMNS", "LINES")}
        surroundings = {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environment}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _BEGIN + program],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**kept, **surroundings},
            start_new_session=True,
        )
        os.close(slave)
        self.sent = b""
        self.code: int | None = None

    def read(self) -> bool:
        """Take in what comes next; False once the program has ended."""
        try:
            data = os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # what Linux says at the end
                raise
            data = b""
        self.sent += data
        return bool(data)

    def until(self, seen: Callable[[str], Any]) -> None:
        """Read until the text that was sent fulfils a condition."""
        while not seen(self.sent.decode("utf-8", "replace")):
            assert self.read(), f"the program ended: {self.sent.decode('utf-8', 'replace')}"

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._master, text.encode())

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def end(self) -> list[str]:
        """Read to the end; returns what is on the screen then."""
        while self.read():
            pass
        self.code = self._process.wait()
        os.close(self._master)
        return self.screen()

    def screen(self) -> list[str]:
        """What is on the screen now, without empty lines at its end."""
        import pyte

        screen = pyte.Screen(self.columns, self.lines)
        pyte.ByteStream(screen).feed(self.sent)
        shown = [line.rstrip() for line in screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown


def shown(program: str, **options: Any) -> list[str]:
    """What is on the screen when a program has ended."""
    terminal = Terminal(program, **options)
    screen = terminal.end()
    assert terminal.code == 0, "\n".join(screen)
    return screen
