"""One call of a bundled function: inputs become nodes, the body runs on what they hold, its result becomes a node.

Here are plain and coroutine functions; generator functions are in `streaming.py`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Coroutine
from contextvars import Token
from types import CoroutineType
from typing import Any

from opto.errors import CodeError, TraceMissingInputsError
from opto.sandbox import current_runner
from opto.trace import anomaly
from opto.trace.arguments import unwrap, wrap
from opto.trace.context import AMBIENT, COMMON, Ambient
from opto.trace.external import external_nodes
from opto.trace.nodes import MessageNode, Node
from opto.trace.recording import NODE_CLASSES, fail, record, root

__all__ = ["Call", "CallRecord", "run", "run_async", "to_data"]

to_data = unwrap

_ATOMS = {int, float, str, bool, type(None)}
_NO_KEYWORDS: dict[str, Any] = {}


class CallRecord:
    """What a result remembers of its call beyond its inputs."""

    __slots__ = ("external", "output")

    def __init__(self, output: Any, external: list[Node[Any]]) -> None:
        self.output = output
        self.external = external

    def __reduce__(self) -> tuple[Any, ...]:
        return CallRecord, (self.output, self.external)


class Call(Ambient):
    """A call that is being run. It is also what surrounds its body: nodes made and read there report to it.

    Args:
        module: the `FunModule`.
        args: the positional arguments as passed.
        kwargs: the keyword arguments as passed.

    Attributes:
        body: the `FunModule`.
        function: what to run: the plain function, or what the code parameter defines now.
        parents: the input nodes, in the order of `names`.
        names: the input names.
        values: the raw values that were read from `parents`.
        args: what the function gets by position.
        kwargs: what the function gets by keyword.

    Raises:
        TypeError: if the arguments do not fit the signature.
        ExecutionError: if the code does not define the function; the code parameter is the exception node's parent.
    """

    created: list[Node[Any]]

    __slots__ = ("_token", "args", "function", "kwargs", "names", "parents", "values")

    def __init__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.body = module
        signature = module.signature
        count = len(args)
        if kwargs or count != signature.exact:
            args, self.names, count = signature.bind(*args, **kwargs)
        else:
            self.names = signature.names
        parents = list(args)
        values = []
        direct = module.passes_values
        for index, value in enumerate(args):
            kind = value.__class__
            if kind not in NODE_CLASSES:
                base = kind.__name__ if len(signature.positional) <= index < count else self.names[index]
                if kind in _ATOMS:
                    value = root(value, base)
                else:
                    direct = direct and not _is_bundle(value)
                    value = _input(value, base)
                parents[index] = value
            values.append(value._data)
        passed: Any = values if direct else _passed(module, args, parents, values)
        self.kwargs = _NO_KEYWORDS
        if count != len(args):
            self.kwargs = dict(zip(self.names[count:], passed[count:], strict=False))
            passed = passed[:count]
        elif module.parameter is not None:
            passed = tuple(passed)  # `values` goes on to take the code
        self.args = passed
        parameter = module.parameter
        if parameter is None:
            self.function = module.fun
        else:
            text = parameter._data
            parents.append(parameter)
            values.append(text)
            kept = module.last_compiled
            if kept is not None and kept[0] is text and kept[1] is (module.runner or current_runner()):
                self.function = kept[2]
            else:
                self.function = _compiled(module, text)
        self.parents = tuple(parents)
        self.values = tuple(values)
        self.created = []
        self.used = set()
        self.tracing, self.scopes, self.detect_anomaly = True, (), False
        self.outer = outer = AMBIENT.get()
        if outer is not None:
            self._surround(outer)

    # ---- the surroundings of the body

    def _surround(self, outer: Ambient | None) -> None:
        """Take over from the surroundings of the call what holds in its body too."""
        self.outer = outer
        outer = outer or COMMON
        self.tracing, self.scopes, self.detect_anomaly = outer.tracing, outer.scopes, outer.detect_anomaly
        if not self.tracing:
            self.used = None  # without a graph nothing can be missing in it
        elif self.used is None:
            self.used = set()

    def __enter__(self) -> Call:
        outer = AMBIENT.get()
        if outer is not self.outer:  # a step of a generator, asked for from elsewhere
            self._surround(outer)
        self._token: Token[Ambient | None] = AMBIENT.set(self)
        return self

    def __exit__(self, *error: Any) -> None:
        with contextlib.suppress(ValueError):  # a body left unfinished may be closed elsewhere, where nothing was set
            AMBIENT.reset(self._token)

    # ---- its outcome

    def result(self, output: Any) -> MessageNode[Any]:
        """The node of what the body returned.

        Raises:
            TraceMissingInputsError: if the body read a node that is not among its inputs, and may not.
        """
        module = self.body
        inner = None
        if output.__class__ in _ATOMS:
            data = output
        elif isinstance(output, Node):
            inner, data = output, output._data
        else:
            data = unwrap(output)
            if data is not output:
                inner = wrap(output)
        external = external_nodes(self, inner) if self.used or inner is not None else []
        made = record(module, module.result_base, data, self.parents, self.names, self.values)
        if external or (module.traceable_code and inner is not None):
            made._info = CallRecord(inner if module.traceable_code else None, external)
        return made

    def passes_on(self, error: BaseException) -> bool:
        """Whether an exception in the body reaches the caller as it is."""
        return isinstance(error, TraceMissingInputsError) or not self.body.catch_execution_error

    def failure(self, error: BaseException) -> BaseException:
        """The `ExecutionError`, with a node in the graph, for an exception in the body."""
        module = self.body
        return fail(module, module.name, error, self.parents, self.names, self.values, function=self.function)


def _is_bundle(value: Any) -> bool:
    return bool(getattr(value.__class__, "_is_bundle", False))


def _input(value: Any, base: str) -> Node[Any]:
    """The node of an argument that is neither one of ours nor a plain number or text."""
    if not _is_bundle(value):
        return wrap(value, base)
    return root(value, base) if value.parameter is None else value.parameter


def _passed(module: Any, args: tuple[Any, ...], parents: list[Any], values: list[Any]) -> list[Any]:
    """What the function gets, where that is not simply the values."""
    if module.traceable_code:
        passed = [_leaf(each) for each in parents]
    else:
        passed = list(values if module.process_inputs else args)
    for index, value in enumerate(args):
        if _is_bundle(value):
            passed[index] = value
    return passed


def _leaf(outer: Node[Any]) -> Node[Any]:
    """A plain node for the inner graph: there an input is a leaf, also where it is a parameter outside."""
    leaf = root(outer._data, outer._base.rpartition("/")[2])
    leaf._text = outer._text
    return leaf


def _compiled(module: Any, text: str) -> Callable[..., Any]:
    try:
        return module.compiled(text)  # type: ignore[no-any-return]
    except CodeError as error:
        if not module.catch_execution_error:
            raise
        parameter = module.parameter
        raise fail(module, parameter.py_name, error, (parameter,), ("__code",), (text,)) from error


def run(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a plain function: its result's node, or an awaitable of it where the body gave a coroutine."""
    call = Call(module, args, kwargs)
    try:
        token = AMBIENT.set(call)
        try:
            if call.detect_anomaly:
                output = anomaly.watching(call.function, call)(*call.args, **call.kwargs)
            else:
                output = call.function(*call.args, **call.kwargs)
        finally:
            AMBIENT.reset(token)
    except (Exception, SystemExit) as error:
        if call.passes_on(error):
            raise
        raise call.failure(error) from error
    if output.__class__ is CoroutineType:
        return _finished(call, output)
    return call.result(output)


async def run_async(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MessageNode[Any]:
    """Call a coroutine function."""
    call = Call(module, args, kwargs)
    try:
        with call, anomaly.compared(call):
            output = call.function(*call.args, **call.kwargs)
            if inspect.isawaitable(output):
                output = await output
    except (Exception, SystemExit) as error:
        if call.passes_on(error):
            raise
        raise call.failure(error) from error
    return call.result(output)


async def _finished(call: Call, coroutine: Coroutine[Any, Any, Any]) -> MessageNode[Any]:
    """Await what a decorator around a coroutine function returned."""
    try:
        with call, anomaly.compared(call):
            output = await coroutine
    except (Exception, SystemExit) as error:
        if call.passes_on(error):
            raise
        raise call.failure(error) from error
    return call.result(output)
