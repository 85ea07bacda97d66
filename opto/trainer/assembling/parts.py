"""The parts of a training run by name: algorithms, optimizers, guides and loggers, imported when they are asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any

__all__ = ["ALGORITHMS", "GUIDES", "LOGGERS", "OPTIMIZERS", "Parts", "closest", "keyword_names"]


@dataclass(frozen=True)
class Parts:
    """The classes of one kind that a package exports.

    Attributes:
        argument: what the argument that names one is called.
        package: where they are.
        base: the module and the class that they are derived from.
        aliases: older names, and whose they are now.
        hidden: exported names that are no part of their own.
    """

    argument: str
    package: str
    base: tuple[str, str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def named(self, name: str) -> type[Any]:
        """The class of this name.

        Raises:
            ValueError: there is none; the message lists those that there are.
            MissingExtraError: it needs a package that is not installed.
        """
        known = self.names()
        real = self.aliases.get(name, name)
        if real not in known:
            also = [alias for alias, each in self.aliases.items() if each in known]
            what = f"{self.argument} must be one of {', '.join(known)}, got {name!r}."
            raise ValueError(what + closest(name, [*known, *also]))
        found: type[Any] = getattr(import_module(self.package), real)
        return found

    def names(self) -> list[str]:
        """Those that there are."""
        exported = [name for name in import_module(self.package).__all__ if name not in self.hidden]
        return sorted(name for name in exported if self.holds(getattr(import_module(self.package), name)))

    def name_of(self, kind: type[Any]) -> str | None:
        """The name of a class, None where it is not of the package."""
        name = kind.__name__
        exported = name in import_module(self.package).__all__ and name not in self.hidden
        return name if exported and getattr(import_module(self.package), name) is kind else None

    def holds(self, thing: Any) -> bool:
        """Whether it is a class of the kind."""
        module, name = self.base
        return isinstance(thing, type) and issubclass(thing, getattr(import_module(module), name))


ALGORITHMS = Parts(
    "algorithm",
    "opto.trainer.algorithms",
    ("opto.trainer.trainer", "Trainer"),
    aliases={
        "BasicSearchAlgorithm": "BasicSearch",
        "BeamsearchAlgorithm": "Beam",
        "MinibatchAlgorithm": "Minibatch",
        "UCBSearchAlgorithm": "UCBSearch",
    },
    hidden=frozenset({"AlgorithmBase", "Trainer"}),
)

OPTIMIZERS = Parts(
    "optimizer", "opto.optimizers", ("opto.optimizers.optimizer", "Optimizer"), hidden=frozenset({"Optimizer"})
)

GUIDES = Parts(
    "guide",
    "opto.trainer.guides",
    ("opto.trainer.guides.base", "Guide"),
    aliases={"VerbalJudgeGuide": "LLMJudge"},
    hidden=frozenset({"Guide", "FunctionGuide"}),
)

LOGGERS = Parts(
    "logger",
    "opto.trainer.loggers",
    ("opto.trainer.loggers.base", "BaseLogger"),
    aliases={"DefaultLogger": "ConsoleLogger"},
    hidden=frozenset({"BaseLogger", "DefaultLogger"}),
)


def closest(name: str, known: Iterable[str]) -> str:
    """A sentence with the known name that a person may have meant, "" where none is near."""
    lowered = {each.lower(): each for each in known}
    near = get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    return f" Did you mean {lowered[near[0]]!r}?" if near else ""


def keyword_names(kind: type[Any], method: str) -> tuple[set[str], bool]:
    """The names that a method takes by keyword, those that it hands to the classes above included.

    Returns:
        The names, and whether it takes any others too.
    """
    names: set[str] = set()
    for each in kind.__mro__:
        function: Callable[..., Any] | None = vars(each).get(method)
        if function is None:
            continue
        if each is object:
            break
        parameters = list(inspect.signature(function).parameters.values())[1:]
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names |= {parameter.name for parameter in parameters if parameter.kind in kinds}
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            return names, False
    return names, True
