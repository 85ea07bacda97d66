"""Rollouts and evaluations through real executors."""

from __future__ import annotations

import contextvars
import functools
import os
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from opto.errors import BudgetExceededError, OptoWarning, WorkerError
from opto.llm import LLM, Budget, as_model
from opto.runs import EventLog, listening
from opto.trace import GRAPH, ExecutionError, bundle
from opto.trainer.executors import LoopExecutor, process_pool
from opto.trainer.guide import Guide
from opto.trainer.results import ResultCache
from opto.trainer.rollouts import Evaluation, Evaluator, Request
from tests.trainer.programs import async_shouter, count_guide, exact, shouter, troubled

XS = ["a", "b", "bad", "c"]
INFOS = ["A!", "x", "", "C!"]
SCORES = [1.0, 0.0, None, 1.0]

_CALLS = []  # a global variable, and so no part of a program's identity


def requests(agent, xs=XS, infos=INFOS):
    """Requests for an agent."""
    return [Request(agent, x, info) for x, info in zip(xs, infos, strict=True)]


@pytest.fixture(scope="module")
def processes():
    """A pool of two processes for the tests that do not break it."""
    with process_pool(2) as pool:
        yield pool


class Inline(Executor):
    """Calls at once, in the thread of the caller; counts the calls."""

    shares_memory = True
    calls = 0

    def submit(self, fn, /, *args, **kwargs):
        """A finished future."""
        self.calls += 1
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


# ---- what comes out, whatever the executor


@pytest.mark.parametrize("where", ["threads", "one thread", "processes", "loop", "inline"])
@pytest.mark.parametrize("make", [shouter, async_shouter])
def test_every_executor_gives_the_same(where, make, processes):
    """Scores, feedback and failures come in the order of the requests, from threads, processes and loops alike."""
    given = {
        "threads": None,
        "one thread": functools.partial(ThreadPoolExecutor, 1),
        "processes": processes,
        "loop": LoopExecutor,
        "inline": Inline(),
    }[where]
    agent = make()
    with Evaluator(executor=given) as evaluator:
        found = list(evaluator.evaluations(requests(agent), exact))
    assert [each.score for each in found] == SCORES
    assert [each.failure for each in found] == [None, None, "error", None]
    assert [each.attempts for each in found] == [1, 1, 1, 1]
    assert found[1].feedback == "'B!' for 'x'"
    assert "cannot shout that" in found[2].feedback


@pytest.mark.parametrize("where", ["threads", "processes", "loop"])
def test_feedback_through_the_graph_of_a_rollout_reaches_the_parameters(where, processes):
    """Each rollout has its own graph, which ends at the parameters of this process, wherever it was made."""
    agent = shouter()
    with Evaluator(executor={"threads": None, "processes": processes, "loop": LoopExecutor}[where]) as evaluator:
        found = list(evaluator.rollouts(requests(agent), exact))
    assert [each.target.data for each in found if each.score is not None] == ["A!", "B!", "C!"]
    for each in found:
        each.target.backward(each.feedback)
    assert len(agent.mark.feedback) == 4
    assert "cannot shout that" in found[2].target.data


def test_names_do_not_depend_on_who_was_faster(processes):
    """The nodes of rollouts are numbered in the order of the requests, the same with every executor."""

    def names(executor):
        GRAPH.clear()
        agent = shouter()
        with Evaluator(executor=executor) as evaluator:
            targets = [each.target for each in evaluator.rollouts(requests(agent), exact)]
        return [[target.name, *(parent.name for parent in target.parents)] for target in targets]

    first = names(Inline())
    assert first[1] == ["shouter.shout:1", "text:1", "mark:0"]
    assert first[2][0] == "exception_shouter.shout:0"
    for executor in (None, LoopExecutor, processes):
        assert names(executor) == first


def test_the_state_of_a_module_does_not_go_on():
    """Every example runs on a copy; the module itself stays as it was, and parameters are shared."""
    agent = shouter()
    found = list(Evaluator().rollouts(requests(agent), exact))
    assert agent.calls == []
    assert all(agent.mark in each.target.parents for each in found)


def test_what_runs_sees_the_parameters_of_the_beginning():
    """An update while a batch runs is seen by the next batch only."""
    agent = shouter()
    with Evaluator(workers=1) as evaluator:
        batch = evaluator.evaluations([Request(agent, x, f"{x.upper()}!") for x in "abc"], exact)
        first = next(batch)
        agent.mark._set("?")
        assert [first.score, *(each.score for each in batch)] == [1.0, 1.0, 1.0]
        [after] = evaluator.evaluations([Request(agent, "a", "A?")], exact)
        assert after.score == 1.0


