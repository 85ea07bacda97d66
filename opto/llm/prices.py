"""What models cost: the price list that LiteLLM brings along, and prices that the user gives.

The list is read from LiteLLM's file without importing LiteLLM; once a program has imported it, its list in memory
counts, with what the program has registered there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["PICO", "Price", "PriceLike", "Rates", "cost", "rates_of"]

PICO = 10**12
"""Money is counted in whole millionths of a millionth of a dollar, so that sums are exact."""

_LIST = "model_prices_and_context_window_backup.json"
_THRESHOLD = re.compile(r"_above_(\d+)k_tokens$")
_MILLION = 1e6


@dataclass(frozen=True)
class Price:
    """What a model costs, in US dollars: a million tokens of input, a million tokens of output, and one request."""

    input: float
    output: float
    request: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input", "output", "request"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be a price in dollars >= 0, got {value!r}")

    @classmethod
    def of(cls, price: PriceLike) -> Price:
        """A price from a `Price`, a pair (input, output), or 0 for a model that costs nothing."""
        if isinstance(price, Price):
            return price
        if isinstance(price, (tuple, list)) and len(price) in (2, 3):
            return cls(*price)
        if price == 0:
            return cls(0.0, 0.0)
        raise ValueError(f"a price must be a Price, (input, output) in dollars a million tokens, or 0, got {price!r}")

    def pico_usd(self, prompt_tokens: int, completion_tokens: int) -> int:
        """What that many tokens cost in one request, in 1e-12 dollars, rounded up."""
        return prompt_tokens * _pico(self.input) + completion_tokens * _pico(self.output) + _up(self.request * PICO)


PriceLike: TypeAlias = "Price | tuple[float, float] | int"
"""A `Price`, a pair (input, output) in dollars a million tokens, or 0."""


@dataclass(frozen=True)
class Rates:
    """The prices of one request: the usual one, and the highest that may apply (cache writes, reasoning, tiers)."""

    usual: Price
    highest: Price


def rates_of(
    model: str,
    options: Mapping[str, Any] | None = None,
    *,
    prompt_tokens: int = 0,
    prices: Mapping[str, Price] | None = None,
) -> Rates | None:
    """What a request to a model costs; None where nobody knows.

    Args:
        model: its name.
        options: of the request. `input_cost_per_token` and `output_cost_per_token` are prices (LiteLLM's way of giving
            them), `service_tier` may choose a dearer one.
        prompt_tokens: the size of the request; some models are dearer above a size.
        prices: by name of model; they go before everything else.
    """
    options = options or {}
    if prices and model in prices:
        return Rates(prices[model], prices[model])
    given = (options.get("input_cost_per_token"), options.get("output_cost_per_token"))
    if None not in given:
        price = Price(float(given[0]) * _MILLION, float(given[1]) * _MILLION)  # type: ignore[arg-type]
        return Rates(price, price)
    entry = _entry(model)
    if entry is None or _number(entry, "input_cost_per_token") is None:
        return None
    return _rates(entry, options, prompt_tokens)


def cost(
    model: str, prompt_tokens: int, completion_tokens: int, options: Mapping[str, Any] | None = None
) -> float | None:
    """The dollars that an exchange of this size usually costs, None where the price is not known."""
    rates = rates_of(model, options, prompt_tokens=prompt_tokens)
    return None if rates is None else rates.usual.pico_usd(prompt_tokens, completion_tokens) / PICO


def _rates(entry: Mapping[str, Any], options: Mapping[str, Any], prompt_tokens: int) -> Rates | None:
    endings = ["", *(ending for ending in _size_endings(entry) if prompt_tokens > _size(ending))]
    if options.get("service_tier") not in (None, "default", "standard_only"):
        tiers = ("_priority", f"_{options['service_tier']}")
        endings += [ending + tier for ending in endings for tier in tiers]
    usual_input, usual_output = (_highest(entry, f"{way}_cost_per_token", endings) for way in ("input", "output"))
    if usual_input is None or usual_output is None:
        return None
    cache_write = _highest(entry, "cache_creation_input_token_cost", [*endings, "_above_1hr"]) or 0.0
    image = _highest(entry, "input_cost_per_image_token", endings) or 0.0
    reasoning = _highest(entry, "output_cost_per_reasoning_token", endings) or 0.0
    request = (_number(entry, "input_cost_per_request") or 0.0) + _search(entry)
    return Rates(
        Price(usual_input * _MILLION, usual_output * _MILLION, request),
        Price(max(usual_input, cache_write, image) * _MILLION, max(usual_output, reasoning) * _MILLION, request),
    )


def _entry(model: str) -> Mapping[str, Any] | None:
    listed = _listed()
    if model in listed:
        return listed[model]
    provider, _, name = model.partition("/")
    entry = listed.get(name)
    return entry if entry is not None and entry.get("litellm_provider") == provider else None


def _listed() -> Mapping[str, Mapping[str, Any]]:
    loaded = getattr(sys.modules.get("litellm"), "model_cost", None)
    return loaded if loaded else _packaged()


@cache
def _packaged() -> Mapping[str, Mapping[str, Any]]:
    found = find_spec("litellm")
    folders = () if found is None else found.submodule_search_locations or ()
    for folder in folders:
        if (path := Path(folder, _LIST)).exists():
            return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    return {}


def _size_endings(entry: Mapping[str, Any]) -> set[str]:
    return {found.group() for name in entry if (found := _THRESHOLD.search(name))}


def _size(ending: str) -> int:
    found = _THRESHOLD.search(ending)
    return int(found.group(1)) * 1000 if found else 0


def _highest(entry: Mapping[str, Any], name: str, endings: list[str]) -> float | None:
    values = [value for ending in endings if (value := _number(entry, name + ending)) is not None]
    return max(values, default=None)


def _number(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _search(entry: Mapping[str, Any]) -> float:
    """What a model that searches with every request asks for that."""
    costs = entry.get("search_context_cost_per_query")
    if entry.get("litellm_provider") != "perplexity" or not isinstance(costs, Mapping):
        return 0.0
    return max((float(value) for value in costs.values()), default=0.0)


def _pico(dollars_a_million: float) -> int:
    return _up(dollars_a_million * (PICO / _MILLION))


def _up(value: float) -> int:
    """Rounded up, but not for the last bits of a float."""
    near = round(value)
    return near if abs(near - value) < 1e-6 * max(1.0, value) else int(value) + 1
