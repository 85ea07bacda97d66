"""Running code that a model wrote, behind one protocol. Knows source text and plain data only."""

from opto.sandbox._base import CodeRunner, checked_runner, current_runner, running
from opto.sandbox.in_process import InProcess, text_of
from opto.sandbox.subprocess import Subprocess

__all__ = ["CodeRunner", "InProcess", "Subprocess", "checked_runner", "current_runner", "running", "text_of"]
