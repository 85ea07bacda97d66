"""The type stubs agree with the table of operators, and with what nodes can do."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from opto.trace import operators as ops
from opto.trace.overloads import NodeOperators

ROOT = Path(__file__).parents[2]


@pytest.fixture
def make_stubs():
    """The tool, as a module."""
    spec = importlib.util.spec_from_file_location("make_stubs", ROOT / "tools" / "make_stubs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stubs_are_up_to_date(make_stubs):
    """Both files are what `tools/make_stubs.py` writes now."""
    assert make_stubs.main(["--check"]) == 0


def test_a_stale_stub_is_told(make_stubs, monkeypatch, tmp_path, capsys):
    """`--check` fails for a missing or changed file, and writes nothing; without it the files are written."""
    monkeypatch.setattr(make_stubs, "FOLDER", tmp_path)
    assert make_stubs.main(["--check"]) == 1
    assert "operators.pyi" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert make_stubs.main([]) == 0
    assert make_stubs.main(["--check"]) == 0
    (tmp_path / "overloads.pyi").write_text("")
    assert make_stubs.main(["--check"]) == 1


def test_the_stubs_name_what_is_there():
    """Every method in the stub is on nodes, and every function in the module, and none is missing."""
    methods = ast.parse((ROOT / "opto/trace/overloads.pyi").read_text())
    (written,) = [each for each in methods.body if isinstance(each, ast.ClassDef)]
    names = {each.name for each in written.body if isinstance(each, ast.FunctionDef)}
    own = {name for name, value in vars(NodeOperators).items() if callable(value)}
    assert names == own
    functions = ast.parse((ROOT / "opto/trace/operators.pyi").read_text())
    assert {each.name for each in functions.body if isinstance(each, ast.FunctionDef)} == set(ops.__all__)
