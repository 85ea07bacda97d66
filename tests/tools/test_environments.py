"""What uv is told, and when an environment is made again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import environments
from tools.interpreters import Interpreter

THIS = Interpreter((3, sys.version_info[1]), sys.executable)


def test_uv_hears_what_pip_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Index, links, constraints, certificate and time-out of pip's configuration reach uv under its own names."""
    configuration = {
        "index-url": "https://index.invalid/simple",
        "extra-index-url": "https://one.invalid https://two.invalid",
        "find-links": "/wheels /more",
        "cert": "/certificates.pem",
        "constraint": "/constraints.txt",
        "default-timeout": "90",
        "quiet": "1",
    }
    monkeypatch.setattr(environments, "_pip_configuration", lambda interpreter: configuration)
    for name in ("SSL_CERT_FILE", *environments._PIP_TO_UV.values()):
        monkeypatch.delenv(name, raising=False)
    variables = environments._uv_environment(THIS)
    assert variables["UV_DEFAULT_INDEX"] == "https://index.invalid/simple"
    assert variables["UV_INDEX"] == "https://one.invalid https://two.invalid"
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert variables["UV_FIND_LINKS"] == "/wheels,/more"
    assert variables["SSL_CERT_FILE"] == "/certificates.pem"
    assert variables["UV_CONSTRAINT"] == "/constraints.txt"
    assert variables["UV_HTTP_TIMEOUT"] == "90"


def test_uv_keeps_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set for uv itself goes before pip's configuration."""
    monkeypatch.setattr(environments, "_pip_configuration", lambda interpreter: {"index-url": "https://pip.invalid"})
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.invalid")
    assert environments._uv_environment(THIS)["UV_DEFAULT_INDEX"] == "https://uv.invalid"


def test_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment is set up again only when its interpreter, its requirements or `setup.py` have changed."""
    made = []

    def set_up(folder: Path, interpreter: Interpreter, requirements: tuple[str, ...]) -> bool:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
        made.append(requirements)
        return True

    for name in ("setup.py", "pyproject.toml"):
        (tmp_path / name).write_text("one", encoding="utf-8")
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "HOME", tmp_path / ".venv")
    monkeypatch.setattr(environments, "_set_up_with_uv", set_up)
    for _ in range(2):
        environments.ensure("some", THIS, "-e", ".[test]")
    assert len(made) == 1
    (tmp_path / "setup.py").write_text("two", encoding="utf-8")
    environments.ensure("some", THIS, "-e", ".[test]")
    environments.ensure("some", THIS, "-e", ".[dev]")
    environments.ensure("some", Interpreter((3, 10), "/another"), "-e", ".[dev]")
    assert len(made) == 4


def test_environment_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When neither uv nor pip can set it up, the run ends with its name, and the next one tries again."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "HOME", tmp_path / ".venv")
    tries = []
    for way in ("_set_up_with_uv", "_set_up_with_pip"):
        monkeypatch.setattr(environments, way, lambda *arguments: bool(tries.append(arguments)))
    for _ in range(2):
        with pytest.raises(SystemExit, match="some could not be set up"):
            environments.ensure("some", THIS, "numpy")
    assert len(tries) == 4
