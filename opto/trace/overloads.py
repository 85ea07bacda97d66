"""The class that carries the overloaded operators of nodes; `operators.py` fills it from its table."""

from __future__ import annotations

__all__ = ["NodeOperators"]


class NodeOperators:
    """Operators and traced methods of nodes. Their signatures are in `overloads.pyi`, which is made from the table."""

    __slots__ = ()
