"""Tests of opto.sandbox.in_process."""

from __future__ import annotations

import builtins
import gc
import linecache
import pickle
import sys
import threading
import traceback
import types
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import pytest

from opto.errors import CodeError
from opto.sandbox import InProcess, text_of


def run(source: str, name: str = "f", namespace: Mapping[str, Any] | None = None) -> Any:
    """Compile with a runner of its own."""
    return InProcess().compile(source, name, {} if namespace is None else namespace)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return x + 1",
        "\n\n# a comment\ndef f(x):\n    return x + 1\n\n",
        "f = lambda x: x + 1",
        "import math\n\ndef helper(x):\n    return math.floor(x) + 1\n\ndef f(x):\n    return helper(x)\n",
        "def f(x):\n    return helper(x)\n\ndef helper(x):\n    return x + 1\n",
        "class f:\n    def __new__(cls, x):\n        return x + 1\n",
        "import functools\n\n@functools.lru_cache\ndef f(x):\n    return x + 1\n",
        "from __future__ import annotations\nfrom functools import partial\n"
        "def g(y: Unknown, x): return x + y\nf = partial(g, 1)",
        '"""A module docstring."""\nfrom __future__ import annotations\ndef f(x: Unknown): return x + 1',
        "from math import *\ndef f(x):\n    return floor(x) + 1",
        "if True:\n    def f(x): return x + 1\nelse:\n    def f(x): return x",
        "def f(x):\r\n    return x + 1\r\n",
        "def f(x):\n\treturn x + 1",
        "step: int = 1\ndef f(x: int) -> int:\n    return x + step",
        "ähnlich = 1\ndef f(x):\n    return x + ähnlich  # größer",
        "def f(x):\n    def inner():\n        nonlocal x\n        x += 1\n    inner()\n    return x",
        "def f(x):\n    return [y + z for y in [x] for z in (1,)][0]",
        "def f(x):\n    return eval('x + 1')",
        "total = 0\ndef f(x):\n    global total\n    total = x + 1\n    return total",
        "def f(x):\n    global fresh\n    fresh = x + 1\n    return fresh",
        "global total\ntotal = 1\ndef f(x):\n    return x + total",
        "def f(x):\n    return x + 1\nassert f(1) == 2\nf.checked = True",
        "max = max\ndef f(x):\n    return max(x + 1, 0)",
    ],
)
def test_the_callable_of_the_given_name_is_returned(source: str) -> None:
    """Definitions of every kind are found by name, with whatever stands around them."""
    assert run(source)(1) == 2


def test_coroutine_functions_and_generators_stay_what_they_are() -> None:
    """An async def gives a coroutine function, a def with yield a generator function."""
    import asyncio

    assert asyncio.run(run("async def f(x):\n    return x")(3)) == 3
    assert list(run("def f(n):\n    yield from range(n)")(3)) == [0, 1, 2]


def test_recursion_reaches_the_plain_function() -> None:
    """The name means the text's own function inside the text, whatever the namespace has under it."""
    fact = run("def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)", "fact", {"fact": None})
    assert fact(5) == 120


def test_names_look_like_those_of_a_module() -> None:
    """Qualified names, docstrings and messages show nothing of how the text is run."""
    function = run(
        "def f(x):\n    def g():\n        pass\n    return g\n\nclass C:\n    def m(self):\n        pass\nf.C = C"
    )
    assert (function.__name__, function.__qualname__, function.__doc__) == ("f", "f", None)
    assert function(1).__qualname__ == "f.<locals>.g"
    assert (function.C.__qualname__, function.C.m.__qualname__) == ("C", "C.m")
    with pytest.raises(TypeError, match=r"^f\(\) missing 1 required positional argument: 'x'$"):
        function()
    assert run("f = lambda: None").__doc__ is None
    assert run("f = lambda x: x").__qualname__ == "<lambda>"
    assert run("def f():\n    'Doc.'").__doc__ == "Doc."


# ---- the namespace


def test_module_globals_are_seen_live() -> None:
    """A name that is rebound or added in the module after compile() is seen by the next call."""
    module = types.ModuleType("program")
    module.__dict__["scale"] = 2
    function = run("def f(x):\n    return x * scale + (extra if scale > 2 else 0)", "f", vars(module))
    assert function(5) == 10
    module.__dict__.update(scale=3, extra=1)
    assert function(5) == 16
    assert function.__globals__ is vars(module)


@pytest.mark.parametrize("name", ["f", "helper", "CONSTANT", "math", "Thing", "fresh", "CONSTANT2"])
def test_nothing_of_the_text_leaks(name: str) -> None:
    """The names that a text defines, also with `global`, stay its own; the namespace keeps its keys."""
    source = (
        "import math\nCONSTANT = 1\nglobal CONSTANT2\nCONSTANT2 = 2\nclass Thing: pass\ndef helper(): return CONSTANT\n"
        "def f():\n    global CONSTANT, fresh\n    CONSTANT += 1\n    fresh = 1\n    return helper() + fresh"
    )
    module = types.ModuleType("program")
    before = dict(vars(module))
    function = run(source, "f", vars(module))
    assert (function(), function()) == (3, 4)
    assert vars(module) == before
    assert not hasattr(module, name)
    empty: dict[str, Any] = {}
    run(source, "f", empty)()
    assert empty == {}


