"""How one of the candidates of a step is chosen, or made from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opto.errors import ReplayError
from opto.optimizers import prompts
from opto.optimizers.asking import ThroughCallLLM, conversation, is_replaced, user_text
from opto.optimizers.attempts import Attempt
from opto.optimizers.candidates import Candidate, ask_for_candidate, listed, longest
from opto.optimizers.canonical import canonical_repr
from opto.optimizers.cutting import cut
from opto.optimizers.drivers import Proposal, Request, called, describe
from opto.optimizers.formats import parse_json_answer, strip_thinking
from opto.optimizers.narrowing import LEAST, narrowed
from opto.optimizers.scoring import completed, scored

if TYPE_CHECKING:
    from opto.optimizers.optoprime_multi import OptoPrimeMulti

__all__ = ["Chooser", "extended", "with_candidates"]

_QUESTION = "Your response:"


def extended(messages: list[dict[str, Any]], prompt: str, **values: Any) -> list[dict[str, Any]]:
    """The conversation with more at the end of its last message, before the final question."""
    *before, last = messages
    content = last["content"]
    more = prompts.fill(prompt, **values)
    if isinstance(content, str):
        content = f"{content.removesuffix(_QUESTION).rstrip()}\n\n{more}\n\n{_QUESTION}"
    else:  # parts, with images among them
        content = [*content, {"type": "text", "text": f"{more}\n\n{_QUESTION}"}]
    return [*before, {**last, "content": content}]


def with_candidates(
    optimizer: OptoPrimeMulti, messages: list[dict[str, Any]], prompt: str, candidates: list[Candidate]
) -> list[dict[str, Any]]:
    """The conversation with candidates at its end, as long as they fit; what is missing of them is said.

    Raises:
        PromptTooLongError: not even a word about them fits.
    """
    shown = listed(optimizer.form, candidates)
    return optimizer._limits().first_fitting(
        narrowed(
            lambda limits: extended(messages, prompt, candidates=shown(limits["text"], limits["count"])),
            ("text", longest(optimizer.form, candidates), LEAST),
            ("count", len(candidates), 0),
        )
    )


class Chooser:
    """Chooses among the valid candidates of a step.

    Args:
        optimizer: whose options say how.
    """

    def __init__(self, optimizer: OptoPrimeMulti) -> None:
        self.optimizer = optimizer

    def choose(
        self, candidates: list[Candidate], messages: list[dict[str, Any]], verbose: bool | str
    ) -> Proposal[Attempt]:
        """The attempt to go on with."""
        optimizer = self.optimizer
        distinct = list({each.key(): each for each in reversed(candidates)}.values())[::-1]
        if optimizer.selector is not None:
            return (yield from self._by_selector(candidates))
        if optimizer.selection_technique == "majority":
            return self._chosen(_most_agreed(candidates), "majority")
        if optimizer.selection_technique == "best_of_n" and optimizer.score is not None:
            return self._chosen(*(yield from self._by_score(distinct)))
        if len(distinct) == 1:
            return self._chosen(distinct[0], "all alike")
        if optimizer.selection_technique == "moa":
            return (yield from self._mixture(distinct, messages, verbose))
        if optimizer.judge is False:
            return self._chosen(distinct[0], "first")
        return (yield from self._by_judge(distinct, messages))

    def _chosen(self, candidate: Candidate, by: str, **about: Any) -> Attempt:
        self.optimizer._record(candidate.attempt, "select", candidate=candidate.number, by=by, **about)
        return candidate.attempt

    def _by_selector(self, candidates: list[Candidate]) -> Proposal[Attempt]:
        offered = [dict(each.attempt.values) for each in candidates]
        values = yield from called(self.optimizer.selector, offered, purpose="select")
        for each, mapping in zip(candidates, offered, strict=True):
            if values is mapping:
                return self._chosen(each, "selector")
        if not isinstance(values, Mapping):
            raise TypeError(f"selector must return one of the candidates, a dict of values, got {values!r}.")
        attempt = Attempt.of(values)
        self.optimizer._record(attempt, "select", by="selector")
        return attempt

    def _by_score(self, candidates: list[Candidate]) -> Proposal[tuple[Candidate, str]]:
        optimizer, best, errors = self.optimizer, None, []
        for each in candidates:
            values = completed(optimizer.parameters, optimizer.project(each.attempt.values))
            try:
                score = yield from scored(optimizer.score, values)
            except Exception as error:  # a candidate may break the program that the score runs
                errors.append(error)
                optimizer._emit(
                    "attempt", purpose="score", outcome="failed", reason=describe(error), candidate=each.number
                )
                continue
            optimizer._emit("attempt", purpose="score", outcome="accepted", score=score, candidate=each.number)
            if best is None or score > best[0]:
                best = score, each
        if best is None:
            raise errors[0]
        return best[1], "score"

    def _by_judge(self, candidates: list[Candidate], messages: list[dict[str, Any]]) -> Proposal[Attempt]:
        """The candidate that a model prefers; the first one if it does not say."""
        optimizer = self.optimizer
        asked = self._question_to_judge(candidates, user_text(messages).removesuffix(_QUESTION).rstrip())
        model = optimizer.judge
        if model is None and is_replaced(optimizer, "call_llm"):
            model = ThroughCallLLM(optimizer, False)
        options = {"max_tokens": optimizer.max_tokens, **optimizer._seed_option()}
        [reply] = yield [Request(asked, options, model=model, purpose="select")]
        try:
            place = _preferred(reply.text, len(candidates))
        except ReplayError:
            raise
        except Exception as error:  # the candidates are good without a judgment
            optimizer._emit("attempt", purpose="judge", outcome="failed", reason=describe(error))
            return self._chosen(candidates[0], "first")
        if place is None:
            optimizer._emit("attempt", purpose="judge", outcome="failed", reason="no number of a proposal was read")
            return self._chosen(candidates[0], "first")
        return self._chosen(candidates[place - 1], "judge")

    def _question_to_judge(self, candidates: list[Candidate], problem: str) -> list[dict[str, Any]]:
        """The problem and the candidates, without the middles of both where they do not fit."""
        form = self.optimizer.form
        shown = listed(form, candidates)

        def write(limits: dict[str, int]) -> list[dict[str, Any]]:
            proposals = shown(limits["text"], len(candidates))
            question = prompts.fill("judge.txt", problem=cut(problem, limits["problem"]), candidates=proposals)
            return conversation(prompts.load("judge_system.txt"), question)

        drafts = narrowed(write, ("text", longest(form, candidates), 200), ("problem", len(problem), LEAST))
        return self.optimizer._limits().first_fitting(drafts, spared=0)

    def _mixture(
        self, candidates: list[Candidate], messages: list[dict[str, Any]], verbose: bool | str
    ) -> Proposal[Attempt]:
        """What a model makes of all candidates; the first one if nothing of it can be used."""
        optimizer = self.optimizer
        asked = with_candidates(optimizer, messages, "merge.txt", candidates)
        merged = yield from ask_for_candidate(optimizer, len(candidates), asked, verbose, purpose="merge")
        if merged.is_valid(all_or_nothing=optimizer.all_or_nothing):
            return self._chosen(merged, "mixture")
        return self._chosen(candidates[0], "first")


def _most_agreed(candidates: list[Candidate]) -> Candidate:
    """The candidate whose values agree with most values of the others; of equals the first."""
    parameters = {parameter: None for each in candidates for parameter in each.attempt.values}
    votes: Counter[tuple[int, str]] = Counter()
    ballots = []
    for each in candidates:
        values = {parameter: each.attempt.values.get(parameter, parameter._data) for parameter in parameters}
        ballot = [(id(parameter), canonical_repr(value)) for parameter, value in values.items()]
        ballots.append(ballot)
        votes.update(ballot)
    agreed = [sum(votes[choice] for choice in ballot) for ballot in ballots]
    return candidates[agreed.index(max(agreed))]


def _preferred(text: str, count: int) -> int | None:
    answer = strip_thinking(text)
    best = parse_json_answer(answer)[0].get("best")
    numbers = [str(best)] if best is not None else re.findall(r"\d+", answer)[::-1]
    places = [int(number) for number in numbers if re.fullmatch(r"\d+", number.strip())]
    return next((place for place in places if 1 <= place <= count), None)
