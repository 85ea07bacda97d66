"""Drawing a graph: what is trainable, what was computed, what failed and what came out, told apart at a glance.

Knows nodes by their surface alone (`py_name`, `description`, `parents`, ...), so it can draw whatever looks like one.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opto.trace.brief import brief, shortened
from opto.trace.rendering import notebook_bundle, save_picture, to_png, to_svg

if TYPE_CHECKING:
    from opto.trace.picture import Picture

__all__ = ["digraph", "notebook_bundle", "save_picture", "to_png", "to_svg"]

IDENTITY_OPERATORS = ("identity", "clone")

_FONT = "Helvetica,Arial,sans-serif"
_GRAPH_STYLE = {"bgcolor": "white", "nodesep": "0.3", "ranksep": "0.45", "fontname": _FONT, "tooltip": " "}
_NODE_STYLE = {"fontname": _FONT, "fontsize": "11", "fontcolor": "#1f2933", "penwidth": "1.2", "margin": "0.12,0.07"}
_EDGE_STYLE = {"color": "#7b8794", "arrowsize": "0.7", "penwidth": "1.1"}

_STYLES: Mapping[str, Mapping[str, str]] = {
    "parameter": {"shape": "box", "style": "rounded,filled", "fillcolor": "#fff3d6", "color": "#b7791f"},
    "operator": {"shape": "ellipse", "style": "filled", "fillcolor": "#e6f0fa", "color": "#4a78a8"},
    "input": {"shape": "ellipse", "style": "filled", "fillcolor": "#f3f4f6", "color": "#8a94a3"},
    "exception": {
        "shape": "ellipse",
        "style": "filled",
        "fillcolor": "#fde3e1",
        "color": "red3",
        "fontcolor": "#8e1b1b",
    },
}
_OUTPUT_STYLE = {"peripheries": "2", "penwidth": "1.6"}
# An output that is an ordinary result has a colour of its own; a parameter or an exception keeps its colour.
_OUTPUT_RESULT_STYLE = {**_OUTPUT_STYLE, "fillcolor": "#e3f4e8", "color": "#2e7d4f"}

_ELLIPSE_WIDTH = 32
_BOX_WIDTH = 64
_TOOLTIP_TIMES = 10

# What no SVG can hold, and what would turn the direction of the text around it.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def digraph(
    nodes_with_levels: Iterable[tuple[int, Any]],
    *,
    simple_visualization: bool = True,
    reverse_plot: bool = False,
    print_limit: int = 100,
    output: Any = None,
    value: Callable[[Any], Any] | None = None,
) -> Picture:
    """Draw nodes and the edges between them, in time linear in both. Nothing is rendered yet.

    Parameters are amber boxes; all else is an ellipse: inputs grey, results of operators blue, exceptions red. The
    output has a double outline and is green when it is an ordinary result. A label shows a node's name, description and
    value; its tooltip more of them.

    Args:
        nodes_with_levels: pairs of level and node, in any order. Parents outside of them are not drawn.
        simple_visualization: leave out nodes that only copy their one input, and join what they connect.
        reverse_plot: draw arrows from results to inputs.
        print_limit: how many characters of a description or value a label shows; >= 0.
        output: the node to mark as output, or a list of them; by default those on the highest level.
        value: gives the value to show for a node; by default the one that it holds now.

    Returns:
        A `graphviz.Digraph` that a notebook can always show.

    Raises:
        TypeError: `print_limit` is not an int.
        ValueError: `print_limit` is negative.
    """
    from opto.trace.picture import Picture

    if not isinstance(print_limit, int) or isinstance(print_limit, bool):
        raise TypeError(f"print_limit must be an int, got {print_limit!r}.")
    if print_limit < 0:
        raise ValueError(f"print_limit must be >= 0, got {print_limit}.")
    pairs = list(nodes_with_levels)
    nodes = {id(node): node for _, node in pairs}
    stands_for = _bridges(nodes) if simple_visualization else {}
    outputs = {stands_for.get(key, key) for key in _outputs(pairs, output)}
    names = _names(node for key, node in nodes.items() if key not in stands_for)

    picture = Picture(name="trace", graph_attr=_GRAPH_STYLE, node_attr=_NODE_STYLE, edge_attr=_EDGE_STYLE)
    kinds: dict[type, str] = {}
    for key, name in names.items():
        node = nodes[key]
        kind = kinds.get(type(node)) or kinds.setdefault(type(node), _kind(type(node)))
        shown = node._data if value is None else value(node)
        picture.node(name, **_labels(node, kind, shown, print_limit), **_style(kind, key in outputs))
    for key, name in names.items():
        parents = dict.fromkeys(stands_for.get(id(parent), id(parent)) for parent in nodes[key].parents)
        for parent in parents:
            if parent in names:
                picture.edge(*((name, names[parent]) if reverse_plot else (names[parent], name)))
    return picture


# --- the shape of the graph


def _bridges(nodes: Mapping[int, Any]) -> dict[int, int]:
    """For each node that only copies its one parent: the node that it stands for, at the end of the chain of copies."""
    source = {}
    for key, node in nodes.items():
        parents = node.parents
        if len(parents) == 1 and id(parents[0]) in nodes and node.op_name in IDENTITY_OPERATORS:
            source[key] = id(parents[0])
    for start in source:
        chain = [start]
        while chain[-1] in source:
            chain.append(source[chain[-1]])
        end = chain.pop()
        # Chains are shortened as they are followed, so that a long one is walked once and not once per node.
        source.update(dict.fromkeys(chain, end))
    return source


def _outputs(pairs: Sequence[tuple[int, Any]], output: Any) -> set[int]:
    if output is not None:
        return {id(node) for node in (output if isinstance(output, (list, tuple)) else [output])}
    highest = max((level for level, _ in pairs), default=0)
    return {id(node) for level, node in pairs if level == highest}


def _names(nodes: Iterable[Any]) -> dict[int, str]:
    """A name in the DOT language for each node: its own where that can be, with a number where it is taken."""
    names: dict[int, str] = {}
    taken: dict[str, int] = {}
    for node in nodes:
        name = base = re.sub(r"[^\w./-]", "_", str(node.py_name))
        while name in taken:
            taken[base] += 1
            name = f"{base}_{taken[base]}"
        taken[name] = taken.get(name, 1)
        names[id(node)] = name
    return names


# --- how one node looks


def _kind(cls: type) -> str:
    ancestry = {each.__name__ for each in cls.__mro__}
    for name, kind in (("ExceptionNode", "exception"), ("ParameterNode", "parameter"), ("MessageNode", "operator")):
        if name in ancestry:
            return kind
    return "input"


def _style(kind: str, is_output: bool) -> dict[str, str]:
    style = dict(_STYLES[kind])
    if is_output:
        style.update(_OUTPUT_STYLE if kind in ("parameter", "exception") else _OUTPUT_RESULT_STYLE)
    return style


def _labels(node: Any, kind: str, value: Any, limit: int) -> dict[str, str]:
    from graphviz import nohtml

    width = _BOX_WIDTH if kind == "parameter" else _ELLIPSE_WIDTH
    description = node.description or ""
    summary = shortened(description.strip().partition("\n")[0], limit)
    shown = brief(value, limit)
    lines = _wrapped(str(node.py_name), width) + _wrapped(summary, width)
    label = "".join(_escaped(line) + r"\n" for line in lines)
    if "\n" in shown and kind == "parameter":
        # Code and other text of several lines is set flush left, which keeps its indentation.
        label += "".join(_escaped(line) + r"\l" for line in _wrapped(shown, width))
    else:
        label += r"\n".join(_escaped(line) for line in _wrapped(shown, width))
    fuller = [node.py_name, shortened(description, _TOOLTIP_TIMES * limit), brief(value, _TOOLTIP_TIMES * limit)]
    tooltip = r"\n".join(_escaped_twice(line) for part in fuller if part for line in str(part).split("\n"))
    return {"label": nohtml(label), "tooltip": nohtml(tooltip)}


def _wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, broken where they are too long, with their indentation."""
    lines: list[str] = []
    for line in text.expandtabs(4).split("\n"):
        lines += textwrap.wrap(line, width, replace_whitespace=False, break_on_hyphens=False) or [""]
    return lines if text else []


def _escaped(text: str) -> str:
    r"""Text of one line for a label, where `\N` would be the node's name and `&lt;` a bracket.

    A quotation mark needs no care: `graphviz` sees to it.
    """
    return _printable(text).replace("&", "&amp;").replace("\\", r"\\")


def _escaped_twice(text: str) -> str:
    """The same for a tooltip, whose backslashes Graphviz reads twice."""
    return _printable(text).replace("&", "&amp;").replace("\\", r"\\\\")


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)
