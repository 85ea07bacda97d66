"""The live display, in a real pseudo-terminal whose screen is emulated."""

from __future__ import annotations

import re
import sys

import pytest

from tests.trainer.terminals import Terminal, shown

pytest.importorskip("pyte")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of POSIX")

_HEAD = """
import logging, os, signal, sys, threading
logging.basicConfig(level=logging.INFO, format="%(message)s")
from opto.trainer.loggers import ConsoleLogger
from opto.trainer.progress import Progress, Status

earlier = ConsoleLogger(stream=sys.stdout)      # took hold of the stream before
"""


def test_others_print_above_it() -> None:
    """What loggers, `print`, `logging` and notes write is whole, in order, once, and above the lines."""
    program = """
with Progress(total_steps=40) as progress:
    for step in range(40):
        progress.update(Status(step=step, best=step / 100, event=f"candidate {step}"))
        earlier.log("a", step, step, color="red")
        ConsoleLogger().log("b", step, step)
        logging.info("c %d", step)
        print("d", end=" ")
        print(step)
        progress._display._draw()
    progress.note("a note")
    progress.update(Status(step=40, event="done"))
print("after", "write" in vars(sys.stdout), "write" in vars(sys.stderr), threading.active_count())
"""
    screen = shown(_HEAD + program, lines=200)
    expected = [
        line
        for step in range(40)
        for line in (f"[step {step}] a: {step}", f"[step {step}] b: {step}", f"c {step}", f"d {step}")
    ]
    assert screen[:160] == expected
    assert screen[160] == "a note"
    assert re.fullmatch(r"step 40/40 ━{40} 100%  0:0\d", screen[161])
    assert screen[162:] == ["best 0.39", "done", "after False False 1"]


def test_many_threads_update_it() -> None:
    """A hundred thousand updates are drawn a few times only, and the last one is seen."""
    program = """
def run(number):
    for step in range(10000):
        progress.update(Status(evaluations=step, event="one of many"))
with Progress(total_steps=3) as progress:
    threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
    [each.start() for each in threads]
    [each.join() for each in threads]
    progress.update(Status(step=3, event="last"))
"""
    terminal = Terminal(_HEAD + program)
    screen = terminal.end()
    assert screen[-2:] == ["9,999 evaluations", "last"]
    seconds = int(re.search(r"0:(\d\d)$", screen[0]).group(1)) + 1  # type: ignore[union-attr]
    assert terminal.sent.count(b"/3") <= 10 * seconds + 2


def test_an_error_leaves_the_terminal_sane() -> None:
    """The lines stay as they were, the traceback comes below, and the cursor was never hidden."""
    terminal = Terminal(_HEAD + "with Progress(total_steps=2) as p:\n    p.update(Status(step=1))\n    1 / 0\n")
    screen = terminal.end()
    assert terminal.code == 1
    assert screen[0].startswith("step 1/2 ━")
    assert screen[1].startswith("Traceback")
    assert screen[-1] == "ZeroDivisionError: division by zero"
    assert b"\x1b[?25l" not in terminal.sent


def test_killed_at_any_moment() -> None:
    """There is nothing to restore: no hidden cursor, no other screen, no changed mode."""
    terminal = Terminal(
        _HEAD + 'with Progress() as p:\n    p.update(Status(step=1, event="here"))\n    threading.Event().wait()\n'
    )
    terminal.until(lambda sent: "here" in sent)
    import signal

    terminal.signal(signal.SIGKILL)
    terminal.end()
    assert b"\x1b[?" not in terminal.sent


def test_without_colors() -> None:
    """NO_COLOR is heeded; bold stays."""
    program = _HEAD + "with Progress(total_steps=2) as p:\n    p.update(Status(step=1))\n"
    colored, plain = Terminal(program), Terminal(program, NO_COLOR="1")
    assert colored.end() == plain.end()
    assert b"\x1b[32m" in colored.sent
    assert b"\x1b[32m" not in plain.sent
    assert b"\x1b[3" not in plain.sent


