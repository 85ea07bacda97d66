"""The curves as a picture in SVG, one panel for each problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["drawn"]

_COLUMNS, _WIDTH, _HEIGHT = 3, 320, 256
_LEFT, _TOP, _ACROSS, _DOWN = 46, 30, 256, 180
_FONT = 'font-family="sans-serif"'
_MOST = 1.03
"""The score at the upper edge of a panel."""

_OWN, _PEER = ("#0072b2", "#009e73", "#9b4f96"), ("#d55e00",)
_OTHERS = {True: ("#b4b4b4", "", "others of opto"), False: ("#7d7d7d", "1 3", "others of gepa")}


def drawn(panels: Sequence[Mapping[str, Any]]) -> str:
    """The picture.

    Args:
        panels: `title`, `target`, and `lines`: `name`, `own`, `colored`, `strong`, `places`, `mean`, and `low`
            and `high` where an interval is to be drawn.
    """
    cells = [_panel(panel) for panel in panels] + [_legend(line for panel in panels for line in panel["lines"])]
    width, height = _COLUMNS * _WIDTH, -(-len(cells) // _COLUMNS) * _HEIGHT
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT} font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for at, cell in enumerate(cells):
        rows += [f'<g transform="translate({at % _COLUMNS * _WIDTH} {at // _COLUMNS * _HEIGHT})">', *cell, "</g>"]
    return "\n".join([*rows, "</svg>\n"])


def _panel(panel: Mapping[str, Any]) -> Iterable[str]:
    last = max(line["places"][-1] for line in panel["lines"])

    def points(places: Iterable[int], scores: Iterable[float]) -> str:
        return " ".join(
            f"{_across(place, last):.0f},{_down(score):.1f}" for place, score in zip(places, scores, strict=True)
        )

    bottom, right = _TOP + _DOWN, _LEFT + _ACROSS
    yield _text(_LEFT + _ACROSS / 2, _TOP - 12, panel["title"], "middle", ' font-size="13"')
    yield f'<path d="M{_LEFT},{_TOP}V{bottom}H{right}" fill="none" stroke="#000"/>'
    for score in (0, 0.25, 0.5, 0.75, 1):
        yield _text(_LEFT - 6, _down(score) + 4, f"{score:g}", "end")
    for place in range(0, last + 1, max(1, last // 4)):
        yield _text(_across(place, last), bottom + 15, f"{place}", "middle")
    yield _text(_LEFT + _ACROSS / 2, bottom + 31, "evaluations", "middle")
    target = _down(panel["target"])
    yield f'<path d="M{_LEFT},{target:.1f}H{right}" stroke="#444" stroke-dasharray="2 3"/>'
    for line in sorted(panel["lines"], key=lambda each: (each["colored"], each["strong"])):
        color, dashes, _ = _looks(line, panel["lines"])
        if "low" in line:
            edge = points([*line["places"], *line["places"][::-1]], [*line["low"], *line["high"][::-1]])
            yield f'<polygon points="{edge}" fill="{color}" fill-opacity=".18"/>'
        yield f'<polyline points="{points(line["places"], line["mean"])}" {_stroke(line, color, dashes)}/>'


def _across(place: float, last: int) -> float:
    return _LEFT + _ACROSS * place / last


def _down(score: float) -> float:
    return _TOP + _DOWN * (1 - score / _MOST)


def _text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:.4g}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def _looks(line: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> tuple[str, str, str]:
    """Color, dashes, and what the legend says."""
    if not line["colored"]:
        return _OTHERS[line["own"]]
    palette = _OWN if line["own"] else _PEER
    alike = [each["name"] for each in lines if each["colored"] and each["own"] == line["own"]]
    return palette[alike.index(line["name"]) % len(palette)], "", line["name"]


def _stroke(line: Mapping[str, Any], color: str, dashes: str) -> str:
    width = 2.2 if line["strong"] else 1.5 if line["colored"] else 0.8
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'fill="none" stroke="{color}" stroke-width="{width}"{dashed}'


def _legend(lines: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """What the colors mean, each once."""
    every = list({line["name"]: line for line in lines}.values())
    said: dict[str, str] = {}
    for line in sorted(every, key=lambda each: (not each["colored"], not each["own"])):
        color, dashes, name = _looks(line, every)
        said.setdefault(name, _stroke(line, color, dashes))
    yield _text(_LEFT, _TOP - 12, "true score of the candidate believed best", "start")
    for at, (name, stroke) in enumerate([*said.items(), ("the target", 'stroke="#444" stroke-dasharray="2 3"')]):
        y = _TOP + 12 + 20 * at
        yield f'<path d="M{_LEFT},{y}h26" {stroke}/>'
        yield _text(_LEFT + 34, y + 4, name, "start")
