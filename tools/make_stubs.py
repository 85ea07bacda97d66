"""Write the type stubs of the traced operators from their table in `opto/trace/operators.py`.

Usage: python3 -m tools.make_stubs            write the files
       python3 -m tools.make_stubs --check    only say which are not up to date; the exit status is 1 if one is not
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opto.trace.installing import COMPOSED
from opto.trace.operators import OPERATORS, TABLE

FOLDER = Path(__file__).parent.parent / "opto" / "trace"

RESULT = "MessageNode[Any]"

METHODS_HEAD = '''\
# ruff: noqa: D403
"""The operators and traced methods of nodes. Written by tools/make_stubs.py from the table in operators.py."""

from collections.abc import Iterator
from typing import Any

from opto.trace.nodes import MessageNode

__all__ = ["NodeOperators"]

class NodeOperators:
    __slots__ = ()

'''

FUNCTIONS_HEAD = '''\
# ruff: noqa: A001, D403
"""The traced functions. Written by tools/make_stubs.py from the table in operators.py."""

from collections.abc import Callable
from typing import Any

from opto.trace.nodes import MessageNode
from opto.trace.operation import Operator

TABLE: list[tuple[str, Callable[..., Any], str, str, str]]
OPERATORS: dict[str, Operator]
REFLECTED: frozenset[str]

'''


def methods() -> str:
    """The text of `overloads.pyi`."""
    written = {}
    for _, _, parameters, doc, overloads in TABLE:
        for overload in overloads.split():
            written[overload] = _function(overload, _of_method(parameters), RESULT, doc)
    for name, function in COMPOSED.items():
        written[name] = _composed(name, function)
    lines = "\n".join(written.values()).splitlines()
    return METHODS_HEAD + "".join(f"    {line}".rstrip() + "\n" for line in lines)


def functions() -> str:
    """The text of `operators.pyi`."""
    written = [
        _function(name, _annotated(each.parameters), RESULT, each.__doc__ or "") for name, each in OPERATORS.items()
    ]
    names = "".join(f'    "{name}",\n' for name in sorted(OPERATORS))
    return FUNCTIONS_HEAD + f"__all__ = [\n{names}]\n\n" + "\n".join(written)


def _function(name: str, parameters: str, result: str, doc: str) -> str:
    return f'def {name}({parameters}) -> {result}:\n    """{doc}"""\n'


def _of_method(parameters: str) -> str:
    """The parameters of a method, from those of the function: the node itself is the first."""
    if parameters == "x, y":
        return "self, other: Any, /"
    _, _, others = parameters.partition(", ")
    return f"self, {_annotated(others)}" if others else "self"


def _annotated(parameters: str) -> str:
    def annotated(parameter: str) -> str:
        name, has_default, default = parameter.partition("=")
        if name in ("*", "/"):
            return name
        return f"{name}: Any = {default}" if has_default else f"{name}: Any"

    return ", ".join(annotated(each) for each in parameters.split(", "))


def _composed(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    written = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))[1:-1]
    self, _, others = written.partition(", ")
    return _function(
        name, f"{self}, {_annotated(others)}" if others else self, signature.return_annotation, function.__doc__ or ""
    )


def main(arguments: list[str]) -> int:
    """Write or check the stubs; returns the exit status."""
    stale = []
    for file, text in (("overloads.pyi", methods()), ("operators.pyi", functions())):
        path = FOLDER / file
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(file)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
    if "--check" in arguments and stale:
        print(f"{', '.join(stale)} do not agree with operators.py: run python3 -m tools.make_stubs")
        return 1
    print(f"written: {', '.join(stale)}" if stale else "the stubs are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
