"""`FunModule`: where its source comes from, and how code that a model wrote runs."""

from __future__ import annotations

import asyncio
import code
import functools
import sys
import threading
import types

import pytest

from opto.errors import CodeError
from opto.sandbox import CodeRunner, InProcess, running
from opto.trace import ExecutionError, Module, Node, bundle, node
from opto.trace.projections import Projection

SHARED: list[int] = []
TOTAL = 0


class Counting:
    """A code runner that counts its compilations and passes them on."""

    def __init__(self):
        self.count = 0
        self._inner = InProcess()

    def compile(self, source, name, namespace):
        self.count += 1
        return self._inner.compile(source, name, namespace)


def module_from(text: str, name: str = "written_here") -> types.ModuleType:
    """A module made by exec, as a notebook server or a test may make it."""
    made = types.ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), made.__dict__)
    return made


# ---- where functions are defined


class TestPlaces:
    def test_class_body(self):
        """A function bundled inline in a class body."""

        class Tools:
            double = bundle("[double] Doubles.")(lambda self, x: 2 * x)
            static = staticmethod(bundle()(lambda x: x + 1))

        assert Tools().double(2).data == 4
        assert Tools.static(1).data == 2

    def test_exec_without_source(self):
        """A function made by exec is bundled; only training it needs the source, and the error says so."""
        made = module_from("from opto.trace import bundle\n@bundle()\ndef f(x):\n    return x / 0\n")
        assert made.f.info["source"] is None
        assert made.f.info["line_number"] is None
        with pytest.raises(ExecutionError) as caught:
            made.f(1)
        assert caught.value.exception_node.data == "(ZeroDivisionError) division by zero"
        with pytest.raises(TypeError, match="needs the source of g"):
            module_from("from opto.trace import bundle\n@bundle(trainable=True)\ndef g(x):\n    return x\n")

    def test_interactive_console(self):
        """A function typed at a prompt is bundled and called."""
        console = code.InteractiveConsole()
        lines = ["from opto.trace import bundle", "@bundle()", "def f(x):", "    return x + 1", "", "y = f(2).data"]
        for line in lines:
            console.push(line)
        assert console.locals["y"] == 3

    def test_notebook_cell(self):
        """A trainable function in a cell: its source is the cell's, also after the cell is run again, changed."""
        shell_module = pytest.importorskip("IPython.core.interactiveshell")
        shell = shell_module.InteractiveShell()
        cell = "from opto.trace import bundle\n@bundle(trainable=True)\ndef f(x):\n    return x + {}\ny = f(1).data"
        for bonus in (1, 2):
            result = shell.run_cell(cell.format(bonus))
            assert result.success
            assert shell.user_ns["y"] == 1 + bonus
            assert shell.user_ns["f"].parameter.data == f"def f(x):\n    return x + {bonus}"

    def test_function_of_a_function(self):
        """A bundle made in a function sees what surrounds it."""

        def make(bonus):
            @bundle(trainable=True)
            def f(x):
                return x + bonus

            return f

        one, ten = make(1), make(10)
        assert (one(1).data, ten(1).data) == (2, 11)
        assert one.parameter.data == ten.parameter.data


# ---- the parameter


class TestParameter:
    def test_initial_code_and_description(self):
        """The parameter holds the source; its description gives the signature line and the docstring."""

        @bundle(trainable=True)
        def f(x, k=3):
            """Adds k."""
            return x + k

        assert f.parameter.data == 'def f(x, k=3):\n    """Adds k."""\n    return x + k'
        assert "def f(x, k=3):" in f.parameter.description
        assert '"""Adds k."""' in f.parameter.description
        assert f.parameter.data == f.info["source"]
        assert f.trainable
        assert f.parameters() == [f.parameter]
        assert f.parameters_dict() == {"parameter": f.parameter}

    def test_not_trainable(self):
        """Without training there is no parameter."""
        f = bundle()(lambda x: x)
        assert f.parameter is None
        assert not f.trainable
        assert f.parameters() == []
        assert f.parameters_dict() == {}

    def test_projections(self):
        """Projections are those of the code parameter."""

        class Upper(Projection):
            def project(self, x):
                return x.upper()

        upper = Upper()

        @bundle(trainable=True, projections=[upper])
        def f(x):
            return x

        assert f.parameter.projections == [upper]

        class Agent:
            @bundle(trainable=True, projections=[upper])
            def act(self):
                return 1

        assert Agent().act.parameter.projections == [upper]

    def test_save_and_load(self, tmp_path):
        """Saving and loading restore the code."""

        @bundle(trainable=True)
        def f(x):
            return x + 1

        f.save(tmp_path / "deep" / "f.opto")
        first = f.parameter.data
        f.parameter._data = "def f(x):\n    return x + 2"
        assert f(1).data == 3
        f.load(tmp_path / "deep" / "f.opto")
        assert f.parameter.data == first
        assert f(1).data == 2

    def test_save_and_load_of_a_bundle_in_a_module(self, tmp_path):
        """The code of a trainable method is part of what a module saves."""

        class Agent(Module):
            def __init__(self):
                self.greeting = node("hello", trainable=True)

            @bundle(trainable=True)
            def act(self, x):
                return x + 1

        agent = Agent()
        agent.act.parameter._data = "def act(self, x):\n    return x + 5"
        agent.save(tmp_path / "agent")
        other = Agent()
        other.load(tmp_path / "agent")
        assert other.act(1).data == 6


