"""How results are printed: aligned tables, and one line for each promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.trace.measure import Growth, Series


def microseconds(seconds: float) -> str:
    """Seconds as microseconds, with two digits that matter."""
    value = seconds * 1e6
    return f"{value:.2f} µs" if value < 10 else f"{value:.1f} µs" if value < 100 else f"{value:,.0f} µs"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    return (
        f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else microseconds(seconds)
    )


def ratio(mine: float, theirs: float) -> str:
    """How many times less `mine` is, or how many times more."""
    if mine <= 0 or theirs <= 0:
        return "-"
    return f"1/{theirs / mine:.1f}" if theirs >= mine else f"{mine / theirs:.1f} x"


def table(title: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heading, the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    print(f"\n{title}")
    for row in (heading, ["-" * width for width in widths], *rows):
        cells = [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def cost_row(what: str, mine: Series | str, theirs: Series | str, phase: str = "all") -> list[str]:
    """One row: what one of it costs on opto, on the peer, and the ratio."""
    if isinstance(mine, str) or isinstance(theirs, str):
        return [
            what,
            *(each if isinstance(each, str) else microseconds(each.least(phase)) for each in (mine, theirs)),
            "-",
        ]
    first, second = mine.least(phase), theirs.least(phase)
    return [what, microseconds(first), microseconds(second), ratio(first, second)]


def growth_row(shape: str, growth: Growth) -> list[str]:
    """One row: a graph of one size on one system."""
    phases = growth.phases
    return [
        shape,
        f"{growth.size:,}",
        *(duration(phases[phase]) for phase in ("forward", "backward", "propose")),
        microseconds(phases["backward"] / growth.size),
        f"{phases['peak_mb']:,.0f} MB",
        str(growth.windows),
    ]


GROWTH_HEADING = ["graph", "operators", "forward", "backward", "propose", "backward each", "peak memory", "windows"]


@dataclass(frozen=True)
class Promise:
    """A number that DESIGN.md promises, and the one that was reached."""

    what: str
    promised: str
    reached: str
    kept: bool | None

    def __str__(self) -> str:
        verdict = {True: "kept", False: "NOT KEPT", None: "not measured"}[self.kept]
        return f"{self.what}: {self.reached} (promised {self.promised}): {verdict}"


def ratio_promise(what: str, mine: Series | str, theirs: Series | str, times: float) -> Promise:
    """The promise to cost at most one `times`-th of the peer."""
    promised = f"at most 1/{times:.0f}"
    if isinstance(mine, str) or isinstance(theirs, str):
        return Promise(what, promised, mine if isinstance(mine, str) else str(theirs), None)
    first, second = mine.least(), theirs.least()
    return Promise(what, promised, ratio(first, second), first * times <= second)


def limit_promise(what: str, value: float | None, limit: float, unit: str) -> Promise:
    """The promise that a figure stays at or under `limit`."""
    promised = f"at most {limit:g} {unit}"
    if value is None:
        return Promise(what, promised, "no figure", None)
    return Promise(what, promised, f"{value:.3g} {unit}", value <= limit)
