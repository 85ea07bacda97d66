"""What several tests of training use."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.training_programs import written


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of a person's program, which this process has imported by its name."""
    monkeypatch.syspath_prepend(str(written(tmp_path)))
    monkeypatch.delitem(sys.modules, "person", raising=False)
    module = importlib.import_module("person")
    yield module
    sys.modules.pop("person", None)
