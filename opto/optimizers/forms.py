"""The forms in which a problem is put to a model and its answer is read: one object does both."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opto.optimizers import prompts
from opto.optimizers.cutting import UNLIMITED, cut, cut_value
from opto.optimizers.fitting import Source, whole
from opto.optimizers.formats import parse_json_answer
from opto.optimizers.markers import Markers, markers
from opto.optimizers.problem import FunctionFeedback
from opto.optimizers.rendering import HEADINGS, ProblemInstance, is_code, value_line
from opto.optimizers.tagged import read_tags

if TYPE_CHECKING:
    from opto.optimizers.problem import Facts
__all__ = [
    "JSON_KEYS",
    "JSONForm",
    "PromptForm",
    "checked_names",
    "object_schema",
    "replace_headings",
    "without_blank_code",
]

NUMBERS = frozenset({int, float, bool, type(None)})

JSON_KEYS: Mapping[str, str] = {name: name for name in ("reasoning", "answer", "suggestion")}
"""The published keys of a JSON answer."""


class PromptForm(ABC):
    """How a problem is written for a model, what answer is asked for, and how that is read."""

    @property
    @abstractmethod
    def headings(self) -> Mapping[str, str]:
        """The heading of each section of a problem, by the names and in the order of `HEADINGS`."""

    @abstractmethod
    def instructions(self) -> str:
        """The system message: what a problem consists of, and how to answer."""

    separator = "\n"
    """What stands between two values."""

    @abstractmethod
    def value(self, section: str, name: str, kind: str, text: str, said: str | None) -> str:
        """One value of a section: its name, its type or "code", its text, and what is said of it."""

    @property
    @abstractmethod
    def markers(self) -> Markers:
        """What gives its prompts and answers their structure."""

    def inert(self, text: str) -> str:
        """A text from outside, which cannot pass for structure."""
        return self.markers.inert(text)

    def shortened(self, section: str, value: Any, limit: int) -> str:
        """The text of a value in about `limit` characters."""
        return cut_value(value, limit)

    def values(self, facts: Facts, section: str) -> str:
        """The text of the values of a section."""
        return self.separator.join(self.written(facts, section))

    def written(self, facts: Facts, section: str, limit: int = UNLIMITED) -> Iterator[str]:
        """The text of each value of a section, in about `limit` characters each."""
        write, shortened, inert = self.value, self.shortened, self.markers.inert
        for name, (value, said) in facts.items():
            kind = type(value)
            if said:
                said = inert(cut(said, limit))
            if "__code" in name and is_code(name):
                yield write(section, name, "code", inert(cut(str(value), limit)), said)
            elif kind in NUMBERS:
                yield write(section, name, kind.__name__, shortened(section, value, limit), said)
            else:
                yield write(section, name, kind.__name__, inert(shortened(section, value, limit)), said)

    @abstractmethod
    def answer(self, reasoning: str, suggestion: Mapping[str, Any]) -> str:
        """An answer as a model should write it, for the example."""

    @abstractmethod
    def suggestion(self, answer: str) -> dict[str, Any]:
        """The new values by name in an answer, {} when there are none."""

    @abstractmethod
    def is_complete(self, answer: str) -> bool:
        """Whether the answer was not cut off."""

    @abstractmethod
    def suggests_nothing(self, answer: str) -> bool:
        """Whether the answer is well formed and says on purpose that nothing should change."""

    def unread(self, answer: str) -> str:
        """What of an answer without values may hold some in another form; "" when it says that nothing changes."""
        return "" if self.suggests_nothing(answer) else answer

    def schema(self, suggestion: Mapping[str, Any]) -> dict[str, Any] | None:
        """The JSON schema of a whole answer with a suggestion by the given one; None where answers are no JSON."""
        return None

    def problem(self, summary: FunctionFeedback, objective: str, mask: Iterable[str] | None = None) -> ProblemInstance:
        """The problem in words, whole."""
        draft = self.draft(summary, objective, mask)
        return whole(draft) or draft

    def draft(self, summary: FunctionFeedback, objective: str, mask: Iterable[str] | None = None) -> ProblemInstance:
        """The problem before it is put into words: it knows its source, and its sections are blank."""
        blank = dict.fromkeys(set(HEADINGS) - {"instruction"}, "")
        instruction = replace_headings(objective, self.headings)
        source = Source(summary, self)
        return ProblemInstance(instruction, **blank, headings=self.headings, source=source).masked(mask)

    def example(self, objective: str) -> str:
        """A solved problem in this form, to stand before the real one."""
        solved = json.loads(prompts.load("example_problem.txt"))
        facts = {
            part: {name: (value, said) for name, (value, said) in solved[part].items()}
            for part in ("variables", "inputs", "others", "output")
        }
        summary = FunctionFeedback(
            graph=[(level, call) for level, call in solved["graph"]],
            documentation=solved["documentation"],
            roots={**facts["variables"], **facts["inputs"]},
            user_feedback=solved["user_feedback"],
            **facts,
        )
        response = self.answer(solved["reasoning"], solved["suggestion"])
        return prompts.fill("example.txt", problem=self.problem(summary, objective), response=response) + "\n\n"


class JSONForm(PromptForm):
    """The first published form: a line for each value, and a JSON object as the answer.

    Args:
        headings: other headings, by section.
        keys: other names of the keys of the answer; None drops `reasoning` or `answer`.
        marks: what else begins a line of the prompt that has a meaning.
    """

    def __init__(
        self, headings: Mapping[str, str], keys: Mapping[str, str | None], marks: tuple[str, ...] = ()
    ) -> None:
        self._headings = dict(headings)
        self._marks = marks
        self.keys = dict(keys)

    @property
    def headings(self) -> Mapping[str, str]:
        """As given."""
        return self._headings

    def instructions(self) -> str:
        """The sections of a problem, and the keys of the answer."""
        described = json.loads(prompts.load("json_keys.txt"))
        wanted = {key: described[name] for name, key in self.keys.items() if key is not None}
        output = prompts.fill(
            "json_output.txt",
            format=json.dumps(wanted, indent=2, ensure_ascii=False),
            suggestion=self.keys["suggestion"],
        )
        return replace_headings(f"{prompts.load('json_system.txt')}\n\n{output}", self._headings)

    @property
    def markers(self) -> Markers:
        """Headings, lines of values, the suggestion's key, and the tag that answers in the other form have."""
        return markers(
            (*self._headings.values(), *self._marks),
            ("variable", "reasoning", "name", "value"),
            (str(self.keys["suggestion"]), "suggestion"),
        )

    def value(self, section: str, name: str, kind: str, text: str, said: str | None) -> str:
        """A line; what is said of it stands in another section."""
        return value_line(name, kind, text)

    def answer(self, reasoning: str, suggestion: Mapping[str, Any]) -> str:
        """A JSON object with the keys in use."""
        values = {"reasoning": reasoning, "answer": "", "suggestion": suggestion}
        answer = {key: values[name] for name, key in self.keys.items() if key is not None}
        return json.dumps(answer, indent=2, ensure_ascii=False)

    def suggestion(self, answer: str) -> dict[str, Any]:
        """The object under the suggestion key, or the whole object when there is no such key or no object under it."""
        whole, _ = self._parsed(answer)
        suggestion = whole.get(str(self.keys["suggestion"]), whole)
        if not whole:
            suggestion, _ = read_tags(answer)  # the model took the other form
        return without_blank_code(suggestion if isinstance(suggestion, dict) else whole)

    def is_complete(self, answer: str) -> bool:
        """Whether the object is closed."""
        return self._parsed(answer)[1]

    def suggests_nothing(self, answer: str) -> bool:
        """Whether there is an object with an empty suggestion, or with none."""
        whole, _ = self._parsed(answer)
        key = str(self.keys["suggestion"])
        return not whole[key] if key in whole else bool(whole) and set(whole) <= set(self.keys.values())

    def schema(self, suggestion: Mapping[str, Any]) -> dict[str, Any] | None:
        """An object with the keys in use."""
        return object_schema({key: name for name, key in self.keys.items() if key is not None}, suggestion)

    def _parsed(self, answer: str) -> tuple[dict[str, Any], bool]:
        return parse_json_answer(answer, [str(self.keys["suggestion"])])


