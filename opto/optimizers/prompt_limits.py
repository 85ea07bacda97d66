"""How long a prompt may be, and what past attempts get of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opto.errors import PromptTooLongError
from opto.llm.tokens import IMAGE_TOKENS, MESSAGE_TOKENS, TokenCounter, context_window, token_counter
from opto.optimizers import prompts
from opto.optimizers.asking import content_text, repair_turn
from opto.optimizers.cutting import cut
from opto.optimizers.fitting import whole
from opto.optimizers.options import checked_count

if TYPE_CHECKING:
    from opto.optimizers.rendering import ProblemInstance

__all__ = ["SHORT", "PromptLimits", "checked_limit", "latest", "note_on_past", "past_attempts"]

_Messages = list[dict[str, Any]]

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
        kept: the part of the tokens, from 0 to 1, that is kept for what later requests add to the prompt.
    """

    def __init__(
        self, most: int | None, max_tokens: int, model: Callable[[], Any] | None, *, repairs: bool = False
    ) -> None:
        self.most, self.max_tokens, self.repairs = most, max_tokens, repairs
        self.images = 0
        self.kept = 0.0
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

    @property
    def spare(self) -> int:
        """The tokens that are kept for a repair."""
        return min((self.tokens or 0) // _FOR_REPAIR, _MOST_FOR_REPAIR) if self.repairs else 0

    def left(self, *texts: str) -> int | None:
        """The tokens that are left beside these texts, the marks of messages, and what is kept for later requests."""
        if self.tokens is None:
            return None
        marks = MESSAGE_TOKENS * _MESSAGES + IMAGE_TOKENS * self.images
        return self.tokens - self._kept - marks - sum(self.count(text) for text in texts)

    @property
    def _kept(self) -> int:
        """The tokens that are kept for later requests."""
        return self.spare + int(self.kept * (self.tokens or 0))

    def _whole(self, needed: int) -> int:
        """How many tokens a prompt must be allowed, so that so many are there beside those that are kept."""
        if not self.repairs:
            return math.ceil(needed / (1 - self.kept)) + 1
        by_part = needed / (1 - self.kept - 1 / _FOR_REPAIR)
        return math.ceil(min(by_part, (needed + _MOST_FOR_REPAIR) / (1 - self.kept))) + 1

    def used(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """The tokens of a conversation."""
        total = MESSAGE_TOKENS * (len(messages) + 1)
        for message in messages:
            content = message["content"]
            images = 0 if isinstance(content, str) else sum(part.get("type") == "image_url" for part in content)
            total += IMAGE_TOKENS * images + self.count(content_text(content))
        return total

    def is_short(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a conversation fits everywhere, so that nobody need be asked."""
        return self.most is None and sum(len(content_text(each["content"])) for each in messages) <= SHORT

    def first_fitting(self, drafts: Iterable[_Messages], *, spared: float = 1.0) -> _Messages:
        """The first of some drafts of a conversation that fits.

        Args:
            drafts: from the fullest to the least, at least one.
            spared: the part of `spare` that must stay free.

        Raises:
            PromptTooLongError: not even the last fits; it tells the tokens that are needed.
        """
        used = 0
        for draft in drafts:
            if self.is_short(draft) or self.tokens is None:
                return draft
            used = self.used(draft)
            if used + int(spared * self.spare) <= self.tokens:
                return draft
        needed = self._whole(used)
        raise PromptTooLongError(
            f"The prompt needs at least {needed:,} tokens, but it may have {self.tokens:,} (max_prompt_tokens, by "
            "default the model's window without max_tokens): allow more, or shorten the objective.",
            needed=needed,
        )

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
            needed = self._whole(error.needed + (self.tokens or 0) - self._kept - left)
            raise PromptTooLongError(
                f"{error} With the instructions around it the prompt needs {needed:,} tokens, but it may have "
                f"{self.tokens:,} (max_prompt_tokens, by default the model's window without max_tokens).",
                needed=needed,
            ) from None

    def repair(self, messages: _Messages, answer: str, reasons: str) -> tuple[str, str] | None:
        """The answer and the reasons, without their middles where they do not fit behind the messages.

        Returns:
            Both; None where not even the least of them fits.
        """
        limit = max(len(answer), len(reasons))
        fitting = answer, reasons
        if self.is_short([*messages, *repair_turn(*fitting)]) or self.tokens is None:
            return fitting
        left = self.tokens - self.used(messages) + MESSAGE_TOKENS
        while self.used(repair_turn(*fitting)) > left:
            if limit <= 1:
                return None
            limit //= 2
            fitting = cut(answer, max(limit // 2, 1)), cut(reasons, limit)
        return fitting


def past_attempts(attempts: Sequence[str], left: int | None, limits: PromptLimits) -> str:
    """The part of a prompt that tells of past attempts: all of them, or the latest that fit in what is left."""
    if left is None or not attempts:
        return _told(attempts, 0)
    for missing in range(latest(attempts, left, limits.count), len(attempts)):
        if limits.count(text := _told(attempts, missing)) <= left:
            return text
    note = note_on_past(attempts)
    return note if limits.count(note) <= left else ""


def latest(texts: Sequence[str], left: int, count: TokenCounter) -> int:
    """The place of the first of the last texts that fit in what is left, each with the blank line behind it."""
    total, first = 0, len(texts)
    while first > 0 and (total := total + count(f"{texts[first - 1]}\n\n")) <= left:
        first -= 1
    return first


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
    return None if most is None else checked_count("max_prompt_tokens", most)
