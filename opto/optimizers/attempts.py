"""What one answer of a model came to: values to apply, and reasons why others are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opto.errors import SuggestionError
from opto.optimizers.canonical import plain
from opto.optimizers.suggestions import check
from opto.runs.events import FIXED

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["Attempt"]


@dataclass
class Attempt:
    """The outcome of reading one answer.

    Attributes:
        values: what can be applied, by parameter.
        rejected: why the values of other parameters cannot, by `py_name`.
        failure: why the answer as a whole could not be used, or None.
        suggestion: what the answer suggests, by name, as parsed and before it was converted or checked.
        dropped: the names in it that stand for no parameter which this step may change.
    """

    values: dict[ParameterNode[Any], Any] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    failure: str | None = None
    suggestion: Mapping[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, values: Mapping[ParameterNode[Any], Any]) -> Attempt:
        """The values that pass `opto.optimizers.suggestions.check`, and the reasons of those that do not."""
        attempt = cls()
        for parameter, value in values.items():
            try:
                check(parameter, value)
            except SuggestionError as error:
                attempt.rejected[parameter.py_name] = str(error)
            else:
                attempt.values[parameter] = value
        return attempt

    @property
    def outcome(self) -> str:
        """One word for the record: "failed", "rejected", "partly accepted", or "accepted"."""
        if self.failure:
            return "failed"
        if self.rejected:
            return "partly accepted" if self.values else "rejected"
        return "accepted"

    @property
    def reasons(self) -> list[str]:
        """All that went wrong, one sentence each; empty when nothing did."""
        return [*([self.failure] if self.failure else []), *self.rejected.values()]

    @property
    def is_fixed(self) -> bool:
        """Whether its values cannot change, so that it may be told later."""
        values = (*self.values.values(), *self.suggestion.values())
        return FIXED.issuperset(map(type, values))

    def told(self) -> dict[str, Any]:
        """What listeners are told of it, plain data by name; the suggestion as it was parsed comes with it."""
        reasons = self.reasons
        return {
            "outcome": self.outcome,
            "reason": "; ".join(reasons) if reasons else None,
            "suggestion": {str(name): plain(value) for name, value in self.suggestion.items()},
            "values": {parameter.py_name: plain(value) for parameter, value in self.values.items()},
            "rejected": dict(self.rejected),
            "dropped": list(self.dropped),
        }

    def then(self, later: Attempt) -> Attempt:
        """Both attempts together: the later one was asked for to put the earlier one right."""
        values = {**self.values, **later.values}
        names = {parameter.py_name for parameter in values}
        rejected = {name: why for name, why in {**self.rejected, **later.rejected}.items() if name not in names}
        failure = later.failure if self.failure else None
        suggestion = {**self.suggestion, **later.suggestion}
        return Attempt(values, rejected, failure, suggestion, [*self.dropped, *later.dropped])