def test_the_context_of_the_caller_is_passed_on():
    """Threads and loops see the context variables of who asked for the evaluation."""
    variable = contextvars.ContextVar("variable", default="")

    async def on_a_loop(x):
        return variable.get()

    variable.set("set")
    for program in (lambda x: variable.get(), on_a_loop):
        with Evaluator() as evaluator:
            [found] = evaluator.evaluations([Request(program, 0, "set")], exact)
        assert found.score == 1.0


async def test_it_can_be_used_on_a_running_loop():
    """Async programs run on another loop, so the caller may be on one."""
    with Evaluator() as evaluator:
        found = list(evaluator.evaluations(requests(async_shouter()), exact))
    assert [each.score for each in found] == SCORES


def test_no_more_are_under_way_than_workers():
    """`workers` bounds what runs at once, and requests are taken as workers become free."""
    lock, under_way, most, taken = threading.Lock(), 0, 0, 0
    full = threading.Barrier(3)

    def program(x):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        full.wait()
        with lock:
            under_way -= 1
        return x

    def lazily():
        nonlocal taken
        for number in range(9):
            taken += 1
            yield Request(program, number, number)

    with Evaluator(workers=3) as evaluator:
        batch = evaluator.evaluations(lazily(), exact)
        next(batch)
        assert taken < 9 or most == 3
        assert len(list(batch)) == 8
    assert most == 3


# ---- guides


class Several(Guide):
    """Speaks of two objectives, and counts."""

    asked = 0

    def get_feedback(self, query, response, reference=None, **kwargs):
        """Two scores."""
        type(self).asked += 1
        return {"right": float(response == reference), "short": 1.0}, "Fine."


def test_scores_in_several_objectives():
    """`judging` says in which form scores come."""
    with Evaluator() as evaluator:
        found = list(evaluator.evaluations(requests(shouter())[:2], Several()))
        assert [each.score for each in found] == [{"right": 1.0, "short": 1.0}, {"right": 0.0, "short": 1.0}]
        [single] = evaluator.evaluations(requests(shouter())[:1], exact, judging="scores")
    assert single.score == {"score": 1.0}


def test_a_metric_of_ones_own_is_asked():
    """Where a guide overrides `metric`, that is what counts."""

    class Halved(Several):
        def metric(self, query, response, reference=None, **kwargs):
            return 0.5

    with Evaluator() as evaluator:
        [found] = evaluator.evaluations(requests(shouter())[:1], Halved(), judging="metric")
        [scores] = evaluator.evaluations(requests(shouter())[:1], Halved(), judging="scores")
    assert (found.score, scores.score) == (0.5, {"score": 0.5})


def test_an_async_guide():
    """A coroutine function may judge, of sync and of async programs."""

    async def judge(query, response, reference):
        return float(response == reference)

    with Evaluator() as evaluator:
        for agent in (shouter(), async_shouter()):
            assert [each.score for each in evaluator.evaluations(requests(agent), judge)] == SCORES


@pytest.mark.parametrize(
    ("score", "error", "got"),
    [("good", TypeError, "'good'"), (float("inf"), ValueError, "inf"), (-1.7e308, ValueError, "between")],
)
def test_a_guide_that_gives_no_score(score, error, got):
    """The error names the guide and what it gave."""

    class Bad(Guide):
        def get_feedback(self, query, response, reference=None, **kwargs):
            return score, ""

    with pytest.raises(error, match=f"Bad must give a number.*{got}"):
        list(Evaluator().evaluations(requests(shouter())[:1], Bad()))


def test_a_rollout_of_ones_own():
    """`forward` stands for calling the agent and asking the guide."""

    def forward(agent, x, guide, info):
        target = agent(x)
        return target, 0.25, info

    [found] = Evaluator().rollouts(requests(shouter())[:1], exact, forward=forward)
    assert (found.target.data, found.score, found.feedback) == ("A!", 0.25, "A!")
    with pytest.raises(TypeError, match="forward must return"):
        list(Evaluator().rollouts(requests(shouter())[:1], exact, forward=lambda *args: 3))


# ---- what goes wrong


def test_an_error_that_is_no_failure_of_the_program_is_raised():
    """It is tried once more, and then raised as it is."""
    calls = []

    def program(x):
        calls.append(x)
        raise KeyError(x)

    with pytest.raises(KeyError, match="7"):
        list(Evaluator().evaluations([Request(program, 7)], exact))
    assert calls == [7, 7]


