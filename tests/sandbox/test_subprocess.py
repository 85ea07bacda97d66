"""Tests of opto.sandbox.subprocess, with real processes."""

from __future__ import annotations

import asyncio
import inspect
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import ChainMap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
import numpy as np
import pytest

from opto.errors import CodeError, CrossingError, LimitExceededError, SandboxError
from opto.sandbox import CodeRunner, Subprocess, wire
from opto.sandbox.crossing import pack

Make = Callable[..., Callable[..., Any]]


@dataclass(frozen=True)
class Point:
    """A dataclass of the program."""

    x: int
    tags: list[str] = field(default_factory=list)

    def norm(self) -> int:
        """A method, which stays outside."""
        return abs(self.x)


class Client:
    """An object of the program that holds something dear."""


def helper(x: int) -> int:
    """A function of the program."""
    return x + 1


def state_of(pid: int) -> str:
    """The state of a process, as the kernel abbreviates it; nothing if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1][0]
    except OSError:
        return ""


def comes_to(pid: int, *states: str) -> bool:
    """Whether a process comes to one of these states, for which the kernel needs a moment."""
    deadline = time.monotonic() + 10
    while state_of(pid) not in states and time.monotonic() < deadline:
        os.sched_yield()
    return state_of(pid) in states


# ---- what it is


def test_it_is_a_code_runner(walled: Subprocess) -> None:
    """And says what was asked of it."""
    assert isinstance(walled, CodeRunner)
    assert repr(Subprocess(seconds=2, host={"twice": helper})) == "Subprocess(seconds=2, host=['twice'])"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0}, "seconds must be > 0, got 0"),
        ({"cpu_seconds": -1}, "cpu_seconds must be > 0, got -1"),
        ({"scratch": -1}, "scratch must be >= 0, got -1"),
        ({"open_files": 3}, "open_files must be >= 16, got 3"),
        ({"readable": "/etc"}, "readable must be a list of paths"),
        ({"names": "x"}, "names must be a list of names"),
        ({"host": 3}, "host must be functions in a list"),
        ({"host": ["x"]}, "host must hold functions, got 'x'"),
        ({"host": {"a b": print}}, "as code can call them, got 'a b'"),
        ({"host": [lambda: 1, lambda: 2]}, "as code can call them, got '<lambda>'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    """With the value and what would be right."""
    with pytest.raises((TypeError, ValueError), match=message):
        Subprocess(**options)


def test_it_travels_as_its_options(walled: Subprocess) -> None:
    """A copy by cloudpickle has workers of its own."""
    with cloudpickle.loads(cloudpickle.dumps(Subprocess(seconds=7, host=[helper], names=["a"]))) as copy:
        assert repr(copy) == "Subprocess(seconds=7, host=['helper'], names=('a',))"
        assert copy.compile("def f(x): return helper(x)", "f", {})(1) == 2


# ---- values


@pytest.mark.parametrize(
    "value", [None, 2**70, math.inf, "é\ud800", b"x", (1, [2], {"a": {3}}), np.arange(4.0)], ids=repr
)
def test_data_goes_in_and_out(make: Make, value: Any) -> None:
    """By value, with its types."""
    arrived = make("def f(x, *, y): return [x, type(x).__name__, y]")(value, y=value)
    assert repr(arrived) == repr([value, type(value).__name__, value])


def test_what_is_no_data_is_named_with_its_place(make: Make) -> None:
    """Arguments and results; the worker stays usable."""
    f = make("def f(x, y=None): return [1, {'k': f}] if x else 'fine'")
    with pytest.raises(CrossingError, match=r"^argument 2\[0\] is a .*Client"):
        f(0, [Client()])
    with pytest.raises(CrossingError, match=r"^argument 'y' is a .*Client"):
        f(0, y=Client())
    with pytest.raises(CrossingError, match=r"^the result\[1\]\['k'\] is a function"):
        f(1)
    assert f(0) == "fine"


def test_dataclasses_of_the_program_come_back_as_themselves(make: Make) -> None:
    """Inside stands a dataclass with the same fields, defaults and strictness."""
    f = make(
        "def f(p):\n    q = Point(p.x + 1)\n    q.tags.append('in')\n    return [p, q, q == Point(2, ['in'])]",
        globals(),
    )
    assert f(Point(1, ["a"])) == [Point(1, ["a"]), Point(2, ["in"]), True]
    assert make("def f(p): return p")(Point(3)).norm() == 3
    with pytest.raises(Exception, match="cannot assign to field 'x'"):
        make("def f(p): p.x = 3")(Point(1))
    with pytest.raises(CrossingError, match="the dataclass '.*Own', which this side does not know"):
        make("from dataclasses import dataclass\n@dataclass\nclass Own:\n    x: int\ndef f(): return Own(1)")()


# ---- names


def test_names_are_looked_up_at_each_call(make: Make) -> None:
    """Data, changed in place or replaced, and names that appear or go."""
    namespace: dict[str, Any] = {"limit": 3, "items": [1]}
    f = make("def f(): return [limit, items, 'late' in globals() and late]", namespace)
    assert f() == [3, [1], False]
    namespace["items"].append(2)
    namespace.update(limit=True, late="x")
    assert f() == [True, [1, 2], "x"]
    del namespace["late"]
    assert f() == [True, [1, 2], False]


def test_captured_names_come_before_those_of_the_module(make: Make) -> None:
    """As in this process."""
    assert make("def f(): return a, b", ChainMap({"a": 1}, {"a": 2, "b": 3}))() == (1, 3)


def test_modules_and_what_is_in_them_are_imported_inside(make: Make) -> None:
    """Of the standard library and installed packages, by the names that the program gave them."""
    import json
    from collections import Counter

    namespace = {"j": json, "Counter": Counter, "floor": math.floor, "np": np, "sin": np.sin}
    f = make(
        "def f(): return [j.dumps([1]), dict(Counter('aab')), floor(2.5), float(np.sum(np.ones(3)) + sin(0.0))]",
        namespace,
    )
    assert f() == ["[1]", {"a": 2, "b": 1}, 2, 3.0]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("helper(1)", r"'helper' cannot be used in the sandbox: it is a function of the program.*passed with host="),
        ("Client()", r"'Client' cannot be used in the sandbox: it is a class of the program"),
        ("client.key", r"'client' cannot be used in the sandbox: client is a .*Client"),
        ("module.x", r"'module' cannot be used in the sandbox: the module .*add its folder with readable="),
    ],
)
def test_other_things_of_the_program_say_why_they_are_not_there(make: Make, use: str, message: str) -> None:
    """When they are used, on that line; not in annotations."""
    namespace = {"helper": helper, "Client": Client, "client": Client(), "module": sys.modules[__name__]}
    f = make(f"def f(x: Client | None = None) -> 'Client':\n    return {use} if x else 1", namespace)
    assert f() == 1
    with pytest.raises(CrossingError, match=message) as caught:
        f(1)
    assert caught.traceback[-1].lineno == 1


def test_only_some_names_may_cross(walled: Subprocess) -> None:
    """With names=, the others do not exist inside."""
    with Subprocess(names=["open_value"]) as runner:
        f = runner.compile("def f(): return open_value, 'key' in globals()", "f", {"open_value": 1, "key": "sk-1"})
        assert f() == (1, False)
        with pytest.raises(NameError, match="key"):
            runner.compile("def f(): return key", "f", {"key": "sk-1"})()


def test_keys_do_not_cross(walled: Subprocess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the environment, and what looks like one: not as a name, not inside data, not from offered functions."""
    monkeypatch.setenv("SOME_API_KEY", "q8-7Hs62jsKw0")
    namespace = {"key": "q8-7Hs62jsKw0", "options": {"headers": ["Bearer q8-7Hs62jsKw0"]}, "other": "sk-" + "a1B2" * 8}
    with Subprocess(host={"ask": lambda: ["q8-7Hs62jsKw0"]}) as runner:
        for name in namespace:
            with pytest.raises(CrossingError, match="holds a key or password"):
                runner.compile(f"def f(): return {name}[0]", "f", namespace)()
        f = runner.compile("def f(x=None): return ask()", "f", {})
        with pytest.raises(CrossingError, match="what ask returned holds a key"):
            f()
        with pytest.raises(CrossingError, match=r"^argument 1 holds a key"):
            f(["q8-7Hs62jsKw0"])


