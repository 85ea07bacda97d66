"""The response has to be a number near the reference."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from opto.optimizers.loose_values import number_readings
from opto.trainer.guides.base import Guide, Verdict, load_settings, shown
from opto.trainer.objectives import finite_number

__all__ = ["NumericTolerance"]

_NUMBER = re.compile(r"[+\-\u2212]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s?%?")
_LONGEST = 100_000


class NumericTolerance(Guide):
    """1.0 for a number that is near enough to the reference, else 0.0, or less the farther off it is.

        NumericTolerance(absolute=0.1).get_feedback("Pi?", "about 3.2", 3.14159)[0]     # 1.0, by its last number

    A text counts as the number that it is ("1,234", "twelve", "50%"), else as the last number in it.

    Args:
        absolute: how far off it may be.
        relative: how far off it may be as a share of the reference; the larger of the two counts.
        anywhere: whether a number is looked for inside of a text; otherwise the text must be a number.
        scale: None scores 0.0 beyond the tolerance; a number lets the score fall by half for each `scale` farther off.

    Raises:
        TypeError: an argument that is no number.
        ValueError: one that is negative, or a `scale` that is not > 0.
    """

    def __init__(
        self, *, absolute: float = 0.0, relative: float = 1e-6, anywhere: bool = True, scale: float | None = None
    ) -> None:
        self.absolute, self.relative = finite_number("absolute", absolute), finite_number("relative", relative)
        self.anywhere = bool(anywhere)
        self.scale = None if scale is None else finite_number("scale", scale)
        for name in ("absolute", "relative"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)!r}.")
        if self.scale is not None and self.scale <= 0:
            raise ValueError(f"scale must be > 0 or None, got {scale!r}.")

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Compare.

        Raises:
            ValueError: the reference is no number.
        """
        wanted = _numbers(reference, anywhere=False)
        if not wanted:
            raise ValueError(f"reference must be a number, got {shown(reference, 200)!r}.")
        got = _numbers(response, anywhere=self.anywhere)
        if not got:
            return 0.0, f"Incorrect. Expected the number {wanted[0]:g}; no number in: {shown(response, 500)}"
        off, number, target = min((abs(each - right), each, right) for each in got for right in wanted)
        allowed = max(self.absolute, self.relative * abs(target))
        if off <= allowed:
            return 1.0, "Correct."
        score = 0.0 if self.scale is None else 0.5 ** ((off - allowed) / self.scale)
        direction = "large" if number > target else "small"
        within = f" within {allowed:g}" if allowed else ""
        return score, f"Incorrect. Expected {target:.12g}{within}, got {number:.12g}: {off:.6g} too {direction}."

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, once it was checked."""
        load_settings(self, state)


def _numbers(value: Any, *, anywhere: bool) -> list[float]:
    """What a value may stand for: none, one number, or for a percentage two."""
    if not isinstance(value, str):
        try:
            return [finite_number("value", value)]
        except (TypeError, ValueError):
            return []
    found = number_readings(value)
    if not found and anywhere:
        inside = _NUMBER.findall(value[-_LONGEST:])
        found = number_readings(inside[-1].strip().removesuffix(".")) if inside else []
    return [float(each) for each in found if -1e308 < each < 1e308 and math.isfinite(each)]
