"""One runner with walls for the tests of this folder, and the reason where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opto.errors import SandboxUnavailableError
from opto.sandbox import Subprocess

Make = Callable[..., Callable[..., Any]]


@pytest.fixture(scope="session")
def walled() -> Iterator[Subprocess]:
    """A `Subprocess` with its defaults, but for a shorter time."""
    with Subprocess(seconds=3, scratch=2**20, output=10_000) as runner:
        try:
            runner.compile("def f(): pass", "f", {})
        except SandboxUnavailableError as error:
            pytest.skip(f"no walls on this system: {error}")
        yield runner


@pytest.fixture(scope="session")
def wrapped() -> Iterator[Subprocess]:
    """The same with bubblewrap in the place of Landlock."""
    with Subprocess(seconds=3, scratch=2**20, output=10_000, walls="bubblewrap") as runner:
        try:
            runner.compile("def f(): pass", "f", {})
        except SandboxUnavailableError as error:
            pytest.skip(f"no bubblewrap on this system: {error}")
        yield runner


@pytest.fixture
def make(walled: Subprocess) -> Make:
    """Compile the text of a function `f` behind walls."""

    def compiled(source: str, namespace: dict[str, Any] | None = None) -> Callable[..., Any]:
        return walled.compile(source, "f", {} if namespace is None else namespace)

    return compiled
