"""Processes made by fork and by spawn go on tracing and stepping, whatever their parent was doing."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from opto.optimizers import OptoPrime
from opto.trace import Module, bundle, node, snapshot
from opto.trace import snapshots as _snapshots
from opto.trace.nodes import feedback_lock


class Greeter(Module):
    """Greets."""

    def __init__(self) -> None:
        self.greeting = node("Hello", trainable=True, name="greeting")

    @bundle(trainable=True)
    def mark(self, text: str) -> str:
        """End the sentence."""
        return text + "."

    def forward(self, name: str) -> Any:
        """Greet somebody."""
        return self.mark(self.greeting + ", " + name)


def stepped(greeter: Greeter) -> str:
    """One step of training, and what the module says then."""
    name = greeter.greeting.py_name
    optimizer = OptoPrime([greeter.greeting], lambda messages, **_: json.dumps({"suggestion": {name: "Good day"}}))
    optimizer.backward(greeter("Ada"), "more polite")
    optimizer.step()
    return str(greeter("Ada").data)


def in_a_fork(action: Callable[[], object]) -> int:
    """The exit status of a forked process that does it: 0 if it came to its end within ten seconds."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(10)
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("lock", [feedback_lock, _snapshots._lock], ids=["feedback", "snapshots"])
def test_a_fork_does_not_inherit_a_held_lock(lock: Any) -> None:
    """A thread that holds a lock while the process forks does not stop the child."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert in_a_fork(lambda: stepped(Greeter())) == 0
    finally:
        done.set()
        thread.join()
    assert stepped(Greeter()) == "Good day, Ada."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_inside_a_snapshot() -> None:
    """The child reads what its parent read, and steps for itself."""
    greeter = Greeter()
    with snapshot():
        assert in_a_fork(lambda: stepped(greeter)) == 0
        assert greeter.greeting.data == "Hello"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", [each for each in ("fork", "spawn") if sys.platform != "win32" or each == "spawn"])
def test_a_pool_of_processes(method: str) -> None:
    """A module is sent to a process, trained there, and the result comes back."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(stepped, Greeter()).result(timeout=60) == "Good day, Ada."