def test_a_failure_that_passes_costs_one_retry(tmp_path):
    """What works the second time is a result like others."""
    [found] = Evaluator().evaluations([Request(troubled(str(tmp_path)), "raise:once")], count_guide)
    assert (found.score, found.attempts, found.failure) == (2.0, 2, None)


@pytest.mark.parametrize("make", [None, functools.partial(process_pool, 1)], ids=["threads", "processes"])
def test_a_program_that_hangs_costs_one_retry(tmp_path, make):
    """What hangs is given up and tried again; what hangs again has failed, and the others go on."""
    program = troubled(str(tmp_path))
    asked = [Request(program, x) for x in ("fine:1", "hang:once", "hang:always", "fine:2")]
    with Evaluator(executor=make, timeout=0.3, workers=1) as evaluator:
        found = list(evaluator.evaluations(asked, count_guide))
    assert [each.score for each in found] == [1.0, 2.0, None, 1.0]
    assert [each.failure for each in found] == [None, None, "timeout", None]
    assert [each.attempts for each in found] == [1, 2, 2, 1]
    assert "longer than the 0.3 s" in found[2].feedback


def test_an_async_program_that_hangs(tmp_path):
    """Its task is cancelled; the loop goes on."""
    import asyncio

    async def program(x):
        if x == "hang":
            await asyncio.Event().wait()
        return 1.0

    with Evaluator(timeout=0.05) as evaluator:
        found = list(evaluator.evaluations([Request(program, x) for x in ("a", "hang", "b")], count_guide))
    assert [each.failure for each in found] == [None, "timeout", None]


def test_a_blocking_program_that_hangs_on_a_loop():
    """It is left behind in its thread, and neither the loop nor its end waits for it."""
    end = threading.Event()

    def program(x):
        if x == "hang":
            end.wait()
        return 1.0

    with Evaluator(executor=LoopExecutor, timeout=0.05, retries=0) as evaluator:
        found = list(evaluator.evaluations([Request(program, x) for x in ("a", "hang", "b")], count_guide))
    end.set()
    assert [each.failure for each in found] == [None, "timeout", None]


def test_workers_that_die_cost_one_retry(tmp_path):
    """The pool is replaced; who killed it is found out, and nobody else is blamed."""
    program = troubled(str(tmp_path))
    xs = ["fine:1", "die:once", "fine:2", "die:always", "fine:3", "fine:4"]
    with Evaluator(executor=functools.partial(process_pool, 2)) as evaluator:
        found = list(evaluator.evaluations([Request(program, x) for x in xs], count_guide))
    assert [each.failure for each in found] == [None, None, None, "worker", None, None]
    assert found[1].score == 2.0
    assert "died over an example, in" in found[3].feedback
    assert os.path.getsize(tmp_path / "die-always") in (2, 3)  # the first time it may have been with others


def test_a_worker_that_cannot_tell_the_time_is_ended(tmp_path):
    """A process that stands still, so that it reports nothing itself, is killed after the time of grace."""

    def program(x):
        import os
        import signal

        if x == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        return 1.0

    make = functools.partial(process_pool, 1)
    with Evaluator(executor=make, timeout=1.0, grace=1.5, retries=0, workers=1) as evaluator:
        found = list(evaluator.evaluations([Request(program, x) for x in ("go", "stop", "go")], count_guide))
    assert [each.failure for each in found] == [None, "timeout", None]


def test_an_executor_that_broke_and_cannot_be_replaced(tmp_path):
    """The error says to pass a function instead of an executor."""
    with process_pool(1) as pool, pytest.raises(WorkerError, match="a function that makes one"):
        list(Evaluator(executor=pool).evaluations([Request(troubled(str(tmp_path)), "die:1")], count_guide))


def test_workers_that_always_die_end_the_run(tmp_path):
    """If nothing ever comes back, the fault is not in the examples."""
    program = troubled(str(tmp_path))
    asked = [Request(program, f"die:{number}") for number in range(10)]
    with Evaluator(executor=functools.partial(process_pool, 1)) as evaluator, pytest.raises(WorkerError, match="died"):
        list(evaluator.evaluations(asked, count_guide))


def test_what_cannot_be_sent_to_a_process(processes):
    """The error says what it is."""
    lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot be sent to another process"):
        list(Evaluator(executor=processes).evaluations([Request(lambda x: lock, 1)], count_guide))


def test_errors_of_a_process_are_raised_here(processes):
    """Also one that cannot be pickled, by its name and message."""

    def program(x):
        class Odd(Exception):
            def __reduce__(self):
                raise TypeError("no")

        raise (KeyError("plain") if x == "plain" else Odd("strange"))

    evaluator = Evaluator(executor=processes, retries=0)
    with pytest.raises(KeyError, match="plain"):
        list(evaluator.evaluations([Request(program, "plain")], count_guide))
    with pytest.raises(RuntimeError, match="Odd: strange"):
        list(evaluator.evaluations([Request(program, "odd")], count_guide))


