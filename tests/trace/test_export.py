"""Tests of opto.trace.export."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from opto.trace import Module, bundle, model, node
from opto.trace.export import export_class, export_function


def program(tmp_path: Path, text: str, name: str = "program") -> Any:
    """The module of a file with this text."""
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"export_{tmp_path.name}_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def exported(tmp_path: Path, instance: Any) -> str:
    """What export writes."""
    path = tmp_path / "out" / "exported.py"
    instance.export(str(path))
    return path.read_text(encoding="utf-8")


def answer(text: str, expression: str) -> str:
    """What an expression prints in a fresh interpreter that has the exported text and no opto."""
    code = f"{text}\nimport sys\nassert 'opto' not in sys.modules\nprint({expression})"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{text}\n{run.stderr}"
    return run.stdout.strip()


FULL = '''
    """A program."""
    import functools
    import math
    from collections import Counter as Tally

    from opto import trace
    from opto.trace import Node, bundle, model, node
    from opto.trace.bundle import bundle as b2

    LIMIT = max(3, 4)  # not a literal
    UNUSED = object()
    tool = functools.partial(bundle, trainable=True)
    module_prompt = node("Be brief", trainable=True)

    def helper(x: Node) -> int:
        """Helps."""
        return min(round(x), LIMIT)

    @bundle(trainable=True)
    def learned(x):
        return x

    def traced(f):
        return f

    @model
    class Agent:
        """Answers."""

        kind = node("class level")

        def __init__(self, size=2):
            super().__init__()
            self.size = size
            # the prompt
            self.prompt = node(
                "Answer",
                trainable=True,
                description="what to say",
            )  # trained
            self.factor: Node = node(2.0, trainable=True)
            self.a, self.plain = node(-1), math.floor(2.5)
            self.items = [node(1), node({"k": node(2)})]
            self.__private = trace.node(3)

        @bundle(allow_external_dependencies=True)
        def look(self, x):
            """Look it up."""
            return x * self.factor.data + self.__private.data

        @trace.bundle(
            trainable=True,
        )  # trailing
        @traced
        def judge(self, x):
            """Judge."""
            return x

        @staticmethod
        @b2()
        def static(x):
            return helper(x)

        @tool()
        def tooled(self, x):
            prompt = """
        As written.
            """
            return prompt + str(x)

        def forward(self, x):
            extra = node(1, name="extra")
            return learned(self.judge(self.look(x))) + extra + self.static(9)

        def __str__(self):
            return f"{self.prompt}/{self.kind}/{module_prompt}/{Tally('aa')['a']}/{self.items}/{self.a}/{self.plain}"
'''


def test_a_trained_program_runs_without_opto(tmp_path: Path) -> None:
    """Decorators and nodes are gone, trained code and values are in, and what is used of the module comes along."""
    module = program(tmp_path, FULL)
    agent = module.Agent()
    agent.prompt._set('It\'s a "good"\nday: größer')
    agent.factor._set(3.0)
    module.learned.parameter._set("def learned(x):\n    return x + 0.5")
    agent.judge.parameter._set(
        "import math\n\ndef twice(x):\n    return 2 * x\n\ndef judge(self, x):\n    return twice(x) - self.size"
    )
    expected = str(agent(2).data)
    text = exported(tmp_path, agent)
    assert "bundle" not in text
    assert "node(" not in text
    assert "UNUSED" not in text
    assert "# the prompt" in text
    assert "# trained" in text
    assert "class Agent:" in text
    assert answer(text, "Agent()(2)") == expected == "21.5"
    assert answer(text, "Agent().prompt") == 'It\'s a "good"\nday: größer'
    assert answer(text, "str(Agent()).split('/', 1)[1]") == "class level/Be brief/2/[1, {'k': 2}]/-1/2"
    assert answer(text, "repr(Agent().tooled(1))") == repr(agent.tooled(1).data)


def test_a_function_local_class_is_exported(tmp_path: Path) -> None:
    """A class of a test function, with what it closes over."""
    offset = 5

    @model
    class StrangeCalculator:
        def __init__(self) -> None:
            super().__init__()
            self.offset = node(2, trainable=True)
            self.minus = 5
            self.plus = node(1)

        @bundle(trainable=True)
        def calculate(self, x: Any) -> Any:
            """Calculate."""
            return x + self.offset.data + offset

        def forward(self, x: Any) -> Any:
            return self.calculate(x)

    calculator: Any = StrangeCalculator()
    calculator.offset._data = 3
    calculator.plus._data = -2
    text = exported(tmp_path, calculator)
    assert answer(text, "StrangeCalculator()(1), StrangeCalculator().plus") == "9 -2"


def test_an_attribute_of_trained_code_is_read_plainly(tmp_path: Path) -> None:
    """Code parameters that read `self.attribute.data` do so no more."""
    module = program(
        tmp_path,
        """
        from opto.trace import bundle, model, node

        @model
        class A:
            def __init__(self):
                self.p = node("p", trainable=True)

            @bundle(trainable=True, allow_external_dependencies=True)
            def f(self, x):
                return self.p.data + x
        """,
    )
    assert answer(exported(tmp_path, module.A()), "A().f('x')") == "px"


def test_user_bases_come_along_without_those_of_opto(tmp_path: Path) -> None:
    """Inherited methods and super() work; each class has the values of the one object."""
    module = program(
        tmp_path,
        """
        import abc
        from opto.trace import bundle, model, node, Module

        class Plain(abc.ABC):
            def greet(self):
                return "hello " + str(self.name)

        @model
        class Base(Plain):
            def __init__(self, name):
                super().__init__()
                self.name = node(name, trainable=True)

            @bundle(trainable=True)
            def twice(self, x):
                return 2 * x

        @model
        class Child(Base):
            def __init__(self):
                super().__init__("me")
                self.own = node(1)

            def greet(self):
                return super().greet() + str(self.own)

            def forward(self, x):
                return self.twice(x)
        """,
    )
    child = module.Child()
    child.name._set("you")
    child.twice.parameter._set("def twice(self, x):\n    return 2 * x + 1")
    text = exported(tmp_path, child)
    assert answer(text, "Child()(3), Child().name, Child().greet()") == "7 you hello you1"
    assert "class Plain(abc.ABC):" in text
    assert "class Base(Plain):" in text
    assert "class Child(Base):" in text


def test_nested_modules_bring_their_values(tmp_path: Path) -> None:
    """A module in an attribute is a class of its own; two with different values cannot share one."""
    module = program(
        tmp_path,
        """
        from opto.trace import Module, model, node

        class Part(Module):
            def __init__(self):
                self.weight = node(1, trainable=True)

            def forward(self, x):
                return x * self.weight

        @model
        class Whole:
            def __init__(self):
                self.parts = [Part(), Part()]

            def forward(self, x):
                return sum(part(x) for part in self.parts)
        """,
    )
    whole = module.Whole()
    for part in whole.parts:
        part.weight._set(4)
    assert answer(exported(tmp_path, whole), "Whole()(2)") == "16"
    whole.parts[0].weight._set(5)
    with pytest.raises(ValueError, match=r"Part\.weight has different values in several objects"):
        exported(tmp_path, whole)


def test_attributes_that_were_set_from_outside_are_kept(tmp_path: Path) -> None:
    """They are set at the end of __init__."""
    module = program(
        tmp_path,
        """
        from opto.trace import model, node

        @model
        class A:
            def __init__(self):
                for name in ("x", "y"):
                    setattr(self, name, node(0, trainable=True))
        """,
    )
    instance = module.A()
    instance.y._set(7)
    instance.z = node("new", trainable=True)
    assert answer(exported(tmp_path, instance), "vars(A())") == "{'x': 0, 'y': 7, 'z': 'new'}"


@pytest.mark.parametrize(
    ("first", "value", "shown"),
    [
        ("-1", "5", "5"),
        ("1", "not a number", "'not a number'"),
        ("'text'", "5", "'5'"),
        ("'text'", "max", "'max'"),
        ("[1]", [1, (2,), {"b", "a"}, {"k": None}], "[1, (2,), {'a', 'b'}, {'k': None}]"),
        ("1.0", float("inf"), "float('inf')"),
        ("0", True, "True"),
        ("b'x'", b"\x00", "b'\\x00'"),
        ("()", frozenset(), "frozenset()"),
        ("()", set(), "set()"),
    ],
)
def test_values_become_literals(tmp_path: Path, first: str, value: Any, shown: str) -> None:
    """A string is source only where a number or a container was written; sets are sorted."""
    module = program(
        tmp_path,
        f"""
        from opto.trace import model, node

        @model
        class A:
            def __init__(self):
                self.x = node({first}, trainable=True)
        """,
    )
    instance = module.A()
    instance.x._set(value)
    assert f"self.x = {shown}\n" in export_class(module.A.__bases__[0], instance, [])


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One error tells all: values without a literal, names of opto that stay in use."""
    module = program(
        tmp_path,
        """
        from opto.trace import model, node, operators as ops

        class Opaque:
            pass

        thing = [Opaque() for _ in range(2)][0].__class__()
        made = globals().setdefault("other", object())

        @model
        class A:
            def __init__(self):
                self.x = node(Opaque(), trainable=True)

            def forward(self, x):
                return ops.add(x, other)
        """,
    )
    with pytest.raises(ValueError, match="A cannot be exported") as caught:
        export_class(module.A.__bases__[0], module.A(), [])
    message = str(caught.value)
    assert "A.x is of type Opaque, which has no literal" in message
    assert "it uses 'ops' of opto" in message
    assert "the value of 'other' has no source" in message


