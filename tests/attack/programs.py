"""The hostile programs as data: read from the text files in `programs/`, one file per family.

A program is a header, a line `---`, and the source of a function `attack(t)`, where `t` is a dict of what the harness
has planted (see `planting.py`), without the secrets. The header says:

    tries: what it tries, in one sentence
    aim: the effects by which it has won (names of `effects.py`, one is enough), or `none`
    control: where it must win to count: `plain` (a bare child process, the default), `in-process`, or `none; why`
    limits: seconds=0.5 memory=128 (MiB), for all runners
    needs: what the machine must have for the control to win (root, io_uring, ...)
    uses: pieces of `programs/prelude.txt` that come before the source
    after: what the caller does after the call (a name of `stage.py`)
    variants: how often it is run, each time with another number in the place of VARIANT
    generated: yes, where the source is an expression that makes the text
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Attack:
    """One hostile program; see the module for what the fields mean."""

    name: str
    family: str
    tries: str
    aim: tuple[str, ...]
    source: str
    control: str = "plain"
    reason: str = ""
    limits: dict[str, float] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    after: str = ""
    variants: int = 1

    @property
    def seconds(self) -> float:
        """The time limit of a call."""
        return self.limits.get("seconds", 4.0)


def attacks() -> list[Attack]:
    """All programs, family by family."""
    prelude = dict(_sections((FOLDER / "prelude.txt").read_text("utf-8")))
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        if path.stem != "prelude":
            found += [_parsed(path.stem, name, text, prelude) for name, text in _sections(path.read_text("utf-8"))]
    names = [attack.name for attack in found]
    assert len(names) == len(set(names)), "two programs have one name"
    return found


def _sections(text: str) -> list[tuple[str, str]]:
    parts = ("\n" + text).split("\n=== ")[1:]
    return [tuple(part.split("\n", 1)) for part in parts]  # type: ignore[misc]


def _parsed(family: str, name: str, text: str, prelude: dict[str, str]) -> Attack:
    head, source = text.split("\n---\n", 1)
    header = dict(line.split(": ", 1) for line in head.splitlines())
    source = source.rstrip() + "\n"
    if header.pop("generated", ""):
        source = _generated(source)
    source = "".join(prelude[piece].rstrip() + "\n" for piece in header.pop("uses", "").split()) + source
    control, _, reason = header.pop("control", "plain").partition("; ")
    limits = {key: float(value) for key, _, value in (item.partition("=") for item in header.pop("limits", "").split())}
    variants = int(header.pop("variants", "1"))
    needs = tuple(header.pop("needs", "").split())
    aim = tuple(effect for effect in header.pop("aim").split() if effect != "none")
    return Attack(
        name,
        family,
        aim=aim,
        source=source,
        control=control,
        reason=reason,
        limits=limits,
        needs=needs,
        variants=variants,
        **header,
    )


def _generated(expression: str) -> str:
    """The text that an expression of literals, + and * makes."""

    def value(node: ast.expr) -> object:
        if isinstance(node, ast.BinOp):
            left, right = value(node.left), value(node.right)
            return left + right if isinstance(node.op, ast.Add) else left * right  # type: ignore[operator]
        return ast.literal_eval(node)

    return str(value(ast.parse(expression.strip(), mode="eval").body))
