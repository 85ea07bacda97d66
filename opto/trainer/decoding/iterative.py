"""A search over one output, while a program is used: candidates are judged, and the good ones refined.

decoding = IterativeDecoding(program, guide, refine=ModelRefiner(LLM("gpt-4o")), candidates=4, rounds=3)
result = decoding.decode("Write a function that ...", tests)
print(result.best.response, result.best.score, result.stopped)
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opto.errors import BudgetExceededError
from opto.optimizers.options import checked_count
from opto.trainer.decoding.attempts import Attempt, Decoded
from opto.trainer.decoding.drafts import Verifier, candidate, refinement
from opto.trainer.decoding.refining import ModelRefiner
from opto.trainer.decoding.selections import Best, Boltzmann, Selection, TopK, as_selection
from opto.trainer.guides.functions import as_guide
from opto.trainer.objectives import ObjectiveConfig, finite_number, to_scalar_score
from opto.trainer.rolling_out.evaluation import Evaluation, Request
from opto.trainer.rollouts import Evaluator

if TYPE_CHECKING:
    from opto.llm import Budget, Model

__all__ = ["Attempt", "Best", "Boltzmann", "Decoded", "IterativeDecoding", "ModelRefiner", "TopK"]


class IterativeDecoding:
    """Finds a good response to one input: makes candidates, judges them, refines the selected ones, and repeats.

    After "Review, Refine, Repeat: Understanding Iterative Decoding of AI Agents with Dynamic Evaluation and Selection"
    (Chakraborty et al. 2025, arXiv 2504.01931). No parameter changes: this is for the use of a program, and a verifier
    has to be at hand then. With `rounds=0` it is best-of-n.

    Each round selects among all attempts so far that have a score, so a bad refinement costs nothing but itself. Where
    no attempt has one yet, a round makes new candidates.

    Attempts run through an `Evaluator`, side by side, and count in the order of their numbers; so a seed gives the same
    run with every executor, as long as what draws lots takes its seed: a program or a refining function with a
    parameter called `seed` is given one, another for each attempt. An attempt whose program raises an `ExecutionError`
    or takes too long has failed, and the search goes on. Other errors are raised; the attempts so far are in
    `attempts` then.

    Args:
        program: makes candidates: a module, a bundle or a function of one argument, sync or async; or a model, which is
            asked the input.
        guide: the verifier: a `Guide`, or a function as for `as_guide`. One that gives scores alone will do.
        refine: `(x, response, feedback, history) -> new response`, sync or async, where `history` holds all attempts of
            the rounds before, the one to refine last; or a model, which is asked for it as by `ModelRefiner`. None for
            the program where that is a model, else for `opto.llm.LLM()`.
        candidates: how many candidates the program makes.
        refinements: how many refinements a round makes; None for as many as there are candidates.
        rounds: how many rounds of refinement there are.
        select: which attempts a round refines: "best", `TopK(k)`, `Boltzmann(temperature)` or a `Selection`.
        target: the value from which on a response is good enough, and the search ends; None for none.
        objective: makes one number of a guide's dict of scores.
        evaluator: how to run: executor, time-out, retries, cache... None for threads, and a loop for async programs.
        seed: for all that is drawn by lot.

    Attributes:
        attempts: the attempts of the search that began last, as far as it came; also after an interruption.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a number is out of range.
    """

    def __init__(  # noqa: PLR0913 - who makes, judges and refines, how often, and until when
        self,
        program: Any,
        guide: Any,
        *,
        refine: Callable[..., Any] | Model | None = None,
        candidates: int = 4,
        refinements: int | None = None,
        rounds: int = 2,
        select: Selection | str = "best",
        target: float | None = None,
        objective: ObjectiveConfig | None = None,
        evaluator: Evaluator | None = None,
        seed: int = 0,
    ) -> None:
        if isinstance(program, type) or not callable(program):
            raise TypeError(f"program must be a module, a bundle, a function or a model, got {program!r}.")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed must be an int, got {seed!r}.")
        self.program, self.guide = program, as_guide(guide)
        self.candidates = checked_count("candidates", candidates)
        self.refinements = self.candidates if refinements is None else checked_count("refinements", refinements)
        self.rounds, self.seed = checked_count("rounds", rounds, least=0), seed
        self.refine = None if refine is None and not rounds else _refiner(refine, program)
        self.select = as_selection(select)
        self.target = None if target is None else finite_number("target", target)
        self.objective, self.evaluator = objective, evaluator
        self.attempts: list[Attempt] = []

    def decode(self, x: Any, reference: Any = None, *, budget: Budget | None = None) -> Decoded:
        """Search for a good response.

        Args:
            x: what the program is given.
            reference: what the guide is told besides, such as tests.
            budget: pays for the model calls of this search. When it, or a budget around the call, refuses one, the
                search ends with the best so far.

        Raises:
            KeyboardInterrupt: it was interrupted; `attempts` has what there is.
            Exception: as for `Evaluator.evaluations`.
        """
        attempts: list[Attempt] = []
        self.attempts = attempts
        with contextlib.ExitStack() as around:
            if budget is not None:
                around.enter_context(budget)
            evaluator = self.evaluator or around.enter_context(Evaluator())
            stopped = _Search(self, x, reference, evaluator, attempts).run()
        return Decoded(tuple(attempts), stopped)

    async def adecode(self, x: Any, reference: Any = None, *, budget: Budget | None = None) -> Decoded:
        """`decode` without blocking the event loop: in a thread."""
        import asyncio

        return await asyncio.to_thread(self.decode, x, reference, budget=budget)


class _Plan(NamedTuple):
    """An attempt that is to be made."""

    parent: Attempt | None
    reason: str


class _Search:
    """One search; its attempts are put into a list as they come."""

    def __init__(
        self, decoding: IterativeDecoding, x: Any, reference: Any, evaluator: Evaluator, attempts: list[Attempt]
    ) -> None:
        self._decoding, self._x, self._reference = decoding, x, reference
        self._evaluator, self._attempts = evaluator, attempts
        self._verifier = Verifier(decoding.guide)

    def run(self) -> str:
        """Make attempts until there is a reason to stop, and say which."""
        try:
            for number in range(self._decoding.rounds + 1):
                if self._good_enough(number, self._plans(number)):
                    return "target"
        except BudgetExceededError:
            return "budget"
        return "rounds"

    def _plans(self, number: int) -> list[_Plan]:
        """What the round with this number is to make."""
        decoding = self._decoding
        scored = [each for each in self._attempts if each.failure is None]
        if not scored:
            count = decoding.refinements if number else decoding.candidates
            why = ", for none so far has a score" if number else ""
            return [_Plan(None, f"candidate {place} of {count}{why}") for place in range(1, count + 1)]
        count = decoding.refinements
        generator = random.Random(f"{decoding.seed}/round {number}")
        chosen = list(decoding.select.choose(scored, count, generator))
        if not chosen or not all(isinstance(each, Attempt) for each in chosen):
            raise TypeError(f"{type(decoding.select).__name__}.choose must return attempts, got {chosen!r}.")
        parents = itertools.islice(itertools.cycle(chosen), count)
        return [_Plan(each, f"refines attempt {each.number}, whose value is {each.value:.6g}") for each in parents]

    def _good_enough(self, number: int, plans: Sequence[_Plan]) -> bool:
        """Make the attempts of a round; whether the target was reached, which ends the round."""
        target = self._decoding.target
        requests = self._requests(plans, tuple(self._attempts))
        with contextlib.closing(self._evaluator.evaluations(requests, self._verifier)) as evaluations:  # type: ignore[type-var]
            for plan, evaluation in zip(plans, evaluations, strict=True):
                attempt = self._attempt(number, plan, evaluation)
                self._attempts.append(attempt)
                if target is not None and attempt.value >= target:
                    return True
        return False

    def _requests(self, plans: Sequence[_Plan], history: tuple[Attempt, ...]) -> Iterator[Request]:
        decoding = self._decoding
        for number, plan in enumerate(plans, len(history)):
            seed = random.Random(f"{decoding.seed}/attempt {number}").randrange(2**31)
            if plan.parent is None:
                agent = candidate(decoding.program, self._x, seed)
            else:
                others = [each for each in history if each is not plan.parent]
                agent = refinement(decoding.refine, self._x, plan.parent, (*others, plan.parent), seed)
            # The number tells attempts apart that are made alike, in the keys of a cache too.
            yield Request(agent, self._x, self._reference, number)

    def _attempt(self, number: int, plan: _Plan, evaluation: Evaluation) -> Attempt:
        parent = None if plan.parent is None else plan.parent.number
        place = len(self._attempts)
        if evaluation.failure is not None:
            told = evaluation.feedback or ""
            return Attempt(place, number, parent, None, None, told, plan.reason, failure=evaluation.failure)
        value = to_scalar_score(evaluation.score, self._decoding.objective)
        response, feedback = evaluation.feedback["response"], evaluation.feedback["feedback"]
        return Attempt(place, number, parent, response, evaluation.score, feedback, plan.reason, value)


def _refiner(given: Any, program: Any) -> Any:
    from opto.llm.model import Model

    if given is None:
        return ModelRefiner(program if isinstance(program, Model) else None)
    if isinstance(given, Model):
        return ModelRefiner(given)
    if isinstance(given, type) or not callable(given):
        raise TypeError(
            "refine must be a function (x, response, feedback, history) -> new response, a model, or None, "
            f"got {given!r}."
        )
    return given
