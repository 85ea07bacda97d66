"""A budget in front of LiteLLM and a real server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import BudgetExceededError, ModelError
from opto.llm import LLM, Budget, Budgeted, LiteLLM, Retrying, usage
from opto.testing import ModelServer

MESSAGES = [{"role": "user", "content": "say hello"}]


@pytest.fixture(autouse=True)
def open_loop():
    """LiteLLM asks for a loop also in its sync form, and leaves open one that it has to make."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


class Watch:
    """Notes the largest sum of spent and reserved that any moment showed."""

    def __init__(self, budget):
        self.budget, self.highest = budget, 0.0

    def __call__(self):
        state = self.budget.state()
        self.highest = max(self.highest, round((state.spent.usd + state.reserved.usd) * 1e12))


def test_counts_options_of_the_model_itself():
    """`max_tokens` and the price may be the model's own; LiteLLM's price list is the default."""
    with ModelServer(["hello"] * 3) as server:
        own = LiteLLM("openai/gpt-4o", api_base=server.url, api_key="none", max_tokens=100)
        with Budget(usd=1.0) as budget:
            own(MESSAGES)
        assert budget.spent.usd == pytest.approx(2 * 2.5e-6 + 1 * 10e-6)
        priced = LiteLLM(
            "openai/any",
            api_base=server.url,
            api_key="none",
            max_tokens=100,
            input_cost_per_token=0.01,
            output_cost_per_token=0.02,
        )
        with Budget(usd=3.0) as budget:
            priced(MESSAGES)
        assert budget.spent.usd == pytest.approx(0.04)
        with Budget(usd=1.0), pytest.raises(ValueError, match="price of 'openai/other'"):
            LiteLLM("openai/other", api_base=server.url, api_key="none")(MESSAGES, max_tokens=10)


@pytest.mark.parametrize("address", ["with path", "without path"])
def test_any_server_works_by_its_address(address, no_model_configured):
    """An OpenAI-compatible server needs its address and the name of a model; keys of providers are not sent to it."""
    no_model_configured.setenv("OPENAI_API_KEY", "sk-of-openai")
    with ModelServer(["hello"] * 4) as server:
        url = server.url if address == "with path" else server.url.removesuffix("/v1")
        assert LLM(url, model="Qwen/Qwen2.5-7B", max_tokens=5)(MESSAGES).text == "hello"
        assert LLM("qwen2.5", api_base=server.url)(MESSAGES).text == "hello"
        assert LLM("hosted_vllm/qwen", api_base=server.url)(MESSAGES).text == "hello"
        assert LLM(url, model="mine", api_key="sk-mine")(MESSAGES).text == "hello"
    assert [request.body["model"] for request in server.requests] == ["Qwen/Qwen2.5-7B", "qwen2.5", "qwen", "mine"]
    keys = [request.headers.get("authorization") for request in server.requests]
    assert keys[3] == "Bearer sk-mine"
    assert "sk-of-openai" not in str(keys)


def test_totals_of_real_exchanges():
    """Tokens as the server counts them, money by LiteLLM's list, calls that failed, per model."""
    with ModelServer(["hello there"] * 3) as server, usage() as totals:
        priced = LiteLLM("openai/gpt-4o", api_base=server.url, api_key="none")
        server.fail_next(429)
        Retrying(priced, sleep=lambda seconds: None)(MESSAGES)
        LiteLLM("openai/any-other", api_base=server.url, api_key="none")(MESSAGES)
    assert (totals.calls, totals.failed, totals.unpriced) == (3, 1, 1)
    assert (totals.prompt_tokens, totals.completion_tokens) == (4, 4)
    assert totals.usd == pytest.approx(2 * 2.5e-6 + 2 * 10e-6)
    assert totals.models["openai/gpt-4o"].calls == 2
    assert totals.seconds > 0


def test_a_budget_of_seconds_shortens_the_time_out():
    """A server that hangs is left when the time is over."""
    with ModelServer() as server, Budget(seconds=0.5) as budget:
        server.fail_next("timeout")
        model = LLM(server.url, model="slow")
        with pytest.raises(ModelError):
            model(MESSAGES)
        server.release()
    assert budget.spent.seconds < 10


def test_a_refused_connection_costs_nothing():
    """A request that did not leave is no call."""
    with ModelServer() as server:
        address = server.url
    with Budget(calls=5) as budget, pytest.raises(ModelError, match="connection failed"):
        LiteLLM("openai/any", api_base=address, api_key="none")(MESSAGES)
    assert budget.spent.calls == 0


def test_a_dollar_through_litellm_and_a_failing_server():
    """Sixteen threads through HTTP, with 429s, 500s, cut and malformed answers: what was answered is paid for."""
    rates = {"429": 0.1, "500": 0.1, "cut": 0.1, "malformed": 0.1}
    with ModelServer(lambda body: "word " * 20, failure_rates=rates, seed=3) as server:
        price = {"input_cost_per_token": 1e-4, "output_cost_per_token": 1e-3}
        inner = LiteLLM("openai/any", api_base=server.url, api_key="none", max_tokens=25, **price)
        budget = Budget(usd=1.00)
        watch = Watch(budget)
        model = Retrying(Budgeted(inner, budget), attempts=3, sleep=lambda seconds: None)

        def work(_):
            while True:
                try:
                    model(MESSAGES)
                except BudgetExceededError:
                    return
                except ModelError:
                    pass
                watch()

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
        answered = sum(1 for request in server.requests if request.failure in ("", "cut", "malformed"))
    assert watch.highest <= 10**12
    assert answered * (2e-4 + 20e-3) <= budget.spent.usd <= 1.00
    assert budget.spent.calls == len(server.requests)
