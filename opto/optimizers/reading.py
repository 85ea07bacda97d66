"""Reading a model's answer: from its text to values that can be applied, and reasons why others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from opto.optimizers.asking import is_replaced
from opto.optimizers.attempts import Attempt
from opto.optimizers.formats import strip_thinking
from opto.optimizers.loose_answers import loose_suggestion
from opto.optimizers.quotations import answering
from opto.optimizers.schema import admits_none
from opto.optimizers.suggestions import find_suggestion

if TYPE_CHECKING:
    from opto.optimizers.forms import PromptForm
    from opto.trace.nodes import ParameterNode

__all__ = ["Reader", "read_attempt"]

_TERMINATE = "TERMINATE"


class Reader(Protocol):
    """What an optimizer has its own say in; `SuggestingOptimizer` is one."""

    max_tokens: int

    @property
    def form(self) -> PromptForm:
        """How answers are read."""

    def _suggested(self, text: str) -> Mapping[str, Any]:
        """New values by name."""

    def construct_update_dict(self, suggestion: Mapping[str, Any]) -> dict[ParameterNode[Any], Any]:
        """The suggested values by parameter, in the type of the present value."""


def read_attempt(
    reader: Reader,
    text: str,
    free: list[ParameterNode[Any]],
    *,
    was_cut: bool,
    null_keeps: bool,
    shown: str,
) -> Attempt:
    """What an answer comes to: tolerant parsing, conversion, and the checks of each value.

    Args:
        reader: the optimizer.
        text: the answer.
        free: the parameters that it may change; what it suggests for others is dropped, and noted.
        was_cut: whether the model was stopped at `max_tokens`.
        null_keeps: whether null stands for a value that is to stay as it is.
        shown: the request, in words; what is quoted from it is no suggestion.
    """
    with answering(shown):
        return _read(reader, text, free, was_cut=was_cut, null_keeps=null_keeps, shown=shown)


def _read(
    reader: Reader, text: str, free: list[ParameterNode[Any]], *, was_cut: bool, null_keeps: bool, shown: str
) -> Attempt:
    answer = strip_thinking(text)
    if _TERMINATE in answer:
        return Attempt()
    form = reader.form
    was_cut = was_cut or not (is_replaced(reader, "extract_llm_suggestion") or form.is_complete(answer))
    suggestion = form.markers.restored(reader._suggested(text))
    update = _update_of(reader, free, suggestion)
    if not update and not was_cut:
        loose = form.markers.restored(loose_suggestion(form.unread(answer), free, shown))
        update = _update_of(reader, free, loose)
        suggestion = suggestion or loose
    nothing = not update and form.suggests_nothing(answer)
    dropped = _dropped(suggestion, free)
    if null_keeps:
        kept = {parameter for parameter, value in update.items() if value is None and not admits_none(parameter)}
        update = {parameter: value for parameter, value in update.items() if parameter not in kept}
        nothing = nothing or bool(kept)
    attempt = Attempt.of(update)
    attempt.suggestion, attempt.dropped = suggestion, dropped
    if was_cut:
        attempt.failure = f"the answer breaks off; it may have {reader.max_tokens} tokens at most"
    elif suggestion and not update and not nothing:
        known = ", ".join(parameter.py_name for parameter in free[:20])
        named = ", ".join(map(str, suggestion))
        attempt.failure = f"it suggests values for {named[:200]}, but the variables are {known}"
    elif not update and not nothing:
        attempt.failure = "no suggestion could be read from the answer; it does not have the form asked for"
    return attempt


def _update_of(
    reader: Reader, free: list[ParameterNode[Any]], suggestion: Mapping[str, Any]
) -> dict[ParameterNode[Any], Any]:
    wanted = set(map(id, free))
    update = reader.construct_update_dict(suggestion)
    return {parameter: value for parameter, value in update.items() if id(parameter) in wanted}


def _dropped(suggestion: Mapping[str, Any], free: list[ParameterNode[Any]]) -> list[str]:
    """The names in a suggestion that stand for none of the free parameters."""
    names = {parameter.py_name for parameter in free}
    others = [name for name in suggestion if name not in names]
    return [str(name) for name in others if not find_suggestion(free, {name: suggestion[name]})]
