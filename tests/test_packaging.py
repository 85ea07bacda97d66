"""What `setup.py` declares, read from the installed distribution."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import opto

ROOT = Path(__file__).resolve().parents[1]


def test_version() -> None:
    """The distribution has the version that the package declares, and the changelog knows it."""
    assert metadata.version("opto-trace") == opto.__version__
    assert f"\n## {opto.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_malicious_releases_are_excluded() -> None:
    """No release of LiteLLM that carried malware can be installed with opto."""
    from packaging.requirements import Requirement

    requirements = [Requirement(text) for text in metadata.requires("opto-trace") or []]
    (litellm,) = [each for each in requirements if each.name == "litellm"]
    for bad in ("1.82.7", "1.82.8"):
        assert not litellm.specifier.contains(bad)
    assert litellm.specifier.contains(metadata.version("litellm"))


def test_every_extra_that_an_error_names_exists() -> None:
    """An error that says `pip install 'opto-trace[x]'` names an extra that there is."""
    pattern = re.compile(r'MissingExtraError\(\s*"[^"]+",\s*"([^"]+)"')
    named = {
        name for path in (ROOT / "opto").rglob("*.py") for name in pattern.findall(path.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= set(metadata.metadata("opto-trace").get_all("Provides-Extra") or [])


def test_python_versions() -> None:
    """The declared versions of Python are the ones that the tests run on."""
    from tools.interpreters import SUPPORTED

    classifiers = metadata.metadata("opto-trace").get_all("Classifier") or []
    declared = [
        tuple(map(int, found.groups())) for text in classifiers if (found := re.search(r":: (3)\.(\d+)$", text))
    ]
    assert declared == SUPPORTED


def test_every_prompt_is_packaged() -> None:
    """Each file of the package that is no module matches a pattern of the package data."""
    others = {
        path.suffix for path in (ROOT / "opto").rglob("*.*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert others <= {".py", ".pyi", ".txt", ".md", ".typed"}