def test_globals_of_the_code_stay_inside(make: Make) -> None:
    """They last from call to call, and do not reach the program."""
    namespace = {"count": 10}
    f = make("own = 0\ndef f():\n    global own, count\n    own += 1\n    count += 1\n    return own, count", namespace)
    assert [f()[0], f()[0]] == [1, 2]
    assert namespace == {"count": 10}


# ---- functions of the program


def test_offered_functions_run_in_the_program(walled: Subprocess) -> None:
    """In the thread of the call, with copies of the arguments; by the name in host or that in the program."""
    seen: list[Any] = []

    def note(value: Any, *, times: int = 1) -> int:
        seen.append((threading.get_ident(), value))
        return times * 2

    with Subprocess(host={"note": note}) as runner:
        f = runner.compile(
            "def f(x):\n    x.append(2)\n    return note(x, times=3) + also({'k': (1,)})", "f", {"also": note}
        )
        assert f([1]) == 8
    assert seen == [(threading.get_ident(), [1, 2]), (threading.get_ident(), {"k": (1,)})]


def test_an_exception_of_an_offered_function_comes_back_as_itself(walled: Subprocess) -> None:
    """Or can be caught inside."""
    error = ZeroDivisionError("the very one")

    def fail() -> None:
        raise error

    with Subprocess(host=[fail]) as runner:
        with pytest.raises(ZeroDivisionError) as caught:
            runner.compile("def f():\n    fail()", "f", {})()
        assert caught.value is error
        caught_inside = (
            "def f():\n    try:\n        fail()\n    except ArithmeticError as error:\n        return repr(error)"
        )
        assert runner.compile(caught_inside, "f", {})() == "ZeroDivisionError('the very one')"


