"""The tree of opto's exceptions and warnings.

OptoError
├── ExecutionError                        an operator or a bundled function raised; carries the node to send feedback to
├── TraceMissingInputsError               a bundled function read a node that is not among its inputs
├── BackwardError (AttributeError)        a graph was walked a second time without being retained
├── CodeError (ValueError)                source text that does not compile, or does not define what it must
├── FileFormatError (ValueError)          a file is damaged, of an unknown kind, or of a newer version
├── SuggestionError (ValueError)          a model proposed a value that its parameter cannot take
├── MissingExtraError (ImportError)       an optional dependency is not installed; the message names the extra
└── ModelError (RuntimeError)             a language model could not answer
    ├── ModelTimeoutError (TimeoutError)  it did not answer in time
    ├── ModelResponseError (ValueError)   it answered, but not in the shape of a chat completion
    └── ReplayError (LookupError)         a recording holds no answer to this request

OptoWarning (UserWarning)
├── UnreachedFeedbackWarning              feedback met no trainable parameter
├── StaleValueWarning                     a parameter changed since the forward pass that the feedback is about
├── MutatedInputWarning                   a bundled function changed an input in place (seen by `detect_anomaly` only)
├── LostDependencyWarning                 a bundled function used a node that its graph does not show
└── SuggestionWarning                     a suggestion, or a part of one, was not applied
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BackwardError",
    "CodeError",
    "ExecutionError",
    "FileFormatError",
    "LostDependencyWarning",
    "MissingExtraError",
    "ModelError",
    "ModelResponseError",
    "ModelTimeoutError",
    "MutatedInputWarning",
    "OptoError",
    "OptoWarning",
    "ReplayError",
    "StaleValueWarning",
    "SuggestionError",
    "SuggestionWarning",
    "TraceMissingInputsError",
    "UnreachedFeedbackWarning",
]


class OptoError(Exception):
    """Base of every exception that opto raises on purpose."""


class ExecutionError(OptoError):
    """An operator or a bundled function raised while it was traced.

    Attributes:
        exception_node: the `ExceptionNode` that stands in the graph for the failed call. Send feedback to it with
            `optimizer.backward(error.exception_node, ...)`.
    """

    def __init__(self, exception_node: Any) -> None:
        self.exception_node = exception_node
        super().__init__(exception_node._data)

    def __str__(self) -> str:
        info = self.exception_node.info or {}
        return f"\n\n{info.get('traceback') or self.args[0]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exception_node,)


class TraceMissingInputsError(OptoError):
    """A bundled function read the data of a node that is not among its inputs."""


class BackwardError(OptoError, AttributeError):
    """Feedback was sent a second time through a graph that was not retained."""


class CodeError(OptoError, ValueError):
    """Source text does not compile, fails while it is defined, or does not define the name it must define.

    Attributes:
        source: the text, where it is a text at all.
    """

    source: str | None = None


class FileFormatError(OptoError, ValueError):
    """A file is damaged, is of another kind, or was written by a newer version."""


class SuggestionError(OptoError, ValueError):
    """A model proposed a value that its parameter cannot take."""


class MissingExtraError(OptoError, ImportError):
    """An optional dependency is missing.

    Args:
        package: the package that could not be imported.
        extra: the extra of `opto-trace` that brings it.
        purpose: what it is needed for, as a noun phrase.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'opto-trace[{extra}]'")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.package, self.extra, self.purpose)


class ModelError(OptoError, RuntimeError):
    """A language model could not answer a request.

    Args:
        message: what went wrong, and what to do.
        transient: whether the same request may succeed when it is sent again.
        status: the HTTP status that came back, if one did.
        retry_after: the seconds that the provider asks to wait, if it does.
    """

    _transient = False

    def __init__(
        self,
        message: str = "",
        *,
        transient: bool | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.transient = self._transient if transient is None else transient
        self.status, self.retry_after = status, retry_after


class ModelTimeoutError(ModelError, TimeoutError):
    """A language model did not answer in time."""

    _transient = True


class ModelResponseError(ModelError, ValueError):
    """A language model's answer does not have the shape of a chat completion."""

    _transient = True


class ReplayError(ModelError, LookupError):
    """A recording holds no answer to this request."""


class OptoWarning(UserWarning):
    """Base of every warning that opto gives."""


class UnreachedFeedbackWarning(OptoWarning):
    """Feedback was sent to a node that no trainable parameter leads to."""


class StaleValueWarning(OptoWarning):
    """A parameter changed between the forward pass and the update that its feedback leads to."""


class MutatedInputWarning(OptoWarning):
    """A bundled function changed one of its inputs in place, so its graph shows a value that it did not get."""


class LostDependencyWarning(OptoWarning):
    """A bundled function used a node that is neither its input nor visible in its graph."""


class SuggestionWarning(OptoWarning):
    """A suggestion, or a part of one, was not applied."""
