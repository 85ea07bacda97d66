"""Memories of a search."""

from __future__ import annotations

import heapq
import math
import pickle
import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.priority.memories import HeapMemory, ParetoHeapMemory


def test_the_best_is_popped_first() -> None:
    """Pairs are `(-score, item)`, the highest score first; `best` looks without taking."""
    memory = HeapMemory()
    for score, name in [(0.2, "a"), (0.9, "b"), (0.5, "c")]:
        memory.push(score, name)
    assert memory.best == (-0.9, "b")
    assert [memory.pop() for _ in range(3)] == [(-0.9, "b"), (-0.5, "c"), (-0.2, "a")]
    assert not memory
    with pytest.raises(IndexError, match="empty"):
        memory.pop()


def test_a_full_memory_drops_the_worst() -> None:
    """Not whatever lies at the end of a heap array; a newcomer that is the worst itself is the one that goes."""
    memory = HeapMemory(size=3)
    dropped = [memory.push(score, score) for score in (1.0, 5.0, 3.0, 4.0, 2.0, 6.0)]
    assert [item for _, item in memory] == [6.0, 5.0, 4.0]
    assert dropped == [None, None, None, 1.0, 2.0, 3.0]


@given(st.lists(st.floats(allow_nan=False)), st.integers(1, 10))
def test_it_holds_the_best_of_all_that_was_pushed(scores: list[float], size: int) -> None:
    """Whatever the order: what is left are the highest scores, sorted, and a heap."""
    memory = HeapMemory(size=size)
    for number, score in enumerate(scores):
        memory.push(score, number)
    assert [-negated for negated, _ in memory] == sorted(scores, reverse=True)[:size]
    copy = list(memory.memory)
    heapq.heapify(copy)
    assert copy[:1] == memory.memory[:1]


def test_equal_scores_go_by_the_order_of_items() -> None:
    """The lesser item first, as candidates are by birth; items without an order as they came."""
    memory = HeapMemory(size=2)
    for number in (3, 1, 2):
        memory.push(0.5, number)
    assert [item for _, item in memory] == [1, 2]
    things = HeapMemory()
    first, second = {"a": 1}, {"b": 2}
    things.push(0.5, first)
    things.push(0.5, second)
    assert [item for _, item in things] == [first, second]


def test_appending_removing_and_forgetting() -> None:
    """`append` takes the pairs of another memory, `remove` one item by identity, `reset` all."""
    one, other = HeapMemory(), HeapMemory()
    one.push(0.1, "a")
    other.push(0.7, "b")
    one.append(other)
    assert [(score, item) for score, item in one] == [(-0.7, "b"), (-0.1, "a")]
    assert one.remove("b") == 0.7
    assert one.remove("b") is None
    one.reset()
    assert len(one) == 0
    assert one.memory == []


def test_items_are_processed_on_the_way_in() -> None:
    """The function's result is kept; None stands for an item that was changed in place."""
    doubled = HeapMemory(processing_fun=lambda item: item * 2)
    doubled.push(1.0, 4)
    assert doubled.best == (-1.0, 8)
    thing = SimpleNamespace(graph="large")
    blanking = HeapMemory(processing_fun=lambda item: setattr(item, "graph", None))
    blanking.push(1.0, thing)
    assert blanking.best[1] is thing
    assert thing.graph is None


def test_without_a_size_there_is_room_for_all() -> None:
    """`size` is infinite then, so that it can be compared with numbers."""
    assert HeapMemory().size == math.inf
    assert min(HeapMemory(size=4).size, 10) == 4


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_size_out_of_range_is_refused(size: Any) -> None:
    """It names the argument."""
    with pytest.raises(ValueError, match="size"):
        HeapMemory(size=size)


def test_nan_has_no_place() -> None:
    """A score that cannot be compared is refused."""
    with pytest.raises(ValueError, match="nan"):
        HeapMemory().push(math.nan, "a")


def test_memories_pickle() -> None:
    """The copy goes on as the original."""
    memory = HeapMemory(size=3)
    for score in (0.3, 0.1, 0.2):
        memory.push(score, str(score))
    copy = pickle.loads(pickle.dumps(memory))
    copy.push(0.15, "new")
    assert [item for _, item in copy] == ["0.3", "0.2", "new"]


def test_a_push_takes_few_comparisons_however_many_items_there_are() -> None:
    """A count of comparisons, which a clock cannot disturb: logarithmic in the number of items."""

    class Counted(float):
        count = 0

        def __lt__(self, other: Any) -> bool:
            Counted.count += 1
            return float.__lt__(self, other)

        def __ne__(self, other: Any) -> bool:
            return float.__ne__(self, other)

        def __neg__(self) -> Counted:
            return Counted(float.__neg__(self))

        __hash__ = float.__hash__

    lots = random.Random(1)
    memory = HeapMemory(size=4_000)
    for number in range(4_000):
        memory.push(Counted(lots.random()), number)
    Counted.count = 0
    for number in range(100):
        memory.push(Counted(lots.random()), number)
    assert Counted.count <= 100 * 13


SCORES = {
    "fast": {"quality": 0.2, "speed": 0.9},
    "good": {"quality": 0.9, "speed": 0.2},
    "beaten": {"quality": 0.1, "speed": 0.8},
}


def pareto(config: ObjectiveConfig | None, scores: dict[str, Any] = SCORES, **options: Any) -> ParetoHeapMemory:
    """A memory with the three items; the beaten one has the highest priority."""
    memory = ParetoHeapMemory(None, None, score_dict_fn=scores.get, objective_config=config, **options)
    for score, name in [(0.9, "beaten"), (0.5, "fast"), (0.4, "good")]:
        memory.push(score, name)
    return memory


def test_the_front_is_popped_first_and_ties_by_weighted_sum() -> None:
    """A dominated item waits, however high its priority is."""
    config = ObjectiveConfig(mode="pareto", weights={"quality": 0.8, "speed": 0.2})
    memory = pareto(config)
    assert memory.best == (-0.4, "good")
    assert [memory.pop()[1] for _ in range(3)] == ["good", "fast", "beaten"]


def test_minimized_objectives_count_the_other_way_round() -> None:
    """With speed to be minimized, "good" dominates all others."""
    memory = pareto(ObjectiveConfig(mode="pareto", minimize={"speed"}))
    assert [memory.pop()[1] for _ in range(3)][0] == "good"


def test_only_the_best_few_are_compared() -> None:
    """With `pareto_k=2` the third is not looked at."""
    memory = pareto(ObjectiveConfig(mode="pareto", weights={"quality": 0.8, "speed": 0.2}), pareto_k=2)
    assert memory.pop() == (-0.5, "fast")


@pytest.mark.parametrize("config", [None, ObjectiveConfig(mode="pareto")])
def test_it_is_a_plain_memory_where_scores_are_missing(config: ObjectiveConfig | None) -> None:
    """Without a configuration, or with one item that has no scores by objective."""
    scores = dict(SCORES) if config is None else {**SCORES, "good": None}
    assert pareto(config, scores).pop() == (-0.9, "beaten")


def test_scores_are_those_of_candidates_by_default() -> None:
    """`item.mean_score_dict()` is asked."""

    def item(**scores: float) -> Any:
        return SimpleNamespace(mean_score_dict=lambda: scores)

    worse, better = item(a=0.1, b=0.1), item(a=0.2, b=0.2)
    memory = ParetoHeapMemory(5, None, objective_config=ObjectiveConfig(mode="pareto"))
    memory.push(0.9, worse)
    memory.push(0.1, better)
    assert memory.pop()[1] is better
