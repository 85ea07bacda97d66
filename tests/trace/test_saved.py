"""What a file may say to a module that loads it."""

from __future__ import annotations

import pickle

import pytest

from opto.errors import FileFormatError
from opto.runs import codec
from opto.trace import Module, model, node


class Greeter(Module):
    """One parameter, one method, one property."""

    limit = 3

    def __init__(self):
        self.greeting = node("Hello", trainable=True)

    def forward(self, name):
        return self.greeting + name

    @property
    def length(self):
        return len(self.greeting.data)


@model
class Agent:
    """One parameter and one plain attribute."""

    def __init__(self):
        self.prompt = node("Answer.", trainable=True)
        self.size = 1

    def shout(self):
        return "!"


def entry(value):
    """A parameter as it stands in a file."""
    return {"value": value, "name": "x", "description": None}


@pytest.mark.parametrize(
    "name",
    ["forward", "length", "__class__", "__dict__", "parameters", "save", "a b", "greeting.data", "", "missing.x"],
)
def test_a_file_cannot_take_the_place_of_a_method(tmp_path, name):
    """Names of methods, properties and of Python's own attributes are refused, and nothing is changed."""
    path = tmp_path / "file.json"
    codec.save(path, {"greeting": entry("Bye"), name: entry(1)}, kind="parameters")
    greeter = Greeter()
    with pytest.raises(FileFormatError):
        greeter.load(path)
    assert greeter.greeting.data == "Hello"
    assert list(vars(greeter)) == ["greeting"]


def test_a_file_can_bring_new_parameters_and_shadow_plain_values(tmp_path):
    """An attribute that is not there yet is made; a value of the class may be one."""
    path = tmp_path / "file.json"
    codec.save(path, {"greeting": entry("Bye"), "extra": entry(1), "limit": entry(5)}, kind="parameters")
    greeter = Greeter()
    greeter.load(path)
    assert greeter.state_dict() == {"greeting": "Bye", "extra": 1, "limit": 5}


@pytest.mark.parametrize("attributes", [{"shout": 1}, {"__class__": 1}, {"save": 1}, {1: 1}, [], None])
def test_nor_can_the_attributes_of_a_model(tmp_path, attributes):
    """The same holds for the other attributes that a model saves."""
    path = tmp_path / "file.json"
    codec.save(path, {"parameters": {"prompt": entry("new")}, "attributes": attributes}, kind="model")
    agent = Agent()
    with pytest.raises(FileFormatError):
        agent.load(path)
    assert (agent.prompt.data, agent.size) == ("Answer.", 1)


@pytest.mark.parametrize(
    "content", [None, [], {"greeting": 3}, {"greeting": {"value": 1}}, {"greeting": {**entry(1), "description": 5}}]
)
def test_other_content_is_refused(tmp_path, content):
    """What is no table of parameters is damage."""
    path = tmp_path / "file.json"
    codec.save(path, content, kind="parameters")
    with pytest.raises(FileFormatError, match=r"file\.json"):
        Greeter().load(path)


class Harmful:
    """Says so when it is unpickled."""

    opened = False

    def __reduce__(self):
        return setattr, (Harmful, "opened", True)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_opened(tmp_path, protocol):
    """Whatever its protocol, a pickle is refused, and does nothing."""
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps(Harmful(), protocol=protocol))
    with pytest.raises(FileFormatError, match="is a pickle" if protocol >= 2 else "not JSON"):
        Greeter().load(path)
    assert not Harmful.opened
