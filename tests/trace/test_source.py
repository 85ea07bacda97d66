"""Tests of opto.trace.source."""

from __future__ import annotations

import functools
import linecache
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opto.sandbox import InProcess
from opto.trace.source import FunctionSource, find_source


def bundle(*_: Any, **__: Any) -> Callable[[Any], Any]:
    """Stands for the real decorator: gives the source, found from the frame that applies it."""

    def apply(function: Any) -> FunctionSource | None:
        return find_source(function, frame=sys._getframe(1))

    return apply


def plain(function: Any) -> Any:
    """An inner decorator that hides the function."""

    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def wrapping(function: Any) -> Any:
    """An inner decorator in the manner of functools."""
    return functools.wraps(function)(lambda *args: function(*args))


def keep(function: Any) -> Any:
    """An outer decorator."""
    return function


def define(tmp_path: Path, text: str, name: str = "f", *, newline: str = "\n") -> Any:
    """What a file with this text defines as `name`; the helpers above are there."""
    path = tmp_path / "program.py"
    text = textwrap.dedent(text)
    path.write_bytes(text.replace("\n", newline).encode())
    namespace = {"bundle": bundle, "plain": plain, "wrapping": wrapping, "keep": keep, "functools": functools}
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), namespace)
    return namespace[name]


BODY = "def f(x):\n    return x + 1"


