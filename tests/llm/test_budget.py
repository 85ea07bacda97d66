"""A limit on what model calls may take."""

import asyncio
import contextvars
import copy
import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import BudgetExceededError, ModelError, ModelTimeoutError, OptoWarning
from opto.llm import (
    LLM,
    Budget,
    Budgeted,
    FromCallable,
    Model,
    Price,
    Recorded,
    Response,
    Retrying,
    Usage,
)
from opto.testing import Scripted

MESSAGES = [{"role": "user", "content": "say hello"}]
PRICES = {"Priced": (1000.0, 10_000.0)}  # a tenth of a cent a token of input, a cent a token of output
PROMPT = 100  # more than the worst case of MESSAGES


class Priced(Model):
    """Takes what a function says, out of a largest answer of `max_tokens`."""

    def __init__(self, usage=lambda max_tokens: Usage(5, max_tokens, 5 + max_tokens), before=None):
        self.usage, self.before = usage, before
        self.sent = 0
        self._lock = threading.Lock()

    def complete(self, messages, *, max_tokens=10, **options):
        with self._lock:
            self.sent += 1
        if self.before is not None:
            self.before()
        usage = self.usage(max_tokens)
        if isinstance(usage, BaseException):
            raise usage
        return Response.from_text("hello", usage=usage)

    async def acomplete(self, messages, **options):
        await asyncio.sleep(0)
        return self.complete(messages, **options)


def worst(budget, **options):
    """The row that a request would reserve."""
    from opto.llm.worst_case import WorstCase

    return budget.ask(WorstCase("Priced", MESSAGES, options))


def test_spends_what_the_response_says():
    """After a call the usage is spent at the given prices, and nothing is reserved."""
    with Budget(usd=1.0, prices=PRICES) as budget:
        Priced()(MESSAGES, max_tokens=10)
    assert budget.spent.usd == pytest.approx(5 * 0.001 + 10 * 0.01)
    assert (budget.spent.tokens, budget.spent.calls) == (15, 1)
    assert budget.state().reserved.usd == 0
    assert budget.remaining.usd == pytest.approx(1.0 - 0.105)
    assert budget.remaining.calls is None
    assert "$0.105 of $1.00 spent" in repr(budget)


def test_reserves_the_worst_case_before_sending():
    """While a request is under way its prompt and `max_tokens` are reserved."""
    seen = []
    budget = Budget(usd=1.0, prices=PRICES)
    model = Budgeted(Priced(before=lambda: seen.append(budget.state())), budget)
    model(MESSAGES, max_tokens=10)
    assert seen[0].reserved.usd == pytest.approx(worst(budget, max_tokens=10)["usd"] / 1e12)
    assert seen[0].reserved.usd >= 10 * 0.01 + 2 * 0.001
    assert seen[0].reserved.calls == 1


def test_refuses_what_does_not_fit_and_sends_nothing():
    """The error says which limit, what is spent, reserved and asked."""
    model = Priced()
    with Budget(usd=0.30, prices=PRICES) as budget:
        model(MESSAGES, max_tokens=10)
        with pytest.raises(BudgetExceededError, match=r"budget of \$0\.30 .* \$0\.105 spent, \$0 reserved") as caught:
            model(MESSAGES, max_tokens=30)
    assert model.sent == 1
    error = caught.value
    assert (error.limit, error.allowed, error.spent, error.reserved) == ("usd", 0.3, 0.105, 0)
    assert error.asked > 0.3
    assert isinstance(error, ModelError)
    assert not error.transient
    assert budget.spent.calls == 1


def test_limits_of_calls_and_tokens():
    """Each kind of limit holds by itself."""
    with Budget(calls=2) as budget:
        Priced()(MESSAGES)
        Priced()(MESSAGES)
        with pytest.raises(BudgetExceededError, match="budget of 2 calls") as caught:
            Priced()(MESSAGES)
    assert caught.value.limit == "calls"
    assert budget.remaining.calls == 0
    with Budget(tokens=PROMPT + 20) as budget:
        Priced()(MESSAGES, max_tokens=10)
        with pytest.raises(BudgetExceededError, match="tokens"):
            Priced()(MESSAGES, max_tokens=PROMPT)
    assert budget.spent.tokens == 15


