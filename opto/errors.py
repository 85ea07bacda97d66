"""The tree of opto's exceptions and warnings.

OptoError
├── ExecutionError                        an operator or a bundled function raised; carries the node to send feedback to
├── TraceMissingInputsError               a bundled function read a node that is not among its inputs
├── BackwardError (AttributeError)        a graph was walked a second time without being retained
├── CodeError (ValueError)                source text that does not compile, or does not define what it must
│   └── UnsupportedFeatureError           it uses a part of Python that its runner does not have
├── FileFormatError (ValueError)          a file is damaged, of an unknown kind, or of a newer version
├── SuggestionError (ValueError)          a model proposed a value that its parameter cannot take
├── PromptTooLongError (ValueError)       a prompt does not fit in its tokens, however much is left out
├── RecordInUseError (BlockingIOError)    somebody else is writing to the record of this run
├── ReplayDifferenceError (LookupError)   a replayed program went another way than the run that was recorded
├── MissingExtraError (ImportError)       an optional dependency is not installed; the message names the extra
├── SandboxError (RuntimeError)           code could not be run behind walls, or ran into one
│   ├── SandboxUnavailableError           a wall cannot be raised on this system; nothing was run
│   ├── LimitExceededError                the code took more time, memory, output... than it may
│   └── CrossingError (TypeError)         a value that is not plain data would have to cross a wall
├── WorkerError (RuntimeError)            a worker failed over an example, more often than it may be tried again
│   └── RolloutTimeoutError (TimeoutError)  the example took too long
└── ModelError (RuntimeError)             a language model could not answer
    ├── ModelTimeoutError (TimeoutError)  it did not answer in time
    ├── ModelResponseError (ValueError)   it answered, but not in the shape of a chat completion
    └── ReplayError (LookupError)         a recording holds no answer to this request

OptoWarning (UserWarning)
├── UnreachedFeedbackWarning              feedback met no trainable parameter
├── StaleValueWarning                     a parameter changed since the forward pass that the feedback is about
├── MutatedInputWarning                   a bundled function changed an input in place (seen by `detect_anomaly` only)
├── SecretWarning                         what was saved held a key or a password, which was left out
├── LostDependencyWarning                 a bundled function used a node that its graph does not show
└── SuggestionWarning                     a suggestion, or a part of one, was not applied
"""

from __future__ import annotations

from typing import Any

from opto.secrets import redact_text

__all__ = [
    "BackwardError",
    "BudgetExceededError",
    "CodeError",
    "ConstraintWarning",
    "CrossingError",
    "ExecutionError",
    "FileFormatError",
    "LimitExceededError",
    "LostDependencyWarning",
    "MissingExtraError",
    "ModelAccessError",
    "ModelError",
    "ModelResponseError",
    "ModelTimeoutError",
    "MutatedInputWarning",
    "OptoError",
    "OptoWarning",
    "PromptTooLongError",
    "RecordInUseError",
    "ReplayDifferenceError",
    "ReplayError",
    "RolloutTimeoutError",
    "SecretWarning",
    "SandboxError",
    "SandboxUnavailableError",
    "StaleValueWarning",
    "SuggestionError",
    "SuggestionWarning",
    "TraceMissingInputsError",
    "UnreachedFeedbackWarning",
    "UnsupportedFeatureError",
    "WorkerError",
]


