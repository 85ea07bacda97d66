"""One call of a bundled function: inputs become nodes, the body runs on what they hold, its result becomes a node.

The four kinds of function (plain, coroutine, generator, async generator) share all but the line that runs the body.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from opto.errors import CodeError, ExecutionError, LostDependencyWarning, TraceMissingInputsError
from opto.trace import anomaly
from opto.trace.arguments import nodes_inside, unwrap, wrap
from opto.trace.context import AMBIENT, USED_NODES, Ambient
from opto.trace.nodes import MessageNode, Node
from opto.trace.recording import NODE_CLASSES, fail, record, root
from opto.trace.registry import GRAPH

__all__ = ["Call", "CallRecord", "run", "run_async", "run_async_generator", "run_generator", "to_data"]

to_data = unwrap

_ATOMS = {int, float, str, bool, type(None)}


class CallRecord:
    """What a result remembers of its call beyond its inputs."""

    __slots__ = ("external", "output")

    def __init__(self, output: Any, external: list[Node[Any]]) -> None:
        self.output = output
        self.external = external

    def __reduce__(self) -> tuple[Any, ...]:
        return CallRecord, (self.output, self.external)


class Call:
    """A call that is being run.

    Args:
        module: the `FunModule`.
        args: the positional arguments as passed.
        kwargs: the keyword arguments as passed.

    Attributes:
        parents: the input nodes, in the order of `names`.
        names: the input names.
        values: the raw values that were read from `parents`.
        args: what the body gets by position.
        kwargs: what the body gets by keyword.
        used: the nodes whose data the body read.
        created: the nodes that the body made.
    """

    __slots__ = ("_tokens", "args", "created", "kwargs", "module", "names", "parents", "used", "values")

    def __init__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        signature = module.signature
        positional, keywords = signature.bind(*args, **kwargs)
        count = len(positional)
        names = signature.names(count)
        if keywords:
            names = (*names, *keywords)
            positional = (*positional, *keywords.values())
        named = signature.positional
        parents: list[Any] = []
        values: list[Any] = []
        for index, value in enumerate(positional):
            kind = value.__class__
            base = None if len(named) <= index < count else names[index]
            if kind in NODE_CLASSES:
                made = value
            elif kind in _ATOMS:
                made = root(value, base or kind.__name__)
            elif getattr(kind, "_is_bundle", False):
                made = value.parameter if value.parameter is not None else root(value, base or kind.__name__)
                parents.append(made)
                values.append(value)
                continue
            else:
                made = wrap(value, base)
            parents.append(made)
            values.append(made._data)
        passed = values
        if module.traceable_code:
            # Plain nodes: inside, an input is a leaf, also where it is a parameter outside.
            passed = [value if value is not each._data else _leaf(each) for value, each in zip(values, parents)]
        elif not module.process_inputs:
            passed = list(positional)
        self.args = passed[:count]
        self.kwargs = dict(zip(keywords, passed[count:])) if keywords else {}
        if module.parameter is not None:
            parents.append(module.parameter)
            values.append(module.parameter._data)
            names = (*names, "__code")
        self.module = module
        self.parents = tuple(parents)
        self.names = names
        self.values = tuple(values)
        self.used: set[Node[Any]] = set()
        self.created: list[Node[Any]] = []

    # ---- the surroundings of the body

    def __enter__(self) -> Call:
        ambient = AMBIENT.get()
        if ambient is None:
            inner = Ambient(True, (), self.created, self.module)
        else:
            inner = Ambient(ambient.tracing, ambient.scopes, self.created, self.module, ambient.detect_anomaly)
        used = [*USED_NODES.get(), self.used] if inner.tracing else []
        self._tokens = AMBIENT.set(inner), USED_NODES.set(used)
        return self

    def __exit__(self, *error: Any) -> None:
        ambient, used = self._tokens
        AMBIENT.reset(ambient)
        USED_NODES.reset(used)

    # ---- its outcome

    def result(self, output: Any) -> MessageNode[Any]:
        """The node of what the body returned."""
        module = self.module
        inner = None
        if isinstance(output, Node):
            inner, data = output, output._data
        elif output.__class__ in _ATOMS:
            data = output
        else:
            data = unwrap(output)
            if data is not output:
                inner = wrap(output)
        external = self._external(inner) if self.used or inner is not None else []
        made = record(module, module.result_base, data, self.parents, self.names, self.values)
        if external or (module.traceable_code and inner is not None):
            made._info = CallRecord(inner if module.traceable_code else None, external)
        return made

    def failure(self, error: BaseException, function: Any) -> BaseException:
        """What to raise for an exception in the body `function`: it itself, or the `ExecutionError` with a node for it."""
        if isinstance(error, TraceMissingInputsError) or not self.module.catch_execution_error:
            return error
        module = self.module
        return fail(module, module.name, error, self.parents, self.names, self.values, function=function)

    def _external(self, inner: Any) -> list[Node[Any]]:
        """The nodes that the body used and that are not its inputs; an error unless that is allowed."""
        own = {*self.parents, *self.created}
        external = [each for each in self.used if each not in own]
        if external:
            contained = set(nodes_inside([parent._data for parent in self.parents]))
            external = [each for each in external if each not in contained]
        allowed = GRAPH.external_dependencies_allowed
        if allowed is None:
            allowed = self.module.allow_external_dependencies
        if external and not allowed:
            listed = ", ".join(sorted(each.name for each in external))
            raise TraceMissingInputsError(
                f"The bundled function {self.module.name!r} read the data of {listed}, not among its inputs: feedback would "
                "not reach it. Pass it as an argument, or decorate with bundle(allow_external_dependencies=True)."
            )
        if not self.module.traceable_code:
            external += self._lost(inner, own, allowed)
        return external

    def _lost(self, inner: Any, own: set[Node[Any]], allowed: bool) -> list[Node[Any]]:
        """The outer nodes that nodes made in the body, and then read or returned, were computed from."""
        waiting = [each for each in (*self.used, inner) if each is not None and each._parents]
        seen = set(waiting)
        lost = [] if inner is None or inner in own else [inner]
        inputs = set(self.parents)
        for each in waiting:  # grows while it is walked
            if each in inputs:
                continue
            for parent in each._parents:
                if parent not in seen:
                    seen.add(parent)
                    if parent not in own:
                        lost.append(parent)
                    elif parent._parents:
                        waiting.append(parent)
        if lost and not allowed:
            listed = ", ".join(sorted(each.name for each in lost))
            warnings.warn(
                f"The bundled function {self.module.name!r} computes with {listed}, not among its inputs: feedback will not "
                "reach it. Pass it as an argument, or use bundle(traceable_code=True).",
                LostDependencyWarning,
                stacklevel=5,
            )
        return lost


def _leaf(outer: Node[Any]) -> Node[Any]:
    leaf = root(outer._data, outer._base.rpartition("/")[2])
    leaf._text = outer._text
    return leaf


def current_function(module: Any) -> Callable[..., Any]:
    """The function to run: the module's own, or what its code parameter defines now.

    Raises:
        ExecutionError: if the code does not define it; the code parameter is the exception node's parent.
    """
    try:
        return module.current()  # type: ignore[no-any-return]
    except CodeError as error:
        if not module.catch_execution_error:
            raise
        parameter = module.parameter
        raise fail(module, parameter.py_name, error, (parameter,), ("__code",), (parameter._data,)) from error


def run(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MessageNode[Any]:
    """Call a plain function."""
    call = Call(module, args, kwargs)
    function = current_function(module)
    try:
        with call:
            if AMBIENT.get().detect_anomaly:  # type: ignore[union-attr]
                function = anomaly.watching(function, call)
            output = function(*call.args, **call.kwargs)
    except (Exception, SystemExit) as error:
        raise call.failure(error, function) from error
    return call.result(output)


async def run_async(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MessageNode[Any]:
    """Call a coroutine function."""
    call = Call(module, args, kwargs)
    function = current_function(module)
    try:
        with call, anomaly.compared(call):
            output = function(*call.args, **call.kwargs)
            if inspect.isawaitable(output):
                output = await output
    except (Exception, SystemExit) as error:
        raise call.failure(error, function) from error
    return call.result(output)


def run_generator(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[MessageNode[Any]]:
    """Call a generator function: inputs are taken now, the body runs as the items are asked for."""
    call = Call(module, args, kwargs)
    return _items(call, current_function(module))


def _items(call: Call, function: Callable[..., Any]) -> Iterator[MessageNode[Any]]:
    iterator: Any = iter(())
    try:
        try:
            with call:
                iterator = iter(function(*call.args, **call.kwargs))
            while True:
                with call, anomaly.compared(call):
                    item = next(iterator)
                sent = yield call.result(item)
                while sent is not None:
                    with call, anomaly.compared(call):
                        item = iterator.send(sent)
                    sent = yield call.result(item)
        except StopIteration:
            return
        except (ExecutionError, TraceMissingInputsError):
            raise
        except (Exception, SystemExit) as error:
            raise call.failure(error, function) from error
    finally:
        if hasattr(iterator, "close"):
            with call:
                iterator.close()


def run_async_generator(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncIterator[MessageNode[Any]]:
    """Call an async generator function."""
    call = Call(module, args, kwargs)
    return _async_items(call, current_function(module))


async def _async_items(call: Call, function: Callable[..., Any]) -> AsyncIterator[MessageNode[Any]]:
    iterator: Any = None
    try:
        try:
            with call:
                iterator = aiter_of(function(*call.args, **call.kwargs))
            while True:
                with call, anomaly.compared(call):
                    item = await iterator.__anext__()
                yield call.result(item)
        except StopAsyncIteration:
            return
        except (ExecutionError, TraceMissingInputsError):
            raise
        except (Exception, SystemExit) as error:
            raise call.failure(error, function) from error
    finally:
        if hasattr(iterator, "aclose"):
            with call:
                await iterator.aclose()


def aiter_of(iterable: Any) -> Any:
    """`aiter(iterable)`, or an error that says what the code must be."""
    try:
        return iterable.__aiter__()
    except AttributeError:
        raise TypeError(f"the code must define an async generator function, but it gave {iterable!r}") from None
