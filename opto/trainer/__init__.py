"""Data, guides and evaluation: what a program is trained on, and how its responses are judged."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opto.trainer.guide import Guide, as_guide
    from opto.trainer.objectives import ObjectiveConfig

__all__ = ["Guide", "ObjectiveConfig", "as_guide"]

_LAZY = {
    "Guide": "guide",
    "ObjectiveConfig": "objectives",
    "as_guide": "guide",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