class OptoError(Exception):
    """Base of every exception that opto raises on purpose. Keys and tokens in its message are struck out."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*[redact_text(each) if type(each) is str else each for each in args])


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


class UnsupportedFeatureError(CodeError):
    """Code uses a part of Python that the runner which runs it does not have.

    Args:
        message: what it is, and what to do.
        feature: what it is, in a word or two, like "module 'numpy'" or "yield expressions".
    """

    def __init__(self, message: str = "", *, feature: str = "") -> None:
        super().__init__(message)
        self.feature = feature


class FileFormatError(OptoError, ValueError):
    """A file is damaged, is of another kind, or was written by a newer version."""


class SuggestionError(OptoError, ValueError):
    """A model proposed a value that its parameter cannot take."""


class PromptTooLongError(OptoError, ValueError):
    """A prompt has more tokens than it may, and nothing in it can be left out any more.

    Args:
        message: what does not fit, and what to do.
        needed: the least tokens that are needed.
    """

    def __init__(self, message: str = "", *, needed: int = 0) -> None:
        super().__init__(message)
        self.needed = needed


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


class SandboxError(OptoError, RuntimeError):
    """Code could not be run behind walls, or was stopped by one."""


class SandboxUnavailableError(SandboxError):
    """A wall that a runner promises cannot be raised on this system. The code was not run.

    Args:
        message: what is missing, and how to get it.
        missing: what is missing, in a word: "linux", "landlock", "bubblewrap", "seccomp", "sandlock", "interpreter"...
    """

    def __init__(self, message: str = "", *, missing: str = "") -> None:
        super().__init__(message)
        self.missing = missing


class LimitExceededError(SandboxError):
    """Code in a sandbox took more than it may, and was stopped.

    Args:
        message: which limit, how much it allows, and how to allow more.
        limit: which one: "seconds", "cpu_seconds", "memory", "output", "size", "recursion" or "calls".
        allowed: how much it allows: seconds, bytes or a count.
    """

    def __init__(self, message: str = "", *, limit: str = "", allowed: float = 0) -> None:
        super().__init__(message)
        self.limit, self.allowed = limit, allowed


class CrossingError(SandboxError, TypeError):
    """A value that is not plain data would have to cross the wall of a sandbox; or it is too deep, too large, damaged.

    The message says where it is in what was passed or returned, as in `result[3]['x'] is a socket.socket`.
    """


class RecordInUseError(OptoError, BlockingIOError):
    """Another process, or another part of this one, is writing to the record of this run."""


class ReplayDifferenceError(OptoError, LookupError):
    """A replayed program went another way than the run that was recorded.

    It is no `ModelError`, so that a loop which goes on after errors of the model does not go on after this one.

    Attributes:
        kind: the kind of the first event that differs: "problem", "request", "response", "attempt", "step" or "call".
        optimizer: the class of the optimizer whose event it is, None for a call that the program made itself.
        step: the step that it belongs to, None for a call that the program made itself.
        expected: the event as recorded; None where the recording has none.
        got: the event of the replay; None where there is none.
        difference: the two as a unified diff.
    """

    def __init__(
        self,
        message: str = "",
        *,
        kind: str = "",
        optimizer: str | None = None,
        step: int | None = None,
        expected: Any = None,
        got: Any = None,
        difference: str = "",
    ) -> None:
        super().__init__(message)
        self.kind, self.optimizer, self.step = kind, optimizer, step
        self.expected, self.got, self.difference = expected, got, difference


class WorkerError(OptoError, RuntimeError):
    """A worker died or failed over an example, more often than it may be tried again, or its executor broke."""


class RolloutTimeoutError(WorkerError, TimeoutError):
    """A program took longer over an example than it may, more often than it may be tried again."""


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


class ModelAccessError(ModelError, PermissionError):
    """The key for a language model is missing, or was refused."""


class BudgetExceededError(ModelError):
    """A request does not fit what is left of a budget. It was not sent.

    Attributes:
        limit: which limit it is: "usd", "tokens", "calls" or "seconds".
        allowed: how much the budget allows in all, in this unit, as are the next three.
        spent: how much is spent.
        reserved: how much is held back for requests that are under way.
        asked: how much this request may take at most.
    """

    def __init__(
        self,
        message: str = "",
        *,
        limit: str = "",
        allowed: float = 0,
        spent: float = 0,
        reserved: float = 0,
        asked: float = 0,
    ) -> None:
        super().__init__(message)
        self.limit, self.allowed, self.spent, self.reserved, self.asked = limit, allowed, spent, reserved, asked


class ReplayError(ModelError, LookupError):
    """A recording holds no answer to this request."""


class OptoWarning(UserWarning):
    """Base of every warning that opto gives. Keys and tokens in its message are struck out."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*[redact_text(each) if type(each) is str else each for each in args])


class UnreachedFeedbackWarning(OptoWarning):
    """Feedback was sent to a node that no trainable parameter leads to."""


class StaleValueWarning(OptoWarning):
    """A parameter changed between the forward pass and the update that its feedback leads to."""


class MutatedInputWarning(OptoWarning):
    """A bundled function changed one of its inputs in place, so its graph shows a value that it did not get."""


class LostDependencyWarning(OptoWarning):
    """A bundled function used a node that is neither its input nor visible in its graph."""


class ConstraintWarning(OptoWarning):
    """A parameter was declared with a value that breaks its own constraint."""


class SecretWarning(OptoWarning):
    """What was saved held a key or a password that this process knows; the file has `[redacted]` in its place."""


class SuggestionWarning(OptoWarning):
    """A suggestion, or a part of one, was not applied."""
