"""What a run looks like while it goes on: in a terminal, in a notebook, in lines, or not at all."""

from __future__ import annotations

from opto.trainer.progress.progress import Progress
from opto.trainer.progress.status import Status

__all__ = ["Progress", "Status"]