def test_functions_that_were_not_offered_cannot_be_called(walled: Subprocess) -> None:
    """Not even by whoever writes to the wire himself."""
    with Subprocess(host=[helper]) as runner:
        text = (
            "import gc\ndef f():\n"
            "    worker = next(each for each in gc.get_objects() if type(each).__name__ == 'Worker')\n"
            "    return worker._ask([['system', ['id'], {}]])"
        )
        with pytest.raises(SandboxError, match="called 'system', which is not offered with host="):
            runner.compile(text, "f", {})()


@pytest.mark.parametrize("kind", [wire.NEED, wire.DEFINED, wire.UNDEFINED, wire.RESULT, wire.ERROR, wire.HOST, 255])
def test_forged_messages_are_errors_of_opto(walled: Subprocess, kind: int) -> None:
    """While a text is defined, and while it is called: or they are taken for what they say."""
    with Subprocess(host=[helper], seconds=0.5) as runner:
        for value in (None, {}, [["helper"]]):
            text = f"import os\ndef forge(): os.write(4, {wire.frame(kind, pack(value))!r})\n"
            for source in (f"{text}forge()\ndef f(): return 1", f"{text}def f():\n    forge()\n    return 1"):
                try:
                    result = runner.compile(source, "f", {})()
                except (SandboxError, CodeError):
                    continue
                assert result in (1, value)


def test_a_thread_of_the_definition_lives_for_a_call(walled: Subprocess) -> None:
    """Code may start one at its top level; each call then has a fresh worker."""
    text = (
        "import threading\nready = threading.Event()\nthread = threading.Thread(target=ready.wait, daemon=True)\n"
        "thread.start()\ndef f():\n    ready.set()\n    thread.join()\n    return thread.is_alive()"
    )
    f = walled.compile(text, "f", {})
    assert [f(), f()] == [False, False]


def test_offered_functions_can_be_called_so_often(walled: Subprocess) -> None:
    """And not once more."""
    with Subprocess(host=[helper], host_calls=3) as runner:
        f = runner.compile("def f(n): return [helper(i) for i in range(n)]", "f", {})
        assert f(3) == [1, 2, 3]
        with pytest.raises(LimitExceededError, match="more than 3 times") as caught:
            f(4)
    assert (caught.value.limit, caught.value.allowed) == ("host_calls", 3)


async def test_coroutine_functions_are_awaited_on_both_sides(walled: Subprocess) -> None:
    """The loop of the caller goes on meanwhile."""

    async def ask(question: str) -> str:
        await asyncio.sleep(0)
        return question.upper()

    with Subprocess(host=[ask]) as runner:
        f = runner.compile("import asyncio\nasync def f(q): return await asyncio.gather(ask(q), ask('b'))", "f", {})
        assert inspect.iscoroutinefunction(f)
        assert await asyncio.gather(f("a"), f("c")) == [["A", "B"], ["C", "B"]]
        with pytest.raises(ZeroDivisionError):
            await runner.compile("async def f(): return 1 / 0", "f", {})()


