"""OptoPrimeV2: the same optimizer with values in tags, so that text and code need no escaping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opto.optimizers.formats import strip_thinking
from opto.optimizers.forms import PromptForm
from opto.optimizers.optoprime import OptoPrime
from opto.optimizers.rendering import truncate_expression
from opto.optimizers.symbols import (
    OptimizerPromptSymbolSet,
    OptimizerPromptSymbolSet2,
    OptimizerPromptSymbolSetJSON,
    TagsForm,
)
from opto.optimizers.tagged import extract_xml_like_data

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = [
    "OptimizerPromptSymbolSet",
    "OptimizerPromptSymbolSet2",
    "OptimizerPromptSymbolSetJSON",
    "OptoPrimeV2",
    "extract_xml_like_data",
    "truncate_expression",
]


class OptoPrimeV2(OptoPrime):
    """`OptoPrime` in its second published form: variables stand in tags, in the prompt and in the answer.

    Args:
        parameters: the `ParameterNode`s to optimize.
        llm: see `OptoPrime`.
        *args: not used.
        max_tokens: the longest answer.
        initial_var_char_limit: how many characters of an input, an intermediate result or an output are shown.
            Variables are never cut.
        optimizer_prompt_symbol_set: the headings and tags, and the form of the answer.
        truncate_expression: `(value, limit) -> str` that cuts a long value.
        use_json_object_format: ask the model's interface for a JSON object; by default if the symbol set expects one.
        **kwargs: the other options of `OptoPrime`; `prompt_symbols` and `json_keys` have no meaning here.
    """

    def __init__(
        self,
        parameters: Iterable[ParameterNode[Any]],
        llm: Any = None,
        *args: Any,
        max_tokens: int = 8192,
        initial_var_char_limit: int = 2000,
        optimizer_prompt_symbol_set: OptimizerPromptSymbolSet | None = None,
        truncate_expression: Callable[[Any, int], str] = truncate_expression,
        use_json_object_format: bool | None = None,
        **kwargs: Any,
    ) -> None:
        symbols = OptimizerPromptSymbolSet() if optimizer_prompt_symbol_set is None else optimizer_prompt_symbol_set
        if not isinstance(symbols, OptimizerPromptSymbolSet):
            raise TypeError(f"optimizer_prompt_symbol_set must be an OptimizerPromptSymbolSet, got {symbols!r}.")
        as_json = symbols.expect_json if use_json_object_format is None else use_json_object_format
        super().__init__(parameters, llm, *args, max_tokens=max_tokens, use_json_object_format=as_json, **kwargs)
        self.optimizer_prompt_symbol_set = symbols
        self.initial_var_char_limit = initial_var_char_limit
        self.truncate_expression = truncate_expression

    @property
    def form(self) -> PromptForm:
        """The symbol set at work."""
        return TagsForm(self.optimizer_prompt_symbol_set, self._shorten)

    def extract_llm_suggestion(self, response: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """`{"reasoning": str, "variables": {name: value}}` of an answer."""
        answer = strip_thinking(response)
        found = self.optimizer_prompt_symbol_set.output_response_extractor(answer)
        return {**found, "variables": self.form.suggestion(answer)}

    def _suggested(self, text: str) -> Mapping[str, Any]:
        return self.extract_llm_suggestion(text)["variables"]  # type: ignore[no-any-return]

    def _question(self, summary: Any) -> str:
        question = super()._question(summary)
        return question if question.startswith("Your") else f"{question}\n\nYour response:"

    def _shorten(self, text: str) -> str:
        return self.truncate_expression(text, self.initial_var_char_limit)
