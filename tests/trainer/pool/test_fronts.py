"""Fronts are those of the definition, however scores come in, and cheap with many candidates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opto.trainer.objectives import ObjectiveConfig
from tests.trainer.searching import candidate, run_of

EVENTS = st.lists(
    st.tuples(st.sampled_from(["birth", "score"]), st.integers(0, 30), st.integers(0, 5), st.sampled_from([0, 0.5, 1])),
    max_size=60,
)


def effective(each, place):
    """What a candidate scores, or the closest of its first ancestors that was run there."""
    while each is not None:
        if place in each.table("train"):
            return each.table("train").mean_at(place)
        each = each.parents[0] if each.parents else None
    return None


@settings(max_examples=60)
@given(EVENTS)
def test_fronts_kept_up_are_those_of_the_definition(events):
    """After any births and scores, also repeated ones, all with the highest score hold a key; so in new fronts."""
    run = run_of(places=6)
    fronts = run.archive.fronts("train")
    for kind, who, place, score in events:
        chosen = run.archive[who % len(run.archive)]
        if kind == "birth":
            candidate(run, len(run.archive), parents=[chosen], scores={})
        else:
            run.archive.score(chosen, "train", place, score)
        fronts.counts()  # asked at any time
    expected = {}
    for place in range(6):
        scores = {each.number: effective(each, place) for each in run.archive}
        known = [score for score in scores.values() if score is not None]
        if known:
            expected[place] = sorted(number for number, score in scores.items() if score == max(known))
    assert dict(sorted(fronts.holders().items())) == expected
    run.archive._fronts.clear()
    again = run.archive.fronts("train")
    assert dict(sorted(again.holders().items())) == expected
    assert again.counts() == fronts.counts()
    assert again.leader() is fronts.leader()


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from([0, 1, 2]), min_size=4, max_size=4), min_size=1, max_size=9))
def test_pruning_leaves_no_dominated_candidate_and_every_front_held(rows):
    """Those that stay hold every key together, and none of them holds only keys that others of them hold."""
    run = run_of(places=4)
    for row in rows:
        candidate(run, len(run.archive), scores=dict(enumerate(row)))
    fronts = run.archive.fronts("train")
    holders, staying = fronts.holders(), fronts.counts()
    assert all(set(each) & staying.keys() for each in holders.values())
    for number in staying:
        alone = [each for each in holders.values() if number in each and set(each) & staying.keys() == {number}]
        assert alone, f"{number} is dominated"
    assert all(count == sum(number in each for each in holders.values()) for number, count in staying.items())


def test_rejected_candidates_hold_nothing():
    """Only accepted candidates count; of another it is told where it would be better."""
    run = run_of(places=2)
    fronts = run.archive.fronts("train")
    candidate(run, 1, scores={0: 0.5, 1: 0.5})
    other = candidate(run, 2)
    run.archive.score(other, "train", 0, 1.0)
    run.archive.score(other, "train", 1, 0.0)
    assert fronts.holders() == {0: [1], 1: [1]}
    assert fronts.wins(other) == [0]
    assert fronts.reaches(other)


def test_fronts_over_objectives():
    """With scores that are dicts there is a front for each objective, for each example, or for each pair."""
    config = ObjectiveConfig(scalarize_dict="mean", minimize=frozenset({"cost"}))
    run = run_of(places=2, objective_config=config)
    exact = {0: {"right": 1.0, "cost": 9.0}, 1: {"right": 1.0, "cost": 9.0}}
    cheap = {0: {"right": 0.0, "cost": 1.0}, 1: {"right": 1.0, "cost": 1.0}}
    candidate(run, 1, scores=exact)
    candidate(run, 2, scores=cheap)
    assert run.archive.fronts("train", "objectives").holders() == {"right": [1], "cost": [2]}
    pairs = run.archive.fronts("train", "pairs").holders()
    assert pairs == {(0, "right"): [1], (0, "cost"): [2], (1, "right"): [1, 2], (1, "cost"): [2]}
    assert run.archive.fronts("train", "both").holders() == {"right": [1], "cost": [2], 0: [2], 1: [2]}
    with pytest.raises(ValueError, match="kind must be one of"):
        run.archive.fronts("train", "nothing")


def test_a_thousand_candidates_on_hundreds_of_examples():
    """A step with 1,000 candidates on 300 examples, with many ties: nothing grows with the square."""
    run = run_of(places=300)
    fronts = run.archive.fronts("train")
    for number in range(1, 1001):
        made = candidate(run, number, scores={place: float((place * number) % 7 > 2) for place in range(300)})
        assert fronts.leader() is not None
        fronts.wins(made)
    assert sum(fronts.counts().values()) > 0
