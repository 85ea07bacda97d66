"""Tests of opto.sandbox._base."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from opto.sandbox import CodeRunner, InProcess, Subprocess, current_runner, running


class Refusing:
    """A runner that runs nothing."""

    def compile(self, source: str, name: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """Refuse."""
        raise PermissionError(name)


def test_in_process_is_the_default() -> None:
    """Without a word the code runs in this process."""
    assert isinstance(current_runner(), InProcess)
    assert isinstance(current_runner(), CodeRunner)


def test_running_sets_the_runner_of_the_block() -> None:
    """Blocks nest, and an exception restores the runner before."""
    default, refusing = current_runner(), Refusing()
    with running(refusing) as used:
        assert used is current_runner() is refusing
        with pytest.raises(KeyError), running(default):
            raise KeyError(current_runner() is default)
        assert current_runner() is refusing
    assert current_runner() is default


def test_another_thread_has_its_own_runner() -> None:
    """A runner set in one context does not reach a thread that started with none."""
    seen: list[CodeRunner] = []
    with running(Refusing()):
        import contextvars

        thread = threading.Thread(target=contextvars.Context().run, args=(lambda: seen.append(current_runner()),))
        thread.start()
        thread.join()
    assert isinstance(seen[0], InProcess)


def test_what_cannot_compile_is_refused() -> None:
    """A runner without a method compile is a TypeError that names the argument."""
    with pytest.raises(TypeError, match="runner must have a method compile"), running(3):  # type: ignore[arg-type]
        pass


def test_a_runner_by_its_name() -> None:
    """A name stands for one runner with its defaults, the same each time."""
    with running("in-process") as first, running("in-process") as second:
        assert first is second is current_runner()
        assert isinstance(first, InProcess)
    with running("subprocess") as walled:
        assert isinstance(walled, Subprocess)


def test_an_unknown_name_is_refused() -> None:
    """The message lists the names that there are."""
    with (
        pytest.raises(ValueError, match=r"one of 'in-process', 'subprocess', 'monty'.*got 'docker'"),
        running("docker"),
    ):
        pass
