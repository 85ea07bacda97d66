"""Tests of opto.sandbox.raised: error feedback from behind walls is that of this process."""

from __future__ import annotations

import math  # noqa: F401 - the texts use it
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from opto.errors import CrossingError, ExecutionError, OptoError, SandboxError
from opto.sandbox import InProcess, Subprocess, running
from opto.sandbox.in_process import text_tag
from opto.sandbox.raised import Rebuilding, rebuilt
from opto.trace import bundle

Make = Callable[..., Callable[..., Any]]


class Refusal(ValueError):
    """An exception of the program."""


class Careful(Exception):
    """One that does something when it is made."""

    def __init__(self, message: str) -> None:
        raise AssertionError("this must not run")


@bundle(trainable=True)
def act(x):
    """Acts."""
    return x


TEXTS = {
    "an operator": "def act(x):\n    return 1 / 0",
    "several lines": "def act(x):\n    y = (x\n        .foo)\n    return y",
    "an inner function": "def act(x):\n    def go(n):\n        return go(n - 1) if n else [][n]\n    return go(3)",
    "a lambda": "def act(x):\n    f = lambda q: q / 0\n    return f(x)",
    "a comprehension": "def act(x):\n    return [1 / i for i in range(3)]",
    "a key": "def act(x):\n    return {}[('k', 1)]",
    "an exception of the program": "def act(x):\n    raise Refusal('bad', 3)",
    "one without arguments": "def act(x):\n    raise Refusal",
    "one of a library": "import json\ndef act(x):\n    return json.loads('{')",
    "one of the text": "def act(x):\n    class Odd(Exception): pass\n    raise Odd('hm')",
    "a cause": "def act(x):\n    try: 1 / 0\n    except Exception as e:\n        raise ValueError('v') from e",
    "a context": "def act(x):\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        raise ValueError('v')",
    "a name": "def act(x):\n    return unknown",
    "an assertion": "def act(x):\n    assert x > 100, f'small {x}'",
    "a file": "def act(x):\n    return open('/no/such/file')",
    "decoding": "def act(x):\n    return b'\\xff'.decode()",
    "a module's function": "def act(x):\n    return math.sqrt(-1)",
    "a library's frames": "import datetime\ndef act(x):\n    return datetime.date(2020, 13, 1)",
    "the arguments": "def act():\n    return 1",
    "StopIteration": "def act(x):\n    raise StopIteration(3)",
    "no syntax": "def act(x:\n    pass",
    "a failing definition": "y = 1 / 0\ndef act(x): pass",
    "a missing import": "import nothing_of_that_name\ndef act(x): pass",
    "another name": "def other(x): pass",
    "no function": "act = 3",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_feedback_is_as_in_this_process(walled: Subprocess, text: str) -> None:
    """Type, message, marked source and traceback, columns included."""
    told = []
    for runner in (InProcess(), walled):
        act.parameter._data = text
        with running(runner), pytest.raises(ExecutionError) as caught:
            act(3)
        node, cause = caught.value.exception_node, caught.value.__cause__
        told.append(
            (node.data, node.info["error_comment"], node.info["traceback"], type(cause).__qualname__, repr(cause))
        )
    here, inside = (list(each) for each in told)
    if "opto/sandbox" in inside[2]:
        here[2] = inside[2] = ""
    assert inside == here


def test_an_endless_recursion(make: Make) -> None:
    """Its frames are repeated ones, as in this process."""
    with pytest.raises(RecursionError) as caught:
        make("def f(x):\n    return f(x)")(1)
    written = "".join(traceback.format_exception(caught.value))
    assert "return f(x)" in written
    assert "[Previous line repeated" in written


def test_notes_come_along(make: Make) -> None:
    """Where Python has them."""
    if not hasattr(ValueError, "add_note"):
        pytest.skip("notes came with Python 3.11")
    with pytest.raises(ValueError, match="v") as caught:
        make("def f():\n    error = ValueError('v')\n    error.add_note('look here')\n    raise error")()
    assert caught.value.__notes__ == ["look here"]


def test_classes_are_found_not_made(make: Make) -> None:
    """An exception of the program comes back as its class without running its constructor; a stranger by its name."""
    with pytest.raises(Careful, match="x"):
        make("def f(): raise Careful('x')", {"Careful": Careful})()
    with pytest.raises(RuntimeError, match="y") as caught:
        make("class Strange(OSError): pass\ndef f(): raise Strange('y')", {"__name__": "mine"})()
    assert (type(caught.value).__name__, type(caught.value).__module__) == ("Strange", "mine")
    with pytest.raises(LookupError, match="z"):
        make("def f(): raise KeyError('z')")()


@pytest.mark.parametrize(
    "name", ["SandboxUnavailableError", "LimitExceededError", "BudgetExceededError", "ExecutionError"]
)
def test_code_does_not_speak_for_opto(make: Make, name: str) -> None:
    """Were it believed, a program might go on without walls."""
    text = f"class {name}(Exception): pass\n{name}.__module__ = 'opto.errors'\ndef f(): raise {name}('x')"
    with pytest.raises(RuntimeError) as caught:
        make(text)()
    assert not isinstance(caught.value, OptoError)


def test_library_classes_with_a_life_of_their_own_are_not_made(make: Make) -> None:
    """Only those that are made, printed and dropped by Python's own code."""
    import json
    import subprocess

    with pytest.raises(json.JSONDecodeError):
        make("import json\ndef f(): json.loads('{')")()
    with pytest.raises(RuntimeError, match="returned non-zero exit status 3") as caught:
        make("import subprocess\ndef f(): raise subprocess.CalledProcessError(3, 'x')")()
    assert not isinstance(caught.value, subprocess.CalledProcessError)


def report(**changes: Any) -> dict[str, Any]:
    """A report of an exception, as a worker writes it."""
    row = ["<opto:f:5f6a6ac7>", "f", "f", 1, 2, 2, 2, 4, 9]
    whole = {"module": "builtins", "name": "ValueError", "bases": [], "message": "m", "arguments": ("m",), "notes": []}
    return {**whole, "frames": [[row, 1]], "host": None, "suppressed": False, **changes}


def known() -> Rebuilding:
    """What is known of a text; files below /library/ are the library's."""
    return Rebuilding(tag=text_tag("def f():\n    1 / 0", "f"), is_library=lambda path: path.startswith("/library/"))


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": 3}, {"frames": [[1, 2]]}, {"frames": [[["a"], 1]]}, {"frames": None}, {"arguments": 3},
        {"message": b""},
        {"module": "os", "name": "system"}, {"module": "builtins", "name": "eval"}, {"name": "type"}, {"name": "a.b.c"},
        {"name": "class"},
        {"name": ""}, {"host": 5}, {"host": "x"}, {"cause": {}}, {"cause": 3}, {"notes": 3},
        {"module": "builtins", "name": "UnicodeDecodeError", "arguments": ()}, {"name": "SystemExit"},
        {"frames": [[["<opto:f:5f6a6ac7>", "f\n\nx", "f", -5, -2, 10**30, 3, 2, -1], 10**9]]},
    ],
    ids=repr,
)  # fmt: skip
def test_forged_reports_do_no_harm(changes: dict[str, Any]) -> None:
    """They make an exception or a CrossingError; nothing is called, and nothing ends the program."""
    try:
        error = rebuilt(report(**changes), known())
    except CrossingError:
        return
    assert isinstance(error, Exception)
    assert "".join(traceback.format_exception(error))


@pytest.mark.parametrize("forged", [None, 3, [], {}, "x"])
def test_what_is_no_report_is_an_error(forged: Any) -> None:
    """Of opto's own."""
    with pytest.raises(CrossingError, match="damaged"):
        rebuilt(forged, known())


def test_frames_show_no_files_that_the_code_may_not_read(tmp_path: Any) -> None:
    """A traceback prints lines of the files that it names, and tracebacks go into prompts."""
    secret = tmp_path / "secret"
    secret.write_text("the secret\n")
    for path in (str(secret), f"/library/../{secret}"):
        rows = [[[path, "f", "f", 1, 1, 1, 1, 0, 5], 1]]
        checked = Rebuilding(tag=known().tag, is_library=lambda path: path == "/library/x.py")
        assert "the secret" not in "".join(traceback.format_exception(rebuilt(report(frames=rows), checked)))


def test_exits_are_errors(make: Make) -> None:
    """Code inside does not decide when the program ends."""
    for body in ("raise SystemExit(0)", "exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit"):
        with pytest.raises(SandboxError, match="ended with"):
            make(f"def f(): {body}")()