def test_feedback_for_a_run_that_left_no_graph_reaches_the_parameters():
    """A time-out has an exception node whose parents are all parameters."""
    end = threading.Event()
    agent = shouter()
    agent.forward = lambda x: end.wait()
    [found] = Evaluator(timeout=0.01, retries=0).rollouts(requests(agent)[:1], exact)
    end.set()
    assert found.score is None
    found.target.backward(found.feedback)
    assert agent.mark.feedback


# ---- the cache


@pytest.mark.parametrize("kept", ["in memory", "on disk"])
def test_no_evaluation_is_paid_for_twice(tmp_path, kept):
    """What is known is not run: neither in the next call, nor within one, nor, on disk, in the next process."""
    calls = _CALLS
    calls.clear()

    class Agent(type(shouter())):
        def forward(self, x):
            _CALLS.append(x)
            return super().forward(x)

    agent = Agent()
    cache = ResultCache(tmp_path if kept == "on disk" else None)
    with Evaluator(cache=cache) as evaluator:
        first = list(evaluator.evaluations(requests(agent) + requests(agent), exact))
        assert sorted(calls) == sorted(XS)
        again = list(evaluator.evaluations(requests(agent), exact))
    assert sorted(calls) == sorted(XS)
    for found in (first[:4], first[4:], again):
        assert [each.score for each in found] == SCORES
        assert [each.failure for each in found] == [None, None, "error", None]
    assert [each.cached for each in first] == [False] * 4 + [True] * 4
    assert again[0] == Evaluation(1.0, "'A!' for 'A!'", None, first[0].seconds, attempts=0, cached=True, fresh=False)
    if kept == "on disk":
        with Evaluator(cache=ResultCache(tmp_path)) as other:
            assert [each.feedback for each in other.evaluations(requests(agent), exact)] == [
                each.feedback for each in again
            ]
        assert sorted(calls) == sorted(XS)


def test_what_makes_another_evaluation():
    """Another value of a parameter, attribute, example, reference, guide or sample is another evaluation."""
    agent, executor = shouter(), Inline()
    evaluator = Evaluator(executor=executor, cache=ResultCache())

    def runs(*requests, guide=exact):
        before = executor.calls
        list(evaluator.evaluations(requests, guide))
        return executor.calls - before

    assert runs(Request(agent, "a", "A!")) == 1
    assert runs(Request(agent, "a", "A!")) == 0
    assert runs(Request(shouter(), "a", "A!")) == 0
    assert runs(Request(agent, "a", "x"), Request(agent, "b", "A!"), Request(agent, "a", "A!", 1)) == 3
    assert runs(Request(agent, "a", "A!"), guide=count_guide_of(0.5)) == 1
    assert runs(Request(agent, "a", "A!"), guide=count_guide_of(0.75)) == 1
    assert runs(Request(shouter(temperature=0.5), "a", "A!")) == 1
    agent.mark._set("?")
    assert runs(Request(agent, "a", "A!")) == 1
    agent.mark._set("!")
    assert runs(Request(agent, "a", "A!")) == 0


def count_guide_of(value):
    """A guide that always says the same."""
    return lambda query, response, reference: value


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_failures_of_models_are_not_kept(where, processes):
    """A model that does not answer is asked again, now and the next time, and so in every executor."""

    @bundle()
    def ask(x):
        """Ask."""
        from opto.errors import ModelTimeoutError

        raise ModelTimeoutError("late")

    cache = ResultCache()
    with Evaluator(executor={"threads": None, "processes": processes}[where], cache=cache) as evaluator:
        for _ in range(2):
            [found] = evaluator.evaluations([Request(ask, 1)], count_guide)
            assert (found.failure, found.attempts, found.cached) == ("error", 2, False)
    assert len(cache) == 0


def test_failures_of_workers_are_not_kept():
    """A time-out may pass, so it is tried again the next time."""
    end = threading.Event()
    calls = []

    def program(x):
        calls.append(x)
        end.wait()
        return 1.0

    with Evaluator(cache=ResultCache(), timeout=0.02, retries=0) as evaluator:
        found = list(evaluator.evaluations([Request(program, 1)] * 2, count_guide))
        assert [each.failure for each in found] == ["timeout", "timeout"]
        assert len(calls) == 1
        end.set()
        [after] = evaluator.evaluations([Request(program, 1)], count_guide)
    assert after.score == 1.0


