"""Trainable bundles whose code runs behind walls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from opto.errors import ExecutionError, LimitExceededError, LostDependencyWarning
from opto.sandbox import InProcess, Subprocess, running
from opto.trace import bundle, node


def where(x: int) -> Any:
    """Returns the process too."""
    return x, os.getpid()


def test_a_bundle_has_a_runner_of_its_own(walled: Subprocess) -> None:
    """Which comes before the one of the block; the graph is as ever."""
    walled_where = bundle(trainable=True, runner=walled)(where)
    x = node(3, name="x")
    with running(InProcess()):
        result = walled_where(x)
    assert result.data[0] == 3
    assert result.data[1] != os.getpid()
    assert [each.py_name for each in result.parents] == [x.py_name, walled_where.parameter.py_name]
    assert walled_where.runner is walled


def test_running_decides_for_the_others(walled: Subprocess) -> None:
    """Block by block."""
    plain = bundle(trainable=True)(where)
    assert plain(3).data[1] == os.getpid()
    with running(walled):
        assert plain(3).data[1] != os.getpid()
    assert plain(3).data[1] == os.getpid()


def test_new_code_runs_behind_the_same_wall(walled: Subprocess) -> None:
    """After an update."""
    act = bundle(trainable=True, runner=walled)(where)
    act.parameter._set("def where(x): return x * 2")
    assert act(4).data == 8


def test_a_limit_is_feedback(walled: Subprocess) -> None:
    """An endless loop becomes an exception node of the code."""
    with Subprocess(seconds=0.2, cpu_seconds=30) as runner:
        act = bundle(trainable=True, runner=runner)(where)
        act.parameter._set("def where(x):\n    while True: pass")
        with pytest.raises(ExecutionError) as caught:
            act(1)
    assert isinstance(caught.value.__cause__, LimitExceededError)
    assert "more than the 0.2 seconds" in caught.value.exception_node.data
    assert act.parameter in caught.value.exception_node.parents


def test_an_object_as_self_is_named() -> None:
    """A method's object does not cross, unless it is a dataclass."""

    class Agent:
        @bundle(trainable=True, runner="subprocess")
        def act(self, x: int) -> int:
            return x

    with pytest.raises(ExecutionError, match="argument 1 is a .*Agent, which cannot cross"):
        Agent().act(1)


def test_offered_bundles_are_traced(walled: Subprocess) -> None:
    """Code inside gets their values; that the result does not depend on them is said."""

    @bundle(trainable=True)
    def twice(x: int) -> int:
        return x * 2

    with Subprocess(host=[twice]) as runner:

        @bundle(trainable=True, runner=runner)
        def act(x: int) -> int:
            return twice(x) + 1

        with pytest.warns(LostDependencyWarning, match="computes with __code"):
            assert act(3).data == 7


async def test_coroutine_functions(walled: Subprocess) -> None:
    """Are awaited."""

    @bundle(trainable=True, runner=walled)
    async def act(x: int) -> int:
        return x + 1

    assert (await act(3)).data == 4


def test_a_copy_elsewhere_keeps_its_runner(walled: Subprocess) -> None:
    """By its options."""

    @bundle(trainable=True, runner=Subprocess(seconds=9))
    def act(x: int) -> int:
        return x + 1

    twin = cloudpickle.loads(cloudpickle.dumps(act))
    assert repr(twin.runner) == "Subprocess(seconds=9)"
    assert twin(1).data == 2
    twin.runner.close()


def test_a_runner_needs_code_to_run() -> None:
    """It is an error to ask for walls around a function that nobody rewrites, or for a runner that there is not."""
    with pytest.raises(ValueError, match="add trainable=True"):
        bundle(runner="subprocess")
    with pytest.raises(ValueError, match="must be one of 'in-process'"):
        bundle(trainable=True, runner="docker")


def test_the_environment_puts_up_walls(tmp_path: Path) -> None:
    """For a whole program, without a change in it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\nfrom opto.trace import bundle\n@bundle(trainable=True)\ndef act(x):\n    return os.getpid()\n"
        "print(act(1).data != os.getpid())\n"
    )
    environment = {**os.environ, "OPTO_SANDBOX": "subprocess"}
    answer = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, check=False)
    assert (answer.stdout, answer.stderr) == ("True\n", "")
