"""Rankings give what sorting all accepted candidates would."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from opto.trainer.strategies.parents import confidence_bounds
from tests.trainer.searching import candidate, run_of

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["birth", "score", "score"]), st.integers(0, 30), st.integers(0, 5), st.floats(0, 1, width=16)
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(EVENTS, st.sampled_from([-1.0, 0.0, 0.5, 3.0]), st.integers(1, 4))
def test_rankings_kept_up_are_those_of_sorting(events, exploration, count):
    """After any births and scores: by means and by bounds, of equal ones the older first; also in new ones."""
    run = run_of(places=6)
    kept = run.archive.ranking("train")
    for kind, who, place, score in events:
        if kind == "birth":
            candidate(run, len(run.archive), scores={})
        else:
            run.archive.score(run.archive[who % len(run.archive)], "train", place, score)
        kept.top(1)  # asked at any time
    run.archive._rankings.clear()
    bound = confidence_bounds(run, exploration)

    def mean(each):
        score = run.score(each)
        return -math.inf if math.isnan(score) else score

    for ranking in (kept, run.archive.ranking("train")):
        assert ranking.top(count) == run.archive.top(count, mean)
        assert ranking.top_bounds(count, bound) == run.archive.top(count, bound)
        assert ranking.examples == sum(len(each.table("train")) for each in run.archive.accepted)


def test_what_was_not_accepted_is_not_ranked():
    """A rejected candidate with the best scores is in no place."""
    run = run_of(places=2)
    ranking = run.archive.ranking("train")
    best = candidate(run, 1)
    run.archive.score(best, "train", 0, 1.0)
    assert ranking.top(3) == [run.archive[0]]
    run.archive.accept(best)
    assert ranking.top(3) == [best, run.archive[0]]


def test_bounds_that_are_equal_though_means_are_not():
    """Of means that differ in the last bit, and whose bounds are rounded to the same, the older one comes first."""
    run = run_of(places=2)
    candidate(run, 1, scores={0: 0.5})
    candidate(run, 2, scores={0: 0.5 + 2**-53})
    ranking = run.archive.ranking("train")
    assert [each.number for each in ranking.top(1)] == [2]

    def bound(each):
        return 1000.0 + each.table("train").mean() if each.table("train") else 0.0

    assert [each.number for each in ranking.top_bounds(1, bound)] == [1]