def test_limit_of_seconds():
    """No request is sent after the time, and one through a model that keeps to a time-out gets what is left."""
    now = [100.0]
    timeouts = []

    class Timed(Model):
        takes_timeout = True

        def complete(self, messages, **options):
            timeouts.append(options.get("timeout"))
            return "hello"

    with Budget(seconds=60, clock=lambda: now[0]) as budget:
        Timed()(MESSAGES)
        now[0] += 45
        Timed()(MESSAGES)
        Timed()(MESSAGES, timeout=3)
        assert timeouts == [60, 15, 3]
        now[0] += 15
        with pytest.raises(BudgetExceededError, match=r"60\.0 s") as caught:
            Timed()(MESSAGES)
    assert caught.value.limit == "seconds"
    assert (budget.spent.seconds, budget.remaining.seconds) == (60, 0)


@pytest.mark.parametrize(
    ("options", "model", "remedy"),
    [
        ({}, "Priced", "max_tokens"),
        ({"max_tokens": 0}, "Priced", "max_tokens"),
        ({"max_tokens": 5}, "Unpriced", r"Budget\(prices=\{'Unpriced': \(input, output\)\}\)"),
        ({"max_tokens": 5, "web_search_options": {"size": 1}}, "Priced", "web_search_options"),
    ],
)
def test_refuses_what_it_cannot_bound(options, model, remedy):
    """Without `max_tokens` or a price nothing is sent, and the error says what to set."""
    asked = type(model, (Priced,), {})()
    with Budget(usd=1.0, prices=PRICES), pytest.raises(ValueError, match=remedy):
        asked(MESSAGES, **options)
    assert asked.sent == 0


def test_several_choices_and_tools_count():
    """`n` answers may be that long each, and tools are a part of the prompt."""
    budget = Budget(usd=1.0, prices=PRICES)
    one = worst(budget, max_tokens=10)["usd"]
    assert worst(budget, max_tokens=10, n=3)["usd"] == one + 20 * 10**10
    assert worst(budget, max_tokens=10, max_completion_tokens=30)["usd"] == one + 20 * 10**10
    assert worst(budget, max_tokens=10, tools=[{"type": "function", "function": {"name": "look"}}])["usd"] > one


def test_parts_that_cannot_be_counted():
    """Images count for much; audio and files are refused."""
    from opto.llm.worst_case import WorstCase

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA"}}
    assert WorstCase("m", [{"role": "user", "content": [image]}], {}).prompt_tokens > 5000
    with Budget(tokens=10**6), pytest.raises(ValueError, match=r"messages\[0\] has a part of type 'input_audio'"):
        Priced()([{"role": "user", "content": [sound]}], max_tokens=5)


def test_a_response_without_usage_takes_the_worst_case():
    """What is not told is taken for the most it can be."""
    for usage in (None, Usage()):
        with Budget(usd=1.0, prices=PRICES) as budget:
            Priced(lambda _, usage=usage: usage)(MESSAGES, max_tokens=10)
        assert round(budget.spent.usd * 1e12) == worst(budget, max_tokens=10)["usd"]


@pytest.mark.parametrize(
    ("failure", "charged", "calls"),
    [
        (ModelError("busy", transient=True, status=429), False, 1),
        (ModelError("broken", transient=True, status=500), False, 1),
        (ModelError("refused", status=400), False, 1),
        (ConnectionRefusedError("nobody there"), False, 0),
        (ModelTimeoutError("late"), True, 1),
        (ModelError("connection cut", transient=True), True, 1),
        (RuntimeError("who knows"), True, 1),
        (KeyboardInterrupt(), True, 1),
    ],
)
def test_failed_calls_release_what_they_did_not_use(failure, charged, calls):
    """After an error from the provider nothing is spent; after one that may have been charged, the worst case is."""
    budget = Budget(usd=1.0, prices=PRICES)
    with budget, pytest.raises(type(failure)):
        Priced(lambda _: failure)(MESSAGES, max_tokens=10)
    assert budget.state().reserved.usd == budget.state().reserved.calls == 0
    assert round(budget.spent.usd * 1e12) == (worst(budget, max_tokens=10)["usd"] if charged else 0)
    assert budget.spent.calls == calls


