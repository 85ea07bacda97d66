"""The examples of wide rollouts on real clusters of this machine: `make test-cluster`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not os.environ.get("OPTO_TEST_CLUSTER"), reason="runs by `make test-cluster`")


@pytest.mark.parametrize(
    ("example", "package", "what"),
    [
        ("dask_cluster", "distributed", "Dask, 2 processes of 8 threads"),
        ("ray_cluster", "ray", "Ray, 4 tasks at once"),
    ],
)
def test_an_example_runs_as_it_says(example, package, what):
    """Started as its docstring says, it finds the score that threads find."""
    pytest.importorskip(package)
    run = subprocess.run(
        [sys.executable, "-m", f"examples.wide.{example}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert re.search(rf"^{what}: score 0\.75, [1-9]\d* rollouts a second$", run.stdout, re.MULTILINE), run.stderr
    assert run.returncode == 0