async def test_calls_that_are_made_together_run_side_by_side(walled: Subprocess) -> None:
    """Each waits for the other here; what one raises reaches the code that awaits it."""
    both = asyncio.Event()
    waiting: list[str] = []

    async def meet(name: str) -> str:
        waiting.append(name)
        if len(waiting) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 5)
        if name == "b":
            raise LookupError(name)
        return name

    text = "import asyncio\nasync def f(): return await asyncio.gather(meet('a'), meet('b'), return_exceptions=True)"
    with Subprocess(host=[meet]) as runner:
        with pytest.raises(CrossingError, match=r"the result\[1\] is a LookupError"):
            await runner.compile(text, "f", {})()
        assert (
            await runner.compile(f"{text}[0]".replace("await", "(await", 1).replace(")[0]", "))[0]"), "f", {})() == "a"
        )


async def test_code_that_is_not_async_cannot_await(walled: Subprocess) -> None:
    """And says so."""

    async def ask() -> str:
        return "never"

    text = "import asyncio\nasync def g(): return await ask()\ndef f(): return asyncio.run(g())"
    with Subprocess(host=[ask]) as runner, pytest.raises(TypeError, match="ask is a coroutine function: the code"):
        runner.compile(text, "f", {})()


async def test_a_cancelled_call_is_over(walled: Subprocess) -> None:
    """Its worker is gone; the next call has another."""
    f = walled.compile("import os\nasync def f(wait):\n    while wait: pass\n    return os.getpid()", "f", {})
    before = await f(False)
    task = asyncio.ensure_future(f(True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await f(False) != before


def test_generators_are_collected(make: Make) -> None:
    """The kind of function stays; the items come at once."""
    f = make("def f(n):\n    for i in range(n):\n        yield i")
    assert inspect.isgeneratorfunction(f)
    assert list(f(3)) == [0, 1, 2]


async def test_async_generators_too(walled: Subprocess) -> None:
    """In the same way."""
    f = walled.compile("async def f(n):\n    for i in range(n):\n        yield i", "f", {})
    assert [item async for item in f(3)] == [0, 1, 2]


# ---- limits


@pytest.mark.parametrize(
    ("body", "options", "limit"),
    [
        ("while True: pass", {"seconds": 0.7}, "seconds"),
        ("import time; time.sleep(60)", {"seconds": 0.7}, "seconds"),
        (
            "import signal\n    signal.pthread_sigmask(0, range(1, 65))\n    while True: pass",
            {"seconds": 0.7},
            "seconds",
        ),
        ("while True: pass", {"cpu_seconds": 0.2}, "cpu_seconds"),
        ("return bytearray(2 ** 31)", {}, "memory"),
        ("x = []\n    while True: x.append(bytes(2 ** 20))", {"memory": 2**27}, "memory"),
        ("print('x' * 20_000)", {"output": 10_000}, "output"),
        ("import os\n    while True: os.write(2, b'x' * 60_000)", {}, "output"),
        ("return 'x' * 200_000", {"size": 100_000}, "size"),
        ("for i in range(999): open(f'f{i}', 'w').close()", {"scratch": 2**20}, "scratch"),
    ],
)
def test_limits_stop_the_code(walled: Subprocess, body: str, options: dict[str, Any], limit: str) -> None:
    """The error says which one it was, and the next call works."""
    with Subprocess(**{"seconds": 5, **options}) as runner:
        f = runner.compile(f"def f(stop):\n    if not stop: return 'well'\n    {body}", "f", {})
        with pytest.raises((LimitExceededError, CrossingError), match=r"may|cross") as caught:
            f(True)
        assert limit == "size" or (isinstance(caught.value, LimitExceededError) and caught.value.limit == limit)
        assert f(False) == "well"


def test_time_in_offered_functions_does_not_count(walled: Subprocess) -> None:
    """A model may take its time."""
    waiting = threading.Event()
    with Subprocess(host={"slow": lambda: waiting.wait(0.3)}, seconds=0.25) as runner:
        assert runner.compile("def f(): return [slow(), slow()]", "f", {})() == [False, False]


def test_a_limit_holds_while_the_code_is_being_defined(walled: Subprocess) -> None:
    """Also the top level of a text may not run for ever."""
    with Subprocess(seconds=0.2) as runner, pytest.raises(LimitExceededError):
        runner.compile("while True: pass\ndef f(): pass", "f", {})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os; os._exit(3)", "ended its process, with exit status 3"),
        ("import ctypes; ctypes.string_at(0)", "crash: SIGSEGV"),
        ("import os; os.close(1); [os.close(i) for i in range(3, 9)]", "The code|worker"),
        ("import sys; sys.exit('bye')", "ended with SystemExit: bye"),
        ("raise KeyboardInterrupt", "ended with KeyboardInterrupt"),
    ],
)
def test_an_end_of_the_process_is_an_error(make: Make, body: str, message: str) -> None:
    """The program goes on, and so does the next call."""
    f = make(f"def f(stop):\n    if stop:\n        {body}\n    return 'well'")
    with pytest.raises(SandboxError, match=message):
        f(True)
    assert f(False) == "well"


