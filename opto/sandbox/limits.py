"""How much code in a worker may take, and what is left of it during a call."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from opto.errors import LimitExceededError
from opto.sandbox.crossing import CrossingLimits
from opto.sandbox.reach import Reach

__all__ = ["Budget", "Settings"]


@dataclass(frozen=True)
class Settings:
    """The walls of a worker.

    Attributes:
        reach: what it may read.
        seconds: of a call, without those that host functions take.
        cpu_seconds: of a call.
        memory: bytes beyond what the interpreter itself takes.
        output: bytes that a call may print.
        open_files: descriptors.
        scratch: bytes that its folder may hold; 0 for no folder to write to.
        walls: what keeps it, "landlock" or "bubblewrap"; None for what the system has.
        crossing: how much may cross at once.
    """

    reach: Reach
    seconds: float
    cpu_seconds: float
    memory: int
    output: int
    open_files: int
    scratch: int
    walls: str | None = None
    crossing: CrossingLimits = field(default_factory=CrossingLimits)


class Budget:
    """What is left of the limits of one call."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.deadline = time.monotonic() + settings.seconds
        self.output = bytearray()

    def pause(self, seconds: float) -> None:
        """Do not count time that the program took itself."""
        self.deadline += seconds

    def left(self) -> float:
        """The seconds that are left.

        Raises:
            LimitExceededError: none are.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            allowed = self.settings.seconds
            raise LimitExceededError(
                f"The code took more than the {allowed:g} seconds that it may; raise it with seconds=.",
                limit="seconds",
                allowed=allowed,
            )
        return left

    def printed(self, data: bytes) -> None:
        """Take in what the code printed.

        Raises:
            LimitExceededError: it printed too much.
        """
        self.output += data
        allowed = self.settings.output
        if len(self.output) > allowed:
            del self.output[allowed:]
            raise LimitExceededError(
                f"The code printed more than the {allowed:,} bytes that it may; raise it with output=.",
                limit="output",
                allowed=allowed,
            )
