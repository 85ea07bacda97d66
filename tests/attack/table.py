"""The table: a row per program, a column per runner, and the control."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.attack.effects import Run
from tests.attack.programs import Attack


@dataclass
class Row:
    """One program, by all runners; `runs["control"]` is None where no control applies."""

    attack: Attack
    runs: dict[str, Run | None]

    @property
    def control(self) -> str:
        """Whether the program wins without a wall."""
        if "control" not in self.runs:
            return "not run"
        run = self.runs["control"]
        if run is None:
            return "none"
        if run.effects.keys() & set(self.attack.aim):
            return "won"
        return f"needs {' '.join(self.attack.needs)}" if self.attack.needs else "FAILED"

    def verdict(self, name: str) -> str:
        """What became of the program by a runner: `held`, `THROUGH`, `LUCK` or `BROKEN`."""
        run = self.runs[name]
        assert run is not None
        if run.broken:
            return "BROKEN"
        if run.effects:
            return "THROUGH"
        return "LUCK" if run.luck and self.attack.aim else "held"

    @property
    def held(self) -> bool:
        """Whether every runner held and the control says something."""
        return self.control != "FAILED" and all(self.verdict(name) == "held" for name in self.runs if name != "control")


def text_of(row: Row) -> str:
    """The row, a line per runner."""
    attack = row.attack
    lines = [f"{attack.family}/{attack.name}: {attack.tries}"]
    for name, run in row.runs.items():
        if name == "control":
            continue
        assert run is not None
        verdict = row.verdict(name)
        effects = "; ".join(f"{effect}: {how}" for effect, how in run.effects.items())
        reason = run.broken or (effects if run.effects else run.stopped)
        lines.append(f"    {name:<16} {verdict:<8} {reason}  ({run.seconds:.2f} s)")
    control = row.runs.get("control")
    how = attack.reason
    if control is not None:
        won = [control.effects[effect] for effect in attack.aim if effect in control.effects]
        others = [f"{effect}: {text}" for effect, text in control.effects.items()]
        how = (won or [control.broken] or [*others, control.stopped])[0] or "; ".join([*others, control.stopped])
    lines.append(f"    {'control':<16} {row.control:<8} {how}")
    return "\n".join(lines)


def summary(rows: list[Row], seconds: float) -> str:
    """The counts, the last line of the table."""
    names = [name for name in (rows[0].runs if rows else {}) if name != "control"]
    lines = []
    for name in names:
        verdicts = Counter(row.verdict(name) for row in rows)
        lines.append(f"{name}: {verdicts['held']} of {len(rows)} stopped" + _bad(rows, name))
    controls = Counter(row.control for row in rows)
    needing = sum(count for control, count in controls.items() if control.startswith("needs"))
    failed = [row.attack.name for row in rows if row.control == "FAILED"]
    lines.append(
        f"control: {controls['won']} win without a wall, {controls['none']} have none, {needing} need what is not here,"
        f" {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}"
    )
    through = sum(row.verdict(name) != "held" for row in rows for name in names)
    families = len({row.attack.family for row in rows})
    lines.append(
        f"{len(rows)} hostile programs in {families} families by {len(names)} runners: "
        f"{len(rows) * len(names) - through} of {len(rows) * len(names)} stopped, {through} got through or say nothing,"
        f" {controls['won']} controls won, {len(failed)} failed; {seconds:.0f} s"
    )
    return "\n".join(lines)


def _bad(rows: list[Row], name: str) -> str:
    bad = [f"{row.attack.name} ({row.verdict(name)})" for row in rows if row.verdict(name) != "held"]
    more = f" and {len(bad) - 40} more" if len(bad) > 40 else ""
    return f"; not: {', '.join(bad[:40])}{more}" if bad else ""
