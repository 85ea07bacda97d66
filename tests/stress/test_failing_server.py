"""A sample of the 2,000 steps that `make test-stress` takes."""

from .failing_server import stress


def test_steps_against_a_server_that_fails_half_of_the_time():
    """Nothing is lost, half applied, unhandled or left out of the record."""
    tally = stress(32, 8, timeout=0.5)
    assert tally.clean, tally.table()
    assert tally.steps == 32
    assert tally.served.keys() >= {"", "429", "500", "cut", "malformed", "timeout"}