def test_a_narrow_terminal_without_unicode() -> None:
    """Lines do not wrap, and what cannot be encoded is written out; also what others print."""
    screen = shown(
        _HEAD
        + """
with Progress(total_steps=3) as p:
    p.update(Status(step=1, best=0.5, evaluations=10, max_evaluations=20, usd=0.5, event="é is long, far too long"))
    p.note("é")
    print("plain")
""",
        columns=24,
        PYTHONIOENCODING="ascii",
    )
    assert screen == [
        "plain",
        "\\xe9",
        "step 1/3  0:00",
        "best 0.5",
        "10 of 20 evaluations",
        "$0.50",
        "\\xe9 is long, far too lo",
    ]


def test_a_terminal_that_is_no_good_gets_lines() -> None:
    """TERM=dumb, as in some editors; and without `rich`."""
    program = 'with Progress(total_steps=2) as p:\n    p.update(Status(step=1))\n    p.note("a note")\n'
    expected = ["a note", "step 1 of 2, 0:00 passed"]
    assert shown(_HEAD + program, TERM="dumb") == expected
    without = (
        "import importlib.util as u; find = u.find_spec\nu.find_spec = lambda n: None if n == 'rich' else find(n)\n"
    )
    assert shown(_HEAD.replace("import logging", without + "import logging") + program) == expected


def test_a_build_server_gets_nothing() -> None:
    """Some of them run programs in a terminal."""
    assert shown(_HEAD + "with Progress(total_steps=2) as p:\n    p.update(Status(step=1))\n", CI="true") == []


def test_one_within_another_is_not_shown() -> None:
    """They would write over each other."""
    screen = shown(
        _HEAD
        + """
with Progress(total_steps=1) as outer:
    with Progress(total_steps=5) as inner:
        inner.update(Status(step=4))
    outer.update(Status(step=1))
"""
    )
    assert len(screen) == 1
    assert screen[0].startswith("step 1/1 ")


def test_a_forked_process() -> None:
    """It shows nothing, prints as usual, and is not stuck in a lock, whenever it was forked."""
    terminal = Terminal(
        _HEAD
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
with Progress(total_steps=30) as progress:
    for step in range(30):
        progress.update(Status(step=step, event="x" * 60))
        progress._display._wake.put(None)
        child = os.fork()
        if child == 0:
            print("child", step, flush=True)
            progress.update(Status(step=99, event="never seen"))
            progress.note("never seen")
            progress.__exit__()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    progress.update(Status(step=30, event="end"))
print("after")
""",
        lines=100,
    )
    screen = terminal.end()
    assert terminal.code == 0
    assert b"never" not in terminal.sent
    assert terminal.sent.count(b"child") == 30
    assert screen[-2:] == ["end", "after"]


def test_a_person_is_asked_without_it() -> None:
    """The lines go away for the question, and come back after the answer."""
    terminal = Terminal(
        _HEAD
        + """
from opto.trainer.guides import HumanFeedback
with Progress(total_steps=3) as progress:
    progress.update(Status(step=1))
    progress._display._draw()
    score, words = HumanFeedback().get_feedback("Greet me.", "Hi")
    print("said", score, words)
    progress.update(Status(step=2))
"""
    )
    terminal.until(lambda sent: "Score, 0 to 10:" in sent)
    assert not any("step" in line for line in terminal.screen())
    terminal.type("7\n")
    terminal.until(lambda sent: "(Enter for nothing)" in sent)
    terminal.type("Shorter.\n")
    screen = terminal.end()
    assert terminal.code == 0
    assert screen[-2] == "said 0.7 Shorter."
    assert screen[-1].startswith("step 2/3 ")
    assert sum("step" in line for line in screen) == 1


def test_a_display_that_fails_does_not_end_the_run() -> None:
    """The streams are given back, and a warning says why."""
    screen = shown(
        _HEAD
        + """
import warnings
warnings.simplefilter("always")
with Progress(total_steps=3) as progress:
    progress.update(Status(step=1, best="not a number"))
    print("goes on")
print("after")
"""
    )
    assert "goes on" in screen
    assert screen[-1] == "after"
    assert any("OptoWarning: the progress could no longer be shown: " in line for line in screen)
