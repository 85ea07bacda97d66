"""Models through AutoGen, where it is installed.

AutoGen loads hundreds of modules and leaves an event loop open, which would be held against whichever test runs later.
So its tests have a process of their own.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(importlib.util.find_spec("autogen") is None, reason="the extra autogen is not here")
def test_models_through_autogen():
    """The cases in `autogen_cases.py` pass."""
    cases = Path(__file__).with_name("autogen_cases.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(cases)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cases.parents[2])
    assert run.returncode == 0, run.stdout
    assert "3 passed" in run.stdout
