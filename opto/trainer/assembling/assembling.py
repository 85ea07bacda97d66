"""From the arguments of `opto.train` to an algorithm that is ready to go, with what its `train` is given."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from opto.llm.ambient import paying
from opto.optimizers import Optimizer
from opto.trace.modules import Module
from opto.trace.nodes import ParameterNode
from opto.trainer.assembling.agents import as_agent, parameters_of
from opto.trainer.assembling.default_optimizer import default_optimizer
from opto.trainer.assembling.parts import ALGORITHMS, GUIDES, LOGGERS, OPTIMIZERS, Parts, closest, keyword_names
from opto.trainer.data import Data
from opto.trainer.executors import shares_memory
from opto.trainer.guides.base import Guide
from opto.trainer.guides.functions import as_guide
from opto.trainer.search import Search
from opto.trainer.surroundings import as_budget
from opto.trainer.trainer import Trainer

__all__ = ["Assembled", "Given", "assemble"]

_OF_TRAIN = ("guide", "train_dataset", "validate_dataset", "test_dataset", "budget", "run_dir", "resume", "optimizer")
_OF_CONSTRUCTOR = ("agent", "optimizer", "logger")


@dataclass
class Given:
    """The arguments of `opto.train`."""

    model: Any
    train_dataset: Any
    algorithm: Any = "BasicSearch"
    optimizer: Any = None
    guide: Any = "LLMJudge"
    logger: Any = "ConsoleLogger"
    validate_dataset: Any = None
    test_dataset: Any = None
    budget: Any = None
    optimizer_kwargs: Mapping[str, Any] | None = None
    guide_kwargs: Mapping[str, Any] | None = None
    logger_kwargs: Mapping[str, Any] | None = None
    trainer_kwargs: dict[str, Any] = field(default_factory=dict)
    parameters: list[ParameterNode[Any]] | None = None
    """Those of the program, where they are known and need not be looked for."""


@dataclass
class Assembled:
    """What `opto.train` puts together.

    Attributes:
        algorithm: ready to train.
        agent: the module that is trained.
        optimizer: of its parameters; as it was given, where it is none.
        guide: judges.
        data: the examples.
        options: for the `train` of the algorithm.
        made_with: the options that the algorithm was made with.
    """

    algorithm: Any
    agent: Module
    optimizer: Any
    guide: Guide
    data: Data
    options: dict[str, Any]
    made_with: dict[str, Any]

    def train(self, **where: Any) -> Any:
        """Let the algorithm train.

        Args:
            **where: further options: `run_dir` and `resume`.
        """
        return self.algorithm.train(guide=self.guide, train_dataset=self.data.train, **self.options, **where)


def assemble(given: Given) -> Assembled:
    """Put the parts of a run together.

    Raises:
        TypeError: a part of the wrong type, or an option that nothing takes.
        ValueError: a name that nothing has; a program without anything to train.
    """
    agent = as_agent(given.model)
    data = Data.of(given.train_dataset, given.validate_dataset, given.test_dataset)
    budget = as_budget(given.budget)
    kind = _kind(ALGORITHMS, given.algorithm)
    making, training = _split(type(given.algorithm) if kind is None else kind, kind is None, given.trainer_kwargs)
    _check_places(training.get("executor"), agent, given.optimizer)
    guide = as_guide(_part(GUIDES, given.guide, "guide_kwargs", given.guide_kwargs))
    logger = _part(LOGGERS, given.logger, "logger_kwargs", given.logger_kwargs)
    optimizer = given.algorithm.optimizer if kind is None else _optimizer(given, agent, data, budget)
    options = {
        "validate_dataset": data.validate,
        "test_dataset": data.test,
        "budget": budget,
    }
    options = {**training, **{name: value for name, value in options.items() if value is not None}}
    if kind is None:
        algorithm = given.algorithm
        if algorithm.agent is not agent and algorithm.agent is not given.model:
            raise ValueError("model must be the agent of the algorithm that was given; or give the algorithm by name.")
        if given.optimizer is not None and given.optimizer is not optimizer:
            raise ValueError("optimizer must be the one of the algorithm that was given, or None.")
        agent = algorithm.agent
    else:
        algorithm, further = _made(kind, agent, optimizer, logger, making)
        options.update(further)
    _check_options(type(algorithm), options)
    return Assembled(algorithm, agent, optimizer, guide, data, options, making)


def _kind(parts: Parts, given: Any) -> type[Any] | None:
    """The class of a name or a class; None for an object of the kind.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(given, str):
        return parts.named(given)
    if isinstance(given, type):
        if not parts.holds(given):
            raise TypeError(f"{parts.argument} must be a subclass of {parts.base[1]}, got {given!r}.")
        return given
    if parts.argument == "algorithm" and not isinstance(given, Trainer):
        raise TypeError(
            f"algorithm must be a name ({', '.join(parts.names())}), a subclass of Trainer or an object of one, "
            f"got {given!r}."
        )
    return None


