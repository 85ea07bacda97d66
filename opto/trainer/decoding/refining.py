"""A language model refines a response, with what the verifier said of it and of others before its eyes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opto.optimizers.canonical import canonical
from opto.optimizers.cutting import cut
from opto.optimizers.formats import strip_thinking
from opto.optimizers.markers import markers
from opto.optimizers.options import checked_count
from opto.trainer import prompts
from opto.trainer.decoding.attempts import Attempt

if TYPE_CHECKING:
    from opto.llm import Model

__all__ = ["ModelRefiner"]

_MARKERS = markers(
    ("The new response, whole",), ("query", "attempt", "response", "feedback", "new_response"), ("new_response",)
)
_BEGIN = re.compile(r"<new_response>", re.IGNORECASE)
_END = re.compile(r"</new_response>", re.IGNORECASE)
_FEEDBACK_OF_OTHERS = 500


class ModelRefiner:
    r"""Asks a language model for a better response: `refiner(x, response, feedback, history)`.

        refine = ModelRefiner(LLM("gpt-4o", temperature=0.7), task="Write Python functions. Answer with code alone.")

    The prompt (`refine.txt`, `refine_system.txt`) has the query, some of the other attempts with their scores, the
    worst of them and the best, and the response to refine with its score and feedback. Where a verifier gives scores
    and no words, the comparison of attempts is what the model has to go by. Texts in it cannot pass for its structure:
    tags are broken by a `~`, which is taken out of the answer again.

    Responses are texts; give a function of your own to refine anything else.

    Args:
        llm: a model, or a callable that answers `(messages, **options)`; None for `opto.llm.LLM()`.
        task: what the program is there for, in words; None for nothing.
        shown: how many of the other attempts are shown.
        max_characters: of the query, each response and the feedback; the middle of longer ones is left out.
        options: options of the requests, such as `{"max_tokens": 1000}`.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        llm: Any = None,
        *,
        task: str | None = None,
        shown: int = 4,
        max_characters: int = 20_000,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        from opto.llm import LLM, as_model

        if task is not None and not isinstance(task, str):
            raise TypeError(f"task must be a text or None, got {task!r}.")
        self.llm: Model = LLM() if llm is None else as_model(llm)
        self.task = task
        self.shown = checked_count("shown", shown, least=0)
        self.max_characters = checked_count("max_characters", max_characters)
        self.options = dict(options or {})

    def __call__(self, x: Any, response: Any, feedback: Any, history: Sequence[Attempt]) -> str:
        """A better response.

        Args:
            x: what the program was given.
            response: the response to refine.
            feedback: what the verifier said of it.
            history: all attempts so far, the one to refine last.

        Raises:
            TypeError: the response is no text.
            ModelError: the model could not answer.
        """
        return self.answer(x, self.messages(x, response, feedback, history), self.options)

    def answer(self, x: Any, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> str:
        """What the model answers to a prompt of `messages`."""
        return self.read(self.llm(messages=messages, **options).text)

    async def aanswer(self, x: Any, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> str:
        """`answer` without blocking the event loop."""
        return self.read((await self.llm.acall(messages=messages, **options)).text)

    def messages(self, x: Any, response: Any, feedback: Any, history: Sequence[Attempt]) -> list[dict[str, Any]]:
        """The prompt; arguments as for a call."""
        if not isinstance(response, str):
            raise TypeError(
                f"a model refines texts, and this response is of type {type(response).__name__}: "
                "pass refine=..., a function (x, response, feedback, history) -> new response."
            )
        known = history[-1].score if history else None
        user = prompts.fill(
            "refine.txt",
            query=self._inert(x),
            others="".join(map(self._attempt, self._others(history[:-1], response))),
            score=_number(known),
            response=self._inert(response),
            feedback=self._inert(feedback) or prompts.load("refine_no_feedback.txt"),
        )
        task = f"\n\n{self.task}" if self.task else ""
        return [
            {"role": "system", "content": prompts.load("refine_system.txt") + task},
            {"role": "user", "content": user},
        ]

    def read(self, text: str) -> str:
        """The response in an answer: what stands in its last tags, or all of it where there are none."""
        inside = _BEGIN.split(strip_thinking(text))[-1]
        return str(_MARKERS.restored(_END.split(inside)[0].strip("\n")))

    def _others(self, attempts: Sequence[Attempt], response: str) -> list[Attempt]:
        """The attempts to show, the worst first: the worst, and the best ones. Equal responses come once."""
        distinct = {each.response: each for each in attempts if isinstance(each.response, str)}
        distinct.pop(response, None)
        ranked = sorted(distinct.values(), key=lambda each: (each.value, each.number))
        if len(ranked) <= self.shown:
            return ranked
        return [*ranked[:1], *ranked[len(ranked) - self.shown + 1 :]] if self.shown else []

    def _attempt(self, attempt: Attempt) -> str:
        filled = prompts.fill(
            "refine_attempt.txt",
            score=_number(attempt.score),
            response=self._inert(attempt.response),
            feedback=_inert(cut(canonical(attempt.feedback), _FEEDBACK_OF_OTHERS)),
        )
        return f"\n{filled}\n"

    def _inert(self, value: Any) -> str:
        return _inert(cut(canonical(value), self.max_characters))


def _number(score: Any) -> str:
    if isinstance(score, Mapping):
        return ", ".join(f"{name}: {_number(value)}" for name, value in score.items())
    return "unknown" if score is None else f"{score:.6g}"


def _inert(text: str) -> str:
    """The text with each mark in it broken, also one that the line end after it would complete."""
    return _MARKERS.inert(f"{text}\n")[:-1]
