"""Tests of opto.sandbox.monty: the real interpreter, in its real worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import inspect
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import ChainMap, Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from opto.errors import (
    CodeError,
    CrossingError,
    ExecutionError,
    LimitExceededError,
    MissingExtraError,
    SandboxError,
    UnsupportedFeatureError,
)
from opto.sandbox import CodeRunner, InProcess, running
from opto.sandbox.monty import Monty
from opto.trace import bundle, node
from opto.trace.error_comments import comment_error

RUNNER = Monty(seconds=5)


def call(
    source: str, *args: Any, namespace: Mapping[str, Any] | None = None, runner: Any = RUNNER, **kwargs: Any
) -> Any:
    """Compile a text that defines `f`, and call it."""
    return runner.compile(source, "f", {} if namespace is None else namespace)(*args, **kwargs)


@dataclasses.dataclass
class Point:
    """Two fields, one with a default."""

    x: int
    tags: list[str] = dataclasses.field(default_factory=list)

    def doubled(self) -> int:
        """Twice x."""
        return 2 * self.x


# ---- defining and calling


def test_it_is_a_runner() -> None:
    """It has the method that a runner has."""
    assert isinstance(RUNNER, CodeRunner)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return x + 1",
        "f = lambda x: x + 1",
        "import math\n\ndef helper(x):\n    return math.floor(x) + 1\n\ndef f(x):\n    return helper(x)\n",
        "import functools\n\n@functools.lru_cache\ndef f(x):\n    return x + 1\n",
        "from __future__ import annotations\nfrom functools import partial\n"
        "def g(y: Unknown, x): return x + y\nf = partial(g, 1)",
        "from typing import List\n\ndef f(x: int) -> List[int]:\n    return [y + 1 for y in (x,)][0]",
        "def f(x):\r\n    return x + 1\r\n",
        "total = 0\ndef f(x):\n    global total\n    total += x + 1\n    return total",
        "def f(x):\n    ä = 'größer'\n    return x + sum(1 for each in ä if each == 'ö')",
        "if __name__ == '__main__':\n    raise ValueError('a script')\ndef f(x): return x + 1",
        "class f:\n    pass\ndef f(x): return x + 1",
        "str = None\ntype = None\ndef f(x): return x + 1",
    ],
)
def test_the_callable_of_the_given_name_is_called(source: str) -> None:
    """Definitions of every kind give what they give in this process."""
    assert call(source, 1) == 2 == InProcess().compile(source, "f", {})(1)


def test_calls_are_independent() -> None:
    """What a call changes is as before at the next."""
    f = RUNNER.compile("seen = []\ndef f(x):\n    seen.append(x)\n    return seen", "f", {})
    assert [f(1), f(2)] == [[1], [2]]


def test_arguments_go_in_by_place_and_name() -> None:
    """All kinds of parameters are filled."""
    source = "def f(a, /, b, *c, d, **e): return [a, b, c, d, e]"
    assert call(source, 1, 2, 3, d=4, z=5) == [1, 2, (3,), 4, {"z": 5}]


@pytest.mark.parametrize("x", range(3))
def test_threads_have_workers_of_their_own(x: int) -> None:
    """Calls from several threads do not meet."""
    f = RUNNER.compile("def f(x): return [x] * 3", "f", {})
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(f(x))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[x] * 3] * 4


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f(: pass", "does not compile: invalid syntax .line 1."),
        ("return 3", "does not compile"),
        ("", "is empty"),
        ("def g(): pass", "must define 'f' at its top level, but it defines g"),
        ("f = 3", "a value of type int"),
        ("def f(): pass\nf = [f]", "a value of type list"),
        ("x = 1 / 0\ndef f(): pass", "while it is being defined: ZeroDivisionError: division by zero"),
        ("f = " + "(" * 3000 + "1" + ")" * 3000, "does not compile"),
        ("#" * 2**19, "has 524,288 characters"),
    ],
)
def test_a_text_that_defines_nothing_is_refused(source: str, words: str) -> None:
    """The error says what is wrong, and holds the text."""
    with pytest.raises(CodeError, match=words) as caught:
        RUNNER.compile(source, "f", {})
    assert caught.value.source in (source, None)


def test_a_text_that_takes_too_long_to_define_is_bad_code() -> None:
    """An optimizer is told, as of any other code that cannot be used."""
    with pytest.raises(CodeError, match="more than the 0.2 seconds") as caught:
        Monty(seconds=0.2).compile("while True: pass\ndef f(): pass", "f", {})
    assert isinstance(caught.value.__cause__, LimitExceededError)


# ---- values


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**200,
        -0.0,
        float("inf"),
        1j,
        "text ä 💡 \x00",
        b"\x00\xff",
        [1, [2, (3, {4: {5}})]],
        {"a": frozenset({1}), (1, 2): "b"},
        [[]] * 3,
    ],
)
def test_plain_data_crosses_as_it_is(value: Any) -> None:
    """There and back, nothing changes, not even the type."""
    result = call("def f(x): return [x]", value)
    assert result == [value]
    assert repr(result) == repr([value])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), r"args\[0\] is an object"),
        ([1, {"a": len}], r"args\[0\]\[1\]\['a'\] is a builtin_function_or_method.*host="),
        (Counter("a"), "of these very types. Convert it with dict"),
        (bytearray(b"a"), "Convert it with bytes"),
        (np.zeros(2), "it has no numpy. Pass value.tolist"),
        (np.float64(1), "it has no numpy"),
        ("\ud800", "half of a surrogate pair"),
    ],
)
def test_other_data_does_not_go_in(value: Any, words: str) -> None:
    """The error says where it is, and what to do."""
    with pytest.raises(CrossingError, match=words):
        call("def f(x): return 1", value)


def test_a_cycle_does_not_go_in() -> None:
    """Data that contains itself has no end."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(CrossingError, match="contains itself"):
        call("def f(x): return 1", cycle)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("lambda: 1", "result is a function"),
        ("[0, {'a': range(3)}]", r"result\[1\]\['a'\] is a range.*list\(...\)"),
        ("{1: 2}.items()", "result is a dict_items"),
        ("iter([1])", r"result is a list_iterator.*list\(...\)"),
        ("Counter('a')", r"result is a Counter.*dict\(...\)"),
        ("int", "result is a type"),
        ("A()", "result is an A"),
        ("{A(): 1}", "a key of result is an A"),
        ("ValueError('x')", "result is a ValueError"),
        ("cycle", "contains itself"),
    ],
)
def test_other_data_does_not_come_out(expression: str, words: str) -> None:
    """Nothing is turned into text in silence."""
    source = (
        "from collections import Counter\nclass A: pass\ncycle = []\ncycle.append(cycle)\n"
        f"def f():\n    return {expression}"
    )
    with pytest.raises(CrossingError, match=words):
        call(source)