def test_printed_text_is_given_away(walled: Subprocess) -> None:
    """After each call, to whoever asks for it; also when the call fails."""
    heard: list[str] = []
    with Subprocess(on_output=heard.append) as runner:
        f = runner.compile(
            "import sys\nprint('top')\ndef f(x):\n    print(x)\n    sys.stderr.write('err')\n    1 / x", "f", {}
        )
        f(1)
        with pytest.raises(ZeroDivisionError):
            f(0)
    assert heard == ["top\n", "1\nerr", "0\nerr"]


# ---- processes


def test_calls_from_many_threads(make: Make) -> None:
    """Each gets its own answer."""
    f = make("def f(n):\n    return sum(range(n))")
    answers: dict[int, int] = {}

    def call(n: int) -> None:
        for _ in range(5):
            answers[n] = f(n)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == {n: sum(range(n)) for n in range(4)}


def test_a_worker_belongs_to_one_text(make: Make) -> None:
    """What one candidate does to its interpreter does not reach another."""
    poison = make("import builtins, math\nbuiltins.len = math.floor = lambda x: 'poisoned'\ndef f(x): return len(x)")
    clean = make("import math\ndef f(x): return len(x), math.floor(2.5)")
    assert poison("ab") == "poisoned"
    assert clean("ab") == (2, 2)


def test_idle_workers_are_frozen(make: Make) -> None:
    """Nothing of a call runs on after it; a worker in which something would is not used again."""
    waiting = make("import os\ndef f(): return os.getpid()")
    pid = waiting()
    assert comes_to(pid, "T")
    assert waiting() == pid
    text = "import os, threading\ndef f():\n    threading.Thread(target=threading.Event().wait, daemon=True).start()"
    leaving = make(f"{text}\n    return os.getpid()")
    assert leaving() != leaving()


def test_a_forked_child_has_workers_of_its_own(make: Make) -> None:
    """And leaves those of its parent alone."""
    f = make("import os\ndef f(): return os.getpid()")
    worker = f()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(f()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        told = stream.read()
    os.waitpid(child, 0)
    assert told.isdigit()
    assert int(told) != worker
    assert f() == worker


@pytest.mark.parametrize(
    "end", ["pass", "import os; os._exit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_workers_do_not_outlive_the_program(walled: Subprocess, end: str) -> None:
    """However it ends; and when it ends by itself, their folders are gone too."""
    script = (
        "from opto.sandbox import Subprocess\n"
        "f = Subprocess().compile('import os\\ndef f(): return [os.getpid(), os.getcwd()]', 'f', {})\n"
        f"pid, folder = f()\nprint(pid, folder, flush=True)\n{end}"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    pid, folder = answer.stdout.split()
    if end == "pass":
        assert answer.stderr == ""
        assert not os.path.exists(os.path.dirname(folder))
    else:
        shutil.rmtree(os.path.dirname(folder))
    assert comes_to(int(pid), "", "Z")


def test_code_that_defines_nothing_is_a_code_error(make: Make) -> None:
    """The messages are those of InProcess."""
    with pytest.raises(CodeError, match="must define 'f' at its top level, but it defines g"):
        make("def g(): pass")
    with pytest.raises(CodeError, match="does not compile: '\\(' was never closed") as caught:
        make("def f():\n    return (1")
    assert isinstance(caught.value.__cause__, SyntaxError)
    assert caught.value.source == "def f():\n    return (1"
    with pytest.raises(CodeError, match="is empty"):
        make("  ")
    with pytest.raises(CodeError, match="must be a string, got int"):
        make(3)
