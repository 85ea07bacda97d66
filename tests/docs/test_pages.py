"""The examples in the documentation run as they stand."""

from __future__ import annotations

import linecache
import re
from pathlib import Path
from typing import Any

import pytest

from opto.trace import GRAPH

_PAGES = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_examples_of_a_page_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a page, run one after the other in one namespace and an empty folder, raise nothing."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    GRAPH.clear()
    namespace: dict[str, Any] = {"__name__": f"docs_{page.stem}"}
    for number, block in enumerate(_BLOCK.findall(text), 1):
        file = f"<{page.name}, block {number}>"
        linecache.cache[file] = (len(block), None, block.splitlines(keepends=True), file)
        exec(compile(block, file, "exec"), namespace)
    assert text.count("```python") == len(_BLOCK.findall(text))
