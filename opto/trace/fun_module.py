"""`FunModule`: a bundled function, with its code as a parameter where that is trainable."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import weakref
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any

from opto.forking import forkable_lock
from opto.sandbox import CodeRunner, current_runner
from opto.trace.abstract_node import checked_description, checked_name, get_op_name
from opto.trace.containers import RESERVED
from opto.trace.context import AMBIENT
from opto.trace.kinds import check_kind, runner_of
from opto.trace.modules import Module
from opto.trace.nodes import Node, ParameterNode
from opto.trace.remembered import call_info
from opto.trace.signature import Signature
from opto.trace.source import FunctionSource

__all__ = ["FunModule", "Options"]

SELF_NODE = f"{RESERVED}self_node"

_binding = forkable_lock()
_NOTHING: Mapping[str, Any] = {}

_EVAL = "[eval] Runs the function that __code defines on the other inputs, and gives what it returns."


@dataclasses.dataclass(frozen=True)
class Options:
    """The arguments of `bundle`, and the variables around the place where it was called."""

    description: str | None = None
    traceable_code: bool = False
    process_inputs: bool = True
    trainable: bool = False
    catch_execution_error: bool = True
    allow_external_dependencies: bool = False
    overwrite_python_recursion: bool = False
    projections: list[Any] | None = None
    output_name: str | None = None
    scope: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    runner: CodeRunner | None = None


class FunModule(Module):
    """A bundled function; made by `bundle`.

    Attributes:
        fun: the plain function.
        name: the operator's name, which names the results.
        parameter: the code as a trainable node; None if the code is not trainable.
        signature: how calls bind.
        source: where and how the function is written; None where that is not known.
        runner: runs its code; None for the one in use where it is called.
    """

    _is_bundle = True
    name: str

    def __init__(
        self,
        function: Any,
        options: Options,
        source: FunctionSource | None = None,
        parameter: ParameterNode[str] | None = None,
    ) -> None:
        self.source = source
        self._kind = type(function) if isinstance(function, (staticmethod, classmethod)) else None
        function = function.__func__ if self._kind else function
        if isinstance(function, FunModule):
            raise TypeError(f"{function.name} is bundled already: bundle a function once.")
        if not callable(function):
            raise TypeError(f"bundle decorates a function, got {function!r}.")
        self.fun: Callable[..., Any] = function
        self._options = options
        self.runner = options.runner
        self._overwrites_recursion = options.overwrite_python_recursion
        self.traceable_code = options.traceable_code
        self.process_inputs = options.process_inputs
        self.passes_values = options.process_inputs and not options.traceable_code
        self.catch_execution_error = options.catch_execution_error
        self.allow_external_dependencies = options.allow_external_dependencies
        qualified = getattr(function, "__qualname__", type(function).__name__)
        self._qualified_name = qualified.replace("<locals>.", "").replace("<lambda>", "lambda")
        text = checked_description(options.description)
        self._text = text or f"[{self._qualified_name}] {inspect.cleandoc(function.__doc__ or '')}".strip()
        self.name = get_op_name(self._text)
        self.signature = _signature(function, further=("__code",) if options.trainable else ())
        self.parameter: ParameterNode[str] | None = None
        self.result_base = self.name
        self.last_compiled: tuple[str, CodeRunner, Callable[..., Any]] | None = None
        self._run = runner_of(function)
        self._key = f"{RESERVED}bundle_.{self.name}"
        functools.update_wrapper(self, function)
        if options.trainable:
            self.result_base = "eval"
            self.parameter = self._code_parameter() if parameter is None else parameter
            self.parameter._origin = weakref.ref(self)
        if options.output_name is not None:
            self.result_base = checked_name(options.output_name)

    def _code_parameter(self) -> ParameterNode[str]:
        if self.source is None:
            raise TypeError(
                f"bundle(trainable=True) needs the source of {self._qualified_name}, and there is none: it was defined "
                "by exec, or is not written in Python. Define it in a file, a notebook or a REPL that keeps its input."
            )
        start = self.source.signature_line
        doc = inspect.cleandoc(self.fun.__doc__ or "")
        description = f"The code should start with:\n{start}" + (f'\n    """{doc}"""' if doc else "")
        return ParameterNode(
            self.source.text, name="__code", description=description, projections=self._options.projections
        )

    # ---- what it is

    @property
    def trainable(self) -> bool:
        """Whether its code is a parameter."""
        return self.parameter is not None

    @property
    def description(self) -> str:
        """What the function does, after its name in square brackets."""
        return self._text

    @property
    def info(self) -> dict[str, Any]:
        """What is known of the function: see `info_of` for the keys. A new dict at each read."""
        source = self.source
        return {
            "fun": self.fun,
            "fun_name": "eval" if self.trainable else self._qualified_name,
            "_fun_name": self._qualified_name,
            "doc": inspect.cleandoc(self.fun.__doc__ or ""),
            "signature": self.signature.text,
            "source": source.text if source else None,
            "line_number": source.line_number if source else None,
            "file": source.file if source else None,
            "error_comment": None,
            "traceback": None,
            "output": None,
            "inputs": {"args": [], "kwargs": {}},
            "external_dependencies": None,
        }

    def description_of(self, node: Node[Any]) -> str:
        """See `recording.Operation`."""
        return _EVAL if self.trainable else self._text

    def info_of(self, node: Node[Any]) -> dict[str, Any]:
        """What is known of the call that gave `node`.

        Keys: `fun fun_name _fun_name doc signature source line_number file` of the function; `error_comment traceback`
        of a failure; `output`, the inner output of a `traceable_code` bundle, else the raw result; `inputs`, a dict of
        `args` (the extra positional ones) and `kwargs` (the others by name); `external_dependencies`.
        """
        return call_info(self.info, node, len(self.signature.positional))

    def parameters(self) -> list[ParameterNode[Any]]:
        """Its code parameter, in a list; empty if the code is not trainable."""
        return [] if self.parameter is None else [self.parameter]

    def parameters_dict(self) -> dict[str, Any]:
        """Its code parameter under the key `"parameter"`."""
        return {} if self.parameter is None else {"parameter": self.parameter}

    # ---- calling it

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The result's node; see `bundle` for what calls give."""
        if self._overwrites_recursion:
            ambient = AMBIENT.get()
            if ambient is not None and ambient.body is self:
                return self.current()(*args, **kwargs)
        return self._run(self, args, kwargs)

    forward = __call__

    def current(self) -> Callable[..., Any]:
        """The plain function as its code is now.

        Raises:
            CodeError: if the code does not define it.
        """
        return self.fun if self.parameter is None else self.compiled(self.parameter._data)

    def compiled(self, text: str) -> Callable[..., Any]:
        """The function that a code text defines; the last one is kept.

        Raises:
            CodeError: if the code does not define it, or defines one that is called in another way.
        """
        runner, kept = self.runner or current_runner(), self.last_compiled
        if kept is not None and kept[0] == text and kept[1] is runner:
            return kept[2]
        function = runner.compile(text, self.defined_name, self.namespace())
        check_kind(function, self.fun, text, self.defined_name)
        self.last_compiled = text, runner, function
        return function

    @property
    def defined_name(self) -> str:
        """The name under which its code must define it."""
        return self.source.name if self.source is not None else self.fun.__name__

    def namespace(self) -> ChainMap[str, Any]:
        """What the code sees: the function's closure, the variables around its definition, its live globals."""
        function = inspect.unwrap(self.fun)
        names = getattr(getattr(function, "__code__", None), "co_freevars", ())
        closure = {}
        for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=True):
            try:
                closure[name] = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
        layers: list[Any] = [closure, self._options.scope, getattr(function, "__globals__", {})]
        return ChainMap(*layers)

    # ---- as a method

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"{RESERVED}bundle_{owner.__qualname__.replace('<locals>.', '')}.{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if self._kind is not None:
            instance = None if self._kind is staticmethod else owner or type(instance)
        if instance is None:
            return self
        try:
            bound = instance.__dict__[self._key]
            if bound.self_node._data is instance:
                return bound
        except (KeyError, AttributeError):  # the first access, or an object with slots only
            pass
        with _binding:
            return self._bind(instance)

    def _bind(self, instance: Any) -> BoundFunModule:
        """The copy for `instance`: made on first access, with its own parameter, and kept with it."""
        kept = getattr(instance, "__dict__", _NOTHING)
        found, self_node = kept.get(self._key), kept.get(SELF_NODE)
        if found is not None and found.self_node._data is instance:  # another thread was first
            return found  # type: ignore[no-any-return]
        if self_node is None or self_node._data is not instance:
            self_node = Node(instance, name="self", description="The object that the method belongs to.")
            self._keep(instance, SELF_NODE, self_node)
        # A shallow copy of an object shares its parameters.
        bound = BoundFunModule(self, self_node, None if found is None else found.parameter)
        self._keep(instance, self._key, bound)
        return bound

    def _keep(self, instance: Any, key: str, value: Any) -> None:
        try:
            (type.__setattr__ if isinstance(instance, type) else object.__setattr__)(instance, key, value)
        except (AttributeError, TypeError):
            if self.trainable:
                raise TypeError(
                    f"{type(instance).__name__} takes no attributes, so the code parameter of its trainable method "
                    f"{self.name!r} cannot be kept with it: add '__dict__' to its __slots__."
                ) from None

    # ---- copies

    def detach(self) -> FunModule:
        """A copy with a parameter of its own."""
        return copy.deepcopy(self)

    def copy(self) -> FunModule:
        """A copy that shares the parameter."""
        return copy.copy(self)

    def __copy__(self) -> FunModule:
        twin: FunModule = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> FunModule:
        twin = self.__copy__()  # the function and what surrounds it are shared: they are code, not state
        memo[id(self)] = twin
        twin.parameter = copy.deepcopy(self.parameter, memo)
        if twin.parameter is not None:
            twin.parameter._origin = weakref.ref(twin)
        return twin

    def __reduce__(self) -> Any:
        from opto.trace import pickling

        return pickling.reduce_bundle(self)

    def __repr__(self) -> str:
        return f"<bundle {self.name}{self.signature.text}{', trainable' if self.trainable else ''}>"