def test_dataclasses_cross_by_their_fields() -> None:
    """The class inside has the fields; what comes back is an instance of the class here, changes and all."""
    point = Point(1, ["a"])
    source = "def f(p):\n    p.x = 5\n    p.tags.append('b')\n    return [p, Point(7), p == Point(5, ['a', 'b'])]"
    assert call(source, point, namespace={"Point": Point}) == [Point(5, ["a", "b"]), Point(7, []), True]
    assert point == Point(1, ["a"])
    assert call("def f(): return {'p': here}", namespace={"here": point}) == {"p": point}


def test_a_dataclass_of_the_text_does_not_come_out() -> None:
    """This side builds only classes that it knows."""
    source = "from dataclasses import dataclass\n@dataclass\nclass Q:\n    x: int\ndef f(): return Q(1)"
    with pytest.raises(CrossingError, match="result is a Q"):
        call(source)


def test_a_result_that_was_not_checked_is_refused() -> None:
    """A text that replaces the check gains nothing by it."""
    with pytest.raises(CodeError, match="changed what checks its result"):
        call("__opto_check = lambda value, classes: value\ndef f(): return 1")
    with pytest.raises(CodeError, match="result is a PurePosixPath"):
        call("from pathlib import Path\n__opto_check = lambda value, classes: (True, Path('a'))\ndef f(): return 1")
    source = "def f():\n    global __opto_check\n    __opto_check = lambda value, classes: (True, 'fine')\n    return f"
    with pytest.raises(CrossingError, match="result is a function"):
        call(source)


