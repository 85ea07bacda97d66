"""Evaluations are in the cache as soon as they are there, and count as new once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from opto.errors import RolloutTimeoutError
from opto.trainer.executors import LoopExecutor, process_pool
from opto.trainer.results import Result, ResultCache
from opto.trainer.rollouts import Evaluator, Request
from tests.trainer.programs import exact, shouter


class Watched(ResultCache):
    """Lets a test wait for what is put."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.arrived = threading.Semaphore(0)

    def put(self, key, result):
        """Put it, and let it be known."""
        super().put(key, result)
        self.arrived.release()


def evaluations(agent, xs, cache, executor=None, **options):
    """Evaluations of a program on examples."""
    with Evaluator(executor=executor, cache=cache, **options) as evaluator:
        return list(evaluator.evaluations([Request(agent, x, f"{x.upper()}!") for x in xs], exact))


def fresh(found):
    """Which of them count as new."""
    return [each.fresh for each in found]


@pytest.mark.parametrize("where", ["threads", "loop", "processes"])
def test_results_are_there_before_they_are_asked_for(tmp_path, where):
    """While the consumer is busy with the first one, all that workers finish is put into the cache."""
    executor = {"threads": None, "loop": LoopExecutor, "processes": partial(process_pool, 2)}[where]
    cache = Watched(tmp_path)
    with Evaluator(executor=executor, workers=4, cache=cache) as evaluator:
        requests = [Request(shouter(), x, "") for x in ("a", "b", "bad", "c")]
        waiting = evaluator.evaluations(requests, exact)
        assert next(waiting).score == 0.0
        for _ in range(4):
            assert cache.arrived.acquire(timeout=30)
        assert len(ResultCache(tmp_path)) == 4
        waiting.close()
    again = ResultCache(tmp_path, committed=0)
    assert again.recovered == 4


def test_a_result_that_is_ahead_of_its_turn_is_kept(tmp_path):
    """The first example hangs; what is finished meanwhile is on disk, and is found by the next run."""
    cache, go = Watched(tmp_path), threading.Event()

    def program(x):
        if x == "a" and not go.is_set():
            go.wait(30)
        return f"{x.upper()}!"

    with Evaluator(executor=partial(ThreadPoolExecutor, 3), cache=cache, identity=lambda thing: "same") as evaluator:
        found = []
        consumer = threading.Thread(
            target=lambda: found.extend(
                evaluator.evaluations([Request(program, x, f"{x.upper()}!") for x in "abc"], exact)
            )
        )
        consumer.start()
        assert all(cache.arrived.acquire(timeout=30) for _ in range(2))
        assert (found, len(ResultCache(tmp_path))) == ([], 2)
        go.set()
        consumer.join()
    assert fresh(found) == [True] * 3


def test_the_first_use_counts(tmp_path):
    """New: what is paid for, or was found and never used. Not new: what was used before, and equal requests."""
    cache = ResultCache(tmp_path)
    found = evaluations(shouter(), ["a", "b", "a", "bad", "a", "bad"], cache)
    assert fresh(found) == [True, True, False, True, False, False]
    assert [each.cached for each in found] == [False, False, True, False, True, True]
    committed = cache.size
    found = evaluations(shouter(), ["b", "c", "c"], cache)
    assert fresh(found) == [False, True, False]

    again = ResultCache(tmp_path, committed=committed)  # the second pass is made once more
    found = evaluations(shouter(), ["b", "c", "c"], again)
    assert fresh(found) == [False, True, False]
    assert [each.cached for each in found] == [True] * 3
    assert fresh(evaluations(shouter(), ["c"], again)) == [False]
    assert fresh(evaluations(shouter(), ["a", "c"], ResultCache(tmp_path))) == [False, False]


def test_without_a_cache_all_count(tmp_path):
    """Equal requests are paid for each time then."""
    assert fresh(evaluations(shouter(), ["a", "a"], None)) == [True, True]


def test_equal_requests_whatever_is_faster():
    """The first in the order of the requests is new, the others are not, also where none is kept."""

    def program(x):
        threading.Event().wait()

    with Evaluator(timeout=0.1, retries=0, cache=ResultCache()) as evaluator:
        found = list(evaluator.evaluations([Request(program, "x")] * 3, exact))
        assert [each.failure for each in found] == ["timeout"] * 3
        assert fresh(found) == [True, False, False]
        assert fresh(evaluator.evaluations([Request(program, "x")], exact)) == [True]


def test_a_pass_that_was_left_early(tmp_path):
    """What it had paid for ahead and not used counts as new when it is used, in this run and in the next."""
    cache = Watched(tmp_path)
    with Evaluator(workers=3, cache=cache) as evaluator:
        waiting = evaluator.evaluations([Request(shouter(), x, "") for x in "abc"], exact)
        next(waiting)
        assert all(cache.arrived.acquire(timeout=30) for _ in range(3))
        waiting.close()
        committed = cache.size
    for each in (ResultCache(tmp_path, committed=committed), cache):
        with Evaluator(cache=each) as evaluator:
            found = list(evaluator.evaluations([Request(shouter(), x, "") for x in "abc"], exact))
        assert [one.cached for one in found] == [True] * 3
        assert fresh(found) == [False, True, True]


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    """The error comes when an evaluation is asked for, and is no failure of the program."""

    def full(self, key, result):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ResultCache, "put", full)
    with pytest.raises(OSError, match="No space"):
        evaluations(shouter(), ["a"], ResultCache(tmp_path))


def test_a_late_report_is_kept():
    """An attempt that was given up and comes to its end all the same was paid for."""
    from opto.trainer.guides.functions import as_guide
    from opto.trainer.rolling_out.kept_results import KeptResults
    from opto.trainer.rolling_out.work import Report

    cache = ResultCache()
    kept = KeptResults(cache, as_guide(exact), "feedback")
    name = "ab" * 32
    assert kept.outcome(name) is None
    kept.keep(name, Report(None, None, 1.0, timed_out=True))
    kept.keep(name, Report(None, RolloutTimeoutError("slow"), 1.0, passing=True))
    kept.keep(name, Report(("no score", ""), None, 1.0))
    assert len(cache) == 0
    kept.keep(name, Report((1.0, "good"), None, 1.0))
    assert cache.get(name) == Result(1.0, "good", seconds=1.0)
