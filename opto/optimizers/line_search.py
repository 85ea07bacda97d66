"""LineSearch: a step is kept only if a check does not get worse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opto.errors import PromptTooLongError
from opto.optimizers.buffers import FIFOBuffer
from opto.optimizers.canonical import canonical_repr, plain
from opto.optimizers.choosing import extended
from opto.optimizers.drivers import Proposal, Request, describe
from opto.optimizers.rendering import truncate_expression
from opto.optimizers.scoring import checked_score, completed, scored
from opto.optimizers.wrapping import Wrapper, rewritten

if TYPE_CHECKING:
    from opto.optimizers.optimizer import Optimizer, Update

__all__ = ["LineSearch"]

_AMENDED = frozenset({"propose", "update", "repair", "merge"})
_SHOWN = 500


class LineSearch(Wrapper):
    """Keeps a step of another optimizer only if a check of its values does not get worse.

    Otherwise the parameters keep their values, and the model is told what was tried and how it failed: in the requests
    of the next step, or at once if there are `retries`. A step of numbers can be shortened first, as in the line search
    of numerical optimization (backtracking, Armijo 1966).

        def check(values):
            with trying(values):
                return accuracy(program, validation_set)

        optimizer = LineSearch(OptoPrime(program.parameters()), check, retries=1)

    Args:
        optimizer: any optimizer, also a wrapper.
        check: a function of the values of all trainable parameters, a dict by parameter. It returns a number, larger is
            better, or a bool. A candidate on which it raises is worse than the present values; if it raises on both,
            the error is raised. See `opto.optimizers.scoring.trying` for one that runs the program. It may be a
            coroutine function; `astep` calls another one in a thread.
        retries: how often the inner optimizer proposes again within one step.
        shrink: the part that is left of a step of numbers each time it is shortened, between 0 and 1; None does not
            shorten. Steps that change anything but numbers are never shortened.
        shrinks: how often a step is shortened.
        tolerance: how much worse the check may get.
        recheck: check the present values anew in every step, for a check that draws its own examples; by default they
            are checked once.
        memory_size: how many failures are told. They are forgotten when a step is kept. Where the inner optimizer has
            `max_prompt_tokens`, the last ones are told that fit.

    Attributes:
        memory: the last failures since a step was kept: dicts of `values` and `verdict`.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        check: Callable[[Update], Any],
        *,
        retries: int = 0,
        shrink: float | None = None,
        shrinks: int = 3,
        tolerance: float = 0.0,
        recheck: bool = False,
        memory_size: int = 5,
    ) -> None:
        super().__init__(optimizer)
        if check is None:
            raise TypeError("check must be a function of the values, {parameter: value} -> float, got None.")
        for name, number in (("retries", retries), ("shrinks", shrinks), ("tolerance", tolerance)):
            if number < 0:
                raise ValueError(f"{name} must be >= 0, got {number!r}.")
        if shrink is not None and not 0 < shrink < 1:
            raise ValueError(f"shrink must lie between 0 and 1, or be None, got {shrink!r}.")
        self.check = checked_score("check", check)
        self.retries = retries
        self.shrink = shrink
        self.shrinks = shrinks
        self.tolerance = tolerance
        self.recheck = recheck
        self.memory: FIFOBuffer[dict[str, Any]] = FIFOBuffer(memory_size)
        self._known: tuple[str, float] | None = None

    def _propose(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """Let the inner optimizer propose, and check it.

        Args:
            *args: for the inner optimizer.
            **kwargs: for the inner optimizer.
        """
        present: float | Exception | None = None
        for _ in range(1 + self.retries):
            values = yield from rewritten(self._inner(*args, **kwargs), self._with_failures)
            changed = self._changed(values)
            if not changed:
                return values
            if present is None:
                present = yield from self._present()
            for candidate in self._shortened(changed):
                if (yield from self._is_kept(candidate, present)):
                    return candidate
        return {}

    # ---- checking

    def _present(self) -> Proposal[float | Exception]:
        """What the check says of the present values."""
        values = completed(self.parameters, {})
        key = _key(values)
        if self._known is not None and self._known[0] == key and not self.recheck:
            return self._known[1]
        try:
            score = yield from scored(self.check, values)
        except Exception as error:  # what is broken may be repaired by the step
            return error
        self._known = key, score
        return score

    def _is_kept(self, candidate: Update, present: float | Exception) -> Proposal[bool]:
        values = completed(self.parameters, candidate)
        try:
            score = yield from scored(self.check, values)
        except Exception as error:
            if isinstance(present, Exception):
                raise
            verdict = f"the check raised {describe(error)}"
            self._failed(candidate, verdict, None, present)
            return False
        if isinstance(present, float) and score < present - self.tolerance:
            self._failed(
                candidate, f"the check gives {score:.6g}, and {present:.6g} for the present values", score, present
            )
            return False
        self._known = _key(values), score
        self.memory = FIFOBuffer(self.memory.size)
        self._tell(candidate, "accepted", None, score, present)
        return True

    def _failed(self, candidate: Update, verdict: str, score: float | None, present: Any) -> None:
        tried = {each.py_name: truncate_expression(value, _SHOWN) for each, value in candidate.items()}
        self.memory.add({"values": tried, "verdict": verdict})
        self._tell(candidate, "rejected", verdict, score, present)

    def _tell(self, candidate: Update, outcome: str, reason: str | None, score: float | None, present: Any) -> None:
        values = {each.py_name: plain(value) for each, value in candidate.items()}
        before = present if isinstance(present, float) else None
        self._emit(
            "attempt", purpose="check", outcome=outcome, reason=reason, values=values, score=score, score_before=before
        )

    def _changed(self, values: Update) -> Update:
        """The proposed values after the projections, without those that are as they were."""
        projected: Update | None = self.project(values)
        projected = dict(values) if projected is None else projected  # older ones project in place
        return {
            each: value
            for each, value in projected.items()
            if each.trainable and canonical_repr(value) != canonical_repr(each._data)
        }

    def _shortened(self, values: Update) -> Iterator[Update]:
        """The whole step, and shorter ones in the same direction."""
        yield values
        numbers = all(_is_number(value) and _is_number(each._data) for each, value in values.items())
        if self.shrink is None or not numbers:
            return
        seen = {_key(values)}
        for power in range(1, self.shrinks + 1):
            part = self.shrink**power
            shorter = {each: _between(each._data, value, part) for each, value in values.items()}
            shorter = {each: value for each, value in shorter.items() if value != each._data}
            if not shorter or _key(shorter) in seen:
                return
            seen.add(_key(shorter))
            yield shorter

    # ---- telling the model

    def _with_failures(self, request: Request) -> Request:
        if not len(self.memory) or request.purpose not in _AMENDED or len(request.messages) < 2:
            return request
        failures = [
            "\n".join([*(f"{name} = {value}" for name, value in past["values"].items()), f"-> {past['verdict']}"])
            for past in self.memory
        ]
        drafts = [self._extended(request.messages, failures[first:]) for first in range(len(failures))]
        limits = getattr(self.optimizer, "_limits", None)
        if limits is None:
            return replace(request, messages=drafts[0])
        try:
            return replace(request, messages=limits().first_fitting(drafts, spared=0.5))
        except PromptTooLongError:  # the prompt keeps its limit, and the check will tell again
            return request

    def _extended(self, messages: list[dict[str, Any]], failures: list[str]) -> list[dict[str, Any]]:
        first = extended(messages[:2], "line_search.txt", rejected="\n\n".join(failures))
        return [*first, *messages[2:]]

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """Also the failures that the model is told of."""
        return {**super().state_dict(), "memory": [dict(past) for past in self.memory]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        super().load_state_dict(state)
        failures = [{"values": dict(past["values"]), "verdict": str(past["verdict"])} for past in state["memory"]]
        self.memory = FIFOBuffer(self.memory.size, failures)


def _key(values: Update) -> str:
    return canonical_repr({each.py_name: value for each, value in values.items()})


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _between(start: float, end: float, part: float) -> float:
    value = start + (end - start) * part
    return round(value) if isinstance(end, int) else value
