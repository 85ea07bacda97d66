"""The events of a run put together: steps of optimizers, their exchanges with models, their graphs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opto.runs.events import Event

__all__ = ["Exchange", "GraphNode", "Step", "exchange_of_call", "number_optimizers", "steps_of"]

_CALL = re.compile(r"(?P<name>.+?) = (?P<op>[^(]*)\((?P<inputs>.*)\)")


@dataclass(frozen=True)
class GraphNode:
    """One node of the graph of a step, as it was shown in the problem.

    Attributes:
        name: its name in this problem.
        op: the operator that computed it; None for a root.
        inputs: the names of the nodes that it was computed from, by parameter name.
        value: a number as it is, anything else as text of bounded length; None also where it was left out.
    """

    name: str
    op: str | None
    inputs: Mapping[str, str]
    value: Any


@dataclass
class Exchange:
    """A request to a model, and what came back.

    Attributes:
        model: the name of the model.
        messages: the conversation.
        options: what went with it.
        purpose: "propose", "repair"...; "call" for what the program asked by itself.
        number: which request of the step it is, from 1; 0 for the program's own.
        response: the answer in the shape of a chat completion; None when there was none.
        error: why there was none, in one line.
        seconds: how long it took.
        usd: what it cost; None where that is not known.
    """

    model: str
    messages: list[dict[str, Any]]
    options: dict[str, Any]
    purpose: str
    number: int = 0
    response: dict[str, Any] | None = None
    error: str | None = None
    seconds: float = 0.0
    usd: float | None = None

    @property
    def text(self) -> str:
        """The text of the answer, "" where there is none."""
        choices = (self.response or {}).get("choices") or [{}]
        return choices[0].get("message", {}).get("content") or ""

    @property
    def prompt_tokens(self) -> int:
        """The tokens of the request, as the provider counted them; 0 where it did not."""
        return int(((self.response or {}).get("usage") or {}).get("prompt_tokens", 0))

    @property
    def completion_tokens(self) -> int:
        """The tokens of the answer, as the provider counted them; 0 where it did not."""
        return int(((self.response or {}).get("usage") or {}).get("completion_tokens", 0))


@dataclass
class Step:
    """One step of one optimizer.

    Attributes:
        optimizer: the class of the optimizer.
        which: which optimizer of the run it is, from 0, in the order in which they first appear.
        number: the step's number, as the optimizer counts.
        outcome: "applied", "proposed" (nothing was set), "failed", or "unfinished" where the record ends before it.
        reason: why it failed, in one line.
        old: the values before, by parameter, of those that got a new one.
        new: the new values.
        exchanges: the requests and responses, in order.
        attempts: what came of the answers: mappings of `outcome`, `reason`, `values`, `rejected`...
        problem: the facts of the problem as recorded; {} if there was none.
        prompt: the message to the model that holds the problem; "" if there was none.
        began: when its first event came, in seconds since the epoch.
        seconds: how long it took, models included.
        events: all its events.
    """

    optimizer: str
    which: int
    number: int
    outcome: str = "unfinished"
    reason: str | None = None
    old: dict[str, Any] = field(default_factory=dict)
    new: dict[str, Any] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    problem: dict[str, Any] = field(default_factory=dict)
    prompt: str = ""
    began: float = 0.0
    seconds: float = 0.0
    events: list[Event] = field(default_factory=list, repr=False)

    @property
    def rendered(self) -> str:
        """The problem as it was put into words; "" if it was not."""
        start = self.problem.get("start", -1)
        return self.prompt[start : start + self.problem["length"]] if self.prompt and start >= 0 else ""

    @property
    def feedback(self) -> Any:
        """What was said of the output; a list of pairs of output and feedback where outputs got different ones."""
        said = self.problem.get("feedback")
        return [tuple(pair) for pair in said["outputs"]] if isinstance(said, dict) else said

    @property
    def score(self) -> float | None:
        """The feedback as a number, the mean of several; None where it is none."""
        said = self.feedback
        several = isinstance(self.problem.get("feedback"), dict)  # a list may also be what was said
        numbers: list[Any] = [value for _, value in said] if several else [said]
        if not numbers or not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers):
            return None
        return float(sum(numbers)) / len(numbers)

    @property
    def errors(self) -> list[str]:
        """Everything that went wrong in it: failed requests, answers and values that could not be used, its own end."""
        found = [exchange.error for exchange in self.exchanges if exchange.error]
        found += [attempt["reason"] for attempt in self.attempts if attempt.get("reason")]
        return list(dict.fromkeys([*found, *([self.reason] if self.reason else [])]))

    @property
    def graph(self) -> list[GraphNode]:
        """The nodes that the problem was about, roots first, then by rising level."""
        values = {**self.problem.get("roots", {}), **self.problem.get("others", {}), **self.problem.get("output", {})}
        nodes = [GraphNode(name, None, {}, value) for name, value in self.problem.get("roots", {}).items()]
        for line in filter(None, self.problem.get("calls", "").split("\n")):
            found = _CALL.fullmatch(line)
            if found:
                pairs = (pair.partition("=") for pair in found["inputs"].split(", ") if pair)
                inputs = {parameter: name for parameter, _, name in pairs}
                nodes.append(GraphNode(found["name"], found["op"], inputs, values.get(found["name"])))
        return nodes


def number_optimizers(events: Iterable[Event]) -> dict[str, int]:
    """A number for each optimizer, by its identity: the order in which they first appear."""
    numbers: dict[str, int] = {}
    for event in events:
        identity = event.data.get("identity")
        if identity is not None:
            numbers.setdefault(identity, len(numbers))
    return numbers


def steps_of(events: Iterable[Event]) -> list[Step]:
    """The steps that these events belong to, in the order in which they began."""
    events = list(events)
    numbers = number_optimizers(events)
    steps: dict[tuple[str, int], Step] = {}
    for event in events:
        data = event.data
        identity = data.get("identity")
        if identity is None or "step" not in data:
            continue
        key = (identity, data["step"])
        if key not in steps:
            steps[key] = Step(data.get("optimizer", ""), numbers[identity], data["step"], began=event.time)
        step = steps[key]
        step.events.append(event)
        fill = _FILL.get(event.kind)
        if fill is not None:
            fill(step, data)
    return list(steps.values())


def exchange_of_call(data: Mapping[str, Any]) -> Exchange:
    """What a program asked a model by itself, from the data of a "call"."""
    exchange = Exchange(data["model"], data["messages"], data["options"], "call")
    _answered(exchange, data)
    return exchange


def _problem(step: Step, data: Mapping[str, Any]) -> None:
    about = ("optimizer", "identity", "step", "prompt")
    step.problem = {name: value for name, value in data.items() if name not in about}
    step.prompt = data.get("prompt", "")


def _request(step: Step, data: Mapping[str, Any]) -> None:
    step.exchanges.append(
        Exchange(data["model"], data["messages"], data["options"], data["purpose"], data.get("number", 0))
    )


def _response(step: Step, data: Mapping[str, Any]) -> None:
    waiting = (e for e in step.exchanges if e.number == data.get("number", 0) and not e.response and not e.error)
    exchange = next(waiting, None)
    if exchange is not None:
        _answered(exchange, data)


def _answered(exchange: Exchange, data: Mapping[str, Any]) -> None:
    exchange.response, exchange.seconds, exchange.usd = data.get("response"), data.get("seconds", 0.0), data.get("usd")
    raised = data.get("raised")
    if raised is not None:
        exchange.error = f"{raised['type']}: {raised['message']}" if raised["message"] else raised["type"]


def _attempt(step: Step, data: Mapping[str, Any]) -> None:
    step.attempts.append({name: value for name, value in data.items() if name not in ("optimizer", "identity", "step")})


def _step(step: Step, data: Mapping[str, Any]) -> None:
    step.outcome, step.reason = data["outcome"], data.get("reason")
    step.old, step.new = data.get("old", {}), data.get("new", {})
    step.seconds = data.get("seconds", 0.0)


def _update(step: Step, data: Mapping[str, Any]) -> None:
    """Values that were set by hand, after a `propose`."""
    step.outcome = "applied"
    step.old, step.new = {**data["old"], **step.old}, {**step.new, **data["new"]}


_FILL = {
    "problem": _problem,
    "request": _request,
    "response": _response,
    "attempt": _attempt,
    "step": _step,
    "update": _update,
}
