"""The file of recorded exchanges."""

import multiprocessing
import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.errors import FileFormatError, OptoWarning
from opto.llm.recording import append_exchange, read_recording

EXCHANGE = {
    "occurrence": 1,
    "request": {"messages": [{"role": "user", "content": "first line\nsecond line"}], "options": {}},
    "response": {"model": "m", "choices": []},
}


def numbered(number):
    """An exchange that differs by its number."""
    return {**EXCHANGE, "occurrence": number}


def append_many(path, start):
    """What one of several writers does."""
    for number in range(start, start + 20):
        append_exchange(path, numbered(number), answered_by="many")


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()) | st.sampled_from(["a\nb", "\n", "a\r\nb\r"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["lines", "literal"]), inner)
        | st.fixed_dictionaries({"lines": inner})
        | st.fixed_dictionaries({"literal": inner})
    ),
)


@given(value=json_data)
def test_every_exchange_reads_back(tmp_path_factory, value):
    """Whatever the texts and names are, what is read is what was written."""
    path = tmp_path_factory.mktemp("recording") / "x.json"
    exchange = {**EXCHANGE, "request": value}
    append_exchange(path, exchange, answered_by="Ada\nand others")
    header, exchanges, size = read_recording(path)
    assert size == path.stat().st_size
    assert exchanges == [exchange]
    assert header == {"format": "opto.exchanges", "version": 1, "answered_by": "Ada\nand others"}


def test_lines_of_a_text_are_lines_of_the_file(tmp_path):
    """A person reads the prompt as it was sent."""
    path = tmp_path / "x.json"
    append_exchange(path, {**EXCHANGE, "request": {"content": 'say "hé"\nthen stop'}}, answered_by="Ada")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    assert '"say \\"hé\\"",' in lines
    assert lines[lines.index('"say \\"hé\\"",') + 1] == '"then stop"'


def test_appending_leaves_what_is_there(tmp_path):
    """A new exchange changes no earlier line."""
    path = tmp_path / "deep" / "x.json"
    append_exchange(path, numbered(1), answered_by="Ada")
    before = path.read_text()
    append_exchange(path, numbered(2), answered_by="Ada")
    assert path.read_text().startswith(before)


def test_torn_exchange_at_the_end_is_left_out(tmp_path):
    """Wherever a process was killed while it wrote, the exchanges before it are there, and more can be added."""
    path = tmp_path / "x.json"
    append_exchange(path, numbered(1), answered_by="Ada")
    whole = path.read_bytes()
    append_exchange(path, numbered(2), answered_by="Ada")
    both = path.read_bytes()
    for end in range(len(whole) + 1, len(both) - 2, 7):
        path.write_bytes(both[:end])
        with pytest.warns(OptoWarning, match="not written to its end"):
            assert read_recording(path)[1] == [numbered(1)]
        append_exchange(path, numbered(2), answered_by="Ada")
        assert path.read_bytes() == both


def test_missing_line_break_at_the_end_is_mended(tmp_path):
    """A file saved by an editor without a last line break loses nothing."""
    path = tmp_path / "x.json"
    append_exchange(path, numbered(1), answered_by="Ada")
    path.write_bytes(path.read_bytes().rstrip())
    append_exchange(path, numbered(2), answered_by="Ada")
    assert read_recording(path)[1] == [numbered(1), numbered(2)]


def test_damage_inside_is_an_error_with_its_line(tmp_path):
    """A file that a merge left broken is refused, and the line is named."""
    path = tmp_path / "x.json"
    append_exchange(path, numbered(1), answered_by="Ada")
    append_exchange(path, numbered(2), answered_by="Ada")
    text = path.read_text()
    path.write_text(text.replace('"occurrence": 1,', '"occurrence": 1,\n<<<<<<< mine', 1))
    with pytest.raises(FileFormatError, match="damaged at line 8"):
        read_recording(path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "does not begin with a header"),
        ("[1, 2]", "does not begin with a header"),
        ('{"format": "other"}', "does not begin with a header"),
        ('{"format": "opto.exchanges", "version": 2}', "version 2.*upgrade"),
        ('{"format": "opto.exchanges", "version": 1} {"request": {}}', "exchange 1 must have"),
        ("plain text", "damaged at line 1"),
    ],
)
def test_other_files_are_refused(tmp_path, text, what):
    """A file of another kind or of a newer version says so."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=what):
        read_recording(path)


def test_threads_append_whole_exchanges(tmp_path):
    """Exchanges written at once do not mix."""
    path = tmp_path / "x.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda start: append_many(path, start), range(0, 160, 20)))
    assert sorted(exchange["occurrence"] for exchange in read_recording(path)[1]) == list(range(160))


def test_processes_append_whole_exchanges(tmp_path):
    """The same for processes."""
    path = tmp_path / "x.json"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(path, start)) for start in (0, 20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(exchange["occurrence"] for exchange in read_recording(path)[1]) == list(range(40))


def test_a_file_cut_anywhere_loads_and_goes_on(tmp_path):
    """Wherever a killed process stopped writing, what was whole before is read, with a warning, and is added to."""
    path = tmp_path / "whole.json"
    for number in range(3):
        append_exchange(path, numbered(number), answered_by="Ada")
    data, cut = path.read_bytes(), tmp_path / "cut.json"
    for size in range(1, len(data)):
        cut.write_bytes(data[:size])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", OptoWarning)
            _, exchanges, _ = read_recording(cut)
        assert exchanges == [numbered(number) for number in range(len(exchanges))]
        assert len(said) == (not data[:size].rstrip().endswith(b"\n}"))
        append_exchange(cut, numbered(7), answered_by="Ada")
        assert read_recording(cut)[1] == [*exchanges, numbered(7)]


def test_a_file_of_other_bytes_is_refused_with_its_place(tmp_path):
    """What is not text, nested without end, or a number without end is damage, not an error of Python's."""
    path = tmp_path / "damaged.json"
    append_exchange(path, numbered(1), answered_by="Ada")
    good = path.read_bytes()
    for part in (b"\xff\xfe\n}", b"[" * 100_000 + b"\n}", b"9" * 5000 + b"\n}", b'{"lines": 3}\n}'):
        path.write_bytes(good + part)
        with pytest.raises(FileFormatError, match=r"damaged\.json is damaged at|damaged in the document"):
            read_recording(path)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_only_the_user_can_read_it(tmp_path):
    """The file has mode 0600, and folders that are made 0700."""
    path = tmp_path / "folder" / "x.json"
    append_exchange(path, numbered(1), answered_by="Ada")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]
