"""Evaluation on real clusters of this machine: `make test-cluster`."""

from __future__ import annotations

import os
import warnings

import pytest

from opto.trainer.executors import RayExecutor
from opto.trainer.rollouts import Evaluator, Request
from tests.trainer.programs import async_shouter, count_guide, exact, shouter, troubled

pytestmark = [
    pytest.mark.skipif(not os.environ.get("OPTO_TEST_CLUSTER"), reason="runs by `make test-cluster`"),
    # Said by Ray, Dask and what they start, not by opto.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def dask():
    """Two processes of Dask; one that dies is replaced, and what it did is not tried again by Dask itself."""
    config = pytest.importorskip("dask").config
    distributed = pytest.importorskip("distributed")
    with (
        config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.fixture(scope="module")
def ray():
    """Two workers of Ray."""
    module = pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
        )
        yield RayExecutor()
        module.shutdown()


@pytest.fixture(params=["dask", "ray"])
def executor(request):
    """Each of them."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("make", [shouter, async_shouter])
def test_the_same_as_everywhere(executor, make):
    """Scores and failures come in the order of the requests."""
    agent = make()
    requests = [Request(agent, x, info) for x, info in [("a", "A!"), ("b", "x"), ("bad", ""), ("c", "C!")]]
    with Evaluator(executor=executor, workers=2) as evaluator:
        found = list(evaluator.evaluations(requests * 5, exact))
    assert [each.score for each in found] == [1.0, 0.0, None, 1.0] * 5
    assert [each.failure for each in found] == [None, None, "error", None] * 5


def test_feedback_reaches_the_parameters(executor):
    """Graphs come back, and end at the parameters of this process."""
    agent = shouter()
    with Evaluator(executor=executor, workers=2) as evaluator:
        found = list(evaluator.rollouts([Request(agent, x, "A!") for x in "abc"], exact))
    for each in found:
        each.target.backward(each.feedback)
    assert len(agent.mark.feedback) == 3


def test_trouble_costs_a_retry(executor, tmp_path):
    """Workers that fail, hang or die: once is forgiven, twice is a failure of the example, and the run goes on."""
    program = troubled(str(tmp_path))
    xs = ["fine:1", "raise:once", "hang:once", "hang:always", "die:once", "die:always", "fine:2"]
    with Evaluator(executor=executor, workers=2, timeout=2) as evaluator:
        found = list(evaluator.evaluations([Request(program, x) for x in xs], count_guide))
    assert [each.failure for each in found] == [None, None, None, "timeout", None, "worker", None]
    # Dask makes a call once more when its result was lost with the worker that died next.
    assert all(found[place].score >= 2.0 for place in (1, 2, 4))


def test_samples_are_evaluations_of_their_own(executor, tmp_path):
    """Equal requests are run as often as they are asked for, with nothing known."""
    with Evaluator(executor=executor, workers=2) as evaluator:
        program = troubled(str(tmp_path))
        found = list(
            evaluator.evaluations([Request(program, "fine:1", None, sample) for sample in range(4)], count_guide)
        )
    assert max(each.score for each in found) == 4.0


def test_it_is_an_executor(executor):
    """`submit` and `map` do what they do elsewhere."""
    assert executor.submit(pow, 2, 10).result() == 1024
    assert list(executor.map(abs, [-1, 2])) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()