# ---- the namespace


def test_names_are_read_as_of_each_call() -> None:
    """Data of the namespace goes in by value, and what the text changes stays inside."""
    namespace: dict[str, Any] = {"limit": 1, "items": []}
    f = RUNNER.compile("def f():\n    items.append(limit)\n    return items", "f", ChainMap({}, namespace))
    assert f() == [1]
    namespace["limit"] = 2
    assert f() == [2]
    assert namespace["items"] == []


def test_modules_and_what_is_in_them_are_imported_inside() -> None:
    """They come from Monty, not from here."""
    namespace = {"m": math, "root": math.sqrt, "Count": Counter, "size": len, "number": int, "os": os}
    source = "def f(): return [root(4), m.pi, Count('aab')['a'], size('ab'), number('3'), hasattr(os, 'system')]"
    assert call(source, namespace=namespace) == [2.0, math.pi, 2, 2, 3, False]


def test_functions_of_the_program_have_no_meaning_inside() -> None:
    """They do not run unless they are offered, and the error says how."""
    with pytest.raises(CrossingError, match="'helper'.*host="):
        call(
            "def f():\n    try:\n        return helper()\n    except Exception:\n        return 1",
            namespace={"helper": call},
        )
    assert call("def f(): return 1\ndef g(): return helper()", namespace={"helper": call}) == 1


# ---- host functions

CONTEXT: contextvars.ContextVar[int] = contextvars.ContextVar("CONTEXT", default=0)


def test_host_functions_run_in_the_callers_thread_and_context() -> None:
    """What they set is set for the caller."""

    def helper(x: int, *, y: int) -> list[Any]:
        CONTEXT.set(x + y)
        return [threading.current_thread() is threading.main_thread(), x]

    assert call("def f(): return helper(3, y=4)", runner=Monty(host=[helper])) == [True, 3]
    assert CONTEXT.get() == 7
    assert call(
        "def f(): return [also(1, y=n) for n in (1, 2)]", namespace={"also": helper}, runner=Monty(host=[helper])
    )
    assert call("def f(): return given(1, y=0)[1]", runner=Monty(host={"given": helper})) == 1


def test_an_exception_of_a_host_function_comes_back_itself() -> None:
    """Through code that does not catch it; code that does sees its builtin class and its message."""

    class MineError(LookupError):
        pass

    mine = MineError("not there")

    def helper() -> None:
        raise mine

    runner = Monty(host=[helper])
    with pytest.raises(MineError) as caught:
        call("def f():\n    return helper()", runner=runner)
    assert caught.value is mine
    assert (mine.__context__, mine.__cause__) == (None, None)
    calling, _, called = comment_error(mine).partition("return helper() <---")
    assert "def f():" in calling
    assert "raise mine <---" in called
    source = "def f():\n    try:\n        helper()\n    except LookupError as error:\n        return str(error)"
    assert call(source, runner=runner) == "not there"


def test_what_host_functions_get_and_give_is_plain_data() -> None:
    """The same rules hold on this way."""
    with pytest.raises(CrossingError, match="the result of the host function helper is an object"):
        call("def f(): return helper()", runner=Monty(host={"helper": object}))
    with pytest.raises((CrossingError, TypeError)):
        call("from pathlib import Path\ndef f(): return helper(Path('a'))", runner=Monty(host={"helper": len}))


