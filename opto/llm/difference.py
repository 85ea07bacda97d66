"""What differs between a request and the nearest of those that were recorded, in few lines."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

__all__ = ["nearest", "request_text", "unified_difference"]

_WIDTH = 160
_LONGEST_COMPARED = 4000


def request_text(data: Mapping[str, Any]) -> str:
    """A request (`opto.llm.request.request_data`) as a person reads it."""
    parts = [f"options: {json.dumps(data['options'], ensure_ascii=False, sort_keys=True)}"]
    for message in data["messages"]:
        content = message.get("content")
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)
        rest = {name: value for name, value in message.items() if name not in ("role", "content")}
        more = f" {json.dumps(rest, ensure_ascii=False, sort_keys=True)}" if rest else ""
        parts.append(f"[{message.get('role')}]{more}\n{text}")
    return "\n".join(parts)


def nearest(text: str, candidates: Iterable[str]) -> str | None:
    """The candidate that shares most words with `text`, the closest order of lines deciding among the best few."""
    words = Counter(text.split())
    ranked = sorted(dict.fromkeys(candidates), key=lambda other: _distance(words, other))[:3]
    return max(ranked, key=lambda other: _likeness(text, other), default=None)


def unified_difference(recorded: str, asked: str, *, most_lines: int = 40) -> str:
    """A unified diff of two texts, of at most `most_lines` lines, in which long lines are broken."""
    lines = difflib.unified_diff(_lines(recorded), _lines(asked), "recorded", "asked", n=2, lineterm="")
    shown = [line for line in lines if not line.startswith(("---", "+++"))]
    cut = len(shown) - most_lines
    end = [f"... {cut} more lines"] if cut > 0 else []
    return "\n".join(["--- recorded", "+++ asked", *shown[:most_lines], *end])


def _distance(words: Counter[str], other: str) -> int:
    others = Counter(other.split())
    return sum(((words - others) + (others - words)).values())


def _likeness(text: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _lines(text)[:400], _lines(other)[:400], autojunk=False).ratio()


def _lines(text: str) -> list[str]:
    broken = (
        line[start : start + _WIDTH] for line in text.splitlines() for start in range(0, max(1, len(line)), _WIDTH)
    )
    return list(islice(broken, _LONGEST_COMPARED))
