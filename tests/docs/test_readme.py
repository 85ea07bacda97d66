"""The loop of the README runs as it stands, and what the pages point to is there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opto.testing import ModelServer
from opto.trace import Module, Node, node

ROOT = Path(__file__).resolve().parents[2]


def python_blocks(name: str) -> list[str]:
    """The Python examples of one page."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class Greeting(Module):
    """A program with one prompt to learn."""

    def __init__(self) -> None:
        self.prompt = node("Hello", name="prompt", trainable=True)

    def forward(self, question: str) -> Node[Any]:
        """Answer the question."""
        return self.prompt + question


@pytest.fixture
def event_loop_of_the_thread() -> Iterator[None]:
    """LiteLLM asks for an event loop also in its sync form, and leaves open one that it has to make."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.mark.usefixtures("event_loop_of_the_thread")
def test_readme_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop of the README improves a program through the model that the environment configures."""
    program = Greeting()
    reply = json.dumps({"reasoning": "Be polite.", "suggestion": {program.prompt.py_name: "Good morning"}})
    data = [SimpleNamespace(question=", Ada"), SimpleNamespace(question=", Alan")]
    with ModelServer(lambda body: reply) as server:
        monkeypatch.setenv("TRACE_DEFAULT_LLM_BACKEND", "CustomLLM")
        monkeypatch.setenv("TRACE_CUSTOMLLM_URL", server.url)
        monkeypatch.setenv("TRACE_CUSTOMLLM_MODEL", "greeter")
        monkeypatch.setenv("TRACE_CUSTOMLLM_API_KEY", "none")
        (block,) = python_blocks("README.md")
        exec(block, {"program": program, "data": data, "judge": lambda answer, example: "Too short."})
        assert len(server.requests) == len(data)
    assert program.prompt.data == "Good morning"


@pytest.mark.parametrize(("page", "number", "most"), [("README.md", 0, 9), ("docs/trainer/first_steps.md", 1, 30)])
def test_length(page: str, number: int, most: int) -> None:
    """The loop of the README is ten lines long with the empty one; from a function to a program that is loaded, 30."""
    assert sum(map(bool, python_blocks(page)[number].splitlines())) <= most


def test_operator_row() -> None:
    """The row of the table of operators that docs/development.md shows is in the table."""
    page = (ROOT / "docs/development.md").read_text(encoding="utf-8")
    row = re.search(r'^\("lshift".*', page, re.MULTILINE)
    assert row
    assert row.group() in (ROOT / "opto/trace/operators.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links(page: str) -> None:
    """Every file that a page points to, or names in its table, is there."""
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in links if not (path.parent / link).exists()]
    named = re.findall(r"^\| `((?:opto|examples|benchmarks|tests|tools)/[^`]*)`", text, re.MULTILINE)
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing
