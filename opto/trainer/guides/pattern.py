"""The response has to match a regular expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opto.trainer.guides.base import Guide, Verdict, load_settings, shown

__all__ = ["PatternMatch"]


class PatternMatch(Guide):
    r"""1.0 for a text in which a regular expression is found, else 0.0.

        PatternMatch(r"\d{4}-\d\d-\d\d", whole=True).get_feedback("Date?", "2024-02-30")      # (1.0, "Correct.")
        PatternMatch(r"Answer: (\w+)", group=1).get_feedback("2 + 2?", "Answer: 5", "4")[0]   # 0.0

    Python's expressions can take exponential time on some texts: do not write `(a+)+`.

    Args:
        pattern: the expression; None takes the reference for one.
        whole: whether the whole text must match.
        forbidden: whether the text must *not* match.
        group: a group, by number or name, which must equal the reference (without white space at its ends).
        flags: those of `re`.
        longest: a text of more characters is not searched, and scores 0.0.
        hint: what to say to a response that does not match, in place of the expression.

    Raises:
        ValueError: the expression is malformed, or has no such group.
        TypeError: an argument of the wrong type.
    """

    def __init__(  # a person writes one or two
        self,
        pattern: str | re.Pattern[str] | None = None,
        *,
        whole: bool = False,
        forbidden: bool = False,
        group: int | str | None = None,
        flags: int = 0,
        longest: int = 100_000,
        hint: str | None = None,
    ) -> None:
        self.pattern, self.flags = (
            (pattern.pattern, pattern.flags | flags) if isinstance(pattern, re.Pattern) else (pattern, int(flags))
        )
        self.group = group
        self.whole, self.forbidden, self.longest, self.hint = bool(whole), bool(forbidden), longest, hint
        if group is not None and (pattern is None or forbidden):
            raise ValueError(f"group={group!r} needs a pattern that is not forbidden.")
        if self.pattern is not None:
            compiled = _compiled("pattern", self.pattern, self.flags)
            if group is not None and group not in compiled.groupindex and group not in range(compiled.groups + 1):
                raise ValueError(f"pattern {pattern!r} has no group {group!r}.")

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Search.

        Raises:
            ValueError: the reference is taken for the expression, and is none.
            TypeError: likewise.
        """
        argument, source = ("reference", reference) if self.pattern is None else ("pattern", self.pattern)
        compiled = _compiled(argument, source, self.flags)
        if not isinstance(response, str):
            return 0.0, f"Incorrect. The response must be a text, got {type(response).__name__}: {shown(response, 500)}"
        if len(response) > self.longest:
            return 0.0, f"Incorrect. The response has {len(response):,} characters; {self.longest:,} are the most."
        found = compiled.fullmatch(response) if self.whole else compiled.search(response)
        if self.forbidden:
            return (1.0, "Correct.") if found is None else (0.0, self._forbidden(found, source))
        if found is None:
            what = "match as a whole" if self.whole else "hold something that matches"
            return 0.0, f"Incorrect. {self.hint or f'The response must {what}: {source}'}\nGot: {shown(response)}"
        return self._group(found, reference) if self.group is not None else (1.0, "Correct.")

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, once it was checked."""
        load_settings(self, state)

    def _forbidden(self, found: re.Match[str], source: Any) -> str:
        why = self.hint or f"The response must not hold anything that matches: {source}"
        return f"Incorrect. {why}\nFound: {shown(found.group(), 500)}"

    def _group(self, found: re.Match[str], reference: Any) -> Verdict:
        got = (found.group(self.group or 0) or "").strip()
        if got == str(reference).strip():
            return 1.0, "Correct."
        return 0.0, f"Incorrect. Expected: {shown(str(reference))}\nGot: {shown(got)}"


def _compiled(argument: str, pattern: Any, flags: int) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise TypeError(f"{argument} must be a regular expression, as text, got {pattern!r}.")
    try:
        return re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{argument} must be a regular expression, got {pattern!r}: {error}.") from error
