"""The second published form: values in tags, and the sets of headings and tags to choose from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from opto.optimizers import prompts
from opto.optimizers.cutting import cut_value
from opto.optimizers.formats import parse_json_answer, unfence
from opto.optimizers.forms import JSON_KEYS, PromptForm, object_schema, without_blank_code
from opto.optimizers.markers import Markers, markers
from opto.optimizers.rendering import HEADINGS, is_code, tagged_value
from opto.optimizers.tagged import extract_xml_like_data, read_tags

__all__ = ["OptimizerPromptSymbolSet", "OptimizerPromptSymbolSet2", "OptimizerPromptSymbolSetJSON"]

_NOTE = 60
"""How many characters above its limit a text may have for the note that says what is left out."""


class OptimizerPromptSymbolSet:
    """The headings and tags of a prompt, and of the answer. Change them in a subclass:

        class Symbols(OptimizerPromptSymbolSet):
            variable_tag = "parameter"
            feedback_section_title = "# Review"

        optimizer = OptoPrimeV2(parameters, optimizer_prompt_symbol_set=Symbols())

    Attributes:
        expect_json: whether the answer is a JSON object instead of tags.
    """

    instruction_section_title: ClassVar[str] = "# Instruction"
    code_section_title: ClassVar[str] = "# Code"
    documentation_section_title: ClassVar[str] = "# Documentation"
    variables_section_title: ClassVar[str] = "# Variables"
    inputs_section_title: ClassVar[str] = "# Inputs"
    others_section_title: ClassVar[str] = "# Others"
    outputs_section_title: ClassVar[str] = "# Outputs"
    feedback_section_title: ClassVar[str] = "# Feedback"

    node_tag: ClassVar[str] = "node"
    variable_tag: ClassVar[str] = "variable"
    value_tag: ClassVar[str] = "value"
    constraint_tag: ClassVar[str] = "constraint"

    reasoning_tag: ClassVar[str] = "reasoning"
    improved_variable_tag: ClassVar[str] = "variable"
    name_tag: ClassVar[str] = "name"

    expect_json: ClassVar[bool] = False

    def headings(self) -> dict[str, str]:
        """The heading of each section, in the order in which they are shown."""
        names = [name for name in HEADINGS if hasattr(self, f"{name}_section_title")]
        return {name: getattr(self, f"{name}_section_title") for name in names}

    def output_format(self) -> str:
        """What the system message says of the answer."""
        example = self.example_output("...", {"name of a variable": "its new value"})
        names = {f"{name}": heading for name, heading in self.headings().items()}
        return prompts.fill(
            "tagged_json_output.txt" if self.expect_json else "tags_output.txt",
            **names,
            format=example,
            improved_variable_tag=self.improved_variable_tag,
        )

    def example_output(self, reasoning: str, variables: Mapping[str, Any]) -> str:
        """An answer with this reasoning and these new values."""
        blocks = [f"<{self.reasoning_tag}>\n{reasoning}\n</{self.reasoning_tag}>"]
        for name, value in variables.items():
            blocks.append(
                f"<{self.improved_variable_tag}>\n"
                f"<{self.name_tag}>{name}</{self.name_tag}>\n"
                f"<{self.value_tag}>\n{value}\n</{self.value_tag}>\n"
                f"</{self.improved_variable_tag}>"
            )
        return "\n\n".join(blocks)

    def output_response_extractor(self, response: str) -> dict[str, Any]:
        """`{"reasoning": str, "variables": {name: value}}` of an answer."""
        return extract_xml_like_data(
            response,
            reasoning_tag=self.reasoning_tag,
            improved_variable_tag=self.improved_variable_tag,
            name_tag=self.name_tag,
            value_tag=self.value_tag,
        )

    def is_complete(self, response: str) -> bool:
        """Whether the last block of the answer is closed."""
        return self.read(response)[1]

    def read(self, response: str) -> tuple[dict[str, Any], bool]:
        """The new values by name, also where the form is not quite as asked for; and whether the answer is whole."""
        found = self.output_response_extractor(response)["variables"]
        tags = (self.reasoning_tag, self.improved_variable_tag, self.name_tag, self.value_tag)
        variables, complete = read_tags(response, *tags)
        found = variables or found
        if not found and "{" in response and f"<{self.improved_variable_tag}" not in response:
            whole, complete = parse_json_answer(response)  # the model took the other form
            found = whole.get("suggestion", {name: whole[name] for name in whole if name not in JSON_KEYS})
        return found if isinstance(found, dict) else {}, complete


class OptimizerPromptSymbolSet2(OptimizerPromptSymbolSet):
    """The same with shorter tags."""

    node_tag = "const"
    variable_tag = "var"
    value_tag = "data"
    reasoning_tag = "reason"
    improved_variable_tag = "var"


class OptimizerPromptSymbolSetJSON(OptimizerPromptSymbolSet):
    """Values in tags, and a JSON object with `reasoning` and `suggestion` as the answer."""

    expect_json = True

    def example_output(self, reasoning: str, variables: Mapping[str, Any]) -> str:
        """A JSON object with this reasoning and these new values."""
        return json.dumps({"reasoning": reasoning, "suggestion": dict(variables)}, indent=2, ensure_ascii=False)

    def output_response_extractor(self, response: str) -> dict[str, Any]:
        """`{"reasoning": str, "variables": {name: value}}` of an answer."""
        answer, _ = parse_json_answer(response)
        suggestion = answer.get("suggestion", {name: answer[name] for name in answer if name not in JSON_KEYS})
        return {
            "reasoning": str(answer.get("reasoning", "")),
            "variables": suggestion if isinstance(suggestion, dict) else {},
        }

    def read(self, response: str) -> tuple[dict[str, Any], bool]:
        """As in the base class, from an object."""
        found = self.output_response_extractor(response)["variables"]
        whole, complete = parse_json_answer(response)
        return found or whole or read_tags(response)[0], complete


class TagsForm(PromptForm):
    """A symbol set at work.

    Args:
        symbols: the headings and tags.
        shorten: cuts the text of values that are no variables.
        longest: how many characters of a value `shorten` gets to see at most.
        marks: what else begins a line of the prompt that has a meaning.
    """

    def __init__(
        self,
        symbols: OptimizerPromptSymbolSet,
        shorten: Callable[[str], str],
        longest: int = 1 << 62,
        *,
        marks: tuple[str, ...] = (),
    ) -> None:
        self.marks = marks
        self.symbols = symbols
        self.shorten = shorten
        self.longest = longest

    @property
    def headings(self) -> Mapping[str, str]:
        """The section titles."""
        return self.symbols.headings()

    def instructions(self) -> str:
        """The sections of a problem, the tags, and the form of the answer."""
        symbols = self.symbols
        system = prompts.fill(
            "tags_system.txt",
            **self.headings,
            node_tag=symbols.node_tag,
            variable_tag=symbols.variable_tag,
            value_tag=symbols.value_tag,
            constraint_tag=symbols.constraint_tag,
        )
        return f"{system}\n\n{symbols.output_format()}"

    separator = "\n\n"

    @property
    def markers(self) -> Markers:
        """Headings, the tags of problem and answer, and the key of a suggestion in the other form."""
        return markers((*self.headings.values(), *self.marks), self.tags, ("suggestion",))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of problem and answer."""
        symbols = self.symbols
        of_problem = (symbols.node_tag, symbols.variable_tag, symbols.value_tag, symbols.constraint_tag)
        return (*of_problem, symbols.improved_variable_tag, symbols.name_tag, symbols.reasoning_tag)

    def value(self, section: str, name: str, kind: str, text: str, said: str | None) -> str:
        """A block."""
        symbols = self.symbols
        tags = {"value_tag": symbols.value_tag, "constraint_tag": symbols.constraint_tag}
        tag = symbols.variable_tag if section == "variables" else symbols.node_tag
        return tagged_value(name, kind, text, said, tag=tag, **tags)

    def shortened(self, section: str, value: Any, limit: int) -> str:
        """The text of a value; those that are no variables are cut when they are long, by the function given."""
        if section == "variables":
            return cut_value(value, limit)
        own = self.shorten(cut_value(value, min(limit, self.longest)))
        return own if len(own) <= limit + _NOTE else cut_value(value, limit)

    def answer(self, reasoning: str, suggestion: Mapping[str, Any]) -> str:
        """An answer as the symbol set shows it."""
        return self.symbols.example_output(reasoning, suggestion)

    def suggestion(self, answer: str) -> dict[str, Any]:
        """The new values; code is taken out of its fence."""
        found, _ = self.symbols.read(answer)
        values = {
            name: unfence(text) if is_code(str(name)) and isinstance(text, str) else text
            for name, text in found.items()
        }
        return without_blank_code(values)

    def is_complete(self, answer: str) -> bool:
        """Whether every block is closed."""
        return self.symbols.is_complete(answer)

    def suggests_nothing(self, answer: str) -> bool:
        """Whether there is reasoning alone."""
        found = self.symbols.output_response_extractor(answer)
        mentions = (f"<{self.symbols.improved_variable_tag}", f"<{self.symbols.value_tag}")
        return bool(found["reasoning"]) and not found["variables"] and not any(each in answer for each in mentions)

    def unread(self, answer: str) -> str:
        """The answer without its reasoning, which talks about values."""
        if self.symbols.expect_json:
            return super().unread(answer)
        tag = self.symbols.reasoning_tag
        before, _, rest = answer.partition(f"<{tag}>")
        return before + rest.rpartition(f"</{tag}>")[2]

    def schema(self, suggestion: Mapping[str, Any]) -> dict[str, Any] | None:
        """An object, where the symbol set asks for one."""
        keys = {"reasoning": "reasoning", "suggestion": "suggestion"}
        return object_schema(keys, suggestion) if self.symbols.expect_json else None
