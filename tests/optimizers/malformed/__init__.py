"""Malformed answers, and a program whose variables they are about."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval

from opto.errors import SuggestionWarning
from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.testing import Scripted
from opto.trace import GRAPH, bundle, node

FORMS = {"json": OptoPrime, "tags": OptoPrimeV2}
CODE = "def total(price, rate):\n    return price * (1 + rate)"


@dataclass(frozen=True)
class Case:
    """An answer: the form that was asked for, what is wrong with it, its text, and what may be applied.

    Attributes:
        lost: nothing is applied, though a person could have read the answer.
    """

    form: str
    kind: str
    number: int
    text: str
    expected: dict[str, Any]
    lost: bool

    def __str__(self) -> str:
        return f"{self.form}-{self.kind.replace(' ', '-')}-{self.number}"


def cases() -> list[Case]:
    """All answers of the two files."""
    return [case for form in FORMS for case in _read(form)]


def _read(form: str) -> Iterator[Case]:
    text = (Path(__file__).parent / f"{form}.txt").read_text(encoding="utf-8")
    for number, block in enumerate(re.split(r"^@@ ", text, flags=re.MULTILINE)[1:], 1):
        head, _, answer = block.partition("\n")
        kind, _, expected = head.partition(" => ")
        lost = expected.endswith(" lost")
        wanted = json.loads(expected.removesuffix(" lost"))
        values = {name: CODE if value == "CODE" else value for name, value in wanted.items()}
        yield Case(form, kind, number, answer.removesuffix("\n"), values, lost)


def applied(case: Case) -> dict[str, Any]:
    """What a step applies after this one answer, by name; code without white space around it."""
    GRAPH.clear()

    @bundle(trainable=True)
    def total(price, rate):
        """The price with tax."""
        return price * rate

    parameters = [
        node(12, trainable=True, name="count", constraint=range(101)),
        node(0.1, trainable=True, name="rate", constraint=Annotated[float, Interval(ge=0, le=1)]),
        node("formal", trainable=True, name="tone", constraint=Literal["formal", "friendly", "terse"]),
        node("News", trainable=True, name="title"),
        node(True, trainable=True, name="strict"),
        node(["x"], trainable=True, name="tags", constraint=list[str]),
        total.parameter,
    ]
    optimizer = FORMS[case.form](parameters, Scripted([case.text]), retries=0, format_code=False)
    result = total(200, 0.2)
    for parameter in parameters[:-1]:
        result = result + parameter.eq(0)
    optimizer.backward(result, "Not yet.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuggestionWarning)
        update = optimizer.step()
    return {
        parameter.py_name: value.strip().replace("\t", "    ") if parameter is total.parameter else value
        for parameter, value in update.items()
    }


def table() -> str:
    """How many answers of each kind are recovered and refused, as they are read now."""
    counts: dict[str, list[int]] = {}
    for case in cases():
        row = counts.setdefault(case.kind, [0, 0, 0, 0])
        row[0] += 1
        row[1 if applied(case) else 3 if case.lost else 2] += 1
    rows = [[kind, *row] for kind, row in counts.items()]
    rows.append(["**all**", *map(sum, zip(*counts.values(), strict=True))])
    head = "| kind | answers | recovered | rightly refused | lost |\n|---|--:|--:|--:|--:|\n"
    return head + "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)
