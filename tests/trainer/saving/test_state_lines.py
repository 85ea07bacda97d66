"""A growing file of states, of which so many bytes count."""

from __future__ import annotations

from pathlib import Path

import pytest

from opto.errors import FileFormatError
from opto.trainer.saving.state_lines import StateLines


def test_the_last_state_of_each_number_counts(tmp_path: Path) -> None:
    """As of the size that is asked for, whatever was written after it; what comes then is written over that."""
    lines = StateLines(tmp_path / "states.jsonl")
    lines.write({1: {"drawn": 1}, 2: [(1, 2)]})
    size = lines.size
    lines.write({1: {"drawn": 2}})
    again = StateLines(tmp_path / "states.jsonl")
    assert again.read(lines.size) == {1: {"drawn": 2}, 2: [(1, 2)]}
    assert again.read(size) == {1: {"drawn": 1}, 2: [(1, 2)]}
    again.write({3: "new \ud800"})  # half a character, as broken answers of models hold
    assert again.read(again.size) == {1: {"drawn": 1}, 2: [(1, 2)], 3: "new \ud800"}


def test_nothing_is_written_for_nothing_and_a_cut_file_is_told_of(tmp_path: Path) -> None:
    """The file is made with the first state."""
    lines = StateLines(tmp_path / "states.jsonl")
    lines.write({})
    assert not lines.path.exists()
    assert lines.read(0) == {}
    lines.write({1: "state"})
    with pytest.raises(FileFormatError, match="shorter"):
        lines.read(lines.size + 1)