def test_an_answer_of_the_wrong_shape_takes_the_worst_case():
    """It came, so it may be charged."""

    def wrong(messages, **options):
        return {"nothing": 1}

    with Budget(usd=1.0, prices={"wrong": (1000, 10_000)}) as budget, pytest.raises(ModelError):
        FromCallable(wrong)(messages=MESSAGES, max_tokens=10)
    assert budget.spent.usd > 0.1


def test_a_cancelled_task_takes_the_worst_case():
    """Its request may be answered and charged all the same."""

    class Hanging(Priced):
        async def acomplete(self, messages, **options):
            await asyncio.sleep(1000)

    async def run():
        with Budget(usd=1.0, prices={"Hanging": (1000, 10_000)}) as budget:
            task = asyncio.create_task(Hanging().acall(MESSAGES, max_tokens=10))
            while not budget.state().reserved.calls:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return budget

    budget = asyncio.run(run())
    assert budget.state().reserved.calls == 0
    assert budget.spent.usd > 0.1


def test_retries_each_reserve():
    """A retry is a request like another, and one that does not fit ends the retrying."""
    failing = Priced(lambda _: ModelTimeoutError("late"))
    with Budget(calls=3) as budget, pytest.raises(BudgetExceededError):
        Retrying(failing, attempts=10, sleep=lambda seconds: None)(MESSAGES)
    assert failing.sent == budget.spent.calls == 3


def test_replayed_answers_cost_nothing(tmp_path):
    """An answer from a recording needs no room, no price and no `max_tokens`."""
    recording = Recorded(tmp_path / "r.json", Scripted(["hello"]), "record")
    recording(MESSAGES)
    with Budget(usd=0.0) as budget:
        assert Recorded(tmp_path / "r.json")(MESSAGES).text == "hello"
    assert budget.spent.calls == 0


def test_wrappers_do_not_reserve_twice():
    """Only the innermost model counts, also behind a plain function."""
    inner = Priced()
    with Budget(calls=2) as budget:
        Retrying(Budgeted(Retrying(inner), budget))(MESSAGES)
        assert budget.spent.calls == 1
        FromCallable(lambda messages, **options: inner(messages, **options))(MESSAGES)
    assert budget.spent.calls == inner.sent == 2
    assert budget.state().reserved.calls == 0


def test_nested_budgets_all_hold():
    """A request takes its place in every budget around it, or in none."""
    with Budget(calls=3) as outer:
        with Budget(calls=1) as inner:
            Priced()(MESSAGES)
            with pytest.raises(BudgetExceededError, match="budget of 1 call "):
                Priced()(MESSAGES)
        assert outer.state().reserved.calls == 0
        Priced()(MESSAGES)
        with Budget(calls=5) as wide:
            Priced()(MESSAGES)
            with pytest.raises(BudgetExceededError, match="budget of 3 calls"):
                Priced()(MESSAGES)
    assert (outer.spent.calls, inner.spent.calls, wide.spent.calls) == (3, 1, 1)
    Priced()(MESSAGES)  # outside of them nothing is limited


def test_waits_for_room_that_others_hold():
    """A request that would fit once another has ended waits for it instead of failing; so does a task."""
    entered, let_go = threading.Event(), threading.Event()

    def hold():
        entered.set()
        assert let_go.wait(10)

    budget = Budget(usd=0.34, prices=PRICES)
    slow = Budgeted(Priced(before=hold), budget)
    fast = Budgeted(Priced(lambda _: Usage(1, 1, 2)), budget)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(slow, MESSAGES, max_tokens=12)
        assert entered.wait(10)
        second = pool.submit(fast, MESSAGES, max_tokens=12)
        third = pool.submit(lambda: asyncio.run(fast.acall(MESSAGES, max_tokens=12)))
        while len(budget._waiting) < 2:
            pass
        assert not second.done()
        assert not third.done()
        let_go.set()
        assert [each.result(10).text for each in (first, second, third)] == ["hello"] * 3
    assert not budget._waiting


