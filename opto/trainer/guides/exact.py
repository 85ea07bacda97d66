"""The response has to be the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opto.trainer.guides.base import Guide, Verdict, load_settings, shown

__all__ = ["ExactMatch"]


class ExactMatch(Guide):
    """1.0 for a response that equals the reference, 0.0 for any other; the feedback says what was expected.

        ExactMatch(ignore_case=True).get_feedback("Capital of France?", " paris", "Paris")     # (1.0, "Correct.")

    Texts are compared without white space at their ends; anything else must be of the same type, and equal.

    Args:
        ignore_case: whether upper and lower case are the same.
        any_of: the reference is a list of right answers.
        normalize: a function that both are put through first.
    """

    def __init__(
        self, *, ignore_case: bool = False, any_of: bool = False, normalize: Callable[[Any], Any] | None = None
    ) -> None:
        if normalize is not None and not callable(normalize):
            raise TypeError(f"normalize must be a function or None, got {normalize!r}.")
        self.ignore_case, self.any_of, self.normalize = bool(ignore_case), bool(any_of), normalize

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Compare.

        Raises:
            TypeError: `any_of`, and the reference is no list.
            ValueError: `any_of`, and the list is empty.
        """
        right = self._right_answers(reference)
        got = self._form(response)
        if any(_equal(got, self._form(each)) for each in right):
            return 1.0, "Correct."
        expected = " or ".join(shown(each) for each in right[:5]) + (" or ..." if len(right) > 5 else "")
        return 0.0, f"Incorrect. Expected: {expected}\nGot: {shown(response)}{self._hint(got, right[0])}"

    def state(self) -> dict[str, Any]:
        """The options; `normalize` is code, and is not saved."""
        return {"ignore_case": self.ignore_case, "any_of": self.any_of}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, once it was checked."""
        load_settings(self, state)

    def _right_answers(self, reference: Any) -> list[Any]:
        if not self.any_of:
            return [reference]
        if isinstance(reference, (str, bytes)) or not isinstance(reference, (list, tuple, set, frozenset)):
            raise TypeError(f"reference must be a list of right answers, as any_of says, got {reference!r}.")
        if not reference:
            raise ValueError("reference must hold at least one right answer, got none.")
        return list(reference)

    def _form(self, value: Any) -> Any:
        value = value if self.normalize is None else self.normalize(value)
        if isinstance(value, str):
            return str.casefold(value.strip()) if self.ignore_case else value.strip()
        return value

    def _hint(self, got: Any, reference: Any) -> str:
        """What a reader of the two might miss."""
        wanted = self._form(reference)
        if type(got) is not type(wanted):
            return f"\nThe response is of type {type(got).__name__}, and {type(wanted).__name__} is expected."
        if not isinstance(got, str):
            return ""
        if got.casefold() == wanted.casefold():
            return "\nThey differ in upper and lower case only."
        if "".join(got.split()) == "".join(wanted.split()):
            return "\nThey differ in white space only."
        if wanted and wanted in got:
            return "\nThe response holds the expected text, and more; it must be that text alone."
        return ""


def _equal(got: Any, right: Any) -> bool:
    """Whether two values are of one type and equal; arrays, item by item. What cannot be compared is not equal."""
    if type(got) is not type(right):
        return False
    try:
        same = got == right
        if hasattr(same, "all") and getattr(got, "shape", None) is not None:
            return bool(got.shape == right.shape and same.all())
        return bool(same)
    except Exception:
        return False
