"""Many threads and tasks: graphs of their own, and parameters that they share."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import BackwardError
from opto.trace import GRAPH, Module, bundle, no_trace, node
from opto.trace.nodes import feedback_lock
from opto.trace.utils import sum_feedback

THREADS = 32


@pytest.fixture(autouse=True)
def frequent_switches():
    """Let threads take turns as often as the interpreter can."""
    GRAPH.clear()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work, count=THREADS):
    """Run `work(k)` in threads that start together; gives the results, raises what one raises."""
    barrier = threading.Barrier(count)

    def run(k):
        barrier.wait()
        return work(k)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@bundle()
def scaled(a, factor):
    """Multiply."""
    return a * factor


def own_graph(k):
    """Trace a graph and check its every edge; gives its nodes."""
    x = node(k, name="start", trainable=True)
    made = [x]
    y = x
    for step in range(10):
        z = scaled(y + step, 2)
        assert z.parents[0].parents[0] is y
        assert z.parents[0].parents[1].data == step
        assert list(z.inputs) == ["a", "factor"]
        made += [z, *z.parents]
        y = z
    y.backward(k)
    graph = sum_feedback([x])
    assert graph.user_feedback == k
    assert {each for _, each in graph if each._computed} == {each for each in made if each._computed}
    return made


def test_each_thread_traces_its_own_graph():
    """No wrong edge and no name twice."""
    made = [each for nodes in in_threads(own_graph) for each in nodes]
    assert len({each.name for each in made}) == len(set(made))


def test_each_task_traces_its_own_graph():
    """200 tasks that give way to each other in the middle."""

    async def run(k):
        x = node(k, trainable=True)
        y = x
        for step in range(5):
            z = y + step
            await asyncio.sleep(0)
            assert z.parents[0] is y
            y = z
        y.backward(k)
        await asyncio.sleep(0)
        assert sum_feedback([x]).user_feedback == k
        return [x.name, y.name]

    async def all_of_them():
        return await asyncio.gather(*(run(k) for k in range(200)))

    names = [name for pair in asyncio.run(all_of_them()) for name in pair]
    assert len(set(names)) == len(names) == 400


def test_the_first_children_of_a_shared_node():
    """Children that many threads bring at the same moment are all there."""
    for _ in range(50):
        x = node(1, trainable=True)
        children = in_threads(lambda k, x=x: x + k, 8)
        assert {id(each) for each in x.children} == {id(each) for each in children}


def test_children_of_a_shared_parameter():
    """Children come and go in all threads while the list is swept and read: none that lives is lost."""
    x = node(1, trainable=True)

    def work(k):
        kept = []
        for step in range(200):
            x + step
            if step % 10 == 0:
                kept.append(x + step)
                assert any(each is kept[-1] for each in x.children)
        return kept

    kept = [each for part in in_threads(work) for each in part]
    assert {id(each) for each in x.children} == {id(each) for each in kept}
    assert len(x.children) == THREADS * 20


def test_a_shared_parameter_under_training():
    """32 threads trace and send feedback while another clears it and sets values: nothing breaks, nothing is torn.

    Each graph shows the values that its own forward pass read, and what is collected under the lock is whole.
    """
    x, y = node(0, name="x", trainable=True), node(0, name="y", trainable=True)
    stop = threading.Event()
    seen = 0
    torn = []

    def step():
        nonlocal seen
        value = 0
        while not stop.is_set():
            with feedback_lock:
                graph = sum_feedback([x, y])
                # A backward reaches both or neither: every output is there with both parameters as its roots.
                if len(x.feedback) != len(y.feedback):
                    torn.append((len(x.feedback), len(y.feedback)))
                x.zero_feedback()
                y.zero_feedback()
            seen += sum(each._computed for _, each in graph)
            value += 1
            x._set(value)
            y._set(value)

    def work(k):
        for _ in range(50):
            output = x + y
            read = output._read
            output.backward(k, retain_graph=True)
            assert output.data == sum(read)
        return 50

    trainer = threading.Thread(target=step)
    trainer.start()
    try:
        done = sum(in_threads(work))
    finally:
        stop.set()
        trainer.join()
    seen += sum(each._computed for _, each in sum_feedback([x, y]))
    assert not torn
    assert seen == done == THREADS * 50


def test_graphs_show_what_their_own_forward_read():
    """Whatever a shared parameter is set to meanwhile, a graph explains its own output."""
    x = node(0, trainable=True)

    def work(k):
        for step in range(30):
            x._set((k, step))
            output = x + ("end",)
            output.backward("fb")
            sent = x.feedback.get(output)
            if sent is not None:  # another thread may have cleared it
                assert (*sent[0].value(x), "end") == output.data
            if step % 5 == 0:
                x.zero_feedback()

    in_threads(work)


def test_feedback_may_be_read_while_it_arrives():
    """Iterating over a feedback dict is not disturbed by what comes in."""
    x = node(1, trainable=True)

    def work(k):
        for _ in range(50):
            if k % 2:
                (x + 1).backward("fb")
            else:
                for child, sent in x.feedback.items():
                    assert child.parents[0] is x
                    assert len(sent) == 1

    in_threads(work, 16)
    assert len(x.feedback) == 8 * 50


class Shared(Module):
    """A module that threads share."""

    def __init__(self):
        self.weight = node(2, trainable=True)

    @bundle(trainable=True)
    def work(self, n):
        return n + 1

    def forward(self, n):
        return self.work(n) * self.weight


def test_a_shared_module_while_it_is_stepped():
    """Its methods are bound once, and every result is one that some state of the parameters gives."""
    module = Shared()
    code = module.work.parameter.data
    stop = threading.Event()

    def step():
        k = 0
        while not stop.is_set():
            k += 1
            module.weight._set(2 + k % 2)
            module.work.parameter._set(code + "\n" * (k % 3))
            module.zero_feedback()

    trainer = threading.Thread(target=step)
    trainer.start()
    try:

        def work(k):
            for n in range(10):
                output = module(n)
                assert output.data in ((n + 1) * 2, (n + 1) * 3)
                output.backward("fb")
            return module.work

        assert len(set(map(id, in_threads(work)))) == 1
    finally:
        stop.set()
        trainer.join()


def test_tracing_off_in_some_threads():
    """Every second thread traces nothing, and the others all."""

    def work(k):
        if k % 2:
            return len((node(1) + 1).inputs)
        with no_trace():
            return len((node(1) + 1).inputs)

    assert in_threads(work) == [0, 2] * (THREADS // 2)


def test_two_backwards_of_one_graph():
    """Of threads that send feedback to the same output, one succeeds and the others are told."""
    for _ in range(20):
        x = node(1, trainable=True)
        output = x + 1

        def work(k, output=output):
            try:
                output.backward(k)
            except BackwardError:
                return 0
            return 1

        assert sum(in_threads(work, 8)) == 1
        assert len(x.feedback) == 1
