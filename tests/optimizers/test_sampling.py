"""The base of optimizers that need no model."""

import textwrap
import threading

import pytest

from opto.optimizers.sampling import Sampler
from opto.trace import bundle, node


class Watch(Sampler):
    """Keeps what it was told."""

    def _sample(self):
        self.told = self._tried()
        return self._changed({parameter: self._random().random() for parameter in self.parameters})


def test_the_example_of_the_docstring_runs():
    """The subclass shown in the class docstring climbs a hill."""
    source = textwrap.dedent(Sampler.__doc__.split("best`:\n")[1].split("Scores come")[0])
    names = {"Sampler": Sampler}
    exec(source, names)
    x = node(5.0, trainable=True)
    optimizer = names["Jitter"]([x], seed=0)
    for _ in range(200):
        optimizer.zero_feedback()
        output = x * 1
        optimizer.backward(output, -abs(output.data))
        optimizer.step()
    assert abs(optimizer.best()[x]) < 1


def test_scores_are_of_the_values_that_were_read():
    """A parameter that was changed meanwhile does not get the score of its new value."""
    x = node(1.0, trainable=True)
    optimizer = Watch([x], seed=0)
    output = x * 1
    optimizer.backward(output, 0.5)
    x._data = 9.0
    with pytest.warns(UserWarning, match="changed after the forward pass"):
        optimizer.step()
    assert optimizer.told.values == {x: 1.0}
    assert optimizer.told.score == 0.5


def test_equal_scores_of_several_outputs_all_count():
    """Ten outputs are ten scores, equal or not."""
    x = node(1.0, trainable=True)
    optimizer = Watch([x], seed=0)
    for score in [1.0] * 6 + [0.0] * 4:
        optimizer.backward(x * 1, score)
    optimizer.step()
    assert len(optimizer.told.scores) == 10
    assert optimizer.told.score == 0.6


def test_backward_from_many_threads():
    """Feedback of concurrent runs is counted once each."""
    x = node(1.0, trainable=True)

    @bundle()
    def run(x, number):
        return x + number

    optimizer = Watch([x], seed=0)
    threads = [
        threading.Thread(target=lambda n=n: [optimizer.backward(run(x, n), float(n)) for _ in range(5)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    optimizer.step()
    assert sorted(optimizer.told.scores) == sorted(float(n) for n in range(8) for _ in range(5))


def test_parameters_that_are_not_trainable_stay():
    """They are neither told of nor set."""
    x, y = node(1.0, trainable=True), node(2.0, trainable=True)
    y.trainable = False
    optimizer = Watch([x, y], seed=0)
    optimizer.backward(x + y, 1.0)
    assert list(optimizer.step()) == [x]
    assert y.data == 2.0


def test_memory_is_bounded_and_travels():
    """The state holds steps, seed and memory."""
    x = node(1.0, trainable=True)
    optimizer = Watch([x], seed=7, memory_size=2)
    for score in (1, 2, 3):
        optimizer.zero_feedback()
        optimizer.backward(x * 1, score)
        optimizer.step()
    state = optimizer.state_dict()
    assert [past["score"] for past in state["memory"]] == [2.0, 3.0]
    other = Watch([x])
    other.load_state_dict(state)
    assert (other.seed, other.steps, list(other.memory)) == (7, 3, state["memory"])
    assert other._random().random() == optimizer._random().random()
