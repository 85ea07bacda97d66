"""The same program writes the same prompt under every hash seed and interpreter."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("prompts_of_a_program.py")


def prompts(interpreter, seed):
    """What the program prints, or None where the interpreter does not start."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    command = [interpreter, "-s", str(PROGRAM)]
    if subprocess.run([interpreter, "-c", ""], capture_output=True, check=False).returncode:
        return None
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def expected():
    """The prompts of this interpreter."""
    return prompts(sys.executable, "0")


def test_what_is_printed(expected):
    """The prompts hold what they must, and neither addresses nor directories."""
    assert "flags0={3, 'a', 'b', 'c', 'zz'}" in expected
    assert "exception_pick0 = eval(" in expected
    assert " at 0x" not in expected
    assert str(ROOT) not in expected


@pytest.mark.parametrize("seed", ["1", "2"])
def test_hash_seeds(expected, seed):
    """The order of sets does not show."""
    assert prompts(sys.executable, seed) == expected


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_interpreters(expected, version):
    """Every interpreter found on the path writes the same; opto needs no other package for it."""
    interpreter = shutil.which(f"python{version}")
    found = prompts(interpreter, "3") if interpreter else None
    if found is None:
        pytest.skip(f"no Python {version} on the path")
    assert found == expected
