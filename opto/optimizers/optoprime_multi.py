"""OptoPrimeMulti: several candidates per step, and one that is chosen or made from them.

OptoPrime (arXiv 2406.16218) with sampling at inference time: best-of-N with a score or a judge, majority voting
(self-consistency, arXiv 2203.11171), self-refinement (arXiv 2303.17651), and a mixture of agents (arXiv 2406.04692).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from opto.optimizers import prompts
from opto.optimizers.attempts import Attempt
from opto.optimizers.candidates import Candidate, ask_for_candidate, valid_ones
from opto.optimizers.choosing import Chooser, with_candidates
from opto.optimizers.cutting import cut
from opto.optimizers.drivers import Proposal, together
from opto.optimizers.narrowing import LEAST, narrowed
from opto.optimizers.options import checked_count
from opto.optimizers.optoprime import OptoPrime
from opto.optimizers.optoprime_v2 import OptoPrimeV2
from opto.optimizers.scoring import Score, checked_score

if TYPE_CHECKING:
    from opto.optimizers.optimizer import Update
    from opto.optimizers.problem import FunctionFeedback
    from opto.optimizers.prompt_limits import PromptLimits
    from opto.trace.nodes import ParameterNode

__all__ = ["OptoPrimeMulti", "OptoPrimeMultiV2"]

Generation = Literal["temperature_variation", "self_refinement", "iterative_alternatives", "multi_experts", "multi_llm"]
Selection = Literal["best_of_n", "moa", "majority"]

_Messages = list[dict[str, Any]]
_FOR_CANDIDATES = 0.25
"""The part of a prompt's tokens that is kept for the candidates that later requests show."""


