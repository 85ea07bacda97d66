"""Tests of opto.runs.journal."""

import json
import os
import subprocess
import sys
import warnings

import pytest

from opto.errors import FileFormatError, OptoWarning, RecordInUseError
from opto.runs.journal import Journal, read_lines

HEADER = b'{"format":"opto.run","version":1}\n'


@pytest.fixture
def journal(tmp_path):
    """An open journal with a header."""
    made = Journal(tmp_path / "run")
    made.append(HEADER)
    yield made
    made.close()


def test_lines_come_back(journal):
    """What was appended is read, also while the journal is open."""
    journal.append(b'{"a":1}\n{"a":2}\n')
    assert read_lines(journal.path)[1:] == [{"a": 1}, {"a": 2}]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_the_owner_may_read(journal):
    """The folder and the file are of the user alone."""
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there")
def test_a_second_writer_is_refused(journal):
    """In this process and in another one."""
    with pytest.raises(RecordInUseError, match="is being written"):
        Journal(journal.folder)
    code = f"from opto.runs.journal import Journal; Journal({str(journal.folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "RecordInUseError" in done.stderr


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_torn_line(tmp_path, cut):
    """Readers leave it out with a warning; the next writer cuts it off."""
    journal = Journal(tmp_path)
    journal.append(HEADER + b'{"a":1}\n' + b'{"b":22}\n'[:cut])
    journal.close()
    if cut < 8:
        with pytest.warns(OptoWarning, match="not written to its end"):
            assert read_lines(journal.path)[1:] == [{"a": 1}]
    again = Journal(tmp_path)
    assert again.continues
    again.append(b'{"c":3}\n')
    again.close()
    assert read_lines(again.path)[1:] == [{"a": 1}, *([{"b": 22}] if cut == 8 else []), {"c": 3}]


def test_a_long_torn_line(tmp_path):
    """Also one that is longer than what is looked at in one go."""
    journal = Journal(tmp_path)
    journal.append(HEADER + b'{"a":1}\n{"b":"' + b"x" * 200_000)
    journal.close()
    Journal(tmp_path).close()
    assert read_lines(journal.path)[1:] == [{"a": 1}]


def test_a_torn_header(tmp_path):
    """A record whose very first line is torn is begun anew."""
    journal = Journal(tmp_path)
    journal.append(HEADER[:-5])
    journal.close()
    again = Journal(tmp_path)
    assert not again.continues
    again.close()
    assert again.path.read_bytes() == b""


def test_a_record_cut_anywhere(tmp_path):
    """Wherever a killed process stopped writing, the whole lines are read, and the next writer goes on behind them."""
    lines = [HEADER, b'{"a":1}\n', b'{"b":[{"c":2}]}\n']
    whole = b"".join(lines)
    for size in range(len(whole)):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "events.jsonl").write_bytes(whole[:size])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptoWarning)
            found = read_lines(folder / "events.jsonl")
        assert found == [json.loads(line) for line in lines[: len(found)]]
        again = Journal(folder)
        again.append((b"" if again.continues else HEADER) + b'{"d":3}\n')
        again.close()
        assert read_lines(folder / "events.jsonl")[-1] == {"d": 3}


def test_damage(journal):
    """A broken line in the middle is an error that says where."""
    journal.append(b'{"a":\n{"b":2}\n')
    with pytest.raises(FileFormatError, match="damaged at line 2"):
        read_lines(journal.path)


@pytest.mark.parametrize("first", ['{"format":"opto.run","version":2}', '{"format":"else"}', "[]", "text"])
def test_other_files(tmp_path, first):
    """A file of another kind or a newer version is neither read nor added to."""
    path = tmp_path / "events.jsonl"
    path.write_text(f"{first}\n")
    with pytest.raises(FileFormatError):
        read_lines(path)
    with pytest.raises(FileFormatError):
        Journal(tmp_path)
    assert path.read_text() == f"{first}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_failed_write_leaves_the_file_as_it_was(journal, monkeypatch):
    """What was written of it is taken back."""
    write = os.write

    def half(descriptor, data):
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:10])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            journal.append(b'{"a":"a long line"}\n'[:19])
    assert journal.path.read_bytes() == HEADER
    journal.append(b'{"a":1}\n')
    assert read_lines(journal.path)[1:] == [{"a": 1}]
