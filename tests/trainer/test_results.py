"""The cache of results."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat

import pytest

from opto.errors import FileFormatError
from opto.trainer.results import Result, ResultCache


def key(number):
    """A key as evaluators make them."""
    return hashlib.sha256(str(number).encode()).hexdigest()


RESULTS = [
    Result(0.5, "Shorter."),
    Result({"speed": 1.0, "taste": float("-inf")}, ""),
    Result(None, "It failed.\nOn this line.", failed=True, seconds=1.5),
    Result(1.0, {"a": (1, 2), "b": None}),
    Result(0.0, "\u00e4 \ud800 \n" * 3000),
]


def test_in_memory():
    """What was put is got; hits and misses are counted."""
    cache = ResultCache()
    assert cache.get(key(1)) is None
    cache.put(key(1), RESULTS[0])
    assert cache.get(key(1)) is RESULTS[0]
    assert (len(cache), cache.hits, cache.misses) == (1, 1, 1)
    assert cache
    assert key(1) in cache
    assert key(2) not in cache


def test_on_disk(tmp_path):
    """Results are there again in the next process, whatever their size and kind."""
    cache = ResultCache(tmp_path / "folder")
    for number, each in enumerate(RESULTS):
        cache.put(key(number), each)
    for again in (cache, ResultCache(tmp_path / "folder")):
        assert [again.get(key(number)) for number in range(len(RESULTS))] == RESULTS
        assert len(again) == len(RESULTS)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_only_the_owner_can_read_it(tmp_path):
    """The file is private."""
    ResultCache(tmp_path).put(key(1), RESULTS[0])
    assert stat.S_IMODE((tmp_path / "results.jsonl").stat().st_mode) == 0o600


def test_a_torn_line_costs_one_result(tmp_path):
    """A file cut at any byte of its last line is read, and goes on with a line of its own."""
    cache = ResultCache(tmp_path)
    cache.put(key(1), RESULTS[0])
    cache.put(key(2), RESULTS[2])
    file = tmp_path / "results.jsonl"
    whole = file.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for size in range(last, len(whole)):
        file.write_bytes(whole[:size])
        cut = ResultCache(tmp_path)
        assert cut.get(key(1)) == RESULTS[0]
        assert cut.get(key(2)) is None
        cut.put(key(3), RESULTS[3])
        again = ResultCache(tmp_path)
        assert again.get(key(3)) == cut.get(key(3)) == RESULTS[3]


def test_a_damaged_line_is_passed_over(tmp_path):
    """What cannot be read counts as unknown."""
    cache = ResultCache(tmp_path)
    cache.put(key(1), RESULTS[0])
    cache.put(key(2), RESULTS[0])
    file = tmp_path / "results.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"score"', b'"store"', 1) + b"nonsense\n{}\n")
    again = ResultCache(tmp_path)
    assert again.get(key(1)) is None
    assert again.get(key(2)) == RESULTS[0]


@pytest.mark.parametrize("content", [b"a diary\n", b'{"format": "opto results", "version": 2}\n', b"[]\n"])
def test_another_file_is_refused(tmp_path, content):
    """A file of another kind, or of a newer version, is left as it is."""
    (tmp_path / "results.jsonl").write_bytes(content)
    with pytest.raises(FileFormatError, match="can read"):
        ResultCache(tmp_path)
    assert (tmp_path / "results.jsonl").read_bytes() == content


def test_two_caches_of_one_folder(tmp_path):
    """Both may add; each finds what it added itself, and the next one finds all."""
    first, second = ResultCache(tmp_path), ResultCache(tmp_path)
    for number in range(6):
        (first, second)[number % 2].put(key(number), Result(float(number), ""))
    assert [first.get(key(number)).score for number in (0, 2, 4)] == [0, 2, 4]
    assert [second.get(key(number)).score for number in (1, 3, 5)] == [1, 3, 5]
    assert [ResultCache(tmp_path).get(key(number)).score for number in range(6)] == [0, 1, 2, 3, 4, 5]


def test_feedback_without_a_text_form_stays_in_memory(tmp_path):
    """It is found as long as the process lives, and nothing is written."""
    thing = object()
    cache = ResultCache(tmp_path)
    cache.put(key(1), Result(1.0, thing))
    assert cache.get(key(1)).feedback is thing
    assert ResultCache(tmp_path).get(key(1)) is None


def test_keys_of_services_are_struck_out(tmp_path):
    """A secret in feedback does not reach the disk."""
    secret = "sk-" + "a1B2" * 12
    cache = ResultCache(tmp_path)
    cache.put(key(1), Result(1.0, f"Authorization: Bearer {secret}"))
    assert secret.encode() not in (tmp_path / "results.jsonl").read_bytes()
    assert ResultCache(tmp_path).get(key(1)).score == 1.0


def test_a_pickled_cache_opens_the_same_folder(tmp_path):
    """What a pickle holds is the folder."""
    cache = ResultCache(tmp_path)
    cache.put(key(1), RESULTS[0])
    assert pickle.loads(pickle.dumps(cache)).get(key(1)) == RESULTS[0]


# ---- what counts as used


def test_a_result_is_used_once(tmp_path):
    """It is there when it is put, and counts as new when it is used for the first time."""
    for cache in (ResultCache(), ResultCache(tmp_path)):
        assert not cache.use(key(1))
        cache.put(key(1), RESULTS[0])
        assert (cache.recovered, len(cache)) == (1, 1)
        assert [cache.use(key(1)), cache.use(key(1))] == [True, False]
        cache.put(key(1), RESULTS[0])
        assert not cache.use(key(1))
        assert cache.recovered == 0


def test_what_was_not_committed_counts_again(tmp_path):
    """A run that goes on from a size counts what was used after it once more, and nothing that was used before."""
    cache = ResultCache(tmp_path)
    assert cache.size == (tmp_path / "results.jsonl").stat().st_size
    for number in range(4):
        cache.put(key(number), RESULTS[number])
    assert [cache.use(key(0)), cache.use(key(1))] == [True, True]
    committed = cache.size
    cache.put(key(4), RESULTS[4])
    assert [cache.use(key(1)), cache.use(key(2)), cache.use(key(4))] == [False, True, True]
    for _ in range(2):  # the second time what the first one used is after the committed size, too
        again = ResultCache(tmp_path, committed=committed)
        assert (again.recovered, len(again)) == (3, 5)
        assert [again.use(key(number)) for number in range(5)] == [False, False, True, True, True]
        assert [again.get(key(number)) for number in range(5)] == RESULTS
    assert not any(ResultCache(tmp_path, committed=again.size).use(key(number)) for number in range(5))
    assert not any(ResultCache(tmp_path).use(key(number)) for number in range(5))
    assert ResultCache(tmp_path, committed=10**9).recovered == 0


def test_what_has_no_text_form_counts_once_all_the_same(tmp_path):
    """Its result is lost with the process; that it was used is not."""
    cache = ResultCache(tmp_path)
    cache.put(key(1), Result(1.0, object()))
    assert cache.use(key(1))
    again = ResultCache(tmp_path, committed=cache.size)
    assert again.get(key(1)) is None
    again.put(key(1), Result(1.0, object()))
    assert not again.use(key(1))


@pytest.mark.parametrize(("folder", "committed"), [(None, 5), ("here", -1), ("here", True)])
def test_committed_must_be_a_size(tmp_path, folder, committed):
    """Anything else is refused."""
    with pytest.raises(ValueError, match="committed"):
        ResultCache(None if folder is None else tmp_path / folder, committed=committed)


def test_a_write_that_failed_half_way_costs_one_result(tmp_path, monkeypatch):
    """What is put afterwards stands in a line of its own."""
    cache = ResultCache(tmp_path)
    real = os.write

    def failing(file, data):
        if len(data) > 10:
            return real(file, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", lambda file, data: failing(file, data[:20]))
    with pytest.raises(OSError, match="No space"):
        cache.put(key(1), RESULTS[0])
    monkeypatch.undo()
    cache.put(key(2), RESULTS[1])
    for each in (cache, ResultCache(tmp_path)):
        assert each.get(key(2)) == RESULTS[1]
        assert each.get(key(1)) is None
