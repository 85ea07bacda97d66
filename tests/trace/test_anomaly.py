"""`detect_anomaly`: which input a bundled function changed in place, and on which line."""

from __future__ import annotations

import asyncio
import sys
import warnings

import pytest

from opto.errors import MutatedInputWarning
from opto.trace import ExecutionError, bundle, detect_anomaly, node


@bundle()
def appends(items, other):
    """Changes its first input."""
    count = len(other)
    items.append(count)
    return items


def line_of(function, text):
    """The file's line of the first line of a function that holds `text`."""
    source, start = function.info["source"], function.info["line_number"]
    return start + next(k for k, line in enumerate(source.splitlines()) if text in line)


def helper(items):
    """Changes what it is given."""
    items.clear()


def changes_of(call):
    """The texts of the MutatedInputWarnings that a call gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with detect_anomaly():
            call()
    return [str(each.message) for each in caught if issubclass(each.category, MutatedInputWarning)]


def test_the_input_and_the_line():
    """The warning names the function, the input, the line and its text."""
    (message,) = changes_of(lambda: appends([1], [2]))
    assert "appends changed its input 'items' in place" in message
    assert f"on line {line_of(appends, 'items.append')}" in message
    assert "`items.append(count)`" in message


def test_inputs_in_nodes():
    """So it does for a value inside a node, which then shows the changed value."""
    x = node([1])
    assert len(changes_of(lambda: appends(x, []))) == 1
    assert x.data == [1, 0]


def test_a_line_of_a_helper():
    """A change by a function that the body calls is told with the helper's line."""

    @bundle()
    def calls(items):
        helper(items)
        return 1

    (message,) = changes_of(lambda: calls([1]))
    assert "`items.clear()`" in message


def test_the_line_around_a_call():
    """A change that a line makes with what a helper returned is that line's, not the helper's."""

    def one():
        return 1

    @bundle()
    def appends_one(items):
        items.append(one())
        return 1

    (message,) = changes_of(lambda: appends_one([]))
    assert "`items.append(one())`" in message


def test_a_library_is_not_to_blame():
    """A change made by the standard library is told with the line that called it."""
    from collections import deque
    from random import Random

    @bundle()
    def shuffles(items, generator):
        items.append(generator.choice((1,)))
        Random(3).shuffle(items)
        return 1

    messages = changes_of(lambda: shuffles(deque([1, 2, 3, 4]), Random(1)))
    lines = [message.split("`")[1] for message in messages]
    assert set(lines) == {"items.append(generator.choice((1,)))", "Random(3).shuffle(items)"}


def test_what_opto_keeps_with_an_object_is_no_change():
    """A body that calls another bundled method of its object for the first time changes nothing."""

    class Agent:
        def __init__(self):
            self.k = node(1)

        @bundle()
        def inner(self, x):
            return x

        @bundle()
        def outer(self, x):
            return self.inner(x).data + (self.inner(x) + 1).data

    assert changes_of(lambda: Agent().outer(1)) == []


def test_values_that_cannot_be_pickled():
    """Locks, generators and local classes in an input do not disturb, and changes beside them are seen."""
    import threading

    @bundle()
    def f(box):
        box["count"] += 1
        return 0

    (message,) = changes_of(lambda: f({"lock": threading.Lock(), "stream": (k for k in ()), "count": 1}))
    assert '`box["count"] += 1`' in message


def test_the_last_line():
    """A change on the line that returns is seen."""

    @bundle()
    def pops(items):
        return items.pop()

    (message,) = changes_of(lambda: pops([1, 2]))
    assert "`return items.pop()`" in message


def test_each_change_is_told():
    """Two inputs changed on two lines give two warnings, with their lines."""

    @bundle()
    def both(a, b):
        a["k"] = 1
        b.add(2)
        return 0

    one, two = changes_of(lambda: both({}, set()))
    assert "'a'" in one
    assert 'a["k"] = 1' in one
    assert "'b'" in two
    assert "b.add(2)" in two


def test_objects():
    """An object's changed attribute is a change."""

    class Box:
        def __init__(self):
            self.value = 1

    @bundle()
    def sets(box):
        box.value = 2
        return 0

    (message,) = changes_of(lambda: sets(Box()))
    assert "`box.value = 2`" in message


def test_good_functions_say_nothing():
    """A function that changes copies only gives no warning, nor does one that only reads."""

    @bundle()
    def copies(items, text):
        items = [*items, 1]
        items.append(2)
        return [each for each in items if str(each) != text]

    assert changes_of(lambda: copies([1, object()], "t")) == []


def test_a_method_may_change_its_object():
    """A method that changes self is told: the graph shows the object as it is later."""

    class Counter:
        def __init__(self):
            self.total = 0

        @bundle()
        def add(self, x):
            self.total += x
            return self.total

    counter = Counter()
    (message,) = changes_of(lambda: counter.add(1))
    assert "'self'" in message
    assert "`self.total += x`" in message


def test_a_models_code():
    """The line of a model's code is named too."""

    @bundle(trainable=True)
    def f(items):
        return items

    f.parameter._data = "def f(items):\n    items.sort()\n    return items"
    (message,) = changes_of(lambda: f([2, 1]))
    assert "`items.sort()`" in message


def test_a_body_that_raises():
    """The change before an exception is told, and the exception is what it was."""

    @bundle()
    def fails(items):
        items.append(1)
        raise ValueError("no")

    with detect_anomaly(), pytest.warns(MutatedInputWarning), pytest.raises(ExecutionError, match="no"):
        fails([])


def test_coroutines_and_generators():
    """Bodies that give way to others are compared around each step, without the line."""

    @bundle()
    async def later(items):
        await asyncio.sleep(0)
        items.append(1)
        return 0

    @bundle()
    def stream(items):
        yield 1
        items.append(2)
        yield 2

    (message,) = changes_of(lambda: asyncio.run(later([])))
    assert "later changed its input 'items' in place:" in message
    (message,) = changes_of(lambda: list(stream([])))
    assert "stream changed its input 'items'" in message


def test_off():
    """Off, changes are legal and silent, and no trace function is set."""
    seen = []

    @bundle()
    def looks(items):
        seen.append(sys.gettrace())
        items.append(1)
        return 0

    before = sys.gettrace()
    looks([])
    assert seen == [before]


def test_the_trace_function_is_restored():
    """A debugger's or a coverage tool's trace function is back after the call."""
    before = sys.gettrace()
    changes_of(lambda: appends([], []))
    assert sys.gettrace() is before


def test_the_block_ends():
    """After the block nothing is checked."""
    with detect_anomaly():
        pass
    appends([1], [])
