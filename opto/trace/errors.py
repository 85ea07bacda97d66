"""The exceptions of tracing, under the name that existing programs import."""

from opto.errors import ExecutionError, TraceMissingInputsError

__all__ = ["ExecutionError", "TraceMissingInputsError"]