def test_a_cancelled_wait_leaves_no_trace():
    """A task that is cancelled while it waits for room has reserved nothing."""

    async def run():
        budget = Budget(calls=2)
        gate = asyncio.Event()

        class Gated(Priced):
            async def acomplete(self, messages, **options):
                await gate.wait()
                return "hello"

        model = Budgeted(Gated(), budget)
        first = [asyncio.create_task(model.acall(MESSAGES)) for _ in range(2)]
        while budget.state().reserved.calls < 2:
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(model.acall(MESSAGES))
        while not budget._waiting:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not budget._waiting
        gate.set()
        await asyncio.gather(*first)
        return budget

    assert asyncio.run(run()).spent.calls == 2


class Watch:
    """Notes the largest sum of spent and reserved that any moment showed."""

    def __init__(self, budget):
        self.budget, self.highest = budget, 0.0

    def __call__(self):
        state = self.budget.state()
        self.highest = max(self.highest, round((state.spent.usd + state.reserved.usd) * 1e12))


def varied(seed):
    """Usage as real ones are: mostly lower than the worst case, sometimes all of it, or missing, and failures."""
    draw = random.Random(seed)
    lock = threading.Lock()

    def usage(max_tokens):
        with lock:
            point, share = draw.random(), draw.random()
        if point < 0.1:
            return ModelError("busy", transient=True, status=429)
        if point < 0.2:
            return ModelTimeoutError("late")
        if point < 0.3:
            return None
        completion = max_tokens if point < 0.5 else int(max_tokens * share)
        return Usage(9, completion, 9 + completion)

    return usage


@pytest.mark.parametrize("seed", range(3))
def test_sixteen_threads_never_pass_a_dollar(seed):
    """Spent and reserved stay within the dollar at every moment, whatever the model answers, and most of it is used."""
    budget = Budget(usd=1.00, prices={"Priced": (100.0, 1000.0)})
    watch = Watch(budget)
    model = Priced(varied(seed), before=watch)
    asked = Retrying(Budgeted(model, budget), attempts=3, sleep=lambda seconds: None)
    refused, start = [], threading.Barrier(16)

    def work():
        start.wait()
        while True:
            try:
                asked(MESSAGES, max_tokens=random.choice((5, 20, 40)))
            except BudgetExceededError as error:
                refused.append(error)
                return
            except ModelError:
                pass
            watch()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = budget.state()
    assert len(refused) == 16
    assert all(error.limit == "usd" for error in refused)
    assert watch.highest <= 10**12
    assert state.spent.usd <= 1.00
    assert state.spent.usd > 0.90
    assert state.reserved.usd == state.reserved.calls == 0
    assert state.spent.calls == model.sent


def test_two_hundred_tasks_never_pass_a_dollar():
    """The same on one event loop, in the tasks of one `with` block."""

    async def run():
        with Budget(usd=1.00, prices={"Priced": (100.0, 1000.0)}) as budget:
            watch = Watch(budget)
            model = Priced(varied(7), before=watch)

            async def work():
                while True:
                    try:
                        await model.acall(MESSAGES, max_tokens=20)
                    except BudgetExceededError:
                        return
                    except ModelError:
                        pass
                    watch()

            await asyncio.gather(*(work() for _ in range(200)))
        return budget, watch, model

    budget, watch, model = asyncio.run(run())
    assert watch.highest <= 10**12
    assert 0.90 < budget.spent.usd <= 1.00
    assert budget.spent.calls == model.sent
    assert budget.state().reserved.usd == 0


def test_a_provider_that_reports_more_is_believed():
    """More than the worst case is spent too, with a warning, and from then on as much more is reserved."""
    budget = Budget(usd=1.0, prices=PRICES)
    before = worst(budget, max_tokens=10)["usd"]
    with budget, pytest.warns(OptoWarning, match="more than the worst case"):
        Priced(lambda max_tokens: Usage(5, 40, 45))(MESSAGES, max_tokens=10)
    assert budget.spent.usd == pytest.approx(0.405)
    assert worst(budget, max_tokens=10)["usd"] >= 405 * 10**9 > before
    model = Priced(lambda max_tokens: Usage(5, 40, 45))
    with budget:
        model(MESSAGES, max_tokens=10)
        with pytest.raises(BudgetExceededError):
            model(MESSAGES, max_tokens=10)
    assert budget.spent.usd == pytest.approx(0.81)


