"""How long a prompt may be, and what past attempts get of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opto.errors import PromptTooLongError
from opto.llm.tokens import IMAGE_TOKENS, MESSAGE_TOKENS, TokenCounter, context_window, token_counter
from opto.optimizers import prompts
from opto.optimizers.asking import content_text
from opto.optimizers.cutting import cut
from opto.optimizers.fitting import whole

if TYPE_CHECKING:
    from opto.optimizers.rendering import ProblemInstance

__all__ = ["SHORT", "PromptLimits", "checked_limit", "note_on_past", "past_attempts"]

SHORT = 8_000
"""A prompt of so many characters fits everywhere: nobody is asked for the window of the model, nor for its tokens."""

_MESSAGES = 3
_FOR_REPAIR = 10
_MOST_FOR_REPAIR = 2_000
_NOTE_ON_PAST = "...({count:,} earlier attempts left out)..."


class PromptLimits:
    """The tokens that a prompt may have.

    Args:
        most: the number, or None for what the model's window leaves beside the answer, where LiteLLM knows that.
        max_tokens: the longest answer.
        model: gives the model, called only when it matters; None where answers come from elsewhere.
        repairs: whether an answer may go back with reasons; a tenth of the tokens, at most 2,000, is kept for that.

    Attributes:
        images: how many images go with the prompt.
    """

    def __init__(
        self, most: int | None, max_tokens: int, model: Callable[[], Any] | None, *, repairs: bool = False
    ) -> None:
        self.most, self.max_tokens, self.repairs = most, max_tokens, repairs
        self.images = 0
        self._model = model

    @cached_property
    def count(self) -> TokenCounter:
        """Counts the tokens of a text."""
        return token_counter(None if self._model is None else self._model())

    @cached_property
    def tokens(self) -> int | None:
        """The most tokens of all messages of a request together; None where there is no limit."""
        if self.most is not None or self._model is None:
            return self.most
        window = context_window(self._model())
        return None if window is None else max(window - self.max_tokens, 0)

    def left(self, *texts: str) -> int | None:
        """The tokens that are left beside these texts, the marks of messages, and what is kept for a repair."""
        if self.tokens is None:
            return None
        spare = min(self.tokens // _FOR_REPAIR, _MOST_FOR_REPAIR) if self.repairs else 0
        marks = MESSAGE_TOKENS * _MESSAGES + IMAGE_TOKENS * self.images
        return self.tokens - spare - marks - sum(self.count(text) for text in texts)

    def fitted(self, draft: ProblemInstance, *around: str) -> ProblemInstance:
        """The problem in words, whole if it is short or if there is no limit, else within what is left beside `around`.

        Raises:
            PromptTooLongError: not even the least of it fits; it tells the tokens of the whole prompt that are needed.
        """
        if self.most is None and (short := whole(draft, SHORT)) is not None:
            return short
        left = self.left(*around)
        if left is None:
            return whole(draft) or draft
        try:
            return draft.fitted(left, self.count)
        except PromptTooLongError as error:
            needed = error.needed - left + (self.tokens or 0)
            raise PromptTooLongError(
                f"{error} With the instructions around it the prompt needs {needed:,} tokens, but it may have "
                f"{self.tokens:,} (max_prompt_tokens, by default the model's window without max_tokens).",
                needed=needed,
            ) from None

    def repair(self, messages: Sequence[Mapping[str, Any]], answer: str, reasons: str) -> tuple[str, str]:
        """The answer and the reasons, without their middles where they do not fit behind the messages."""
        if self.most is None and sum(len(str(each["content"])) for each in messages) + len(answer) <= SHORT:
            return answer, reasons
        if self.tokens is None:
            return answer, reasons
        used = (
            IMAGE_TOKENS * self.images
            + sum(self.count(content_text(each["content"])) for each in messages)
            + MESSAGE_TOKENS * (len(messages) + 3)
        )
        limit = max(len(answer), len(reasons))
        fitting = answer, reasons
        while self.count(fitting[0]) + self.count(fitting[1]) > self.tokens - used and limit > 1:
            limit //= 2
            fitting = cut(answer, max(limit // 2, 1)), cut(reasons, limit)
        return fitting


def past_attempts(attempts: Sequence[str], left: int | None, limits: PromptLimits) -> str:
    """The part of a prompt that tells of past attempts: all of them, or the latest that fit in what is left."""
    if left is None or not attempts:
        return _told(attempts, 0)
    total, first = 0, len(attempts)
    while first > 0 and (total := total + limits.count(attempts[first - 1])) <= left:
        first -= 1
    for missing in range(first, len(attempts)):
        if limits.count(text := _told(attempts, missing)) <= left:
            return text
    note = note_on_past(attempts)
    return note if limits.count(note) <= left else ""


def _told(attempts: Sequence[str], missing: int) -> str:
    if not attempts:
        return ""
    shown = [*([_NOTE_ON_PAST.format(count=missing)] if missing else []), *attempts[missing:]]
    return prompts.fill("memory.txt", attempts="\n\n".join(shown)) + "\n\n"


def note_on_past(attempts: Sized) -> str:
    """What is said where no past attempt is shown; "" if there is none."""
    return _NOTE_ON_PAST.format(count=len(attempts)) + "\n\n" if len(attempts) else ""


def checked_limit(most: int | None) -> int | None:
    """The limit as given.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less than 1.
    """
    if most is not None and (isinstance(most, bool) or not isinstance(most, int)):
        raise TypeError(f"max_prompt_tokens must be an int or None, got {most!r}.")
    if most is not None and most < 1:
        raise ValueError(f"max_prompt_tokens must be >= 1, got {most}.")
    return most
