"""How feedback travels through the graph."""

from opto.trace.propagators.graph import GraphPropagator, TraceGraph
from opto.trace.propagators.propagators import Propagator, SumPropagator

__all__ = ["GraphPropagator", "Propagator", "SumPropagator", "TraceGraph"]
