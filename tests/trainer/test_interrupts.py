"""Ctrl-C in a long run, with real signals to real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

from opto.trainer.interrupts import Interrupts
from tests.trainer.terminals import ROOT, Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

_HEAD = """
import os, queue, signal, sys, threading
from opto.trainer.interrupts import Interrupts

def say(text):
    os.write(1, f"{text}\\n".encode())

def compute():
    while True:
        pass
"""


class Child:
    """A program of its own that says what it does, line by line."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _HEAD + textwrap.dedent(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def said(self) -> str:
        """The next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """The exit code, and what else it wrote."""
        out, err = self._process.communicate()
        return self._process.returncode, out, err


@pytest.mark.parametrize(
    "wait",
    [
        "queue.Queue().get()",
        "queue.SimpleQueue().get()",
        "lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "threading.Event().wait()",
        "Future().result()",
        "__import__('asyncio').run(__import__('asyncio').Event().wait())",
        "compute()",
    ],
)
def test_the_second_one_interrupts_whatever_the_main_thread_does(wait: str) -> None:
    """The first one asks to end after the step, and the wait goes on; the second raises in the midst of it."""
    child = Child(
        f"""
        from concurrent.futures import Future
        # Python can miss a signal that comes just before a wait begins, until the next one comes.
        signal.signal(signal.SIGALRM, lambda *about: None)
        signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
        try:
            with Interrupts(note=say) as interrupts:
                say("ready")
                {wait}
        except KeyboardInterrupt:
            say(f"stopped {{interrupts.requested}}")
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """
    )
    assert child.said() == "ready"
    child.signal(signal.SIGINT)
    assert child.said() == "Ctrl-C: the step under way is finished and saved. Ctrl-C once more stops at once."
    child.signal(signal.SIGINT)
    assert child.end() == (0, "stopped True\nTrue\n", "")


def test_the_first_one_lets_the_step_end() -> None:
    """And the loop ends by itself; the person is told, on standard error if nothing else was said."""
    child = Child(
        """
        with Interrupts() as interrupts:
            steps = 0
            while not interrupts.requested:
                signal.raise_signal(signal.SIGINT)
                steps += 1
        sys.stdin.readline()
        say(steps)
        """
    )
    assert child._process.stderr is not None
    assert child._process.stderr.readline().startswith("Ctrl-C: the step under way is finished")
    assert child._process.stdin is not None
    child._process.stdin.write("\n")
    child._process.stdin.flush()
    assert child.end() == (0, "1\n", "")


def test_sigterm_is_a_first_one_and_never_a_second() -> None:
    """A cluster may send it more than once; a Ctrl-C after it stops at once."""
    child = Child(
        """
        try:
            with Interrupts(note=say) as interrupts:
                for _ in range(3):
                    signal.raise_signal(signal.SIGTERM)
                assert interrupts.requested
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            say("stopped")
        say(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
        sys.stdin.readline()
        """
    )
    lines = {child.said() for _ in range(3)}  # the note has a thread of its own
    note = "SIGTERM received: the step under way is finished and saved. Ctrl-C once more stops at once."
    assert lines == {note, "stopped", "True"}
    assert child.end() == (0, "", "")


def test_a_note_may_print_where_the_main_thread_prints() -> None:
    """The signal comes in the midst of a `print`, where a second one in the same thread would be an error."""
    child = Child(
        """
        class Stream:
            def __init__(self, stream):
                self.lock, self.stream = threading.Lock(), stream
            def write(self, text):
                with self.lock:     # not re-entrant, like the buffers of Python
                    if "step" in text:
                        signal.raise_signal(signal.SIGINT)
                    return self.stream.write(text)
            def flush(self):
                self.stream.flush()

        sys.stdout, told = Stream(sys.stdout), threading.Event()
        with Interrupts(note=lambda text: (print("noted", flush=True), told.set())):
            print("a step", flush=True)
            told.wait()
        """
    )
    code, out, err = child.end()
    assert (code, err) == (0, "")
    assert sorted(out.replace("\n", "")) == sorted("a stepnoted")  # two threads print, in any order


def test_blocks_nest() -> None:
    """What is requested in the inner one is requested of the outer one, and each sets back what it found."""
    before = signal.getsignal(signal.SIGINT)
    notes: list[str] = []
    with Interrupts(note=notes.append) as outer:
        with Interrupts(note=notes.append) as inner:
            assert not inner.requested
            signal.raise_signal(signal.SIGINT)
            assert inner.requested
            assert outer.requested
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        with Interrupts(note=notes.append) as later:
            assert later.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with outer:
        assert not outer.requested


def test_another_thread_gets_no_signals() -> None:
    """There the block changes nothing; it can be told to end all the same."""
    found: list[Any] = []

    def run() -> None:
        with Interrupts() as interrupts:
            found.extend([signal.getsignal(signal.SIGINT), interrupts.requested])
            interrupts.request()
            found.append(interrupts.requested)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT), False, True]


def test_an_ignored_signal_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `nohup` and shells that run a program in the background have it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_was_set_meanwhile_stays() -> None:
    """Only what it set itself is set back."""
    before = signal.getsignal(signal.SIGINT)
    try:
        with Interrupts():
            signal.signal(signal.SIGINT, signal.default_int_handler)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_note_is_a_function() -> None:
    """The argument is named."""
    with pytest.raises(TypeError, match="note must be a function"):
        Interrupts(note="stop")  # type: ignore[arg-type]


def test_ctrl_c_beside_a_live_display() -> None:
    """Typed into a terminal: the note stands above the display, the second one stops, and the terminal is as it was."""
    terminal = Terminal(
        """
import threading
from opto.trainer.interrupts import Interrupts
from opto.trainer.progress import Progress, Status
try:
    with Progress(total_steps=9) as progress, Interrupts(note=progress.note):
        progress.update(Status(step=3, event="waiting"))
        while not threading.Event().wait(0.05):
            pass
except KeyboardInterrupt:
    print("stopped", threading.active_count())
"""
    )
    terminal.until(lambda sent: "waiting" in sent)
    terminal.type("\x03")
    terminal.until(lambda sent: "once more" in sent)
    terminal.type("\x03")
    screen = terminal.end()
    assert terminal.code == 0
    assert screen[0].replace("^C", "") == (
        "Ctrl-C: the step under way is finished and saved. Ctrl-C once more stops at once."
    )
    assert screen[1].replace("^C", "").startswith("step 3/9 ━")
    assert screen[-1] == "stopped 1"
    assert b"\x1b[?25l" not in terminal.sent
