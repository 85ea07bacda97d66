"""Counting what model calls took."""

import asyncio
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.llm import FromCallable, Model, Recorded, Response, Totals, Usage, usage
from opto.llm.totals import ModelTotals
from opto.testing import Scripted

MESSAGES = [{"role": "user", "content": "hello"}]


class Priced(Model):
    """Is called like a model that has a price, and says what it took."""

    name = "gpt-4o"

    def complete(self, messages, **options):
        return Response.from_text("hi", usage=Usage(1000, 100, 1100))


def test_counts_by_model():
    """Calls, tokens and money, in all and by model."""
    with usage() as totals:
        Priced()(MESSAGES)
        Priced()(MESSAGES)
        Scripted(["hi"])(MESSAGES)
        with pytest.raises(TimeoutError):
            Scripted([TimeoutError()])(MESSAGES)
    assert (totals.calls, totals.failed, totals.prompt_tokens, totals.completion_tokens) == (4, 1, 2000, 200)
    assert (totals.usd, totals.unpriced) == (pytest.approx(0.007), 1)
    assert totals.models["gpt-4o"].calls == totals.models["Scripted"].calls == 2
    assert str(totals).startswith("4 calls (1 failed), 2,000 + 200 tokens, $0.007000 and 1 of unknown price")
    Priced()(MESSAGES)
    assert totals.calls == 4


def test_blocks_nest_and_wrappers_count_once():
    """Each block counts all calls within it, and a call that passes through another model is one."""
    with usage() as outer:
        FromCallable(lambda messages, **options: Priced()(messages, **options))(MESSAGES)
        with usage() as inner:
            Priced()(MESSAGES)
    assert (outer.calls, inner.calls) == (2, 1)
    assert list(outer.models) == ["gpt-4o"]


def test_replayed_answers_are_no_calls(tmp_path):
    """They are counted apart."""
    with usage() as totals:
        Recorded(tmp_path / "r.json", Priced(), "record")(MESSAGES)
        Recorded(tmp_path / "r.json")(MESSAGES)
    assert (totals.calls, totals.replayed, totals.prompt_tokens) == (1, 1, 1000)


async def test_tasks_and_threads():
    """Tasks of a block count; threads in a copy of its context too."""
    with usage() as totals:
        await asyncio.gather(*(Priced().acall(MESSAGES) for _ in range(20)))
        await asyncio.gather(*(asyncio.to_thread(Priced(), MESSAGES) for _ in range(20)))
    assert totals.calls == 40


def test_adding_from_many_threads_loses_nothing():
    """The sums are exact."""
    totals = Totals()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: totals.count("m", ModelTotals(calls=1, prompt_tokens=3)), range(4000)))
    assert (totals.calls, totals.models["m"].prompt_tokens) == (4000, 12000)


def test_copies_and_plain_data():
    """Totals copy, pickle, and turn into plain data and back."""
    totals = Totals()
    totals.count("m", ModelTotals(calls=1, usd=0.5))
    for twin in (copy.deepcopy(totals), pickle.loads(pickle.dumps(totals)), Totals.from_dict(totals.to_dict())):
        assert twin.to_dict() == totals.to_dict()
        twin.count("m", ModelTotals(calls=1))
    assert totals.calls == 1