class OptoPrimeMulti(OptoPrime):
    """`OptoPrime` with several candidates per step.

    The candidates are asked for at once where the technique allows it. Each is read, checked and, if need be, put right
    on its own, and is an "attempt" event with its number; one whose model fails does not count, and the step fails only
    if all do. Then one is chosen, or made from them.

        optimizer = OptoPrimeMulti(program.parameters(), num_responses=5, score=lambda values: accuracy(values))
        optimizer.backward(program(x), "The answer should be a number.")
        optimizer.step()

    | generation | candidates |
    |---|---|
    | temperature_variation | the same question at rising temperatures, at once |
    | multi_experts | the same question to several experts, at once |
    | multi_llm | the same question to several models, at once |
    | self_refinement | each criticizes and improves the last, one after the other |
    | iterative_alternatives | each differs from all before it, one after the other |

    | selection | result |
    |---|---|
    | best_of_n | the highest `score`; without one, what a judge prefers; with `judge=False`, the first valid one |
    | moa | a mixture: one more request shows the candidates and asks for a better answer |
    | majority | the candidate whose values agree most with those of the others |

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: see `OptoPrime`.
        *args: not used.
        num_responses: how many candidates a step asks for.
        temperature_min_max: the lowest and the highest temperature of temperature_variation; by default 0 and 1.
        selector: chooses in place of `selection_technique`: gets the list of candidates, each a dict of new values by
            parameter, and returns one of them.
        generation_technique: how candidates are made, see above.
        selection_technique: how one is chosen, see above.
        experts_list: who the experts are, each in a phrase ("a statistician"); they take turns. There is a default.
        llm_profiles: the models of multi_llm: models, callables, or names for `LLM(profile=...)`.
        llm_weights: their shares in the candidates; by default equal.
        score: `score(values) -> float` for best_of_n: how good values of all trainable parameters are; larger is
            better. A candidate on which it raises does not count.
        judge: a model to judge in place of `llm`; False for no judge.
        **kwargs: the options of `OptoPrime`. With `max_prompt_tokens`, a quarter of them is kept for candidates where
            later requests show some; candidates that do not fit lose their middles, and then the first ones go.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(  # noqa: PLR0913  # the published signature
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        num_responses: int = 3,
        temperature_min_max: Sequence[float] | None = None,
        selector: Callable[[list[Update]], Any] | None = None,
        generation_technique: Generation = "temperature_variation",
        selection_technique: Selection = "best_of_n",
        experts_list: Sequence[str] | None = None,
        llm_profiles: Sequence[Any] | None = None,
        llm_weights: Sequence[float] | None = None,
        score: Score | None = None,
        judge: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(parameters, llm, *args, **kwargs)
        self.num_responses = checked_count("num_responses", num_responses)
        self.temperature_min_max = _checked_temperatures(temperature_min_max)
        self.selector = checked_score("selector", selector)
        self.generation_technique = _checked_word("generation_technique", generation_technique, Generation)
        self.selection_technique = _checked_word("selection_technique", selection_technique, Selection)
        self.experts_list = list(prompts.load("experts.txt").splitlines() if experts_list is None else experts_list)
        self.llm_profiles = list(llm_profiles or [])
        self.llm_weights = _checked_weights(llm_weights, self.llm_profiles)
        self.score = checked_score("score", score)
        self.judge = judge
        if not self.experts_list or (generation_technique == "multi_llm" and not self.llm_profiles):
            missing = "llm_profiles" if self.experts_list else "experts_list"
            raise ValueError(f"{missing} must name at least one for {generation_technique}, got none.")

    # ---- asking

    def _answer(self, messages: _Messages, verbose: bool | str) -> Proposal[Attempt]:
        """Candidates, and the one of them that counts."""
        candidates = yield from self._candidates(messages, verbose)
        valid = valid_ones(candidates, all_or_nothing=self.all_or_nothing)
        if not valid:
            return next(each.attempt for each in candidates if each.error is None)
        return (yield from Chooser(self).choose(valid, messages, verbose))

    def _candidates(self, messages: _Messages, verbose: bool | str) -> Proposal[list[Candidate]]:
        if self.generation_technique in ("self_refinement", "iterative_alternatives"):
            return (yield from self._one_after_the_other(messages, verbose))
        asked = []
        for number, how in enumerate(self._ways()):
            expert = how.pop("expert", None)
            own = messages if expert is None else _as_expert(messages, expert)
            asked.append(ask_for_candidate(self, number, own, verbose, **how))
        return (yield from together(asked))

    def _ways(self) -> list[dict[str, Any]]:
        """What differs between the candidates that are asked for at once."""
        count = self.num_responses
        if self.generation_technique == "multi_experts":
            return [{"expert": self.experts_list[number % len(self.experts_list)]} for number in range(count)]
        if self.generation_technique == "multi_llm":
            return [{"model": self._profile(place)} for place in apportioned(count, self.llm_weights)]
        low, high = self.temperature_min_max
        steps = [low + (high - low) * number / max(count - 1, 1) for number in range(count)]
        return [{"options": {"temperature": round(temperature, 4)}} for temperature in steps]

    def _profile(self, place: int) -> Any:
        profile = self.llm_profiles[place]
        if isinstance(profile, str):
            from opto.llm import LLM

            profile = self.llm_profiles[place] = LLM(profile=profile)
        return profile

    def _one_after_the_other(self, messages: _Messages, verbose: bool | str) -> Proposal[list[Candidate]]:
        candidates: list[Candidate] = []
        for number in range(self.num_responses):
            valid = [each for each in candidates if each.is_valid(all_or_nothing=self.all_or_nothing)]
            asked = self._next_question(messages, valid)
            candidates.append((yield from ask_for_candidate(self, number, asked, verbose)))
        return candidates

    def _next_question(self, messages: _Messages, valid: list[Candidate]) -> _Messages:
        if not valid:
            return messages
        if self.generation_technique == "iterative_alternatives":
            return with_candidates(self, messages, "alternatives.txt", valid)
        last = valid[-1].text(self.form)

        def write(limits: dict[str, int]) -> _Messages:
            said = {"role": "assistant", "content": cut(last, limits["last"])}
            return [*messages, said, {"role": "user", "content": prompts.load("refine.txt")}]

        return self._limits().first_fitting(narrowed(write, ("last", len(last), LEAST)))

    def _limits(self, summary: FunctionFeedback | None = None) -> PromptLimits:
        limits = super()._limits(summary)
        limits.kept = _FOR_CANDIDATES if self._shows_candidates else 0.0
        return limits

    @property
    def _shows_candidates(self) -> bool:
        """Whether later requests of a step have the prompt of the first ones, and more."""
        if self.generation_technique not in ("temperature_variation", "multi_llm") or self.selection_technique == "moa":
            return True
        judged = self.score is None and self.judge is not False and self.selector is None
        return judged and self.selection_technique == "best_of_n"


class OptoPrimeMultiV2(OptoPrimeMulti, OptoPrimeV2):
    """`OptoPrimeMulti` with values in tags, as `OptoPrimeV2` has them: in the problem, in answers, and in candidates.

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: see `OptoPrime`.
        *args: not used.
        **kwargs: the options of `OptoPrimeMulti` and of `OptoPrimeV2`.
    """


def apportioned(count: int, weights: Sequence[float]) -> list[int]:
    """`count` places by weight, as evenly spread as can be: each next place goes to who is most behind their share."""
    given = [0] * len(weights)
    total = sum(weights)
    order = []
    for number in range(1, count + 1):
        behind = [weight / total * number - had for weight, had in zip(weights, given, strict=True)]
        place = behind.index(max(behind))
        given[place] += 1
        order.append(place)
    return order


def _as_expert(messages: _Messages, expert: str) -> _Messages:
    system, *rest = messages
    return [{**system, "content": f"{system['content']}\n\n{prompts.fill('expert.txt', expert=expert)}"}, *rest]


def _checked_temperatures(temperatures: Sequence[float] | None) -> tuple[float, float]:
    low, high = (0.0, 1.0) if temperatures is None else temperatures
    if not 0 <= low <= high:
        raise ValueError(f"temperature_min_max must be two numbers with 0 <= min <= max, got {temperatures!r}.")
    return float(low), float(high)


def _checked_word(argument: str, word: Any, choices: Any) -> Any:
    if word not in get_args(choices):
        raise ValueError(f"{argument} must be one of {', '.join(get_args(choices))}, got {word!r}.")
    return word


def _checked_weights(weights: Sequence[float] | None, profiles: Sequence[Any]) -> list[float]:
    if weights is None:
        return [1.0] * len(profiles)
    numbers = [float(weight) for weight in weights]
    if len(numbers) != len(profiles) or min(numbers, default=0) < 0 or (numbers and not sum(numbers)):
        raise ValueError(
            f"llm_weights must be one number >= 0 for each of the {len(profiles)} llm_profiles, and not all 0, "
            f"got {list(weights)}."
        )
    return numbers