def _part(parts: Parts, given: Any, argument: str, options: Mapping[str, Any] | None) -> Any:
    """An object of a name, a class or an object."""
    kind = _kind(parts, given)
    if kind is not None:
        return _called(kind, argument, options)
    if options:
        raise TypeError(f"{argument} are for a name or a class, but {parts.argument} is made already: {given!r}.")
    return given


def _called(kind: type[Any], argument: str, options: Mapping[str, Any] | None, *args: Any) -> Any:
    """An object of a class, once the names of the options are known to be taken."""
    names, open_to_others = keyword_names(kind, "__init__")
    for name in options or {}:
        if name not in names and not (open_to_others and kind.__module__.partition(".")[0] != "opto"):
            raise TypeError(f"{argument}: {kind.__name__} has no option {name!r}.{closest(name, names)}")
    return kind(*args, **(options or {}))


def _optimizer(given: Given, agent: Module, data: Data, budget: Any) -> Any:
    """The optimizer that was given, or made by its name, or chosen."""
    chosen, options = given.optimizer, given.optimizer_kwargs
    if chosen is not None and not isinstance(chosen, (str, type)):
        if options:
            raise TypeError(f"optimizer_kwargs are for a name or a class, but optimizer is made already: {chosen!r}.")
        several = chosen if isinstance(chosen, (list, tuple)) else [chosen]
        if not several or not all(isinstance(each, Optimizer) for each in several):
            raise TypeError(
                f"optimizer must be a name ({', '.join(OPTIMIZERS.names())}), a subclass of Optimizer, an object of "
                f"one, a list of these, or None for one that suits the parameters, got {chosen!r}."
            )
        return chosen
    kind = None if chosen is None else _kind(OPTIMIZERS, chosen)
    if given.parameters is not None:
        parameters = given.parameters
    else:
        with paying(budget):
            parameters = parameters_of(agent, data.train[0][0])
    if kind is None:
        return default_optimizer(parameters, data.train, options or {})
    return _called(kind, "optimizer_kwargs", options, parameters)


def _made(
    kind: type[Any], agent: Module, optimizer: Any, logger: Any, making: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The algorithm, and what its `train` has to be given because its constructor does not take it."""
    names, open_to_others = keyword_names(kind, "__init__")
    parts = {"optimizer": optimizer, "logger": logger}
    taken = {name: each for name, each in parts.items() if open_to_others or name in names}
    of_train, _ = keyword_names(kind, "train")
    further = {name: each for name, each in parts.items() if name not in taken and name in of_train}
    return kind(agent, **taken, **making), further


def _split(kind: type[Any], made_already: bool, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the constructor of an algorithm and those of its `train`.

    Raises:
        TypeError: one that neither of them takes; the message names the closest that one does.
    """
    of_constructor = keyword_names(kind, "__init__")[0] - {*_OF_CONSTRUCTOR}
    of_train, open_to_others = _options_of_train(kind)
    making: dict[str, Any] = {}
    training: dict[str, Any] = {}
    for name, value in options.items():
        if name in of_constructor:
            if made_already and name not in of_train:
                raise TypeError(f"{name} is an option of {kind.__name__}(...), but the algorithm is made already.")
            (training if made_already else making)[name] = value
        elif name in of_train or open_to_others:
            training[name] = value
        else:
            if name == "resume":
                raise TypeError("train has no option 'resume': go on with a run by opto.resume(run_dir).")
            known = {*of_train, *([] if made_already else of_constructor)}
            raise TypeError(f"train has no option {name!r} with {kind.__name__}.{closest(name, known)}")
    return making, training


def _options_of_train(kind: type[Any]) -> tuple[set[str], bool]:
    names, open_to_others = keyword_names(kind, "train")
    if issubclass(kind, Search):
        names, open_to_others = names | kind.option_names(), False
    return names - {*_OF_TRAIN, "self"}, open_to_others


def _check_options(kind: type[Any], options: Mapping[str, Any]) -> None:
    """Refuse data and budgets that an algorithm of somebody else has no use for."""
    names, open_to_others = keyword_names(kind, "train")
    for name in options:
        if name not in names and not open_to_others:
            raise TypeError(f"{kind.__name__}.train takes no {name}.")


def _check_places(executor: Any, agent: Module, optimizer: Any) -> None:
    """Refuse to send a program to where the parameters that it reads from around it are others."""
    if isinstance(executor, Executor) and not shares_memory(executor):
        inside = {id(each) for each in agent.parameters()}
        read = getattr(optimizer, "parameters", None) or []
        if not inside or any(id(each) not in inside for each in read):
            raise ValueError(
                "executor must share memory with this process, since model reads parameters from around it, which "
                "other processes do not have: make it a Module that holds them, or use threads."
            )
