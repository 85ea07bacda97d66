"""GEPA's acceptance pays for what may be worth it, and for nothing else."""

import pytest

from opto.trainer.strategies.on_fronts import OnFronts
from tests.trainer.searching import candidate, run_of


def started(score, minibatch=(), **options):
    """A run with training examples apart, and the first candidate scored everywhere; without a minibatch, no gate."""
    run = run_of(score, **{"places": 40, "train": 6, "score_range": (0, 1), **options})
    run.evaluate([run.best])
    run.minibatch = list(minibatch)
    return run


def paid(run, judge):
    """How many evaluations a call takes."""
    before = run.counts.evaluations
    judge()
    return run.counts.evaluations - before


def test_gate_stops_what_is_no_better_than_its_parent():
    """A candidate that does not beat its parent on the minibatch costs the minibatch only."""
    run = started(lambda values, place: 0.0, [0, 1])
    made = candidate(run, 1)
    assert paid(run, lambda: OnFronts().judge(run, [made])) == 4  # the parent's minibatch, and the child's
    assert made.verdict == "no better than candidate 0 on the minibatch (+0)"


def test_siblings_stop_at_the_first_that_passes():
    """Once one has passed, the others of the same parent are not run."""
    run = started(lambda values, place: float(values[0] > 0) * 0.5 + 0.1 * values[0], [0, 1])
    bad, good, better = candidate(run, 0), candidate(run, 1), candidate(run, 2)
    OnFronts().judge(run, [bad, good, better])
    assert [each.status for each in (bad, good, better)] == ["rejected", "accepted", "rejected"]
    assert not better.scores


def test_validation_is_put_off_and_settled():
    """A promising child is scored on a tenth of the examples; the rest is paid for when it leads for a while."""
    run = started(lambda values, place: float(place < 10 + values[0]))
    acceptance = OnFronts()
    made = candidate(run, 8)
    acceptance.judge(run, [made])
    assert made.status == "accepted"
    assert len(made.table("validate")) == 5
    assert run.best is made
    run.counts.steps = 1
    assert not acceptance.settle(run), "it is not time yet"
    run.counts.steps = 4
    while acceptance.settle(run):
        pass
    assert len(made.table("validate")) == 40
    assert run.best is made
    assert made.verdict == "0.45 on 40 examples"


def test_a_leader_gives_way():
    """What led by its first examples is the best candidate no longer when the rest shows it to be worse."""
    run = started(lambda values, place: float(place in values[0] or place == 0) if values[0] else 0.5)
    acceptance = OnFronts()
    probe = run_of(lambda values, place: 0.0, places=40, score_range=(0, 1))
    seen = probe.random.sample(range(40), 40)[:5]
    made = candidate(run, seen)
    acceptance.judge(run, [made])
    assert sorted(made.table("validate")) == sorted(seen)
    assert run.best is made
    acceptance.settle(run, last=True)
    assert run.best is run.archive[0]


@pytest.mark.parametrize("options", [{"confidence": 0.9}, {}])
def test_no_lead_without_confidence(options):
    """Where the plan asks for confidence, or scores are bought again, nothing leads unseen."""
    run = started(lambda values, place: values[0], **options)
    OnFronts(max_repeats=1 if options else 2).judge(run, [candidate(run, 1)])
    assert run.archive[1].status == "accepted"
    assert run.best is run.archive[0]


def test_what_feedback_paid_for_is_settled():
    """Where runs for feedback brought the scores that were put off, the leader is compared all the same."""
    run = started(lambda values, place: values[0], confidence=0.9)
    acceptance, made = OnFronts(), candidate(run, 1)
    acceptance.judge(run, [made])
    run.evaluate([made])
    assert not acceptance.settle(run, last=True), "nothing is left to be paid for"
    assert run.best is made


def test_the_target_is_not_reached_on_a_few_examples():
    """A leader that has the target score on its first examples is scored on all of them before the run may end."""
    run = started(lambda values, place: float(values[0]), target_score=0.9)
    made = candidate(run, 1)
    OnFronts().judge(run, [made])
    assert run.best is made
    assert len(made.table("validate")) == 40


def test_what_seems_to_reach_the_target_is_settled_at_once():
    """A candidate whose estimate reaches the target is scored on all examples in the next step."""
    run = started(lambda values, place: values[0], places=10, target_score=0.9)
    acceptance = OnFronts()
    made = candidate(run, 1)
    acceptance.judge(run, [made])
    acceptance.settle(run)
    assert run.archive.fronts("validate").estimate(made) >= 0.5
    assert acceptance.settle(run, last=True) or run.best is made
    assert run.best is made


def test_the_last_evaluations_settle_the_leader():
    """Before they run out, they go to the leading candidate; none is bought beyond the limit."""
    run = started(lambda values, place: 0.5 + values[0] / 4, max_evaluations=40 + 5 + 40)
    acceptance = OnFronts()
    acceptance.judge(run, [candidate(run, 1)])
    assert run.remaining == 40
    assert acceptance.settle(run)
    assert run.best is run.archive[1]
    assert run.remaining == 5


def test_hopeless_validations_end_early():
    """What is clearly worse than the leader and best at nothing is given up; the verdict says after how many."""
    run = started(lambda values, place: float(place % 2 == 0 and values[0] == 0), places=100)
    made = candidate(run, 1)
    cost = paid(run, lambda: OnFronts().judge(run, [made]))
    assert cost <= 25
    assert made.status == "rejected"
    assert "given up after" in made.verdict


def test_a_specialist_is_accepted():
    """A candidate that is worse on the whole, and best at some examples, is accepted and not the best one."""
    run = started(lambda values, place: float(place >= 4) if values[0] == 0 else float(place < 4), places=20)
    made = candidate(run, 1)
    OnFronts(first=1.0).judge(run, [made])
    assert made.status == "accepted"
    assert run.best is run.archive[0]
    assert sorted(run.archive.fronts("validate").counts()) == [0, 1]


def test_merged_candidates_are_checked_on_a_few_examples():
    """A merge that does worse than its better parent where they differ costs a few evaluations."""

    def score(values, place):
        left, right = values
        return float(bool(left) != bool(right) and (place < 10) == bool(left))

    run = started(score, parameters=2, places=20)
    left, right = candidate(run, 1, 0), candidate(run, 0, 1)
    OnFronts(first=1.0).judge(run, [left, right])
    both = candidate(run, 1, 1, parents=[left, right])
    assert paid(run, lambda: OnFronts().judge(run, [both])) == 5
    assert both.verdict == "0 against 0.6 of its parents on 5 examples"


def test_pinned_examples_must_not_get_worse():
    """A candidate that is worse at a pinned example does not come into the pool."""
    run = started(lambda values, place: float((place > 0) == bool(values[0])), pinned=(0,))
    made = candidate(run, 1)
    OnFronts().judge(run, [made])
    assert made.verdict == "worse than the initial values at pinned example 0"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"first": 0}, "first must be a part"),
        ({"max_repeats": 0}, "max_repeats must be >= 1"),
        ({"kind": "no"}, "kind must be one of"),
    ],
)
def test_refuses_odd_options(options, said):
    """Options out of range are named."""
    with pytest.raises(ValueError, match=said):
        OnFronts(**options)
