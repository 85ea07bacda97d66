"""The picture of a graph: a `graphviz.Digraph` that a notebook can always show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import graphviz

from opto.trace.rendering import notebook_bundle

__all__ = ["Picture"]


class Picture(graphviz.Digraph):  # type: ignore[misc, unused-ignore]
    """A `graphviz.Digraph` whose display in a notebook needs no `dot` program and never raises."""

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, str]:
        wanted = None if include is None else set(include)
        unwanted = set(exclude or ())
        return {
            kind: content
            for kind, content in notebook_bundle(self).items()
            if kind not in unwanted and (wanted is None or kind in wanted)
        }
