"""Binding a call to a function's signature: worked out once, when the function is decorated.

`inspect.Signature.bind` interprets the signature at each call. Here the signature is written out once as a small
function with the same parameters, so the interpreter itself binds each call, and gives its own error messages.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["Signature"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

Binding = Callable[..., "tuple[tuple[Any, ...], tuple[str, ...], int]"]


class Signature:
    """How calls of a function bind.

    Args:
        function: any callable with a signature.
        name: what error messages call it; by default its qualified name.
        further: names of inputs that every call has beyond its arguments.

    Attributes:
        bind: takes a call's arguments. Returns all values, defaults filled in, those that go by position first; their
            input names, with `further` at the end; and how many go by position. Raises TypeError as the function
            itself would.
        exact: a call with this many positional arguments and no others binds as it stands, to `names`; -1 if none
            does.
        names: the input names of a call without extra arguments.
        positional: the names of the positional parameters.
        text: the signature as written, such as `"(x, k=3)"`.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None, *, further: tuple[str, ...] = ()) -> None:
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        self.text = str(signature)
        self.positional = tuple(each.name for each in parameters if each.kind in _POSITIONAL)
        self.names = (*(each.name for each in parameters if each.kind not in _VARIADIC), *further)
        self.exact = len(parameters) if len(self.positional) == len(parameters) else -1
        name = name or str(getattr(function, "__qualname__", "function"))
        self.bind = _compiled(parameters, name, self.names, further)

    def fall_back_to(self, other: Signature) -> None:
        """Bind as `other` does what does not fit here."""
        first, second = self.bind, other.bind

        def bind(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], tuple[str, ...], int]:
            try:
                return first(*args, **kwargs)
            except TypeError:
                return second(*args, **kwargs)

        self.bind = bind


def _compiled(
    parameters: list[inspect.Parameter], name: str, names: tuple[str, ...], further: tuple[str, ...]
) -> Binding:
    """The function `(<the parameters>) -> (values, names, how many by position)`, written out and compiled."""
    head = ", ".join(_written(parameters))
    values: list[str] = []
    named: list[str] = []
    count = 0
    extra = ""
    for each in parameters:
        if each.kind is each.VAR_POSITIONAL:
            extra = each.name
            values.append(f"*{each.name}")
            named.append(f"*__extra__({each.name})")
        elif each.kind is each.VAR_KEYWORD:
            values.append(f"*{each.name}.values()")
            named.append(f"*{each.name}")
        else:
            count += each.kind in _POSITIONAL
            values.append(each.name)
            named.append(repr(each.name))
    named.extend(map(repr, further))
    by_name = f"({''.join(f'{each}, ' for each in named)})" if "*" in "".join(named) else "__names__"
    position = f"{count} + __len__({extra})" if extra else str(count)
    text = f"def bind({head}): return ({''.join(f'{each}, ' for each in values)}), {by_name}, {position}"
    namespace: dict[str, Any] = {
        "__defaults__": [each.default for each in parameters],
        "__names__": names,
        "__extra__": _extra_names,
        "__len__": len,
    }
    exec(compile(text, "<opto:signature>", "exec"), namespace)  # parameter names only: nothing from outside is run
    bind: Binding = namespace["bind"]
    bind.__name__ = bind.__qualname__ = name
    return bind


def _written(parameters: list[inspect.Parameter]) -> list[str]:
    """The parameters as they stand between the parentheses of a definition."""
    written: list[str] = []
    before = None
    starred = False
    for index, each in enumerate(parameters):
        if before is each.POSITIONAL_ONLY and each.kind is not each.POSITIONAL_ONLY:
            written.append("/")
        if each.kind is each.KEYWORD_ONLY and not starred:
            written.append("*")
        starred = starred or each.kind in (each.VAR_POSITIONAL, each.KEYWORD_ONLY)
        star = "*" if each.kind is each.VAR_POSITIONAL else "**" if each.kind is each.VAR_KEYWORD else ""
        default = "" if each.default is each.empty else f"=__defaults__[{index}]"
        written.append(f"{star}{each.name}{default}")
        before = each.kind
    if before is inspect.Parameter.POSITIONAL_ONLY:
        written.append("/")
    return written


def _extra_names(values: tuple[Any, ...]) -> list[str]:
    return [f"args_{k}" for k in range(len(values))]