@pytest.mark.parametrize(
    ("text", "source", "line"),
    [
        ("@bundle()\ndef f(x):\n    return x + 1\n", BODY, 2),
        ("@bundle('[f] text')  # trailing comment\ndef f(x):\n    return x + 1\n", BODY, 2),
        ("@bundle(\n    '[f]',\n    trainable=True,\n)  # trailing\ndef f(x):\n    return x + 1\n", BODY, 5),
        ("@(\n    bundle()\n)\ndef f(x):\n    return x + 1\n", BODY, 4),
        ("@bundle(allow=\n  True)\n\n# why\ndef f(x):\n    return x + 1\n", "# why\n" + BODY, 3),
        ("@keep\n@bundle()\ndef f(x):\n    return x + 1\n", BODY, 3),
        ("@bundle()\n@keep\ndef f(x):\n    return x + 1\n", "@keep\n" + BODY, 2),
        ("@bundle()\n@plain\ndef f(x):\n    return x + 1\n", "@plain\n" + BODY, 2),
        ("@keep\n@bundle()\n# inner\n@wrapping\ndef f(x):\n    return x + 1\n", "# inner\n@wrapping\n" + BODY, 3),
        ("trace = functools.partial(bundle, trainable=True)\n@trace()\ndef f(x):\n    return x + 1\n", BODY, 3),
        ("@functools.partial(bundle, a=1)()\ndef f(x):\n    return x + 1\n", BODY, 2),
        ("@bundle()\ndef f(x):\n    return x + 1\n    # the end\n# not in it\ny = 1", BODY + "\n    # the end", 2),
        ("@bundle()\ndef f(x): return x + 1  # note\n", "def f(x): return x + 1  # note", 2),
        ("@bundle()\nasync def f(x):\n    return x\n", "async def f(x):\n    return x", 2),
        ("@bundle()\ndef f(x):\n\treturn x + 1\n", "def f(x):\n\treturn x + 1", 2),
        ("ä = 'ü'\n@bundle('größer')\ndef f(x):\n    return 'é'  # ñ\n", "def f(x):\n    return 'é'  # ñ", 3),
        ("def f(x):\n    return x + 1\nf = bundle()(f)\n", BODY, 1),
        ("@keep\n# why\ndef f(x):\n    return x + 1\nf = bundle()(f)\n", "@keep\n# why\n" + BODY, 1),
        ("def traced(g):\n    return bundle()(g)\n@keep\n@traced\ndef f(x):\n    return x + 1\n", BODY, 5),
        (
            "# def f(x): a decoy\ns = '''\n@bundle()\ndef f(x): pass\n'''\n@bundle()\ndef f(x):\n    return x + 1\n",
            BODY,
            7,
        ),
        ("if True:\n    @bundle()\n    def f(x):\n        return x + 1\n", BODY, 3),
        ("class C:\n    @bundle()\n    def f(x):\n        return x + 1\nf = C.f", BODY, 3),
        ("class C:\n    @staticmethod\n    @bundle()\n    def f(x):\n        return x + 1\nf = C.f", BODY, 4),
        (
            "class C:\n    @bundle()\n    @staticmethod\n    def f(x):\n        return x + 1\nf = C.f",
            f"@staticmethod\n{BODY}",
            3,
        ),
        (
            "def outer():\n    y = 1\n    @bundle()\n    def f(x):\n        return x + 1\n    return f\nf = outer()",
            BODY,
            4,
        ),
        ("for f in 1, 2:\n    @bundle()\n    def f(x):\n        return x + 1\n", BODY, 3),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_text_after_the_bundle_decorator(tmp_path: Path, text: str, source: str, line: int, newline: str) -> None:
    """Inner decorators and comments stay, outer decorators go, and the line number is the one after the decorator."""
    found = define(tmp_path, text, newline=newline)
    assert (found.text, found.line_number, found.file) == (source, line, str(tmp_path / "program.py"))
    assert found.name == "f"


def test_strings_keep_their_value_when_the_text_is_dedented(tmp_path: Path) -> None:
    """The lines of a string that is a value are not touched, those of a docstring are."""
    text = '''\
        class C:
            @bundle()
            def f(self):
                """What it does.

                More of it.
                """
                prompt = """
                Dear model,
            less
                """
                named = f"""{
                prompt}
                end"""
                return prompt, (
            named)
        f = C.f
    '''
    found = define(tmp_path, text)
    assert found.text.startswith('def f(self):\n    """What it does.\n\n    More of it.\n    """\n    prompt = """\n')
    namespace: dict[str, Any] = {}
    exec(found.text, namespace)
    prompt = "\n        Dear model,\n    less\n        "
    assert namespace["f"](None) == (prompt, f"{prompt}\n        end")


@pytest.mark.parametrize(
    ("definition", "signature"),
    [
        ("def f(x, y=3): return x", "def f(x, y=3):"),
        (
            "def f(x, y={1: [2]}) -> dict[str, int]:  # note: this\n    return x",
            "def f(x, y={1: [2]}) -> dict[str, int]:",
        ),
        ("def f(\n    x,  # the first: x\n    *,\n    y=3,\n):\n    return x", "def f(x, *, y=3):"),
        ("async def f(x=lambda: 1):\n    return x", "async def f(x=lambda: 1):"),
        ("@keep\ndef f(x):\n    return x", "def f(x):"),
    ],
)
def test_the_signature_line(tmp_path: Path, definition: str, signature: str) -> None:
    """The definition up to its colon, on one line, without decorators."""
    assert define(tmp_path, f"@bundle()\n{definition}\n").signature_line == signature


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("f = bundle()(lambda x: x + 1)", "f = lambda x: x + 1", "f"),
        ("g = lambda x: x + 1\nf = bundle()(g)", "g = lambda x: x + 1", "g"),
        ("g: object = lambda x: x + 1\nf = bundle()(g)", "g = lambda x: x + 1", "g"),
        ("a, b = lambda x: x - 1, lambda x: x + 1\nf = bundle()(b)", "function = lambda x: x + 1", "function"),
        ("ä = ['ö', lambda x: x - 1, lambda x: x + 1]; f = bundle()(ä[2])", "function = lambda x: x + 1", "function"),
        ("g = lambda x: (lambda y: x + y)\nf = bundle()(g(1))", "function = lambda y: x + y", "function"),
        ("g = lambda x: (lambda y: x + y)\nf = bundle()(g)", "g = lambda x: (lambda y: x + y)", "g"),
        ("l = [lambda: 1, lambda: 2]\nf = bundle()(l[1])", "function = lambda: 2", "function"),
        ("f = bundle()(\n    lambda x: (\n        x + 1\n    )\n)", "f = (lambda x: (\n        x + 1\n    ))", "f"),
        ("f = bundle()(lambda x:\n    x + 1)", "f = (lambda x:\n    x + 1)", "f"),
    ],
)
def test_a_lambda_is_given_as_an_assignment(tmp_path: Path, text: str, source: str, name: str) -> None:
    """Lambdas of one line are told apart, and the text can be a code parameter."""
    found = define(tmp_path, text)
    assert (found.text, found.name) == (source, name)
    assert found.signature_line.startswith(f"{name} = lambda")
    assert found.signature_line.endswith(":")
    assert callable(InProcess().compile(found.text, name, {"x": 1}))


