"""What a bundled body used beyond its inputs: nodes that feedback on the result would not reach."""

from __future__ import annotations

import warnings
from typing import Any

from opto.errors import LostDependencyWarning, TraceMissingInputsError
from opto.trace.arguments import nodes_inside
from opto.trace.registry import GRAPH

__all__ = ["external_nodes"]


def external_nodes(call: Any, inner: Any) -> list[Any]:
    """The nodes that the body of a `Call` used and that are not its inputs.

    Args:
        call: the call, after its body ran.
        inner: the node that the body returned, or one made of the nodes in what it returned; None without any.

    Raises:
        TraceMissingInputsError: if the body read such a node, and that is not allowed.

    Warns:
        LostDependencyWarning: if it computed with one through operators or other bundles.
    """
    module = call.body
    own = {*call.parents, *call.created}
    external = [each for each in call.used or () if each not in own]
    if external:
        contained = set(nodes_inside([parent._data for parent in call.parents]))
        external = [each for each in external if each not in contained]
    allowed = GRAPH.external_dependencies_allowed
    if allowed is None:
        allowed = module.allow_external_dependencies
    if external and not allowed:
        raise TraceMissingInputsError(
            f"The bundled function {module.name!r} read the data of {_listed(external)}, not among its inputs: "
            "feedback would not reach it. Pass it as an argument, or decorate with "
            "bundle(allow_external_dependencies=True)."
        )
    if module.traceable_code:
        return external
    lost = _lost(call, inner, own)
    # A constant that nothing led to takes no feedback, so nothing is lost with it.
    if not allowed and (missed := [each for each in lost if each.trainable or each._parents]):
        warnings.warn(
            f"The bundled function {module.name!r} computes with {_listed(missed)}, not among its inputs: feedback "
            "will not reach it. Pass it as an argument, or use bundle(traceable_code=True).",
            LostDependencyWarning,
            stacklevel=5,
        )
    return external + lost


def _listed(nodes: list[Any]) -> str:
    return ", ".join(sorted(each.name for each in nodes))


def _lost(call: Any, inner: Any, own: set[Any]) -> list[Any]:
    """The outer nodes that nodes made in the body, and then read or returned, were computed from."""
    inputs = set(call.parents)
    waiting = [each for each in (*(call.used or ()), inner) if each is not None and each._parents]
    seen = set(waiting)
    lost = [] if inner is None or inner in own else [inner]
    for each in waiting:  # grows while it is walked
        if each in inputs:
            continue
        for parent in each._parents:
            if parent not in seen:
                seen.add(parent)
                if parent not in own:
                    lost.append(parent)
                elif parent._parents:
                    waiting.append(parent)
    return lost
