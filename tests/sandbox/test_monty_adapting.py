"""Tests of opto.sandbox.monty.adapting, and of the library that it puts in front of a text."""

from __future__ import annotations

import ast
import cmath
import heapq
import importlib
import operator
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opto.sandbox import InProcess
from opto.sandbox.monty import Monty
from opto.sandbox.monty.adapting import LIBRARY, adapt, library_text
from opto.sandbox.monty.library import cmath as own_cmath
from opto.sandbox.monty.library import heapq as own_heapq
from opto.sandbox.monty.library import operator as own_operator
from opto.sandbox.monty.library import string as own_string

RUNNER = Monty()

TEXTS = [
    "def f():\n    g = (n * n for n in range(4))\n    return [next(g), list(g), list(g)]",
    "def f():\n    return [next((n for n in [] if n), 'ö'), sum(n for n in (m for m in [1, 2])), max(n for n in [3])]",
    "def f():\n    return sorted(\n        (n\n         for n in [2, 1]), key=lambda n: -n\n    )",
    "def f():\n"
    "    return 'ä', list(map(str.upper, ['ö', 'a'])), [str.split(w) for w in ['a b']], sorted('aB', key=str.lower)",
    "def f():\n"
    "    return set.intersection(*map(set, [[1, 2], [2, 3], [2]])), set.union({1}), set.difference({1, 2}, {1}, {3})",
    "def f():\n    return (str\n            .upper('a'), list.count([1, 1], 1), dict.get({1: 2}, 1))",
    "def f(str='x'):\n    return str.upper()",
    "def f():\n    d, n = {1: 2, 3: 4}, [1, 2, 3, 4, 5]\n    del d[1]; del n[0]\n    del n[1:3]\n"
    "    del n[-1]\n    return d, n",
    "def f():\n    d = {'a': {'b': [1, 2]}}\n    del d['a']['b'][len('x')]\n    return d",
    "import heapq, math\ndef f():\n    h = [3, 1, 2]\n    heapq.heapify(h)\n"
    "    return h, heapq.heappop(h), math.floor(1.5)",
    "import heapq as hq\ndef f():\n    return hq.nlargest(2, [(1, 'a'), (3, 'b'), (2, 'c')], key=lambda p: p[0])",
    "from operator import (\n    itemgetter as get,\n    mul,\n)\nfrom functools import reduce\ndef f():\n"
    "    return sorted([(1, 2), (0, 3)], key=get(0)), reduce(mul, [2, 3, 4]), get(1, 0)((5, 6))",
    "def f():\n    import string\n    return string.ascii_lowercase.index('c'), string.capwords('a bc')",
    "import cmath\ndef f():\n    return cmath.polar(1j), cmath.rect(2, 0), cmath.phase(-1)",
    "import operator\nclass A:\n    def __init__(self, x): self.x = x\ndef f():\n"
    "    return operator.attrgetter('x')(A(3))",
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_adapted_text_gives_what_python_gives(text: str) -> None:
    """It does the same in another way."""
    assert RUNNER.compile(text, "f", {})() == InProcess().compile(text, "f", {})()


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_keeps_its_lines(text: str) -> None:
    """A traceback finds the line that the person wrote."""
    adapted = adapt(text, ast.parse(text)).text
    assert adapted.count("\n") == text.count("\n")
    ast.parse(adapted)


@pytest.mark.parametrize("statement", ["del d['c']", "del n[2]", "del n[-3]", "str.upper(3)", "heapq.heappop([])"])
def test_an_adapted_statement_fails_as_python_fails(statement: str) -> None:
    """The exception is the same, on the same line."""
    text = f"import heapq\ndef f():\n    d, n = {{'a': 1}}, [1, 2]\n    {statement}"
    raised = []
    for runner in (RUNNER, InProcess()):
        with pytest.raises((LookupError, TypeError)) as caught:
            runner.compile(text, "f", {})()
        traceback = caught.value.__traceback__
        lines = []
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename.startswith("<opto:"):
                lines.append(traceback.tb_lineno)
            traceback = traceback.tb_next
        raised.append((type(caught.value), str(caught.value), lines))
    assert raised[0] == raised[1]


def test_a_text_without_need_stays_as_it_is() -> None:
    """Nothing is put in front of it."""
    text = "def f(x):\n    return [str(y) for y in x]"
    adapted = adapt(text, ast.parse(text))
    assert (adapted.text, adapted.prelude) == (text, "")


# ---- the library, run by Python


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_a_module_holds_nothing_that_the_standard_librarys_lacks(name: str) -> None:
    """Its text defines one name."""
    own = importlib.import_module(f"opto.sandbox.monty.library.{name}")
    assert all(hasattr(importlib.import_module(name), each) for each in own.__all__)
    namespace: dict[str, Any] = {}
    exec(library_text(name), namespace)
    assert namespace.keys() - {"__builtins__"} == {f"__opto_{name}"}
    assert all(hasattr(namespace[f"__opto_{name}"], each) for each in own.__all__)


@given(st.lists(st.tuples(st.sampled_from(["push", "pop", "replace", "pushpop", "heapify"]), st.integers(0, 9))))
@settings(max_examples=100)
def test_heaps_are_arranged_as_the_standard_library_does(steps: list[tuple[str, int]]) -> None:
    """Step by step, the lists are the same."""
    one: list[int] = []
    other: list[int] = []
    for step, item in steps:
        if step == "heapify":
            one, other = [*one, item, *one], [*other, item, *other]
            own_heapq.heapify(one)
            heapq.heapify(other)
        elif step == "push":
            own_heapq.heappush(one, item)
            heapq.heappush(other, item)
        elif step == "pushpop":
            assert own_heapq.heappushpop(one, item) == heapq.heappushpop(other, item)
        elif other:
            if step == "pop":
                assert own_heapq.heappop(one) == heapq.heappop(other)
            else:
                assert own_heapq.heapreplace(one, item) == heapq.heapreplace(other, item)
        assert one == other


@given(st.lists(st.tuples(st.integers(0, 3), st.integers())), st.integers(-1, 5))
@settings(max_examples=50)
def test_the_largest_and_smallest_come_in_the_same_order(items: list[tuple[int, int]], n: int) -> None:
    """Equal ones keep theirs."""
    key = operator.itemgetter(0)
    assert own_heapq.nlargest(n, items, key=key) == heapq.nlargest(n, items, key=key)
    assert own_heapq.nsmallest(n, items, key=key) == heapq.nsmallest(n, items, key=key)
    halves = sorted(items[::2], key=key), sorted(items[1::2], key=key)
    assert list(own_heapq.merge(*halves, key=key)) == list(heapq.merge(*halves, key=key))


@given(st.integers(-9, 9), st.integers(1, 9))
@settings(max_examples=20)
def test_operators_are_the_same(a: int, b: int) -> None:
    """Each gives what the standard library's gives."""
    several = {"attrgetter", "contains", "countOf", "getitem", "indexOf", "itemgetter", "setitem", "concat"}
    single = {"neg", "pos", "invert", "not_", "truth"}
    for name in set(own_operator.__all__) - several:
        arguments = (a,) if name in single else (a, b)
        assert getattr(own_operator, name)(*arguments) == getattr(operator, name)(*arguments)
    assert own_operator.countOf([a, b, a], a) == operator.countOf([a, b, a], a)
    assert own_operator.indexOf([0, b, a], b) == operator.indexOf([0, b, a], b)


def test_constants_of_text_are_the_same() -> None:
    """Every one of them."""
    for name in own_string.__all__:
        if name != "capwords":
            assert getattr(own_string, name) == getattr(string, name)
    assert own_string.capwords(" a  bc ") == string.capwords(" a  bc ")
    assert own_string.capwords("a-bc", "-") == string.capwords("a-bc", "-")


PARTS = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda n: n / 1000), st.sampled_from([-0.0, float("inf"), float("nan")])
)


@given(st.builds(complex, PARTS, PARTS), st.floats(-10, 10, allow_subnormal=False))
@settings(max_examples=100)
def test_complex_numbers_are_the_same(z: complex, phi: float) -> None:
    """To the last bit, infinite ones too."""
    for name in ("phase", "polar", "isnan", "isinf", "isfinite"):
        assert _same(getattr(own_cmath, name), getattr(cmath, name), z)
    if abs(z.real) < 1e9:
        assert _same(own_cmath.rect, cmath.rect, z.real, phi)


def _same(own: Any, known: Any, *arguments: Any) -> bool:
    results = []
    for function in (own, known):
        try:
            results.append(repr(function(*arguments)))
        except OverflowError:
            results.append("overflow")
    return results[0] == results[1]
