"""Strategies that are made of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Composed"]


class Composed:
    """A strategy made of others, whose states are its own.

    Args:
        *parts: the others.
    """

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def state_dict(self) -> dict[str, Any]:
        """The states of those that have one."""
        return {str(place): each.state_dict() for place, each in enumerate(self.parts) if hasattr(each, "state_dict")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        for place, kept in state.items():
            self.parts[int(place)].load_state_dict(kept)
