"""The most that a request may take, known before it is sent.

The prompt is counted by `opto.llm.tokens`, which is exact or counts too many, with an allowance for the templates that
providers wrap messages in. The answer is at most `max_tokens` long for each of the `n` choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opto.llm.prices import Price, Rates, rates_of
from opto.llm.request import canonical_text, request_data
from opto.llm.tokens import count_tokens

if TYPE_CHECKING:
    from opto.llm.model import Messages

__all__ = ["WorstCase"]

_TOKENS_A_MESSAGE = 16
_TOKENS_AN_IMAGE, _TOKENS_AN_IMAGE_MINI = (
    6_000,
    50_000,
)  # small models of OpenAI count an image for thirty times as much
_PROMPTING = ("tools", "functions", "response_format")
_UNBOUNDED = ("web_search_options", "modalities", "audio", "prediction")


class WorstCase:
    """The most tokens and money that a request may take. What is not asked for is not computed.

    Args:
        model: the name of the model.
        messages: the conversation.
        options: of the request, with those that the model adds.
    """

    def __init__(self, model: str, messages: Messages, options: Mapping[str, Any]) -> None:
        self.model, self.messages, self.options = model, messages, options
        self._rates: dict[int, Rates | None] = {}

    @cached_property
    def prompt_tokens(self) -> int:
        """The most tokens that the prompt may count."""
        texts, images = self._parts
        counted = count_tokens("\n".join(texts), self.model)
        image = _TOKENS_AN_IMAGE_MINI if "mini" in self.model else _TOKENS_AN_IMAGE
        return counted + _TOKENS_A_MESSAGE * (len(self.messages) + 1) + image * images

    @cached_property
    def completion_tokens(self) -> int | None:
        """The most tokens that the answers may count, None where nothing limits them."""
        limits = [self.options.get(name) for name in ("max_tokens", "max_completion_tokens")]
        stated = [limit for limit in limits if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0]
        choices = self.options.get("n") or 1
        return max(stated) * int(choices) if stated else None

    @cached_property
    def tokens(self) -> int | None:
        """The most tokens in all, None where nothing limits them."""
        return None if self.completion_tokens is None else self.prompt_tokens + self.completion_tokens

    def rates(self, prices: Mapping[str, Price] | None = None) -> Rates | None:
        """The prices that apply, None where they are not known."""
        if id(prices) not in self._rates:
            rates = rates_of(self.model, self.options, prices=prices)
            if rates is not None:  # else its prompt need not be counted, which may load a tokenizer
                rates = rates_of(self.model, self.options, prompt_tokens=self.prompt_tokens, prices=prices)
            self._rates[id(prices)] = rates
        return self._rates[id(prices)]

    def pico_usd(self, prices: Mapping[str, Price] | None = None) -> int | None:
        """The most money, in 1e-12 dollars; None where a price or `max_tokens` is missing."""
        rates = self.rates(prices)
        if rates is None or self.completion_tokens is None:
            return None
        return rates.highest.pico_usd(self.prompt_tokens, self.completion_tokens)

    def obstacle(self, prices: Mapping[str, Price] | None = None, *, money: bool) -> str | None:
        """Why the request has no known worst case and what to set, None when it has one."""
        if self.completion_tokens is None:
            return "the request says no max_tokens: set it, such as LLM(..., max_tokens=1000)"
        if money and self.rates(prices) is None:
            return (
                f"the price of {self.model!r} is not known: give it in dollars a million tokens, "
                f"Budget(prices={{{self.model!r}: (input, output)}}), or 0 for a model that costs nothing"
            )
        asked = [name for name in _UNBOUNDED if self.options.get(name)]
        if asked:
            return f"the option {asked[0]!r} has costs that nothing limits: leave it out"
        return self._odd_part

    @cached_property
    def _parts(self) -> tuple[list[str], int]:
        """The texts of the prompt and how many images it has."""
        texts, images = [], 0
        for message in self.messages:
            rest = {name: value for name, value in message.items() if name != "content"}
            texts.append(canonical_text(request_data([rest], {})["messages"][0]))
            content = message.get("content")
            for part in content if isinstance(content, (list, tuple)) else [content]:
                if isinstance(part, Mapping) and _is_image(part):
                    images += 1
                elif part is not None:
                    texts.append(str(part.get("text", "")) if isinstance(part, Mapping) else str(part))
        extra = {name: self.options[name] for name in _PROMPTING if self.options.get(name) is not None}
        if extra:
            texts.append(canonical_text(request_data([], extra)["options"]))
        return texts, images

    @cached_property
    def _odd_part(self) -> str | None:
        for position, message in enumerate(self.messages):
            content = message.get("content")
            for part in content if isinstance(content, (list, tuple)) else ():
                if isinstance(part, Mapping) and part.get("type", "text") != "text" and not _is_image(part):
                    return (
                        f"messages[{position}] has a part of type {part.get('type')!r}, whose tokens cannot be "
                        "counted beforehand: only text and images can"
                    )
        return None


def _is_image(part: Mapping[str, Any]) -> bool:
    return part.get("type") in ("image", "image_url", "input_image")
