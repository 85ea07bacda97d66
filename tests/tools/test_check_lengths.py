"""The limits on the lengths of modules and functions."""

from __future__ import annotations

from pathlib import Path

from tools.check_lengths import main, too_long


def test_short_module(tmp_path: Path) -> None:
    """A function of sixty lines is in order, however long its docstring."""
    body = "\n".join(["    pass"] * 59)
    path = tmp_path / "short.py"
    path.write_text('def function():\n    """' + "\n" * 100 + f'    """\n{body}\n', encoding="utf-8")
    assert not list(too_long(path))


def test_long_function_and_module(tmp_path: Path) -> None:
    """Both are reported with their place, and the exit status is 1."""
    path = tmp_path / "long.py"
    path.write_text("\n\nasync def function():\n" + "    pass\n" * 400, encoding="utf-8")
    module, function = too_long(path)
    assert module == f"{path}:1: 403 lines in one module, at most 400"
    assert function == f"{path}:3: function has 401 lines, at most 60"
    assert main([str(tmp_path)]) == 1
