"""The base of all optimizers: feedback in, new parameter values out, without calling a model itself."""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from opto.errors import FileFormatError, OptoWarning, SuggestionWarning
from opto.llm.ambient import metering
from opto.llm.totals import Totals
from opto.optimizers.allowing import allowed_ones, allowing, refused
from opto.optimizers.drivers import Proposal, arun, describe, run
from opto.optimizers.run_dirs import RunDir
from opto.optimizers.telling import graph_facts
from opto.optimizers.updates import check_update, checked_parameters, told_values
from opto.runs import Deferred, heard, tell
from opto.trace.nodes import Node, ParameterNode, feedback_lock
from opto.trace.propagators import GraphPropagator, Propagator, TraceGraph
from opto.trace.snapshots import assign
from opto.trace.utils import sum_feedback

if TYPE_CHECKING:
    from pathlib import Path

    from opto.llm import Budget, Model
    from opto.runs import Recorder

__all__ = ["Optimizer", "Update"]

Update: TypeAlias = "dict[ParameterNode[Any], Any]"
"""New values by parameter."""

_KIND = "optimizer"


class Optimizer:
    """Turns feedback into new values of parameters.

    The life cycle is PyTorch's:

        optimizer.zero_feedback()
        output = program(x)                         # forward: plain Python, recorded
        optimizer.backward(output, "too long")      # any feedback
        optimizer.step()                            # new values; or `await optimizer.astep()`

    `step` is `propose`, `project`, `update`: the values come from `propose`, pass through the parameters' projections,
    and are all set at once. Whatever is raised on the way, by a model, by Ctrl-C or by a cancelled task, is raised to
    the caller and leaves every parameter as it was.

    An optimizer is a subclass with one method, `_propose`. It is a generator that yields lists of model requests,
    receives the replies, and returns the new values; `step` and `astep` do the asking (see `opto.optimizers.drivers`):

        class Shorten(Optimizer):
            '''Asks for a shorter text, one request a parameter, all at once.'''

            def __init__(self, parameters, llm):
                super().__init__(parameters)
                self.llm = llm

            def _propose(self):
                texts = [parameter for parameter in self.parameters if parameter.feedback]
                replies = yield [
                    Request([{"role": "user", "content": f"Shorten: {text.data}"}]) for text in texts
                ]
                return {text: reply.text for text, reply in zip(texts, replies)}

    One that needs no model yields nothing. Older subclasses override `_step(*args, **kwargs) -> dict` instead; `astep`
    runs it in a thread.

    Args:
        parameters: the `ParameterNode`s to optimize, at least one; any iterable. One that is given twice counts once.
        *args: not used; taken so that subclasses may pass on what they were given.
        propagator: how feedback travels in `backward`; by default the graph itself does (`GraphPropagator`).
        budget: an `opto.llm.Budget` that pays for the model calls of all steps.
        run_dir: a folder that gets a record of all steps, see `opto.record`, which also records what the program asks
            models by itself. Optimizers that are to share one are given an `opto.runs.Recorder`.
        **kwargs: not used, with a warning.

    Attributes:
        parameters: the parameters, a list.
        llm: the model that answers requests; None makes `opto.llm.LLM()` when the first request is sent.
        steps: how many steps were begun.
        usage: what the model calls of all steps took, `opto.llm.Totals`.

    Raises:
        TypeError: `parameters` is no iterable or holds something that is not a `ParameterNode`; `propagator` is none.
        ValueError: `parameters` is empty.
    """

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        *args: Any,
        propagator: Propagator | None = None,
        budget: Budget | None = None,
        run_dir: str | Path | Recorder | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            warnings.warn(f"{type(self).__name__} does not use {', '.join(sorted(kwargs))}.", OptoWarning, stacklevel=3)
        if propagator is not None and not isinstance(propagator, Propagator):
            raise TypeError(f"propagator must be a Propagator or None, got {propagator!r}.")
        self.parameters = checked_parameters(parameters)
        self.llm: Any = None
        self.steps = 0
        self.usage = Totals()
        self._budget = budget
        self._run_dir = RunDir(run_dir)
        self._propagator = propagator

    # ---- feedback

    @property
    def propagator(self) -> Propagator:
        """How feedback travels in `backward`."""
        if self._propagator is None:
            self._propagator = self.default_propagator()
        return self._propagator

    def default_propagator(self) -> Propagator:
        """The propagator to use when none was given."""
        return GraphPropagator()

    @property
    def trace_graph(self) -> TraceGraph:
        """The graph of all feedback that the parameters have, joined; the empty graph when there is none.

        Raises:
            TypeError: the propagator sends something else than graphs.
        """
        with feedback_lock:
            if type(self.propagator) is GraphPropagator:
                return sum_feedback(self.parameters)
            aggregate: Callable[[Any], TraceGraph] | None = getattr(self.propagator, "aggregate", None)
            if aggregate is None:
                raise TypeError(f"{type(self.propagator).__name__} sends no graphs, so there is no trace_graph.")
            return sum((aggregate(each.feedback) for each in self.parameters if each.feedback), TraceGraph.empty())

    def zero_feedback(self) -> None:
        """Forget the feedback of all parameters, as one: a concurrent `backward` is seen whole or not at all."""
        with feedback_lock:
            for parameter in self.parameters:
                parameter.zero_feedback()

    def backward(self, node: Node[Any], feedback: Any, **kwargs: Any) -> Any:
        """Send feedback on an output back to the parameters.

        Args:
            node: the output, or the `exception_node` of an `ExecutionError`.
            feedback: any object: a score, a sentence, an error. A node stands for its value.
            **kwargs: further options of `Node.backward`.

        Returns:
            What `Node.backward` returns: a picture if `visualize=True`, else None.
        """
        if not isinstance(node, Node):
            raise TypeError(f"node must be a Node, what bundled functions (@bundle()) return, got {node!r:.40}.")
        said = feedback._data if isinstance(feedback, Node) else feedback
        return node.backward(said, propagator=self.propagator, **kwargs)

    # ---- stepping

    def step(
        self, bypassing: bool = False, *args: Any, only: Iterable[ParameterNode[Any]] | None = None, **kwargs: Any
    ) -> Update:
        """Propose new values from the feedback, and set them.

        Args:
            bypassing: only propose; the parameters keep their values.
            *args: for `propose`.
            only: the parameters that this step may change; by default all trainable ones. What is proposed for others
                is dropped, with a warning and an "attempt" event.
            **kwargs: for `propose`.

        Returns:
            The new values by parameter; a parameter that keeps its value is not in it.

        Raises:
            Exception: what the model or the optimizer raised. The parameters are unchanged then.
        """
        start = time.perf_counter()
        with self._run_dir.listening(), allowing(only):
            return self._recorded(lambda: self._apply(self.propose(*args, **kwargs), bypassing, start), start)

    async def astep(
        self, bypassing: bool = False, *args: Any, only: Iterable[ParameterNode[Any]] | None = None, **kwargs: Any
    ) -> Update:
        """`step` without blocking the event loop; cancelling it leaves the parameters unchanged."""
        start = time.perf_counter()
        if self._overrides("propose") or self._overrides("_step"):
            import asyncio

            proposed = asyncio.to_thread(self.propose, *args, **kwargs)
        else:
            proposed = self._astep(*args, **kwargs)
        with self._run_dir.listening(), allowing(only):
            try:
                with metering(self.usage, self._budget):
                    values = await proposed
            except BaseException as error:
                self._record_failure(error, start)
                raise
            return self._recorded(lambda: self._apply(values, bypassing, start), start)

    def propose(self, *args: Any, only: Iterable[ParameterNode[Any]] | None = None, **kwargs: Any) -> Update:
        """New values from the feedback, without setting them."""
        with self._run_dir.listening(), allowing(only), metering(self.usage, self._budget):
            self._begin()
            return self._permitted(self._step(*args, **kwargs))

    def project(self, update_dict: Mapping[ParameterNode[Any], Any]) -> Update:
        """The values after the projections of their parameters."""
        projected = dict(update_dict)
        for parameter, value in update_dict.items():
            for projection in parameter.projections:
                projected[parameter] = value = projection.project(value)
        return projected

    def update(self, update_dict: Mapping[ParameterNode[Any], Any]) -> None:
        """Set new values, all in one swap: another thread sees none of them or all.

        Values of parameters that are not trainable are left out.

        Raises:
            TypeError: a key is not a `ParameterNode`. No value is set then.
        """
        check_update(update_dict)
        with self._run_dir.listening():
            told = told_values(update_dict) if heard() else {}
            self._set(update_dict)
            self._emit("update", **told)

    def _set(self, update_dict: Mapping[ParameterNode[Any], Any]) -> None:
        trainable = [parameter for parameter in update_dict if parameter.trainable]
        values = [update_dict[parameter] for parameter in trainable]
        values = [value._data if isinstance(value, Node) else value for value in values]
        old = [parameter._data for parameter in trainable]  # kept alive, so that no finalizer runs during the swap
        with feedback_lock:
            try:
                assign(trainable, values)
            except BaseException:
                assign(trainable, old)
                raise

    # ---- for subclasses

    reads_scores: bool = False
    """Whether the optimizer learns from scores: feedback is then best given as a pair `(score, words)`."""
    _words_problem = False
    """Whether the optimizer tells of its problem itself, once it has put it into words (see `_tell_problem`)."""

    def _propose(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """The logic of the optimizer: yields lists of `Request`, receives lists of `Reply`, returns the new values."""
        raise NotImplementedError(f"{type(self).__name__} must define `_propose`, see opto.optimizers.Optimizer.")

    def _step(self, *args: Any, **kwargs: Any) -> Update:
        """Drive `_propose` on this thread."""
        return run(self._propose(*args, **kwargs), self._answering_model, self._about())

    async def _astep(self, *args: Any, **kwargs: Any) -> Update:
        """Drive `_propose` on the event loop."""
        self._begin()
        return await arun(self._propose(*args, **kwargs), self._answering_model, self._about())

    def _accept(self, update_dict: Update) -> Update:
        """The values that may be applied; by default all. Called after the projections."""
        return update_dict

    def _answering_model(self) -> Model:
        """The model that answers requests which name none."""
        from opto.llm import LLM, as_model

        if self.llm is None:
            self.llm = LLM()
        return as_model(self.llm)

    def _emit(self, kind: str, **data: Any) -> None:
        with self._run_dir.listening():
            if heard():
                tell(kind, {**self._about(), **data})

    def _tell_problem(self, facts: Mapping[str, Any], prompt: str = "", problem: str = "") -> None:
        """Tell listeners of the problem of this step: its facts, and where it stands in the prompt if it is in one."""
        about = self._about()
        where = {"prompt": prompt, "start": prompt.find(problem), "length": len(problem)} if prompt else {}
        tell("problem", Deferred(lambda: {**about, **facts, **where}))

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """What the optimizer has learned and counted, without the parameters. A subclass adds its own entries.

        `usage`, whose seconds are never the same twice, is not in it: a run that is replayed ends in the same state.
        """
        return {"optimizer": type(self).__name__, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: the state is of another optimizer.
        """
        if state.get("optimizer") != type(self).__name__:
            raise ValueError(f"state must be of a {type(self).__name__}, got one of {state.get('optimizer')!r}.")
        self.steps = int(state["steps"])

    def save(self, path: str | Path) -> None:
        """Write the `state_dict` to a text file."""
        from opto.runs import codec

        codec.save(path, self.state_dict(), kind=_KIND)

    def load(self, path: str | Path) -> None:
        """Go on from a file that `save` wrote.

        Raises:
            FileFormatError: the file is damaged, or of another kind. The optimizer is as it was then.
            ValueError: the state is of another optimizer.
        """
        from opto.runs import codec

        state, before = codec.load(path, kind=_KIND), copy.deepcopy(self.state_dict())
        try:
            self.load_state_dict(state)
        except Exception as error:  # whatever a state of another shape leads to
            self.load_state_dict(before)
            raise FileFormatError(f"{path}: its state does not fit: {describe(error)}") from error

    def __deepcopy__(self, memo: dict[int, Any]) -> Optimizer:
        """A copy with a state of its own, for the same model and the same parameters, or those that `memo` has."""
        for shared in (*self.parameters, self.llm):
            memo.setdefault(id(shared), shared)
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        for name, value in vars(self).items():
            if name != "_identity":  # in a record, the copy is an optimizer of its own
                setattr(twin, name, copy.deepcopy(value, memo))
        return twin

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.parameters)} parameters, after {self.steps} steps>"

    # ---- internals

    def _about(self) -> dict[str, Any]:
        """What every event says of itself: the class, which object of it, and the step."""
        identity = self.__dict__.get("_identity")
        if identity is None:
            identity = self.__dict__["_identity"] = os.urandom(6).hex()
        return {"optimizer": type(self).__name__, "identity": identity, "step": self.steps}

    def _begin(self) -> None:
        self.steps += 1
        if not self._words_problem and heard():
            sends_graphs = type(self.propagator) is GraphPropagator or hasattr(self.propagator, "aggregate")
            self._tell_problem(graph_facts(self.trace_graph if sends_graphs else TraceGraph.empty()))

    def _overrides(self, name: str) -> bool:
        return getattr(getattr(self, name), "__func__", None) is not getattr(Optimizer, name)

    def _permitted(self, values: Update) -> Update:
        """The values without those of parameters that this step may not change."""
        if not (others := refused(values)):
            return values
        rejected = {each.py_name: "this step may not change it" for each in others}
        reason = f"{', '.join(rejected)} got new values, which this step may not change"
        self._emit("attempt", purpose="permit", outcome="rejected", reason=reason, values={}, rejected=rejected)
        warnings.warn(f"A suggestion was not applied: {reason}.", SuggestionWarning, stacklevel=4)
        return {each: value for each, value in values.items() if each.py_name not in rejected}

    def _free(self) -> list[ParameterNode[Any]]:
        """The parameters that the step in hand may change."""
        return allowed_ones(self.parameters)

    def _apply(self, values: Update, bypassing: bool, start: float) -> Update:
        check_update(values)
        values = self._permitted(values)
        projected: Update | None = self.project(values)
        accepted = self._accept(values if projected is None else projected)  # older ones project in place
        told = told_values(accepted) if heard() else {}
        if not bypassing:
            set_values = self.update if self._overrides("update") else self._set  # a step is one event, not two
            set_values(accepted)
        outcome, seconds = "proposed" if bypassing else "applied", time.perf_counter() - start
        self._emit("step", outcome=outcome, **told, seconds=seconds)
        return accepted

    def _recorded(self, action: Callable[[], Update], start: float) -> Update:
        try:
            return action()
        except BaseException as error:
            self._record_failure(error, start)
            raise

    def _record_failure(self, error: BaseException, start: float) -> None:
        self._emit("step", outcome="failed", reason=describe(error), seconds=time.perf_counter() - start)