def test_an_identity_of_ones_own():
    """Where something cannot be looked into, its user says what it is."""
    stream = (number for number in range(9))

    def judge(query, response, reference):
        return next(stream)

    with pytest.raises(TypeError, match="the variable 'stream' around it .*identity="):
        list(Evaluator(cache=ResultCache()).evaluations(requests(shouter()), judge))
    with Evaluator(cache=ResultCache(), identity=lambda thing: type(thing).__name__) as evaluator:
        found = [next(evaluator.evaluations(requests(shouter()), judge)).score for _ in range(2)]
    assert found == [0.0, 0.0]


# ---- budgets, events


def test_a_budget_holds_in_threads_and_on_loops():
    """Model calls of rollouts are counted; when the budget is spent, its error ends the run, whatever wrapped it."""
    model = as_model(lambda messages, **options: "A!")

    @bundle()
    def ask(x):
        """Ask."""
        return model(messages=[{"role": "user", "content": x}]).choices[0].message.content

    with Budget(calls=3) as budget:
        found = list(Evaluator().evaluations([Request(ask, x, "A!") for x in "abc"], exact))
        assert [each.score for each in found] == [1.0, 1.0, 1.0]
        assert budget.spent.calls == 3
        with pytest.raises(BudgetExceededError):
            list(Evaluator().evaluations([Request(ask, "d", "A!")], exact))


def test_a_budget_does_not_reach_processes(processes):
    """Which is said."""
    with Budget(calls=3), pytest.warns(OptoWarning, match="does not reach other processes"):
        list(Evaluator(executor=processes).evaluations(requests(shouter()), exact))


def test_each_evaluation_is_told():
    """Listeners hear of them in the order of the requests, in the thread of who asked."""
    log = EventLog()
    with Evaluator(cache=ResultCache()) as evaluator, listening(log):
        list(evaluator.evaluations(requests(shouter()), exact))
        list(evaluator.rollouts(requests(shouter())[:1], exact))
    told = [event.data for event in log.of("evaluation")]
    assert [each["number"] for each in told] == [0, 1, 2, 3, 0]
    assert [each["score"] for each in told] == [*SCORES, 1.0]
    assert [each["failure"] for each in told] == [None, None, "error", None, None]
    assert all(len(each["key"]) == 64 for each in told[:4])


def test_a_record_holds_the_evaluations(tmp_path):
    """Events of evaluations are written with the rest of a run."""
    import opto
    import opto.runs

    with opto.record(tmp_path):
        list(Evaluator().evaluations(requests(shouter()), exact))
    kinds = [event.kind for event in opto.runs.read(tmp_path).events]
    assert kinds.count("evaluation") == 4


# ---- arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 0), ("workers", 1.5), ("timeout", 0), ("timeout", -1), ("retries", -1), ("grace", float("nan"))],
)
def test_settings_are_checked(name, value):
    """The error names the argument and the value."""
    with pytest.raises(ValueError, match=f"{name} must be .*{value}"):
        Evaluator(**{name: value})


def test_the_executor_is_checked():
    """A word is no executor."""
    with pytest.raises(TypeError, match="executor must be an Executor"):
        Evaluator(executor="threads")


def test_no_requests():
    """Nothing is started for nothing."""
    executor = Inline()
    assert list(Evaluator(executor=executor).evaluations([], exact)) == []
    assert executor.calls == 0


def test_a_closed_evaluator_opens_again():
    """Closing ends threads; the next use starts new ones."""
    evaluator = Evaluator()
    for _ in range(2):
        assert len(list(evaluator.evaluations(requests(shouter()), exact))) == 4
        evaluator.close()


def test_a_model_among_the_attributes_has_an_identity():
    """Programs that hold a model can be cached."""
    agents = [shouter(model=LLM("one/a", mock_response="x")), shouter(model=LLM("one/b", mock_response="x"))]
    executor = Inline()
    evaluator = Evaluator(executor=executor, cache=ResultCache())
    list(evaluator.evaluations([Request(agent, "a", "A!") for agent in [*agents, agents[0]]], exact))
    assert executor.calls == 2


def test_execution_errors_of_the_guide_count_as_failures_of_the_program():
    """A guide may be traced itself."""

    @bundle()
    def measure(response):
        """Measure."""
        raise ValueError("immeasurable")

    def judge(query, response, reference):
        return measure(response).data

    with pytest.raises(ExecutionError):
        judge(1, 2, 3)
    [found] = Evaluator().evaluations(requests(shouter())[:1], judge)
    assert found.failure == "error"
