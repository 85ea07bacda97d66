"""opto: autodiff for workflows.

`opto.train` makes a program better on data, `opto.resume` goes on with a run that died; `opto.record` writes a run to
disk, `opto.replay` executes it again without a model. They load when first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opto.optimizers.records import record, replay
    from opto.trainer.resuming import resume
    from opto.trainer.training import train

__version__ = "0.1.0"

__all__ = ["__version__", "record", "replay", "resume", "train"]

_LAZY = {
    "record": "opto.optimizers.records",
    "replay": "opto.optimizers.records",
    "resume": "opto.trainer.resuming",
    "train": "opto.trainer.training",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
