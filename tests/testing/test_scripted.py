"""A model that says what is written down."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import ModelError
from opto.testing import ModelSuite, Scripted

MESSAGES = [{"role": "user", "content": "hello"}]


def test_answers_in_order_and_keeps_the_requests():
    """Texts are given, exceptions raised, and requests kept as they were."""
    model = Scripted(["one", TimeoutError("late"), {"choices": [{"message": {"content": "two"}}]}])
    messages = [dict(MESSAGES[0])]
    assert model(messages, temperature=1).text == "one"
    messages[0]["content"] = "changed later"
    with pytest.raises(TimeoutError, match="late"):
        model(MESSAGES)
    assert model.remaining == 1
    assert model(MESSAGES).text == "two"
    assert model.requests[0] == ([{"role": "user", "content": "hello"}], {"temperature": 1})


def test_running_out_is_an_error():
    """One request too many says so."""
    model = Scripted(["one"])
    model(MESSAGES)
    with pytest.raises(ModelError, match=r"1 answer\(s\), and this is request 2"):
        model(MESSAGES)
    assert model.remaining == 0


def test_threads_share_the_answers():
    """Each answer is given once."""
    model = Scripted(str(number) for number in range(200))
    with ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(lambda _: model(MESSAGES).text, range(200)))
    assert sorted(texts, key=int) == [str(number) for number in range(200)]


def test_copies_go_on_where_they_were():
    """A copy has the rest of the script."""
    model = Scripted(["one", "two"])
    model(MESSAGES)
    assert copy.deepcopy(model)(MESSAGES).text == pickle.loads(pickle.dumps(model))(MESSAGES).text == "two"


class TestScripted(ModelSuite):
    """A script passes the contract tests."""

    def make_model(self):
        return Scripted(["Paris"] * 20)
