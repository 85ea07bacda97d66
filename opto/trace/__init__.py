"""Tracing: run ordinary Python, record what ran as a graph, send feedback back through it.

For example:

    from opto.trace import bundle, node

    @bundle()
    def greet(name, greeting):
        return f"{greeting}, {name}!"

    greeting = node("Hello", trainable=True)
    greet("Ada", greeting).backward("Say it in French.")
    greeting.feedback
"""

from opto.trace import installing as _installing
from opto.trace import nodes, operators, propagators, utils
from opto.trace.broadcast import apply_op
from opto.trace.bundle import bundle
from opto.trace.containers import Map, NodeContainer, ParameterContainer, Seq
from opto.trace.context import detect_anomaly, name_scope, no_trace
from opto.trace.errors import ExecutionError, TraceMissingInputsError
from opto.trace.images import Image
from opto.trace.modules import Model, Module, model
from opto.trace.nodes import GRAPH, ExceptionNode, MessageNode, Node, ParameterNode, node
from opto.trace.propagators import TraceGraph
from opto.trace.snapshots import snapshot

stop_tracing = no_trace

_installing.install()

__all__ = [
    "GRAPH",
    "ExceptionNode",
    "ExecutionError",
    "Image",
    "Map",
    "MessageNode",
    "Model",
    "Module",
    "Node",
    "NodeContainer",
    "ParameterContainer",
    "ParameterNode",
    "Seq",
    "TraceGraph",
    "TraceMissingInputsError",
    "apply_op",
    "bundle",
    "detect_anomaly",
    "model",
    "modules",
    "name_scope",
    "no_trace",
    "node",
    "nodes",
    "operators",
    "propagators",
    "snapshot",
    "stop_tracing",
    "utils",
]
