"""Draws the curves, in an environment that has matplotlib."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

mpl.rcParams.update({"svg.hashsalt": "opto", "svg.fonttype": "none", "path.simplify": True, "font.size": 8})

_COLUMNS = 3
_OWN, _PEER = ("#0b6e99", "#7c6fb0", "#3f8f5f", "#a16207"), ("#c2410c", "#be185d")
_OTHERS = {True: ("#b0b0b0", "-", "others of opto"), False: ("#8a8a8a", ":", "others of gepa")}


def draw(panels: list[dict[str, Any]], path: str) -> None:
    """One panel for each problem.

    Args:
        panels: `title`, `target`, and `lines`: `name`, `own`, `colored`, `strong`, `places`, `mean`, and `low`
            and `high` where an interval is to be drawn.
        path: of the SVG file.
    """
    pyplot.switch_backend("agg")
    rows = -(-(len(panels) + 1) // _COLUMNS)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=(10, 3.0 * rows), squeeze=False)
    flat = [axis for row in axes for axis in row]
    for axis, panel in zip(flat, panels, strict=False):
        _panel(axis, panel)
    for axis in flat[len(panels) :]:
        axis.axis("off")
    handles, names = flat[0].get_legend_handles_labels()
    each_once = dict(zip(names, handles, strict=True))
    flat[len(panels)].legend(each_once.values(), each_once.keys(), loc="upper left", frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, format=path.rsplit(".", 1)[-1], metadata={"Date": None} if path.endswith("svg") else None)
    pyplot.close(figure)


def _panel(axis: Any, panel: dict[str, Any]) -> None:
    counts = {True: 0, False: 0}
    for line in sorted(panel["lines"], key=lambda each: (not each["colored"], not each["own"])):
        own = line["own"]
        if line["colored"]:
            palette = _OWN if own else _PEER
            color, style, name = palette[counts[own] % len(palette)], "-", line["name"]
            counts[own] += 1
            width, front = 1.8 if line["strong"] else 1.2, 3
        else:
            (color, style, name), width, front = _OTHERS[own], 0.7, 1
        axis.plot(line["places"], line["mean"], style, color=color, linewidth=width, label=name, zorder=front)
        if "low" in line:
            axis.fill_between(line["places"], line["low"], line["high"], color=color, alpha=0.18, linewidth=0)
    axis.axhline(panel["target"], color="#666666", linewidth=0.7, linestyle=(0, (1, 3)))
    axis.set_title(panel["title"])
    axis.set_xlabel("evaluations")
    axis.set_ylabel("true score of the incumbent")
    axis.set_ylim(0, 1.03)
    axis.set_xlim(left=0)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


WORKLOADS = {"draw": draw}
