"""Complex numbers in polar form, and the constants."""

from __future__ import annotations

import math

__all__ = ["e", "inf", "isfinite", "isinf", "isnan", "nan", "phase", "pi", "polar", "rect", "tau"]

e, inf, nan, pi, tau = math.e, math.inf, math.nan, math.pi, math.tau


def isfinite(z: complex, /) -> bool:
    """Whether both parts are finite."""
    z = complex(z)
    return math.isfinite(z.real) and math.isfinite(z.imag)


def isinf(z: complex, /) -> bool:
    """Whether a part is infinite."""
    z = complex(z)
    return math.isinf(z.real) or math.isinf(z.imag)


def isnan(z: complex, /) -> bool:
    """Whether a part is not a number."""
    z = complex(z)
    return math.isnan(z.real) or math.isnan(z.imag)


def phase(z: complex, /) -> float:
    """The angle."""
    z = complex(z)
    return math.atan2(z.imag, z.real)


def polar(z: complex, /) -> tuple[float, float]:
    """The length and the angle."""
    z = complex(z)
    return abs(z), math.atan2(z.imag, z.real)


def rect(r: float, phi: float, /) -> complex:
    """The number of a length and an angle."""
    if phi == 0:
        return complex(r, r * phi)
    return complex(r * math.cos(phi), r * math.sin(phi))
