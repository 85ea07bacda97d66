"""Programs on their way to other processes."""

from __future__ import annotations

import threading

import pytest

from opto.errors import MissingExtraError
from opto.trace import node
from opto.trainer.rolling_out.shipping import Shipped, packed, perform_shipped, received
from tests.trainer.programs import shouter


def run(content, x):
    """Calls the program."""
    return content[0](x)


def sent(program, *arguments, parameters=(), timeout=None):
    """What comes back of a call."""
    shipped = Shipped((program,), parameters)
    return received(perform_shipped(shipped.data, packed(arguments), run, timeout, "first"), shipped)


def test_a_graph_comes_back_to_the_parameters_of_the_program():
    """They are the very objects; all else is a copy."""
    agent = shouter()
    report = sent(agent, "a", parameters=[agent.mark])
    assert report.value.data == "A!"
    assert report.value.parents[1] is agent.mark
    assert agent.calls == []


def test_lambdas_and_local_classes_travel():
    """By value."""
    offset = 3
    assert sent(lambda x: x + offset, 4).value == 7


def test_errors_come_back():
    """With what is known of them; one that cannot be pickled by its name and message."""

    class Odd(Exception):
        def __reduce__(self):
            raise TypeError("no")

    def odd(x):
        raise Odd("strange")

    report = sent(odd, 1)
    assert isinstance(report.error, RuntimeError)
    assert str(report.error) == "Odd: strange"
    assert report.passing
    report = sent(shouter(), "bad")
    assert report.lasting
    assert report.error.exception_node.data == "(ValueError) cannot shout that"


def test_what_cannot_be_sent():
    """Neither there nor back; the error says what."""
    with pytest.raises(TypeError, match="lock cannot be sent to another process"):
        packed(threading.Lock())
    assert "cannot be sent back" in str(sent(lambda x: threading.Lock(), 1).error)


def test_without_cloudpickle_the_extra_is_named(monkeypatch):
    """The error says what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(MissingExtraError, match=r"opto-trace\[processes\]"):
        packed(node(1))
