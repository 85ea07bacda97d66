"""Hybrid: every parameter gets the optimizer that suits it, in one step of one graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from opto.errors import UnreachedFeedbackWarning
from opto.optimizers.declarations import domain_of
from opto.optimizers.domains import Choices
from opto.optimizers.drivers import Proposal, together
from opto.optimizers.few_shot import FewShot
from opto.optimizers.numeric import Numeric
from opto.optimizers.optimizer import Optimizer, Update
from opto.optimizers.optoprime import OptoPrime
from opto.optimizers.sampling import Sampler
from opto.optimizers.seeds import seeded
from opto.optimizers.select import Select
from opto.optimizers.wrapping import addressed, asks_by_itself
from opto.trace.nodes import Node

if TYPE_CHECKING:
    from pathlib import Path

    from opto.runs import Recorder
    from opto.trace.nodes import ParameterNode
    from opto.trace.propagators import Propagator

__all__ = ["Hybrid"]

Rule: TypeAlias = "tuple[Callable[[ParameterNode[Any]], bool], str]"
Factory: TypeAlias = "Callable[[list[ParameterNode[Any]]], Optimizer]"


class Hybrid(Optimizer):
    """Routes each parameter to the optimizer that suits it, and sets all their values in one swap.

    | the parameter | goes to |
    |---|---|
    | declares candidates: `constraint=Choices([...])` | "select": `Select` |
    | declares a range, a `Literal`, an `Enum`, or is a bool | "numeric": `Numeric` |
    | holds a list, and `optimizers` has an entry "few_shot" | "few_shot": `FewShot` |
    | anything else: texts, code | "optoprime": `OptoPrime` |

    The feedback serves all of them, so where both kinds take part it is a pair of a score and a text:

        limit = node(3, trainable=True, constraint=range(1, 9))
        style = node("Be nice.", trainable=True)
        optimizer = Hybrid([limit, style], llm)
        optimizer.backward(output, (0.4, "Too long, and too polite."))
        optimizer.step()

    What the optimizers ask at the same time goes to the models together. Optimizers that need no model learn last, when
    nothing can fail any more for want of an answer; so a step that is taken again does not count a score twice.

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: the model for those that need one and were given none; by default `opto.llm.LLM()`.
        optimizers: by name, a function of a list of parameters that makes their optimizer; replaces an entry of the
            table, or adds one for `rules`: `{"numeric": lambda chosen: Numeric(chosen, sampler="random")}`.
        rules: pairs of a predicate on a parameter and a name; the first that holds decides, before the table does:
            `[(lambda parameter: parameter.py_name.startswith("tone"), "select")]`.
        score_from: a function that gives the score of a feedback; see `Sampler`.
        direction: "maximize" or "minimize" the score.
        seed: makes all draws repeatable, also those of what `optimizers` makes without a seed of its own.
        propagator: see `Optimizer`.
        run_dir: likewise.

    Attributes:
        optimizers: the optimizers at work, by name.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a rule gives a name that no optimizer has, or what the optimizers raise when they are made; in a
            step, also `TypeError` for a feedback without a score where one is needed.
    """

    def __init__(  # noqa: PLR0913  # options of the parts and of the whole
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *,
        optimizers: Mapping[str, Factory] | None = None,
        rules: Sequence[Rule] = (),
        score_from: Callable[[Any], float] | None = None,
        direction: Literal["maximize", "minimize"] = "maximize",
        seed: int | None = None,
        propagator: Propagator | None = None,
        run_dir: str | Path | Recorder | None = None,
    ) -> None:
        super().__init__(parameters, propagator=propagator, run_dir=run_dir)
        self.llm = llm
        given = dict(optimizers or {})
        options: dict[str, Any] = {"score_from": score_from, "direction": direction, "seed": seed}
        factories: dict[str, Factory] = {
            "numeric": partial(Numeric, propagator=propagator, **options),
            "select": partial(Select, propagator=propagator, **options),
            "optoprime": partial(OptoPrime, propagator=propagator),
            **given,
        }
        routes: dict[str, list[ParameterNode[Any]]] = {}
        for parameter in self.parameters:
            name = _route(parameter, rules, demonstrations="few_shot" in given)
            if name == "few_shot" and name not in factories:
                factories[name] = partial(FewShot, propagator=propagator, **options)
            if name not in factories:
                known = ", ".join(sorted({*factories, "few_shot"}))
                raise ValueError(f"rules send {parameter.py_name} to {name!r}, but the optimizers are {known}.")
            routes.setdefault(name, []).append(parameter)
        self.optimizers: dict[str, Optimizer] = {}
        for name, chosen in routes.items():
            with seeded(seed):
                made = factories[name](chosen)
            if not isinstance(made, Optimizer):
                raise TypeError(f"optimizers[{name!r}] must make an Optimizer, got {made!r}.")
            self.optimizers[name] = made

    def best(self) -> Update:
        """The values to keep: what each optimizer that tries values believes best, and the present ones of the rest."""
        values = {parameter: parameter._data for parameter in self.parameters}
        for optimizer in self._samplers:
            values.update(optimizer.best())
        return values

    @property
    def reads_scores(self) -> bool:  # type: ignore[override]
        """Whether one of its parts learns from scores."""
        return bool(self._samplers)

    @property
    def _samplers(self) -> list[Sampler]:
        return [each for each in self.optimizers.values() if isinstance(each, Sampler)]

    # ---- the step

    def backward(self, node: Node[Any], feedback: Any, **kwargs: Any) -> Any:
        """As in `Optimizer`; optimizers that learn from outputs see them too."""
        sent = super().backward(node, feedback, **kwargs)
        for sampler in self._samplers:
            sampler._observe(node, feedback._data if isinstance(feedback, Node) else feedback)
        return sent

    def _propose(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """Let all optimizers propose: first those that ask, at the same time, then those that do not.

        Args:
            *args: for the optimizers that ask.
            **kwargs: for the optimizers that ask.
        """
        busy = [each for each in self.optimizers.values() if self._has_work(each)]
        if not busy:
            warnings.warn(
                "Hybrid has nothing to do: none of its trainable parameters has feedback. "
                "Call optimizer.backward(output, feedback) before step().",
                UnreachedFeedbackWarning,
                stacklevel=2,
            )
            return {}
        trying = [each for each in busy if isinstance(each, Sampler)]
        asking = [each for each in busy if not isinstance(each, Sampler)]
        for sampler in trying:
            if sampler.score is None:
                sampler._readings(sampler.trace_graph)  # a feedback without a score is an error before any is asked
        proposed = yield from together([self._stepped(each, *args, **kwargs) for each in asking])
        proposed += yield from together([self._stepped(each) for each in trying])
        return {parameter: value for values in proposed for parameter, value in values.items()}

    def _has_work(self, optimizer: Optimizer) -> bool:
        if isinstance(optimizer, Sampler) and optimizer.score is not None:
            return True
        return any(parameter.trainable and parameter.feedback for parameter in optimizer.parameters)

    def _stepped(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """An optimizer's step, among those of others."""
        if asks_by_itself(optimizer):
            return optimizer.propose(*args, **kwargs)
        optimizer.steps += 1
        return (yield from addressed(optimizer, *args, **kwargs))

    async def _astep(self, *args: Any, **kwargs: Any) -> Update:
        """As in `Optimizer`; in a thread where something would block the event loop."""
        if any(each.score is not None for each in self._samplers):
            import asyncio

            return await asyncio.to_thread(self.propose, *args, **kwargs)
        return await super()._astep(*args, **kwargs)

    def _accept(self, update_dict: Update) -> Update:
        """What each optimizer accepts of its own."""
        accepted: Update = {}
        for optimizer in self.optimizers.values():
            own = {each: update_dict[each] for each in optimizer.parameters if each in update_dict}
            accepted.update(optimizer._accept(own) if own else {})
        return accepted

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the states of all optimizers."""
        states = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {**super().state_dict(), "optimizers": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: the state is of another optimizer, or of one with other parts.
        """
        states = state.get("optimizers", {})
        if set(states) != set(self.optimizers):
            raise ValueError(
                f"state must be of a Hybrid of {', '.join(sorted(self.optimizers))}, "
                f"got one of {', '.join(sorted(states)) or state.get('optimizer')}."
            )
        super().load_state_dict(state)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(states[name])


def _route(parameter: ParameterNode[Any], rules: Sequence[Rule], *, demonstrations: bool) -> str:
    for holds, name in rules:
        if holds(parameter):
            return name
    if isinstance(parameter.constraint, Choices):
        return "select"
    if domain_of(parameter) is not None:
        return "numeric"
    if demonstrations and isinstance(parameter._data, (list, tuple)):
        return "few_shot"
    return "optoprime"
