"""Many threads and tasks around shared parameters."""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.optimizers import OptoPrime
from opto.runs import EventLog, listening
from opto.trace import bundle, node
from opto.trace.nodes import feedback_lock

THREADS = 32


@bundle()
def joined(a, b, c):
    """The three values in a row."""
    return (a, b, c)


def one_more(messages, **options):
    """Adds one to each variable that the request shows."""
    found = re.findall(r"^\(int\) (\w+)=(\d+)$", messages[1]["content"].split("#Variables\n")[1], flags=re.MULTILINE)
    names = {name: int(value) + 1 for name, value in found if name.startswith("shared")}
    return json.dumps({"suggestion": names})


@pytest.mark.filterwarnings("ignore::opto.errors.StaleValueWarning")
@pytest.mark.filterwarnings("ignore::opto.errors.UnreachedFeedbackWarning")
def test_threads_share_a_module_while_another_steps():
    """No exception, no lost step, and each graph shows the values that its own forward read."""
    parameters = [node(0, trainable=True, name="shared") for _ in range(3)]
    optimizer = OptoPrime(parameters, one_more)
    stop, start = threading.Event(), threading.Barrier(THREADS + 1)

    def work():
        start.wait()
        for _ in range(15):
            output = joined(*parameters)
            with feedback_lock:
                optimizer.backward(output, "more")
                graphs = [each.feedback[output][0] for each in parameters]
            shown = tuple(graph.value(each) for graph, each in zip(graphs, parameters))
            assert shown == output.data

    def step():
        start.wait()
        steps = 0
        while not stop.is_set():
            steps += bool(optimizer.step())
            optimizer.zero_feedback()
        return steps

    with ThreadPoolExecutor(THREADS + 1) as pool:
        stepper = pool.submit(step)
        workers = [pool.submit(work) for _ in range(THREADS)]
        try:
            for worker in workers:
                worker.result(timeout=60)
        finally:
            stop.set()
        assert stepper.result(timeout=60) > 0
    assert min(each.data for each in parameters) > 0


async def test_tasks_step_optimizers_of_their_own():
    """200 tasks, each with its own program, end with their own value."""

    async def answer(messages, **options):
        await asyncio.sleep(0)
        return one_more(messages)

    async def train(steps):
        x = node(0, trainable=True, name="shared")
        optimizer = OptoPrime([x], answer)
        for _ in range(steps):
            optimizer.zero_feedback()
            optimizer.backward(x + 1, "more")
            await optimizer.astep()
        return x.data

    assert await asyncio.gather(*(train(k % 4) for k in range(200))) == [k % 4 for k in range(200)]


def test_steps_in_threads_have_their_own_listeners():
    """An event is heard where it happens, and nowhere else."""

    def train(number):
        x = node(0, trainable=True, name="shared")
        optimizer = OptoPrime([x], one_more)
        log = EventLog()
        with listening(log):
            for _ in range(number):
                optimizer.zero_feedback()
                optimizer.backward(x + 1, "more")
                optimizer.step()
        return len(log.of("step"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(train, range(8))) == list(range(8))
