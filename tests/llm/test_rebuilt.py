"""A model that is made when it is needed."""

import asyncio
import copy
import pickle
import threading

import cloudpickle
import pytest

from opto.llm import FromCallable, Rebuilt, Recorded
from opto.testing import ModelSuite

MESSAGES = [{"role": "user", "content": "hello"}]
made = []


class Client:
    """Something that holds a lock and a connection, and so neither copies nor pickles."""

    def __init__(self):
        made.append(self)
        self.lock = threading.Lock()

    def __call__(self, messages, **options):
        with self.lock:
            return f"client {len(made)}"


@pytest.fixture(autouse=True)
def _none_made():
    made.clear()


def test_inner_model_is_made_at_the_first_call_and_kept():
    """The factory runs once."""
    model = Rebuilt(Client)
    assert made == []
    assert [model(messages=MESSAGES).text for _ in range(3)] == ["client 1"] * 3
    assert asyncio.run(model.acall(MESSAGES)).text == "client 1"


def test_copies_and_pickles_make_their_own():
    """What cannot travel stays behind and is made anew, also after it was used."""
    model = Rebuilt(Client)
    model(MESSAGES)
    assert copy.deepcopy(model)(MESSAGES).text == "client 2"
    assert pickle.loads(pickle.dumps(model))(MESSAGES).text == "client 3"
    assert model(MESSAGES).text == "client 3"
    assert len(made) == 3


def test_closure_travels_with_cloudpickle():
    """A factory that is a lambda goes by cloudpickle."""
    word = "from a closure"
    model = Rebuilt(lambda: FromCallable(lambda messages, **options: word))
    assert pickle.loads(cloudpickle.dumps(model))(MESSAGES).text == word


def test_old_model_is_made_anew():
    """After `reset_freq` seconds the factory runs again."""
    now = [0.0]
    model = Rebuilt(Client, reset_freq=10, clock=lambda: now[0])
    texts = []
    for now[0] in (0, 9, 10, 19, 20):
        texts.append(model(MESSAGES).text)
    assert texts == ["client 1", "client 1", "client 2", "client 2", "client 3"]


def test_reserves_with_the_inner_model(tmp_path):
    """A place among equal requests comes from the model inside."""
    model = Rebuilt(lambda: Recorded(tmp_path / "x.json", Client(), "record"))
    assert [model.reserve(MESSAGES) for _ in range(2)] == [{"occurrence": 1}, {"occurrence": 2}]


def test_wrong_arguments_are_refused():
    """The factory is a callable and the age a positive number."""
    with pytest.raises(TypeError, match="factory"):
        Rebuilt("gpt-4o")
    with pytest.raises(ValueError, match="reset_freq"):
        Rebuilt(Client, reset_freq=0)


class TestRebuilt(ModelSuite):
    """A rebuilt model passes the contract tests."""

    def make_model(self):
        return Rebuilt(Client)