class BoundFunModule(FunModule):
    """A bundled method of one object: passes the object's node as the first input."""

    def __init__(self, method: FunModule, self_node: Node[Any], parameter: ParameterNode[str] | None = None) -> None:
        self.__dict__.update(method.__dict__)
        self.self_node = self_node
        self.method = method
        original = method.parameter
        if parameter is None and original is not None:
            parameter = ParameterNode(
                original._data,
                name="__code",
                description=original._text,
                projections=list(original.projections),
                constraint=original.constraint,
            )
        self.parameter = parameter
        if parameter is not None:
            parameter._origin = weakref.ref(method)

    @property
    def __self__(self) -> Any:
        """The object that the method belongs to."""
        return self.self_node._data

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if self._overwrites_recursion:
            ambient = AMBIENT.get()
            if ambient is not None and ambient.body is self:
                return self.current()(self.self_node._data, *args, **kwargs)
        return self._run(self, (self.self_node, *args), kwargs)

    forward = __call__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FunModule:
        twin = super().__deepcopy__(memo)
        twin.__dict__["self_node"] = copy.deepcopy(self.self_node, memo)
        return twin


def _signature(function: Callable[..., Any], *, further: tuple[str, ...]) -> Signature:
    name = str(getattr(function, "__qualname__", "function"))
    anything = Signature(lambda *args, **kwargs: None, name, further=further)
    try:
        signature = Signature(function, name, further=further)
    except ValueError:  # some functions written in C do not tell
        return anything
    if hasattr(function, "__wrapped__"):  # a decorator may take other arguments than what it decorates says
        signature.fall_back_to(anything)
    return signature
