"""Finding interpreters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import interpreters


def script(folder: Path, name: str, text: str) -> Path:
    """An executable shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_probe_of_this_interpreter() -> None:
    """The running interpreter is recognised, with its version and the path it gives itself."""
    found = interpreters.probe(sys.executable)
    assert found == (sys.version_info[:2], sys.executable)
    assert found is not None
    assert found.name == f"3.{sys.version_info[1]}"


@pytest.mark.parametrize(
    "answer",
    [
        "3 9 cpython 0 /usr/bin/python3.9",
        "3 12 pypy 0 /usr/bin/pypy",
        "3 13 cpython 1 /usr/bin/python3.13t",
        "nonsense",
        "",
    ],
)
def test_probe_refuses(tmp_path: Path, answer: str) -> None:
    """An old Python, another implementation, a free-threaded build and what does not answer are refused."""
    assert interpreters.probe(str(script(tmp_path, "python", f'echo "{answer}"'))) is None


def test_probe_of_a_failing_shim(tmp_path: Path) -> None:
    """A shim that stands for a version which is not installed counts as nothing."""
    assert interpreters.probe(str(script(tmp_path, "python3.12", "echo 'not found' >&2; exit 127"))) is None


def test_find_looks_behind_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreters come from PATH and from pyenv, oldest first, one for each version, and PATH goes first."""
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", "python3", 'echo "3 12 cpython 0 /on/path"')
    for version in ("3.11.1", "3.12.4"):
        folder = tmp_path / "pyenv" / "versions" / version / "bin"
        folder.mkdir(parents=True)
        script(folder, "python3", f'echo "3 {version.split(".")[1]} cpython 0 /in/pyenv"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "nothing"))
    assert [(each.name, each.path) for each in interpreters.find().values()] == [
        ("3.11", "/in/pyenv"),
        ("3.12", "/on/path"),
    ]
    assert interpreters.preferred().name == "3.12"


def test_preferred_without_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a usable Python gets a message that says what to install."""
    for variable in ("PATH", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(SystemExit, match=r"needs Python 3\.10 to 3\.14.*Install one"):
        interpreters.preferred()
