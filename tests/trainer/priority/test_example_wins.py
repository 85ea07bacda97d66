"""Wins kept up are those of the definition."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from opto.trainer.priority.example_wins import ExampleWins
from tests.trainer.searching import candidate, run_of

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "score", "score", "without", "clear"]),
        st.integers(0, 5),
        st.integers(0, 3),
        st.sampled_from([0, 0.5, 1]),
    ),
    max_size=60,
)


@settings(max_examples=100)
@given(EVENTS)
def test_wins_kept_up_are_those_of_the_definition(events):
    """After any arrivals, departures, further scores and exceptions: all with the highest score win an example."""
    run = run_of(places=4)
    every = [candidate(run, number) for number in range(1, 7)]
    wins, inside, without = ExampleWins("train"), [], None
    for kind, who, place, score in events:
        each = every[who]
        if kind == "without":
            without = each if place else None
            wins.without(without)
        elif kind == "clear" and not who:
            wins.clear()
            inside, without = [], None
        elif kind == "drop":
            wins.drop(each)
            inside = [other for other in inside if other is not each]
        elif kind in ("put", "score"):
            if kind == "score":
                wins.drop(each)
                run.archive.score(each, "train", place, score)
            wins.put(each)
            inside = [other for other in inside if other is not each] + [each]
        counted = [other for other in inside if other is not without]
        expected = {}
        for spot in range(4):
            known = [other for other in counted if spot in other.table("train")]
            top = max((other.table("train").mean_at(spot) for other in known), default=None)
            for other in known:
                if other.table("train").mean_at(spot) == top:
                    expected[other.number] = expected.get(other.number, 0) + 1
        assert [(other.number, count) for other, count in wins.counts()] == sorted(expected.items())