def test_bundled_host_functions_are_recorded() -> None:
    """They are called here, so that the graph holds the call, and the code inside gets their data."""
    calls: list[int] = []

    @bundle()
    def helper(x: int) -> int:
        """[helper] Adds one."""
        calls.append(x)
        return x + 1

    if not hasattr(node(1), "__sandbox_data__"):
        pytest.skip("nodes do not offer their data yet")
    assert call("def f(): return helper(2) + 1", runner=Monty(host={"helper": helper})) == 4
    assert calls == [2]


def test_too_many_calls_of_host_functions_are_a_limit() -> None:
    """Code cannot call back for ever, nor go on after it."""
    source = (
        "def f():\n    while True:\n        try:\n            helper()\n        except Exception:\n            pass"
    )
    with pytest.raises(LimitExceededError, match="more than 20 times") as caught:
        call(source, runner=Monty(host={"helper": lambda: None}, host_calls=20))
    assert caught.value.limit == "host_calls"


def test_an_interrupt_in_a_host_function_ends_the_call() -> None:
    """Code inside has no say in it, and the worker serves again."""

    def helper() -> None:
        raise KeyboardInterrupt

    runner = Monty(host=[helper])
    with pytest.raises(KeyboardInterrupt):
        call("def f():\n    try:\n        helper()\n    except BaseException:\n        return 1", runner=runner)
    assert call("def f(): return 1", runner=runner) == 1


def test_a_host_function_may_run_code_itself() -> None:
    """Calls may be inside each other."""

    def outer(n: int) -> Any:
        return runner.compile("def f(n): return outer(n - 1) if n else 'end'", "f", {})(n)

    runner = Monty(host=[outer])
    assert outer(3) == "end"


# ---- async


def test_an_async_text_gives_a_coroutine_function() -> None:
    """As a bundle expects it to be."""
    f = RUNNER.compile("async def f(x): return x + 1", "f", {})
    assert inspect.iscoroutinefunction(f)
    assert not inspect.iscoroutinefunction(RUNNER.compile("def f(x): return x + 1", "f", {}))
    assert [asyncio.run(f(1)), asyncio.run(f(2))] == [2, 3]


async def test_async_host_functions_are_awaited_in_the_callers_loop() -> None:
    """Gathered ones run side by side; one that is awaited alone has the caller's context."""
    waiting = asyncio.Barrier(2) if sys.version_info >= (3, 11) else None

    async def meet(x: int) -> int:
        if waiting is not None:
            await waiting.wait()
        return x

    async def alone(x: int) -> int:
        CONTEXT.set(x)
        await asyncio.sleep(0)
        return x

    runner = Monty(host=[meet, alone])
    assert await call(
        "import asyncio\nasync def f(): return await asyncio.gather(meet(1), meet(2))", runner=runner
    ) == [1, 2]
    assert await call("async def f(): return await alone(11)", runner=runner) == 11
    assert CONTEXT.get() == 11


async def test_an_exception_of_an_async_host_function_comes_back_itself() -> None:
    """It is raised where the code awaits it."""
    mine = KeyError("key")

    async def helper() -> None:
        raise mine

    with pytest.raises(KeyError) as caught:
        await call("async def f(): return await helper()", runner=Monty(host=[helper]))
    assert caught.value is mine


def test_a_plain_text_cannot_call_an_async_host_function() -> None:
    """It could not await what it gets."""

    async def helper() -> None:
        raise AssertionError

    with pytest.raises(CrossingError, match="'helper' is async"):
        call("def f(): return helper()", runner=Monty(host=[helper]))


