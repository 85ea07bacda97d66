"""What models cost."""

import subprocess
import sys

import pytest

from opto.llm import Price
from opto.llm.prices import cost, rates_of


def test_prices_of_the_list():
    """By LiteLLM's name, with or without the provider."""
    assert rates_of("gpt-4o").usual == rates_of("openai/gpt-4o").usual == Price(2.5, 10)
    assert rates_of("anthropic/claude-sonnet-4-5").usual == Price(3, 15)
    assert rates_of("ollama/llama3").usual == Price(0, 0)
    assert rates_of("azure_ai/gpt-4o-of-nobody") is None
    assert rates_of("anthropic/gpt-4o") is None
    assert rates_of("nonsense") is None


def test_a_highest_price_allows_for_surcharges():
    """Writing to a prompt cache may be dearer than reading a prompt."""
    assert rates_of("claude-sonnet-4-5").highest.input == pytest.approx(6)


def test_long_prompts_may_be_dearer():
    """Above a size another price applies."""
    model = "gemini/gemini-2.5-pro"
    assert rates_of(model, prompt_tokens=200_000).usual == Price(1.25, 10)
    assert rates_of(model, prompt_tokens=200_001).usual == Price(2.5, 15)


def test_tiers_may_be_dearer():
    """A tier that is asked for counts with the highest price that it may have."""
    assert rates_of("gpt-4o", {"service_tier": "priority"}).usual == Price(4.25, 17)
    assert rates_of("gpt-4o", {"service_tier": "default"}).usual == Price(2.5, 10)


def test_given_prices_go_first():
    """Those of the user, then those of the request, then the list."""
    own = {"gpt-4o": Price(1, 1)}
    assert rates_of("gpt-4o", prices=own).usual == Price(1, 1)
    options = {"input_cost_per_token": 2e-6, "output_cost_per_token": 3e-6}
    assert rates_of("gpt-4o", options).usual == Price(2, 3)


def test_money_is_exact():
    """Sums of small prices are whole numbers."""
    assert Price(0.15, 0.6).pico_usd(1, 1) == 750_000
    assert Price(0.15, 0.6, request=0.01).pico_usd(1_000_000, 0) == 160_000_000_000
    assert cost("gpt-4o-mini", 1_000_000, 1_000_000) == 0.75
    assert cost("nonsense", 1, 1) is None


@pytest.mark.parametrize("wrong", [-1, "1", float("nan"), True])
def test_wrong_prices(wrong):
    """They are refused by name."""
    with pytest.raises(ValueError, match="output must be a price"):
        Price(1, wrong)


def test_reading_the_list_does_not_import_litellm():
    """It is read from its file."""
    program = "import sys; from opto.llm.prices import cost; print(cost('gpt-4o', 1000, 0), 'litellm' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True
    )
    assert run.stdout.split() == ["0.0025", "False"], run.stderr
