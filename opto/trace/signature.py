"""Binding a call to a function's signature: worked out once, when the function is decorated.

`inspect.Signature.bind` interprets the signature at each call. Here the signature is written out once as a small function
with the same parameters, so the interpreter itself binds each call, and gives its own error messages.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["Signature"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """How calls of a function bind.

    Args:
        function: any callable with a signature.
        name: what error messages call it; by default its qualified name.

    Attributes:
        bind: takes a call's arguments; returns its positional arguments as a tuple and its keyword arguments as a dict,
            defaults filled in. Raises TypeError as the function itself would.
        positional: the names of the positional parameters.
        variadic: whether the function takes `*args`.
        text: the signature as written, such as `"(x, k=3)"`.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        self.text = str(signature)
        self.positional = tuple(each.name for each in parameters if each.kind in _POSITIONAL)
        self.variadic = any(each.kind is each.VAR_POSITIONAL for each in parameters)
        self.bind = _compiled(parameters, name or getattr(function, "__qualname__", "function"))
        self._extended: dict[int, tuple[str, ...]] = {len(self.positional): self.positional}

    def names(self, count: int) -> tuple[str, ...]:
        """The input names of `count` positional arguments: the parameters', then `args_0`, `args_1` and so on."""
        names = self._extended.get(count)
        if names is None:
            extra = count - len(self.positional)
            names = self._extended[count] = (*self.positional, *(f"args_{k}" for k in range(extra)))
        return names


def _compiled(parameters: list[inspect.Parameter], name: str) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    """The function `(<the parameters>) -> (positional, keywords)`, written out and compiled."""
    defaults = [each.default for each in parameters]
    written: list[str] = []
    positional: list[str] = []
    keywords: list[str] = []
    for index, each in enumerate(parameters):
        before = parameters[index - 1].kind if index else None
        if before is each.POSITIONAL_ONLY and each.kind is not each.POSITIONAL_ONLY:
            written.append("/")
        starred = any(earlier.kind is each.VAR_POSITIONAL for earlier in parameters[:index])
        if each.kind is each.KEYWORD_ONLY and before is not each.KEYWORD_ONLY and not starred:
            written.append("*")
        star = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        default = "" if each.default is each.empty else f"=__defaults__[{index}]"
        written.append(f"{star}{each.name}{default}")
        if each.kind is each.VAR_KEYWORD:
            keywords.append(f"**{each.name}")
        elif each.kind is each.KEYWORD_ONLY:
            keywords.append(f"{each.name!r}: {each.name}")
        else:
            positional.append(f"{star}{each.name}")
    if parameters and parameters[-1].kind is inspect.Parameter.POSITIONAL_ONLY:
        written.append("/")
    inside = "".join(f"{each}, " for each in positional)
    text = f"def bind({', '.join(written)}): return ({inside}), {{{', '.join(keywords)}}}"
    namespace: dict[str, Any] = {"__defaults__": defaults}
    exec(compile(text, "<opto:signature>", "exec"), namespace)  # parameter names only: nothing from outside is run
    bind: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]] = namespace["bind"]
    bind.__name__ = bind.__qualname__ = name
    return bind