async def test_a_cancelled_call_leaves_the_runner_usable() -> None:
    """Its worker is given back or replaced, and what it waited for is cancelled."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def helper() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    runner = Monty(host=[helper])
    task = asyncio.ensure_future(call("async def f(): return await helper()", runner=runner))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 5)
    assert await call("async def f(): return 1", runner=runner) == 1


# ---- limits


@pytest.mark.parametrize(
    ("source", "limit"),
    [
        ("def f():\n    while True: pass", "seconds"),
        (
            "def f():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
            "seconds",
        ),
        ("import time\ndef f():\n    while True: time.sleep(0.04)", "seconds"),
        ("import time\ndef f(): time.sleep(1e9)", "seconds"),
        ("def f(): return 'a' * 10**9", "memory"),
        ("def f(): return 10 ** 10 ** 9", "memory"),
        (
            "def f():\n    x = []\n    try:\n        while True: x.append('a' * 100000 + str(len(x)))\n"
            "    except MemoryError: return 1",
            "memory",
        ),
        ("def f(): return f()", "recursion"),
        ("def f():\n    while True: print('a' * 1000)", "output"),
    ],
)
def test_limits_stop_the_code(source: str, limit: str) -> None:
    """Each names itself, and the runner serves on."""
    runner = Monty(seconds=0.15, memory=20 * 2**20, recursion=100, output=10_000)
    with pytest.raises(LimitExceededError) as caught:
        call(source, runner=runner)
    assert caught.value.limit == limit
    assert call("def f(): return 1", runner=runner) == 1


def test_a_worker_that_dies_is_replaced() -> None:
    """Whoever killed it, the caller gets an error, and the next call a new worker."""

    def die() -> None:
        for pid in _children("monty"):
            os.kill(pid, signal.SIGKILL)

    if not os.path.exists("/proc"):
        pytest.skip("finding the worker needs /proc")
    runner = Monty(host=[die])
    with pytest.raises(SandboxError, match="worker of the Monty sandbox died"):
        call("def f(): return die()", runner=runner)
    assert call("def f(): return 1", runner=runner) == 1


def _children(name: str) -> list[int]:
    found = []
    for each in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{each}/stat", encoding="ascii", errors="replace") as file:
                command, _, rest = file.read().rpartition(")")
        except OSError:
            continue
        if command.partition("(")[2] == name and int(rest.split()[1]) == os.getpid():
            found.append(int(each))
    return found


def test_workers_have_nothing_of_the_environment() -> None:
    """No key that the program holds is in reach of whoever breaks the interpreter."""
    if not os.path.exists("/proc"):
        pytest.skip("looking at the worker needs /proc")
    assert call("def f(): return 1") == 1
    workers = _children("monty")
    assert workers
    for worker in workers:
        with contextlib.suppress(ProcessLookupError), open(f"/proc/{worker}/environ", "rb") as file:
            assert file.read() == b""


def test_printed_text_goes_where_it_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    """By default it is dropped; never does it reach the program's own output."""
    printed: list[str] = []
    source = "import sys\ndef f():\n    print('out')\n    print('err', file=sys.stderr)\n    return 1"
    assert call(source) == 1
    assert call(source, runner=Monty(on_output=printed.append)) == 1
    assert printed == ["out\nerr\n"]
    assert capfd.readouterr() == ("", "")


# ---- exceptions

FAILING = """import math

def helper(x):
    y = math.isqrt(x)
    return y / 0

def f(x):
    return helper(x)
"""


def _without_first(error: BaseException) -> BaseException:
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


def test_exceptions_come_back_with_the_marked_source() -> None:
    """The comment on them is the same as in this process."""
    comments = []
    for runner in (RUNNER, InProcess()):
        with pytest.raises(ZeroDivisionError) as caught:
            call(FAILING, 4, runner=runner)
        comments.append(comment_error(_without_first(caught.value)).partition("def helper")[2])
    assert comments[0] == comments[1]
    assert "return y / 0 <--- (ZeroDivisionError) division by zero." in comments[1]