# ---- running a model's code


def trained(text, original="def f(x):\n    return x"):
    """A bundle called f whose code is `text`."""

    @bundle(trainable=True)
    def f(x):
        return x

    f.parameter._data = text
    return f


class TestCode:
    @pytest.mark.parametrize(
        "text",
        [
            "import math\ndef f(x):\n    return math.floor(x) + 1",
            "def f(x):\n    import math\n    return math.floor(x) + 1",
            "def helper(x):\n    return x + 1\ndef f(x):\n    return helper(x)",
            "def f(x):\n    return helper(x)\ndef helper(x):\n    return x + 1",
            "from math import floor as down\nB = 1\nclass Box:\n    k = B\ndef f(x):\n    return down(x) + Box.k",
            "# a comment\n\ndef f(x):\n    return x + 1\n\n\n# the end",
            "f = lambda x: x + 1",
            "import functools\n@functools.lru_cache\ndef f(x):\n    return x + 1",
            "def f(x):\n    def inner():\n        nonlocal x\n        x += 1\n    inner()\n    return x",
            "def f(*args, **kwargs):\n    return args[0] + 1",
            "async def other():\n    pass\ndef f(x, unused=None):\n    return x + 1",
            "x = 5\ndef f(x):\n    return x + 1\ndef f(x):\n    return x + 1",
        ],
    )
    def test_forms(self, text):
        """Imports and helpers before or after, constants, classes, redefinitions: the function is found by its name."""
        assert trained(text)(node(1)).data == 2

    def test_globals(self):
        """The code sees the function's module, and may change what it finds there."""
        f = trained("def f(x):\n    SHARED.append(x)\n    return len(SHARED)")
        SHARED.clear()
        assert f(1).data == 1
        assert SHARED == [1]

    def test_globals_of_untrained_functions_are_writable(self):
        """A plain bundle may assign a global and a nonlocal."""
        global TOTAL
        TOTAL = count = 0

        @bundle()
        def f(x):
            global TOTAL
            nonlocal count
            TOTAL += x
            count += 1
            return TOTAL

        assert (f(2).data, f(3).data, TOTAL, count) == (2, 5, 5, 2)

    def test_captured_locals(self):
        """The code sees the variables around the place where bundle was called, also ones it did not use before."""
        bonus, unused_before = 1, 10

        @bundle(trainable=True)
        def f(x):
            return x + bonus

        assert f(1).data == 2
        f.parameter._data = "def f(x):\n    return x + unused_before"
        assert f(1).data == 11
        assert unused_before == 10

    def test_new_globals_are_seen(self):
        """A name that the module gets later is seen."""
        f = trained("def f(x):\n    return LATER + x")
        with pytest.raises(ExecutionError, match="LATER"):
            f(1)
        globals()["LATER"] = 5
        try:
            assert f(1).data == 6
        finally:
            del globals()["LATER"]

    def test_the_codes_own_names_stay_its_own(self):
        """A helper in the code does not land in the module."""
        trained("def helper_of_code(x):\n    return x\ndef f(x):\n    return helper_of_code(x)")(1)
        assert "helper_of_code" not in globals()

    def test_methods_with_super(self):
        """A method's code may use self and super()."""

        class Base:
            def value(self, x):
                return x + 1

        class Derived(Base):
            factor = 10

            @bundle(trainable=True)
            def value(self, x):
                return super().value(x) * self.factor

        derived = Derived()
        assert derived.value(1).data == 20
        derived.value.parameter._data = "def value(self, x):\n    return super().value(x) * self.factor + 1"
        assert derived.value(1).data == 21

    def test_defaults_of_the_code(self):
        """Defaults are those of the original signature: they are inputs of the call."""

        @bundle(trainable=True)
        def f(x, k=3):
            return x + k

        f.parameter._data = "def f(x, k=100):\n    return x * k"
        assert f(2).data == 6

    def test_docstring_and_annotations(self):
        """Annotated code compiles, also with names that are not imported where annotations are postponed."""
        f = trained('def f(x: "Unknown") -> Unknown2:\n    """Doc."""\n    y: int = x\n    return y')
        assert f(1).data == 1

    def test_signature_changes_show_as_errors(self):
        """Code whose signature does not take the arguments is an error of the code, with the code as parent."""
        f = trained("def f(x, y):\n    return x")
        with pytest.raises(ExecutionError, match="missing 1 required positional argument") as caught:
            f(1)
        assert f.parameter in caught.value.exception_node.parents

    def test_errors_show_the_codes_lines(self):
        """A traceback through a model's code shows its lines, nested helpers too."""
        f = trained("def helper(x):\n    return x / 0\n\ndef f(x):\n    return helper(x)")
        with pytest.raises(ExecutionError) as caught:
            f(1)
        info = caught.value.exception_node.info
        assert "return x / 0 <--- (ZeroDivisionError) division by zero." in info["error_comment"]
        assert "return helper(x) <---" in info["error_comment"]
        assert "return helper(x)" in info["traceback"]

    def test_code_that_is_no_text(self):
        """A code parameter that holds something else is an error that says so."""
        f = trained(None)
        with pytest.raises(ExecutionError, match="must be a string"):
            f(1)