def test_projections_are_applied(tmp_path: Path) -> None:
    """In turn, in place of black."""

    class Shout:
        def project(self, text: str) -> str:
            return text + "# shouted\n"

    @model
    class A:
        def f(self) -> int:
            return 1

    path = tmp_path / "a.py"
    A().export(path, projections=[Shout(), Shout()])  # type: ignore[attr-defined]
    assert path.read_text().endswith("# shouted\n# shouted\n")


def test_a_module_without_the_decorator_can_be_exported(tmp_path: Path) -> None:
    """A plain subclass of Module is callable after export, too."""
    module = program(
        tmp_path,
        """
        from opto.trace import Module, node

        class Adder(Module):
            def __init__(self):
                self.n = node(1, trainable=True)
            def forward(self, x): return x + self.n
        """,
    )
    assert issubclass(module.Adder, Module)
    assert answer(export_class(module.Adder, module.Adder()), "Adder()(2)") == "3"


def test_a_trained_function_is_exported(tmp_path: Path) -> None:
    """With what it uses; the code is the one it has now."""
    module = program(
        tmp_path,
        """
        import math
        from opto.trace import bundle

        SCALE = 10

        def scale(x):
            return x * SCALE

        @bundle(trainable=True)
        def f(x):
            return x

        g = bundle(trainable=True)(lambda x: scale(x))
        """,
    )
    module.f.parameter._set("def f(x):\n    return math.ceil(scale(x))")
    assert answer(export_function(module.f), "f(0.25)") == "3"
    assert answer(export_function(module.g), "g(2)") == "20"
    with pytest.raises(TypeError, match="function must be a bundled function"):
        export_function(len)