def test_threads_are_inside_when_they_share_the_context():
    """A `with` block holds for tasks and copies of the context, and a thread of one's own enters it itself."""
    budget = Budget(calls=100)

    def enter():
        with budget:
            Priced()(MESSAGES)

    with budget, ThreadPoolExecutor(2) as pool:
        pool.submit(contextvars.copy_context().run, Priced(), MESSAGES).result()
        assert budget.spent.calls == 1
        pool.submit(Priced(), MESSAGES).result()
        assert budget.spent.calls == 1
        pool.submit(enter).result()
        asyncio.run(Priced().acall(MESSAGES))
    assert budget.spent.calls == 3
    Priced()(MESSAGES)
    assert budget.spent.calls == 3


@pytest.mark.parametrize(
    "limits",
    [{}, {"usd": -1}, {"usd": "1"}, {"usd": float("nan")}, {"calls": 1.5}, {"tokens": True}, {"seconds": float("inf")}],
)
def test_wrong_limits_are_refused(limits):
    """The error names the limit."""
    with pytest.raises(ValueError, match=next(iter(limits), "a limit")):
        Budget(**limits)


def test_prices_take_several_forms():
    """A pair, a Price, or nothing at all."""
    budget = Budget(usd=1, prices={"a": (1, 2), "b": Price(1, 2, request=0.5), "c": 0})
    assert budget.prices == {"a": Price(1, 2), "b": Price(1, 2, 0.5), "c": Price(0, 0)}
    with pytest.raises(ValueError, match="a price must be"):
        Budget(usd=1, prices={"a": 3})
    with Budget(usd=0.0, prices={"Priced": 0}) as free:
        Priced()(MESSAGES, max_tokens=10)
    assert free.spent.usd == 0


def test_a_budget_is_not_copied():
    """A copy would allow everything twice: a deep copy is the same one, and it does not pickle."""
    budget = Budget(calls=1)
    assert copy.deepcopy(budget) is budget
    with pytest.raises(TypeError, match="each process a part"):
        pickle.dumps(budget)
    with pytest.raises(TypeError, match="budget must be"):
        Budgeted(Priced(), 3)


def test_a_model_takes_a_budget(no_model_configured):
    """`LLM(..., budget=)` is the model within the budget."""
    budget = Budget(calls=5)
    model = LLM("gpt-4o", budget=budget)
    assert isinstance(model, Budgeted)
    assert model.budget is budget
    assert model.name == "gpt-4o"


def test_charges_of_a_process_that_is_gone():
    """They count as spent, once for each account, and what is spent later belongs to the account too."""
    now = [100.0]
    budget = Budget(calls=5, usd=1.0, tokens=1000, seconds=60, clock=lambda: now[0])
    budget.charge("run", calls=2, usd=0.25, tokens=100, seconds=10.0)
    budget.charge("run", calls=2)
    assert (budget.spent.calls, budget.spent.usd, budget.spent.tokens, budget.spent.seconds) == (2, 0.25, 100, 10.0)
    assert budget.remaining.calls == 3
    with budget:
        now[0] += 5
    assert budget.spent_on("run").seconds == 15.0
    assert budget.seconds_left == 45.0
    budget.charge("other", calls=1)
    assert budget.spent_on("run").calls == 3
    assert budget.spent_on("other").calls == 1
    with pytest.raises(ValueError, match="calls must be"):
        budget.charge("third", calls=-1)
    with pytest.raises(KeyError):
        budget.spent_on("third")


def test_charges_leave_no_room_for_what_does_not_fit():
    """A budget that was charged refuses what is too much with what was spent before."""
    budget = Budget(calls=2)
    budget.charge("run", calls=2)
    with budget, pytest.raises(BudgetExceededError):
        Scripted(["hello"])(MESSAGES)


def test_limits():
    """By the names of the arguments that set them."""
    assert Budget(usd=0.5, seconds=3).limits == {"usd": 0.5, "seconds": 3}
