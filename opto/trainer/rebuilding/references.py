"""Objects by where they can be imported from: `package.module:name`, and back in another process.

A reference is a name and no code: it is looked up with `import` and `getattr`. It never leads into the standard
library, into opto or into an installed package, whose functions could be led to run what a file says, and none of these
is imported for it. Nothing is executed again of a script that is run as `__main__`: what it holds is found while the
same script runs.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath
from typing import Any, TypeVar

from opto.trace.fun_module import FunModule
from opto.trace.nodes import Node

__all__ = [
    "Made",
    "Source",
    "UnresolvedError",
    "is_rebuildable",
    "made_by",
    "main_file",
    "rebuildable",
    "reference_to",
    "resolve",
]

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)

F = TypeVar("F", bound=Callable[..., Any])

_FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_MADE_BY = "__TRACE_RESERVED_made_by"


class UnresolvedError(LookupError):
    """A reference leads nowhere in this process; the message says why."""


@dataclass(frozen=True)
class Source:
    """Whence references come.

    Attributes:
        main: the name of the script that was run when they were written, see `main_file`.
        imports: whether modules of the program that are not imported yet are imported for them.
    """

    main: str | None
    imports: bool = True


def reference_to(thing: Any) -> str | None:
    """Where an object can be imported from; None where it cannot.

    Functions and classes have a name of their own; other objects are looked for among the variables of the modules that
    are imported.
    """
    for module, name in _places(thing):
        reference = f"{module}:{name}"
        if _FORM.fullmatch(reference) and _is_program(module):
            with contextlib.suppress(LookupError):
                if _looked_up(module, name) is thing:
                    return reference
    return None


def resolve(reference: Any, source: Source) -> Any:
    """The object that a reference names.

    Args:
        reference: as `reference_to` gave it.
        source: whence it comes.

    Raises:
        UnresolvedError: it names nothing here, or what must not be named.
    """
    if not isinstance(reference, str) or not _FORM.fullmatch(reference):
        raise UnresolvedError(f"{reference!r} is no reference.")
    module, _, name = reference.partition(":")
    if not _is_program(module):
        raise UnresolvedError(
            f"{reference!r} is refused: it names a part of Python, of opto or of a package, not of a program."
        )
    if module == "__main__":
        if main_file() != source.main:
            where = "a notebook or a prompt" if source.main is None else f"the script {source.main}"
            raise UnresolvedError(f"{name} was defined in {where}, which is not what runs here.")
    elif source.imports:
        try:
            import_module(module)
        except Exception as error:
            raise UnresolvedError(f"the module {module} cannot be imported here: {error}") from error
    elif module not in sys.modules:
        raise UnresolvedError(f"the module {module} is not imported: import it first.")
    return _looked_up(module, name)


def main_file() -> str | None:
    """The name of the script that runs, without its folder; None for a notebook or a prompt."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return None if file is None else PurePath(file).name


# ---- functions that make parts


class Made:
    """How an object was made: the function, and what it was given."""

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs

    def __deepcopy__(self, memo: dict[int, Any]) -> Made:
        return self


def rebuildable(function: F) -> F:
    """Decorator of a function that makes a program, a guide or an optimizer: what it makes can be made again.

        @rebuildable
        def agent(size):
            return Agent(size, connect())

        opto.train(model=agent(3), ..., run_dir="runs/first")    # `opto.resume("runs/first")` calls agent(3) again

    It stands at the top level of a module, its arguments have a text form (numbers, texts, lists, dicts), and what it
    returns takes attributes.
    """

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        object.__setattr__(made, _MADE_BY, Made(make, args, kwargs))
        return made

    make.__dict__[_MADE_BY] = True
    return make  # type: ignore[return-value]


def made_by(thing: Any) -> Made | None:
    """How an object was made, where a `rebuildable` function made it."""
    if isinstance(thing, Node):
        return None
    found = getattr(thing, "__dict__", {}).get(_MADE_BY)
    return found if isinstance(found, Made) else None


def is_rebuildable(thing: Any) -> bool:
    """Whether a function is one that may be called to make a part again."""
    return isinstance(thing, types.FunctionType) and thing.__dict__.get(_MADE_BY) is True


# ---- internals


def _places(thing: Any) -> Iterator[tuple[str, str]]:
    if isinstance(thing, (type, types.FunctionType, FunModule)):
        yield str(thing.__module__), str(getattr(thing, "__qualname__", ""))
    if isinstance(thing, (type, types.FunctionType)):
        return
    others = [module for module in sorted(sys.modules) if module != "__main__" and _is_program(module)]
    for module in [type(thing).__module__, *others, "__main__"]:
        for variable, value in list(getattr(sys.modules.get(module), "__dict__", {}).items()):
            if value is thing:
                yield module, variable


def _is_program(module: str) -> bool:
    """Whether a module belongs to a program: it is neither Python's, nor opto's, nor installed; nothing is imported."""
    top = module.partition(".")[0]
    if module == "__main__":
        return True
    if top in ("opto", "__mp_main__") or top in sys.stdlib_module_names:
        return False
    try:
        spec = find_spec(top)
    except ValueError:  # a module that was made by hand
        return False
    if spec is None:
        return True  # it is not there: importing it says so
    files = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location and spec.origin else [])]
    return bool(files) and not any(map(_is_installed, map(PurePath, files)))


def _is_installed(file: PurePath) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(file.parts) or _library() in file.parents


@functools.cache
def _library() -> PurePath:
    return PurePath(sysconfig.get_path("stdlib"))


def _looked_up(module: str, name: str) -> Any:
    """The object at a dotted name of a module that is imported; nothing that this module has from another one.

    Raises:
        UnresolvedError: there is none.
    """
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        if part.startswith("__") or not hasattr(found, part):
            raise UnresolvedError(f"{module} has no {name} (any more, or not yet).")
        found = getattr(found, part)
        if isinstance(found, types.ModuleType):
            raise UnresolvedError(f"'{module}:{name}' is refused: it leads into another module.")
    own = getattr(found, "__module__", None) if isinstance(found, (type, *_FUNCTIONS)) else module
    if own != module:
        raise UnresolvedError(f"'{module}:{name}' is refused: {module} has it from {own}.")
    return found