def test_a_global_statement_about_a_global_of_the_module_means_it() -> None:
    """As in the function that the text stands for."""
    module = {"__name__": "program", "count": 0}
    function = run("def f():\n    global count\n    count += 1", "f", module)
    function(), function()
    assert module["count"] == 2


def test_captured_names_come_before_globals() -> None:
    """In a ChainMap the last map is the live globals; those before it give the values of the time of compile()."""
    module, captured = {"a": 1, "b": 1}, {"b": 10, "unused": 0}
    function = run("def f():\n    return a + b", "f", ChainMap(captured, module))
    module["a"], captured["b"] = 2, 20
    assert function() == 12
    assert captured.keys() == {"b", "unused"}


def test_any_mapping_will_do() -> None:
    """A mapping that is no dict is copied."""
    assert run("def f():\n    return a", "f", types.MappingProxyType({"a": 1}))() == 1


def test_top_level_code_may_rebind_what_it_reads() -> None:
    """`x = x + 1` at the top level of the text starts from the value in the namespace."""
    module = {"x": 1}
    assert run("x = x + 1\ndef f():\n    return x", "f", module)() == 2
    assert module == {"x": 1}


def test_class_bodies_see_the_names_around_them() -> None:
    """A class body may use the module's names, captured ones, and those of the text."""
    source = "own = 1\ndef f():\n    class C:\n        total = own + captured + module\n    return C.total"
    assert run(source, "f", ChainMap({"captured": 10}, {"__name__": "program", "module": 100}))() == 111


def test_super_works_in_the_text_of_a_method() -> None:
    """With `__class__` among the captured names, a method's text may call super()."""

    class Base:
        def area(self) -> int:
            return 3

    class Child(Base):
        pass

    Child.area = run(
        "def area(self):\n    return super().area() + 1", "area", ChainMap({"__class__": Child}, globals())
    )
    assert Child().area() == 4


def test_builtins_are_python_s_own() -> None:
    """A namespace without builtins gets them, without being changed."""
    namespace: dict[str, Any] = {}
    assert run("def f(x):\n    return len(x), __builtins_seen()", "f", {"__builtins_seen": lambda: 1})("ab") == (2, 1)
    assert run("def f():\n    import builtins\n    return builtins", "f", namespace)() is builtins
    assert namespace == {}


def test_the_main_block_of_a_text_does_not_run() -> None:
    """A text that is run in a script is not the script."""
    source = "def f():\n    return __name__\nif __name__ == '__main__':\n    raise SystemExit('ran')"
    assert run(source, "f", {"__name__": "__main__"})() == "<opto>"
    assert run(source, "f", {"__name__": "program"})() == "program"


def test_postponed_annotations_are_inherited() -> None:
    """A text of a module that postpones annotations may name what exists for type checkers only."""
    import __future__

    source = "def f(x: Unknown): return x"
    assert run(source, "f", {"annotations": __future__.annotations})(1) == 1
    if sys.version_info < (3, 14):
        with pytest.raises(CodeError, match="name 'Unknown' is not defined"):
            run(source, "f", {"annotations": 3})


def test_mutable_globals_can_be_changed() -> None:
    """A list of the module is the very list."""
    module: dict[str, Any] = {"seen": []}
    run("def f(x):\n    seen.append(x)", "f", module)(1)
    assert module["seen"] == [1]


# ---- bad code


@pytest.mark.parametrize(
    ("source", "message", "cause"),
    [
        ("def f(x:\n    return", "The code of 'f' does not compile: .*line 1", SyntaxError),
        ("def f(x):\nreturn x", "line 2", SyntaxError),
        ("return 1\ndef f(): pass", "outside function.*line 1", SyntaxError),
        ("def f(x): pass\0", "does not compile", (SyntaxError, ValueError)),
        ("def f(): return '\ud800'", "does not compile", (UnicodeEncodeError, SyntaxError)),
        ("f = " + "(" * 3000 + "1" + ")" * 3000, "does not compile", (SyntaxError, MemoryError, RecursionError)),
        (
            "1 / 0\ndef f(): pass",
            "The code of 'f' fails while it is being defined: ZeroDivisionError",
            ZeroDivisionError,
        ),
        ("import nowhere_to_be_found\ndef f(): pass", "No module named 'nowhere_to_be_found'", ModuleNotFoundError),
        ("from nowhere_to_be_found import *\ndef f(): pass", "No module named", ModuleNotFoundError),
        ("raise SystemExit(3)\ndef f(): pass", "SystemExit: 3", SystemExit),
        ("@missing\ndef f(): pass", "name 'missing' is not defined", NameError),
        ("if False:\n    def f(): pass", "'f'", UnboundLocalError),
        ("def g(): pass\ndef h(): pass", "must define 'f' at its top level, but it defines g, h", None),
        ("x = [1]; x[0] = 2; print", "it defines x", None),
        ("class A:\n    def f(self): pass", "it defines A", None),
        ("pass", "it defines nothing", None),
        ("f = 3", "must define 'f' as a function, but it is a value of type int", None),
        ("", "The code of 'f' is empty", None),
        (" \n\t", "is empty", None),
        (3, "The code of 'f' must be a string, got int", None),
        (None, "must be a string, got NoneType", None),
    ],
)
def test_bad_code_is_a_code_error(source: Any, message: str, cause: type[BaseException] | None) -> None:
    """The error says what is wrong, and its cause is the original exception."""
    with pytest.raises(CodeError, match=f"(?s){message}") as caught:
        run(source)
    assert isinstance(caught.value.__cause__, cause or type(None))
    assert caught.value.source == (source if isinstance(source, str) and source.strip() else None)