@pytest.mark.parametrize(
    "statement",
    [
        "raise ValueError('wrong')",
        "raise ValueError",
        "{}['key']",
        "[].pop()",
        "int('x')",
        "unknown",
        "unknown()",
        "(1).unknown",
        "import unknown_module",
        "assert 1 == 2",
        "assert 1 == 2, 'no'",
        "raise NotImplementedError('not yet')",
        "next(each for each in [])",
        "{}.pop('key')",
        "str.upper(3)",
    ],
)
def test_exceptions_have_the_class_and_message_that_they_have_here(statement: str) -> None:
    """What a model reads does not depend on the runner."""
    raised = []
    for runner in (RUNNER, InProcess()):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
            call(f"def f():\n    {statement}", runner=runner)
        raised.append((type(caught.value), str(caught.value)))
    assert raised[0] == raised[1]


def test_what_is_no_exception_for_a_program_ends_the_call_only() -> None:
    """Code cannot end the program by raising what ends programs."""
    for name in ("SystemExit", "KeyboardInterrupt"):
        with pytest.raises(SandboxError, match=f"The code ended with {name}"):
            call(f"def f(): raise {name}")


def test_long_messages_are_cut() -> None:
    """A message of megabytes would fill logs and prompts."""
    with pytest.raises(ValueError, match="aaa") as caught:
        call("def f(): raise ValueError('a' * 10**6)")
    assert len(str(caught.value)) < 30_000


def test_a_bundle_reports_errors_as_in_process() -> None:
    """Feedback to an optimizer is as good."""

    @bundle(trainable=True)
    def f(x: float) -> float:
        """Divides."""
        return x / 0

    comments = []
    for runner in (RUNNER, InProcess()):
        f.parameter._data = "def f(x):\n    y = 0\n    return x / y\n"
        with running(runner), pytest.raises(ExecutionError) as caught:
            f(3)
        comments.append(caught.value.exception_node.info["error_comment"])
    assert (
        comments[0]
        == comments[1]
        == "def f(x):\n    y = 0\n    return x / y <--- (ZeroDivisionError) division by zero."
    )


# ---- what Monty lacks


@pytest.mark.parametrize(
    ("source", "feature"),
    [
        ("def f(): yield 1", "yield expressions"),
        ("class A(int): pass\ndef f(): return 1", "class inheritance"),
        ("import numpy\ndef f(): return 1", "the module 'numpy'"),
        ("def f():\n    import threading", "the module 'threading'"),
        ("from collections import OrderedDict\ndef f(): return 1", "collections.OrderedDict"),
        ("def f(): return callable(3)", "the built-in 'callable'"),
        ("def f(): return (3).real", "int.real"),
        ("import math\ndef f(): return math.__spec__", "math.__spec__"),
        ("from heapq import *\ndef f(): return 1", "Wildcard imports"),
        ("def f(): raise ValueError('a', 1)", "exceptions with other arguments"),
        ("class A:\n    def __bool__(self): return False\ndef f(): return bool(A())", "the method __bool__"),
    ],
)
def test_the_missing_feature_is_named(source: str, feature: str) -> None:
    """Whether it is found at once or at the call, the error names it and another runner."""
    with pytest.raises(UnsupportedFeatureError, match="Subprocess") as caught:
        call(source)
    assert caught.value.feature.startswith(feature)
    assert isinstance(caught.value, CodeError)
    assert "<---" in comment_error(caught.value)


def test_a_host_function_cannot_be_called_by_a_builtin() -> None:
    """The error says by which kind of call."""
    runner = Monty(host={"helper": abs})
    with pytest.raises(UnsupportedFeatureError, match="host function 'helper' by a built-in one"):
        call("def f(): return sorted([1, 2], key=helper)", runner=runner)
    assert call("def f(): return [helper(each) for each in [-1]]", runner=runner) == [1]


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run in another way instead."""
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    with pytest.raises(MissingExtraError, match=r"opto-trace\[monty\]"):
        Monty().compile("def f(): return 1", "f", {})


# ---- processes

FORKED = """
import os, sys
from opto.errors import SandboxUnavailableError
from opto.sandbox.monty import Monty
runner = Monty()
if sys.argv[1] == "used":
    assert runner.compile("def f(): return 1", "f", {})() == 1
