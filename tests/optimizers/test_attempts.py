"""What an answer came to."""

from opto.optimizers.attempts import Attempt
from opto.trace import node


def test_good_and_bad_values_are_parted():
    """Values that pass are kept; the others leave their reason."""
    x, y = node(1, trainable=True, name="x"), node(2, trainable=True, name="y")
    attempt = Attempt.of({x: 5, y: "five"})
    assert attempt.values == {x: 5}
    assert list(attempt.rejected) == [y.py_name]
    assert attempt.outcome == "partly accepted"
    assert "must be of type int" in attempt.reasons[0]


def test_a_later_attempt_puts_an_earlier_one_right():
    """What the second answer mends is no longer wrong; what it leaves out is."""
    x, y, z = (node(1, trainable=True, name=name) for name in "xyz")
    first = Attempt.of({x: 5, y: "five", z: "six"})
    both = first.then(Attempt.of({y: 7}))
    assert both.values == {x: 5, y: 7}
    assert list(both.rejected) == [z.py_name]


def test_outcomes():
    """One word says how it went."""
    x = node(1, trainable=True)
    assert Attempt().outcome == "accepted"
    assert Attempt.of({x: 2}).outcome == "accepted"
    assert Attempt.of({x: "a"}).outcome == "rejected"
    assert Attempt(failure="nonsense").outcome == "failed"
    assert Attempt(failure="nonsense").then(Attempt.of({x: 2})).outcome == "accepted"
    assert Attempt(failure="nonsense").then(Attempt(failure="again")).reasons == ["again"]
