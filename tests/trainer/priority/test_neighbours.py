"""What is near by the distance is among those that may be near."""

from __future__ import annotations

import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from opto.trace import Module, node
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.priority.memories import HeapMemory
from opto.trainer.priority.memory_indices import MemoryIndex, indices_of
from opto.trainer.priority.neighbours import Neighbours
from opto.trainer.priority.novelty import ValueDistance

VALUES = st.one_of(
    st.lists(st.sampled_from(["answer", "in", "one", "word", "briefly", "..."]), max_size=6).map(" ".join),
    st.integers(0, 3),
    st.none(),
)


class Two(Module):
    """A program with two parameters."""

    def __init__(self):
        self.one, self.other = node("a", trainable=True, name="one"), node("b", trainable=True, name="other")


def made(agent, one, other):
    """A candidate with these values."""
    return ModuleCandidate(agent, {agent.one: one, agent.other: other})


@settings(max_examples=100)
@given(
    st.lists(st.tuples(VALUES, VALUES), max_size=8),
    st.lists(st.integers(0, 7), max_size=4),
    st.tuples(VALUES, VALUES),
    st.sampled_from([0.0, 0.05, 0.3, 1.0]),
)
def test_none_that_is_near_is_missed(pairs, gone, values, most):
    """Whatever came and went: all that the distance finds near are found, and none that went."""
    agent, distance = Two(), ValueDistance()
    neighbours, inside = Neighbours(distance), [made(agent, *pair) for pair in pairs]
    for each in [*inside, *inside]:
        neighbours.put(each)
    for number in gone:
        if number < len(inside):
            neighbours.drop(inside[number])
    left = [each for number, each in enumerate(inside) if number not in gone]
    mine = made(agent, *values)
    found = {id(each) for each in neighbours.within(mine, most)}
    assert {id(each) for each in left if distance(mine, each) <= most} <= found <= set(map(id, left))


def test_what_is_far_is_left_out():
    """Of a thousand texts none but the equal one may be at no distance; those that went leave nothing behind."""
    agent = Two()
    neighbours = Neighbours(ValueDistance())
    every = [made(agent, f"say {number} and {number * 7}", "b") for number in range(1000)]
    for each in every:
        neighbours.put(each)
    assert neighbours.within(made(agent, "say 3 and 21", "b"), 0.0) == [every[3]]
    for each in every[10:]:
        neighbours.drop(each)
    assert neighbours.within(made(agent, "say 3 and 21", "b"), 0.0) == [every[3]]
    assert max(len(each.texts) for each in neighbours._columns) < 100


def test_an_index_follows_its_memory():
    """What was pushed, popped and replaced is known when it is asked; also after the memory was pickled or reset."""
    agent, memory = Two(), HeapMemory(2)
    [index] = indices_of([memory], (), lambda: Neighbours(ValueDistance()))
    assert indices_of([memory], [index], lambda: Neighbours(ValueDistance())) == (index,)
    a, b, c = (made(agent, number, 0) for number in range(3))
    memory.push(1.0, a)
    assert index.refreshed().within(a, 1.0) == [a]
    memory.push(0.5, b)
    memory.push(0.7, c)  # no room for b
    assert sorted(index.refreshed().within(a, 1.0)) == [a, c]
    memory.pop()
    memory.push(1.0, a)
    assert sorted(index.refreshed().within(a, 1.0)) == [a, c]
    memory.memory = memory.memory[:1]
    assert index.refreshed().within(a, 1.0) == [a]
    memory.reset()
    assert index.refreshed().within(a, 1.0) == []
    again = pickle.loads(pickle.dumps(HeapMemory(2)))
    assert again.changes() is None
    assert again.changes() == []
    assert isinstance(indices_of([again], [index], lambda: Neighbours(ValueDistance()))[0], MemoryIndex)