child = os.fork()
if not child:
    try:
        result = runner.compile("def f(): return 1", "f", {})()
    except SandboxUnavailableError as error:
        result = 7 if "spawn" in str(error) else 8
    os._exit(result)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), runner.compile("def f(): return 1", "f", {})())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize(("before", "result"), [("used", "7 1"), ("unused", "1 1")])
def test_a_forked_child_is_refused_rather_than_hung(before: str, result: str) -> None:
    """The package's threads do not survive a fork; used first in the child, it works."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, before], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == result, done.stderr


def test_runners_pickle() -> None:
    """A training run ships its runner to other processes."""
    runner = pickle.loads(pickle.dumps(Monty(seconds=0.2, host={"size": len})))
    assert call("def f(): return size([1, 2])", runner=runner) == 2
    with pytest.raises(LimitExceededError, match="0.2 seconds"):
        call("def f():\n    while True: pass", runner=runner)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seconds": 0}, "seconds must be > 0, got 0"),
        ({"memory": -1}, "memory must be > 0, got -1"),
        ({"recursion": 0}, "recursion must be > 0"),
        ({"output": -1}, "output must be >= 0"),
        ({"host": [3]}, "host must hold functions, got 3"),
        ({"host": {"a b": len}}, "'a b'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    """The error names the argument and the value."""
    with pytest.raises((ValueError, TypeError), match=words):
        Monty(**options)


def test_no_more_than_16_mib_crosses_at_once() -> None:
    """Neither as a result nor as an argument of a host function; a message is cut, and comes once."""
    crossing = pytest.raises(CrossingError, match="16,777,216 bytes")
    with crossing:
        Monty().compile("def f(n): return ['x' * n, 1]", "f", {})(17 * 2**20)
    with crossing:
        Monty(host={"g": len}).compile("def f(n): return g('x' * n)", "f", {})(17 * 2**20)
    with pytest.raises(ValueError, match="^x+") as caught:
        Monty().compile("def f(n): raise ValueError('x' * n)", "f", {})(1_000_000)
    assert len(str(caught.value)) < 21_000
    assert caught.value.__context__ is None


def test_keys_made_to_collide_here_do_not_cross() -> None:
    """Monty's hashes are not Python's: a set that is quick to build inside would take a minute here."""
    code = "def f(n): return [{(i * (2**61 - 1), 1) for i in range(n)}]"
    with pytest.raises(CrossingError, match="collide"):
        Monty().compile(code, "f", {})(2000)


def test_containers_with_odd_keys_arrive_whole() -> None:
    """Whatever is beside and inside them: tuples as keys, large numbers, instances of dataclasses."""
    code = (
        "def f(n): return {(i, 2**70 + i): [Point(i, {i}), frozenset([b'x']), (None, {'a': [1.5]})] for i in range(n)}"
    )
    expected = {(i, 2**70 + i): [Point(i, {i}), frozenset([b"x"]), (None, {"a": [1.5]})] for i in range(50)}
    assert Monty().compile(code, "f", {"Point": Point})(50) == expected


def test_arguments_of_host_functions_with_odd_keys_arrive_whole_or_not_at_all() -> None:
    """They are built here only after a look at their hashes, as results are."""
    code = "def f(n, step): return g({i * step for i in range(n)}, key={(i, i): [i] for i in range(n)})"
    runner = Monty(host={"g": lambda numbers, key: [sum(numbers), len(key)]})
    assert runner.compile(code, "f", {})(50, 2**64) == [sum(i * 2**64 for i in range(50)), 50]
    with pytest.raises(CrossingError, match="collide"):
        runner.compile(code, "f", {})(2000, 2**61 - 1)