def test_a_keyboard_interrupt_passes() -> None:
    """The person at the keyboard is not the code's error."""
    with pytest.raises(KeyboardInterrupt):
        run("raise KeyboardInterrupt\ndef f(): pass")


def test_a_namespace_survives_bad_code() -> None:
    """A definition that fails halfway leaves nothing behind."""
    module = {"__name__": "program"}
    with pytest.raises(CodeError):
        run("a = 1\nb = a / 0\ndef f(): pass", "f", module)
    assert module == {"__name__": "program"}


# ---- tracebacks, and the cost of a text


def test_tracebacks_show_the_lines_of_the_text() -> None:
    """The file name is canonical and the line of the text is shown, at the top level called <module>."""
    function = run("def f(x):\n    return x / 0  # here")
    with pytest.raises(ZeroDivisionError) as caught:
        function(1)
    text = "".join(traceback.format_exception(caught.value))
    assert "return x / 0  # here" in text
    assert 'File "<opto:f:' in text
    with pytest.raises(CodeError) as failed:
        run("1 / 0\ndef f(): pass")
    frames = traceback.extract_tb(failed.value.__cause__.__traceback__)
    assert (frames[-1].name, frames[-1].line) == ("<module>", "1 / 0")


def test_two_texts_of_one_name_keep_their_lines() -> None:
    """A newer text does not take over the lines of an older one; the same text has the same file name in any run."""
    first, second = run("def f():\n    return 1 / 0"), run("def f():\n    return [][0]")
    for function, line in ((first, "return 1 / 0"), (second, "return [][0]")):
        with pytest.raises((ZeroDivisionError, IndexError)) as caught:
            function()
        assert traceback.extract_tb(caught.value.__traceback__)[-1].line == line
    assert run("def f():\n    return 1 / 0").__code__.co_filename == first.__code__.co_filename


def test_code_leads_back_to_its_text() -> None:
    """Every code object of a text knows the text."""
    source = "def f(x):\n    return (lambda: x)"
    function = run(source)
    assert text_of(function.__code__) == text_of(function(1).__code__) == source
    assert text_of(run.__code__) is None


def test_a_text_is_compiled_once_by_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask for a text at once, it is compiled once; each gets a function of its own."""
    from opto.sandbox import _factory

    builds: list[str] = []
    build = _factory.build

    def counted(*args: Any, **kwargs: Any) -> Any:
        builds.append("built")
        return build(*args, **kwargs)

    monkeypatch.setattr(_factory, "build", counted)
    runner, barrier, functions = InProcess(), threading.Barrier(16), []

    def work() -> None:
        barrier.wait()
        functions.append(runner.compile("calls = []\ndef f():\n    calls.append(1)\n    return len(calls)", "f", {}))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builds == ["built"]
    assert [function() for function in functions] == [1] * 16
    assert len({id(function.__code__) for function in functions}) == 1


def test_nothing_piles_up_over_many_texts() -> None:
    """The cache keeps to its size, and lines are forgotten with the last code of their text."""
    runner = InProcess(cache_size=8)
    kept = runner.compile("def piled():\n    return 'kept' / 1", "piled", {})
    for number in range(300):
        runner.compile(f"def piled():\n    return {number}", "piled", {})()
    gc.collect()
    ours = [name for name in linecache.cache if name.startswith("<opto:piled:")]
    assert len(ours) <= 8 + 1
    assert len(runner._programs) == 8
    assert linecache.getline(kept.__code__.co_filename, 2) == "    return 'kept' / 1\n"


def test_a_cache_without_room_is_refused() -> None:
    """The message names the argument and the value."""
    with pytest.raises(ValueError, match="cache_size must be >= 1, got 0"):
        InProcess(cache_size=0)


def test_a_runner_survives_pickle() -> None:
    """The cache stays behind."""
    runner = InProcess(cache_size=3)
    runner.compile("def f(): pass", "f", {})
    copy = pickle.loads(pickle.dumps(runner))
    assert (copy._cache_size, len(copy._programs)) == (3, 0)
