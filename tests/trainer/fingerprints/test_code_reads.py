"""What byte code tells of reads and changes."""

from __future__ import annotations

import pytest

from opto.trainer.fingerprints.code_reads import CodeReads, reads_of, reads_of_text


def reads(text: str) -> CodeReads:
    """Of the function `f` that a text defines."""
    names: dict[str, object] = {}
    exec(text, names)
    return reads_of(names["f"].__code__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "line",
    [
        *("X.append(x)", "X[x] = 1", "X[x] += 1", "X[x]['a'] += 1", "del X[x]", "X[1:2] = x", "X['a'].append(x)"),
        *("X.get(x).append(x)", "X.setdefault(x, []).append(x)", "return X.pop()"),
    ],
)
def test_changes_on_the_spot(line: str):
    """Items that are set and methods that change, also of what lies in it."""
    assert reads(f"def f(x): {line}").changed == {"X"}


@pytest.mark.parametrize(
    "line",
    [
        *("return X[x]", "y = {}; y[x] = X; y[X] = 1; y['a'] = X['b']; y.update(X)", "return X.copy().pop()"),
        *("return ','.join(X)", "y = []; y.append(X[x])", "X(x)"),
    ],
)
def test_reads_are_no_changes(line: str):
    """What is read, or put into something else, is not changed."""
    found = reads(f"def f(x): {line}")
    assert (found.changed, set(found.globals)) == (set(), {"X"})


def test_names():
    """Global names, those that are bound, and attributes that are set, also in functions inside."""
    found = reads("def f(self):\n global N\n N += 1\n self.n = 1\n self.log.append(2)\n self.a[3] = 2\n return self.q")
    assert (found.rebound, found.globals, found.changed_attributes) == ({"N"}, ("N",), {"n", "log", "a"})
    found = reads("def f(x):\n def g(): return Y(x)\n return [Z(i) for i in g()]")
    assert set(found.globals) == {"Y", "Z"}
    many = "".join(f" a{number}(x)\n" for number in range(600))  # so that arguments need more than one byte
    assert reads(f"def f(x):\n{many}").globals == tuple(f"a{number}" for number in range(600))


def test_imports():
    """Their names as they are written, with the number of dots."""
    found = reads("def f(x):\n import a.b\n from . import q\n from ..r.s import t as u, v\n import c as d")
    assert found.imports == (("a.b", 0, ()), ("", 1, ("q",)), ("r.s", 2, ("t", "v")), ("c", 0, ()))


def test_texts():
    """A text is compiled, not run; one that does not compile tells nothing."""
    found = reads_of_text("def f(x):\n    return helper(x)")
    assert found is not None
    assert found.globals == ("helper",)
    assert reads_of_text("def f(x)") is None