class TestRunner:
    def test_a_text_is_compiled_once(self):
        """Calls compile a distinct text once, and again only when it changed."""
        runner = Counting()
        assert isinstance(runner, CodeRunner)

        @bundle(trainable=True)
        def f(x):
            return x

        with running(runner):
            for k in range(5):
                assert f(k).data == k
            assert runner.count == 1
            f.parameter._data = "def f(x):\n    return -x"
            assert [f(k).data for k in range(3)] == [0, -1, -2]
            assert runner.count == 2

    def test_objects_share_the_compiled_code(self):
        """A copy compiles nothing that the original compiled."""
        runner = Counting()

        class Agent:
            @bundle(trainable=True)
            def act(self, x):
                return x

        with running(runner):
            agent = Agent()
            agent.act(1)
            agent.act.copy()(1)
            agent.act.detach()(1)
            assert runner.count == 1

    def test_recursion_compiles_nothing(self):
        """Recursive calls run the compiled function."""
        runner = Counting()

        @bundle(trainable=True)
        def f(n):
            return 0 if n == 0 else 1 + f(n - 1)

        with running(runner):
            assert f(20).data == 20
            assert runner.count == 1

    def test_running_ends_with_the_block(self):
        """Outside of the block the code runs in this process again."""

        class Shouting:
            def compile(self, source, name, namespace):
                function = InProcess().compile(source, name, namespace)
                return lambda *args: f"{function(*args)}!"

        f = trained("def f(x):\n    return x")
        with running(Shouting()):
            assert f("a").data == "a!"
        assert f("a").data == "a"

    def test_a_runner_that_refuses(self):
        """A runner's CodeError is the function's."""

        class Refusing:
            def compile(self, source, name, namespace):
                raise CodeError("no code today")

        with running(Refusing()), pytest.raises(ExecutionError, match="no code today"):
            trained("def f(x):\n    return x")(1)

    def test_untrained_functions_need_no_runner(self):
        """A function without trainable code is called as it is."""
        runner = Counting()
        with running(runner):
            bundle()(lambda x: x)(1)
        assert runner.count == 0

    def test_threads_each_run_their_own_runner(self):
        """A runner set in one thread is not another's."""
        runner = Counting()
        f = trained("def f(x):\n    return x")
        with running(runner):
            thread = threading.Thread(target=f, args=(1,))
            thread.start()
            thread.join()
        assert runner.count == 0


def test_partial_attribute():
    """A trainable bundle behind functools.partial in an attribute is an error when parameters are collected."""

    class Agent(Module):
        def __init__(self, function):
            self.function = functools.partial(function, 1)

    f = trained("def f(x):\n    return x")
    with pytest.raises(ValueError, match=r"functools\.partial"):
        Agent(f).parameters()
    assert Agent(bundle()(lambda x: x)).parameters() == []
    assert Agent(print).parameters() == []


def test_a_bundle_is_a_module():
    """A bundle is a Module, and forward is the call."""
    f = bundle()(lambda x: x + 1)
    assert isinstance(f, Module)
    assert f.forward(1).data == 2


def test_repr_names_the_function_and_its_signature():
    """The text of a bundle says what it is."""

    @bundle(trainable=True)
    def f(x, k=1):
        return x

    assert repr(f).endswith("f(x, k=1), trainable>")
    assert repr(f).startswith("<bundle ")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")
def test_type_parameters():
    """A generic function is bundled and trained as any other."""
    namespace: dict = {}
    exec("def f[T](x: T) -> T:\n    return x", namespace)
    assert bundle()(namespace["f"])(1).data == 1
    assert trained("def f[T](x: T) -> T:\n    return x")(1).data == 1


async def test_concurrent_updates_of_async_code():
    """A call that waits goes on with the code it started with, while the next call runs the new one."""
    ready = asyncio.Event()

    @bundle(trainable=True)
    async def f(wait):
        await wait()
        return "old"

    first = asyncio.ensure_future(f(ready.wait))
    await asyncio.sleep(0)
    f.parameter._data = "async def f(wait):\n    return 'new'"
    assert (await f(ready.wait)).data == "new"
    ready.set()
    output = await first
    assert output.data == "old"
    assert "'new'" not in output._read[-1]
    assert isinstance(output, Node)
