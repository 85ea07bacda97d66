"""A file of lines that belongs to one process."""

from __future__ import annotations

import json
import os
import threading
import warnings

import pytest

from opto.errors import FileFormatError, RecordInUseError
from opto.runs.own_lines import OwnLines


@pytest.fixture
def path(tmp_path):
    """Where the file is."""
    return tmp_path / "lines.jsonl"


def contents(path):
    """The lines in the file."""
    return [line for _, line in OwnLines(path, "test").lines()]


def test_lines_are_there_for_the_next_process(path):
    """What is appended is read at its place, now and later; `clear` leaves the header."""
    lines = OwnLines(path, "test")
    places = [lines.append(b'{"a":1}\n'), lines.append(b'{"b":2}\n{"c":3}\n')]
    assert [lines.read(place, 7) for place in places] == [b'{"a":1}', b'{"b":2}']
    lines.close()
    assert contents(path) == [b'{"a":1}\n', b'{"b":2}\n', b'{"c":3}\n']
    lines = OwnLines(path, "test")
    assert lines.append(b"{}\n") > places[1]
    lines.clear()
    lines.append(b'{"d":4}\n')
    lines.close()
    assert contents(path) == [b'{"d":4}\n']
    assert json.loads(path.read_bytes().split(b"\n")[0]) == {"format": "test", "version": 1}


def test_a_file_without_a_header_is_cut_by_who_writes_it(path):
    """It is left as it is until then."""
    path.write_bytes(b'{"a":1}\n{"half')
    lines = OwnLines(path)
    assert lines.size == 14
    lines.cut(8)
    lines.append(b"{}\n")
    lines.sync()
    assert list(lines.lines()) == [(0, b'{"a":1}\n'), (8, b"{}\n")]
    assert path.read_bytes() == b'{"a":1}\n{}\n'
    lines.close()
    with pytest.raises(ValueError, match="closed"):
        lines.sync()


def test_a_torn_line_is_cut_off(path):
    """At the end, and in the header."""
    lines = OwnLines(path, "test")
    lines.append(b'{"a":1}\n')
    lines.close()
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert contents(path) == []
        assert path.read_bytes() == whole[: len(whole) - 8]


def test_a_write_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    """Half a line is taken back."""
    lines = OwnLines(path, "test")
    lines.append(b'{"a":1}\n')
    before, real = path.read_bytes(), os.write

    def failing(file, data):
        if len(data) < 8:
            raise OSError(28, "No space left on device")
        return real(file, data[:4])

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(OSError, match="No space"):
        lines.append(b'{"b":2}\n')
    monkeypatch.undo()
    assert path.read_bytes() == before
    lines.append(b'{"c":3}\n')
    assert [line for _, line in lines.lines()] == [b'{"a":1}\n', b'{"c":3}\n']


def test_threads_share_it(path):
    """Lines do not mix, and each is at its place."""
    lines, places = OwnLines(path, "test"), {}

    def work(number):
        for each in range(50):
            text = b'{"%d":%d}\n' % (number, each)
            places[text] = lines.append(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all(lines.read(place, len(text)) == text for text, place in places.items())
    assert sorted(line for _, line in lines.lines()) == sorted(places)


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_it_belongs_to_one(path):
    """Another one is refused while it is open; closed, it takes nothing."""
    lines = OwnLines(path, "test")
    with pytest.raises(RecordInUseError, match=r"lines\.jsonl"):
        OwnLines(path, "test")
    lines.close()
    with pytest.raises(FileFormatError, match=r"lines\.jsonl"):
        OwnLines(path, "other")
    for action in (lambda: lines.append(b"{}\n"), lambda: lines.read(0, 1), lines.clear):
        with pytest.raises(ValueError, match="closed"):
            action()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
def test_a_forked_process_does_not_hold_it(path):
    """A child that outlives its killed parent must not keep the next run out."""
    lines = OwnLines(path, "test")
    out, into = os.pipe()
    done, leave = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks in processes with threads
        child = os.fork()
    if child == 0:
        os.write(into, b"x")
        os.read(done, 1)
        os._exit(0)
    os.read(out, 1)
    lines.close()
    try:
        OwnLines(path, "test").close()
    finally:
        os.write(leave, b"x")
        os.waitpid(child, 0)
        for each in (out, into, done, leave):
            os.close(each)