def object_schema(keys: Mapping[str, str], suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with texts, and the suggestion under the key that stands for it.

    Args:
        keys: what each key stands for: "suggestion", or another word for a text.
        suggestion: the schema of the suggestion.
    """
    inner = {key: part for key, part in suggestion.items() if key != "$defs"}
    fields = {key: inner if part == "suggestion" else {"type": "string"} for key, part in keys.items()}
    schema = {"type": "object", "properties": fields, "required": list(keys), "additionalProperties": False}
    return {**schema, "$defs": suggestion["$defs"]} if "$defs" in suggestion else schema


def without_blank_code(suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """The suggestion without code variables that are blank text."""
    return {
        name: value
        for name, value in suggestion.items()
        if not (is_code(name) and isinstance(value, str) and not value.strip())
    }


def replace_headings(text: str, headings: Mapping[str, str]) -> str:
    """The text with the published headings replaced by those given, by section."""
    renamed = {HEADINGS[name]: heading for name, heading in headings.items() if heading != HEADINGS[name]}
    if not renamed:
        return text
    pattern = "|".join(rf"{re.escape(heading)}\b" for heading in renamed)
    return re.sub(pattern, lambda match: renamed[match.group()], text)


def checked_names(argument: str, given: Mapping[str, Any] | None, defaults: Mapping[str, Any], *droppable: str) -> Any:
    """The names to use: those given, over the defaults.

    Raises:
        ValueError: a key is none of the defaults.
        TypeError: a name is no text; None is allowed for the `droppable` keys.
    """
    for name, value in (given or {}).items():
        if name not in defaults:
            raise ValueError(f"{argument} has the keys {', '.join(defaults)}, got {name!r}.")
        if not isinstance(value, str) and not (value is None and name in droppable):
            raise TypeError(f"{argument}[{name!r}] must be a str{' or None' * (name in droppable)}, got {value!r}.")
    return {**defaults, **(given or {})}