def test_without_a_frame_the_topmost_bundle_is_taken(tmp_path: Path) -> None:
    """A decorator that calls a name ending in `bundle`; without one, the whole function."""
    text = "def identity_bundle():\n    return keep\n@keep\n@identity_bundle()\n@keep\ndef f(x):\n    return x + 1\n"
    found = find_source(define(tmp_path, text))
    assert found is not None
    assert (found.text, found.line_number) == (f"@keep\n{BODY}", 5)
    found = find_source(define(tmp_path, "@keep\n" + BODY))
    assert found is not None
    assert (found.text, found.line_number) == (f"@keep\n{BODY}", 1)


def test_what_wraps_a_function_is_looked_through() -> None:
    """Static and class methods, partials and functools wrappers lead to the function."""

    def g(x: int) -> int:
        return x

    for wrapped in (staticmethod(g), classmethod(g), functools.partial(g, 1), wrapping(g)):
        found = find_source(wrapped)
        assert found is not None
        assert found.text == "def g(x: int) -> int:\n    return x"


@pytest.mark.parametrize("unknown", [len, print, int, functools.partial(len), 3, None, str.upper])
def test_no_source_is_none(unknown: Any) -> None:
    """Built-in functions and other values have none."""
    assert find_source(unknown) is None


def test_code_without_a_file(tmp_path: Path) -> None:
    """Code from exec has no source unless linecache knows it, as for a notebook cell or a newer prompt."""
    namespace: dict[str, Any] = {"bundle": bundle}
    exec("@bundle()\ndef f(x):\n    return x + 1\ng = lambda: 1", namespace)
    assert namespace["f"] is None
    assert find_source(namespace["g"]) is None
    cell = "@bundle()\ndef f(x):\n    return x + 1\n"
    name = f"<cell {tmp_path}>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    exec(compile(cell, name, "exec"), namespace)
    assert namespace["f"].text == BODY
    del linecache.cache[name]


def test_code_that_a_runner_compiled_has_its_text() -> None:
    """The text is found through the code itself."""
    function = InProcess().compile("import math\n\ndef helper(): pass\n\ndef f(x):\n    return x + 1\n", "f", {})
    linecache.clearcache()
    found = find_source(function)
    assert found is not None
    assert (found.text, found.line_number) == (BODY, 5)


def test_a_file_that_was_edited_has_no_false_source(tmp_path: Path) -> None:
    """When the lines no longer fit the function, there is no source rather than another one's."""
    function = define(tmp_path, "x = 1\n\n" + BODY)
    (tmp_path / "program.py").write_text("def other():\n    pass\n\n\n\n\n# more of it\n")
    assert find_source(function) is None
    (tmp_path / "program.py").write_text("def other(:\n    pass\n\n\n\n\n# more of it, and broken\n")
    assert find_source(function) is None


def test_a_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding many functions of one file parses it one time."""
    from opto.trace import source_files

    made: list[int] = []

    class Counted(source_files.FileIndex):
        def __init__(self, lines: list[str]) -> None:
            made.append(len(lines))
            super().__init__(lines)

    monkeypatch.setattr(source_files, "FileIndex", Counted)
    text = "found = []\n" + "".join(f"@found.append\n@bundle()\ndef f{n}(x):\n    return x + {n}\n" for n in range(200))
    found = define(tmp_path, text, "found")
    assert [each.text for each in found] == [f"def f{n}(x):\n    return x + {n}" for n in range(200)]
    assert len(made) == 1
