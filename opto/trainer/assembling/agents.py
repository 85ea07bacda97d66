"""What is trained, as a module: a program of any kind, or a single parameter."""

from __future__ import annotations

from typing import Any

from opto.errors import ExecutionError
from opto.trace.dependencies import ancestors, hidden_parameters
from opto.trace.fun_module import FunModule
from opto.trace.modules import Module
from opto.trace.nodes import Node, ParameterNode
from opto.trace.operators import identity
from opto.trainer.rolling_out.programs import is_async
from opto.trainer.rolling_out.work import settled

__all__ = ["Calling", "CallingAsync", "Holding", "as_agent", "parameters_of"]


class Calling(Module):
    """A plain function as a module. It reads parameters from around it, so they are not the module's own.

    Args:
        function: any callable of one argument.
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        """What the function returns."""
        return self.function(x)

    def __deepcopy__(self, memo: dict[int, Any]) -> Calling:
        """The same function: what it reads from around it is not copied either."""
        return type(self)(self.function)


class CallingAsync(Calling):
    """The same for a coroutine function."""

    async def forward(self, x: Any) -> Any:
        """What the function returns."""
        return await self.function(x)


class Holding(Module):
    """A single parameter as a module: its answer to everything is its value.

    Args:
        parameter: a trainable node.
    """

    def __init__(self, parameter: ParameterNode[Any]) -> None:
        self.parameter = parameter

    def forward(self, x: Any) -> Any:
        """The value of the parameter, whatever the input."""
        return identity(self.parameter)


def as_agent(model: Any) -> Module:
    """The module that stands for a model.

    Args:
        model: a `Module`, an instance of a class with `@model`, a bundled function, any other callable, or a trainable
            node.

    Raises:
        TypeError: it is none of these; the message says what to do.
    """
    if isinstance(model, type):
        raise TypeError(f"model must be an object, got the class {model.__name__}: make one, model={model.__name__}().")
    if isinstance(model, Node):
        if not (isinstance(model, ParameterNode) and model.trainable):
            raise TypeError(
                f"model must be a trainable node, got {model.py_name}, which is none: node(value, trainable=True)."
            )
        return Holding(model)
    if isinstance(model, Module):
        kind = type(model)
        if not isinstance(model, FunModule) and kind.forward is Module.forward and kind.__call__ is Module.__call__:
            raise TypeError(f"model must be a program, but {kind.__name__} defines neither forward nor __call__.")
        return model
    if callable(model):
        return CallingAsync(model) if is_async(model) else Calling(model)
    raise TypeError(
        f"model must be a Module, an instance of a class with @opto.trace.model, a function or a trainable node, "
        f"got {model!r}."
    )


def parameters_of(agent: Module, example: Any) -> list[ParameterNode[Any]]:
    """The parameters of a program; where it holds none, those that one run on an example reads.

    Args:
        agent: the program.
        example: an input.

    Raises:
        TypeError: what the program returns is no traced value.
        ValueError: it reads no parameter.
    """
    own = list({id(each): each for each in agent.parameters()}.values())
    if own:
        return own
    name = _name(agent)
    try:
        output = settled(agent(example))
    except ExecutionError as error:
        output = error.exception_node
    if not isinstance(output, Node):
        raise TypeError(
            f"model must return a traced value, but {name} returned {output!r:.80}: make its steps bundled functions "
            "(@opto.trace.bundle()), which record what they did."
        )
    read = [each for each in ancestors([output]) if isinstance(each, ParameterNode) and each.trainable]
    found = list({id(each): each for each in (*read, *hidden_parameters(output))}.values())
    if not found:
        raise ValueError(
            f"model has nothing to train: {name} read no trainable node on the first example. Use node(..., "
            "trainable=True) or bundle(trainable=True) for what is to be trained."
        )
    return found


def _name(agent: Module) -> str:
    program = agent.function if isinstance(agent, Calling) else agent
    return str(getattr(program, "__qualname__", None) or getattr(program, "name", None) or type(program).__name__)
