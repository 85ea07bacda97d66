"""Reading a request: which variables it names, with which values, and what it says of them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Call", "Task", "Variable", "is_rejected", "past_values", "read_task", "texts_of", "value_of"]


@dataclass(frozen=True)
class Variable:
    """A value to be improved: its name ("" where it has none), its kind, its text, and what is said of it."""

    name: str
    kind: str
    text: str
    constraint: str = ""

    @property
    def is_code(self) -> bool:
        """Whether the value is the source of a function."""
        return self.kind == "code" or self.name.startswith("__code") or bool(_FUNCTION.search(self.text))

    @property
    def is_number(self) -> bool:
        """Whether the value is a number; a truth value is none."""
        return (
            not self.is_code and self.kind not in ("bool", "list", "dict") and _NUMBER.fullmatch(self.text) is not None
        )


@dataclass(frozen=True)
class Call:
    """One line of the shown run: `result = function(parameter=argument, ...)`."""

    result: str
    function: str
    arguments: Mapping[str, str]


@dataclass
class Task:
    """What a request says.

    Attributes:
        variables: what may be changed.
        feedback: what was said of the present values.
        history: past values by name with what was said of them, the oldest first.
        calls: the run, where it is shown.
        values: other values of the run by name.
        rejected: values by name, as texts, that were tried and are not to be proposed again.
    """

    variables: list[Variable] = field(default_factory=list)
    feedback: str = ""
    history: list[tuple[dict[str, str], str]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    rejected: list[dict[str, str]] = field(default_factory=list)

    @property
    def all_feedback(self) -> list[str]:
        """Everything that was said, the oldest first."""
        return [said for _, said in self.history if said] + [self.feedback]


_FUNCTION = re.compile(r"^\s*(async )?def \w+\(", re.MULTILINE)
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*", re.IGNORECASE)
_SECTIONS = (
    "instruction",
    "code",
    "documentation",
    "variables",
    "parameters",
    "constraints",
    "inputs",
    "others",
    "outputs",
    "solutions",
    "feedback",
)
_HEADING = re.compile(rf"^#+ ?({'|'.join(_SECTIONS)})[ :]*$", re.MULTILINE | re.IGNORECASE)
_LINE = re.compile(r"^\((\w+)\) ([\w/:.\[\]]+?) ?(?:=|:) ?", re.MULTILINE)
_BLOCK = re.compile(r'<(\w+) name="([^"]+)" type="([^"]+)">\s*<(\w+)>\n?(.*?)\n?</\4>(.*?)</\1>', re.DOTALL)
_CALL = re.compile(r"^(\w+) = ([\w.]+)\((.*)\)$", re.MULTILINE)
_ARGUMENT = re.compile(r"(\w+)=([\w/]+)")
_LABEL = re.compile(r"^([A-Z][^\n<>:]{2,160}):[ \t]*$", re.MULTILINE)
_TARGET = re.compile(r"\b(?:input|variable|parameter|argument) (\w+)\.?\s*$")
_ONE_CALL = re.compile(r"\b(\w+) = ([\w.]+)\(([^\n]*)\)[ \t]*$", re.MULTILINE)
_RULED_OUT = re.compile(r"\b(?:do not|don't|never) (?:propose|suggest|repeat|try|use)\b[^\n]*", re.IGNORECASE)
_FENCE = re.compile(r"^```[ \t]*\n(.*?)\n?^```[ \t]*$", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^# Example \d+[ \t]*$", re.MULTILINE)
_SUBHEADING = re.compile(r"^## ([^\n]+)$", re.MULTILINE)
_TAG = re.compile(r"<([A-Za-z_]+)>(.*?)</\1>", re.DOTALL)


def texts_of(messages: Sequence[Mapping[str, Any]], role: str = "") -> list[str]:
    """The texts of the messages, of one role if asked."""
    return [_content(each.get("content")) for each in messages if not role or each.get("role") == role]


def _content(content: Any) -> str:
    if isinstance(content, (list, tuple)):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return "" if content is None else str(content)


def read_task(messages: Sequence[Mapping[str, Any]]) -> Task:
    """The task of a request: the first of the known ways of writing one that fits its user messages."""
    asked = [text for text in texts_of(messages, "user") if text] or texts_of(messages)
    for reader in (_fenced, _headed, _records, _labelled, _tagged):
        for text in asked:
            task = reader(text)
            if task.variables:
                task.rejected = [each for said in asked for each in _rejected(said, task.variables)]
                return task
    return Task(feedback="\n".join(asked))


def value_of(text: str) -> Any:
    """The Python value that a text writes, or the text."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def is_rejected(task: Task, variable: Variable, text: str) -> bool:
    """Whether the request says of a value that it is not to be proposed again."""
    return any(_is_written(text, each[variable.name]) for each in task.rejected if variable.name in each)


def past_values(task: Task, variable: Variable) -> list[tuple[str, str]]:
    """The values that a variable had, each with what was said, the oldest first and the present one last."""
    past = [(values[variable.name], said) for values, said in task.history if variable.name in values]
    present = (variable.text, task.feedback)
    return [*past, present] if not past or past[-1] != present else past


# ---- values that are not to be proposed again


def _rejected(text: str, variables: Sequence[Variable]) -> Iterator[dict[str, str]]:
    """Values as `name = value`, each list of them with a line `-> what was said`, behind words that rule them out."""
    said = _RULED_OUT.search(text)
    if said is None:
        return
    names = "|".join(re.escape(each.name) for each in variables)
    for tried in re.split(r"^->.*$", text[said.end() :], flags=re.MULTILINE)[:-1]:
        found = [*_parts(re.compile(rf"^({names}) = ", re.MULTILINE), tried)]
        if found:
            yield {match[1]: value.strip() for match, value in found}


def _is_written(value: str, text: str) -> bool:
    """Whether a text writes the value, in quotes or not, whole or with its middle left out."""
    head, cut, tail = text.partition(" characters left out)... ")
    if cut:
        head = head[: head.rfind(" ...(")]
        return any(each.startswith(head) and each.endswith(tail) for each in (value, repr(value)))
    known = value_of(text)
    return value_of(value) == known or value.strip() == str(known).strip()


# ---- headed sections, with values on lines or in tags


def _headed(text: str) -> Task:
    sections = [(match[1].lower(), body.strip("\n")) for match, body in _parts(_HEADING, text)]
    task = Task()
    said: dict[str, str] = {}
    for name, body in sections:
        if name in ("variables", "parameters"):
            if task.variables and task.feedback:
                task.history.append(({each.name: each.text for each in task.variables}, task.feedback))
            task.variables, task.feedback = _with_constraints(_values(body)), ""
        elif name == "feedback":
            task.feedback = _without_closing(body)
        elif name == "solutions":
            task.history = [*_solutions(body)]
        elif name == "constraints":
            said = {each.name: each.text for each in _values(body)}
        elif name == "code":
            task.calls = [Call(m[1], m[2], dict(_ARGUMENT.findall(m[3]))) for m in _CALL.finditer(body)]
        elif name in ("inputs", "others", "outputs"):
            task.values.update({each.name: value_of(each.text) for each in _values(body)})
    task.variables = [
        Variable(each.name, each.kind, each.text, each.constraint or said.get(each.name, "")) for each in task.variables
    ]
    names = {each.name for each in task.variables}
    task.history += [(values, words) for values, words in _tried(text) if values.keys() <= names]
    return task


def _with_constraints(values: Iterator[Variable]) -> list[Variable]:
    """The variables; what follows a second time under the name of one is said of it."""
    found: dict[str, Variable] = {}
    for each in values:
        first = found.get(each.name)
        found[each.name] = each if first is None else Variable(first.name, first.kind, first.text, each.text)
    return [*found.values()]


def _without_closing(body: str) -> str:
    """The section without what leads on to the answer, to proposals or to the next problem."""
    body = re.split(r"\n</\w+>", body)[0]
    kept: list[str] = []
    for paragraph in body.split("\n\n"):
        if kept and re.search(r"^=+$|[:?]$", paragraph.strip()):
            break
        kept.append(paragraph)
    return "\n\n".join(kept).strip()


def _solutions(body: str) -> Iterator[tuple[dict[str, str], str]]:
    """Numbered solutions: what was said of each, and its values."""
    for part in re.split(r"^(?=\w+ \d+[,:.] )", body, flags=re.MULTILINE):
        first = _BLOCK.search(part) or _LINE.search(part)
        if first:
            values = {each.name: each.text for each in _values(part[first.start() :].rstrip())}
            yield values, part[: first.start()].strip()


def _values(body: str) -> Iterator[Variable]:
    blocks = [*_BLOCK.finditer(body)]
    if blocks:
        for block in blocks:
            constraint = re.sub(r"</?\w+>", "", block[6]).strip()
            yield Variable(block[2], block[3], block[5], constraint)
        return
    for line, rest in _parts(_LINE, body):
        yield Variable(line[2], line[1], rest.rstrip("\n"))


def _parts(pattern: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each match, with the text behind it up to the next one."""
    found = [*pattern.finditer(text)]
    ends = [match.start() for match in found[1:]] + [len(text)]
    for match, end in zip(found, ends[: len(found)], strict=True):
        yield match, text[match.end() : end]


# ---- a value between backticks, and examples of what became of it between others


def _fenced(text: str) -> Task:
    """One value, and numbered examples with headings: its name, the run and what was said, as far as they are there.

    What is said of values and calls is read in the first example that shows a run: the others run the same program.
    """
    value, *rest = [match[1] for match in _FENCE.finditer(text)] or [""]
    shown = next((body for body in rest if _EXAMPLE.search(body)), None)
    if shown is None:
        return Task()
    task, name = Task(), ""
    for example in _EXAMPLE.split(shown)[1:]:
        for heading, body in _parts(_SUBHEADING, example):
            said = body.strip()
            if re.search("feedback", heading[1], re.IGNORECASE):
                task.feedback = f"{task.feedback}\n{said}".strip()
            elif re.search("component|parameter|variable", heading[1], re.IGNORECASE):
                name = said
            elif not task.calls and _CALL.search(said):
                task.calls = [Call(m[1], m[2], dict(_ARGUMENT.findall(m[3]))) for m in _CALL.finditer(said)]
                task.values = {each.name: value_of(each.text.split("\n")[0]) for each in _values(said)}
    kind = "code" if _FUNCTION.search(value) else type(value_of(value)).__name__
    task.variables = [Variable(name, kind, value)]
    return task


# ---- JSON records of values and what was said of them


def _records(text: str) -> Task:
    tried = [*_tried(text)]
    if not tried:
        return Task()
    *history, (values, feedback) = tried
    variables = [Variable(name, type(value_of(value)).__name__, value) for name, value in values.items()]
    return Task(variables, feedback, history)


def _tried(text: str) -> Iterator[tuple[dict[str, str], str]]:
    """Values by name and what was said of them, from each JSON object that holds both."""
    for record in _objects(text):
        named = next((value for value in record.values() if isinstance(value, dict) and value), {})
        rest = [str(value) for value in record.values() if not isinstance(value, dict)]
        if named and rest and not any(isinstance(value, dict) for value in named.values()):
            yield (
                {name: value if isinstance(value, str) else repr(value) for name, value in named.items()},
                "\n".join(rest),
            )


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(strict=False)
    place = text.find("{")
    while place >= 0:
        try:
            value, place = decoder.raw_decode(text, place)
            if isinstance(value, dict):
                yield value
        except ValueError:
            place += 1
        place = text.find("{", place)


# ---- labelled paragraphs, with values in tags


def _labelled(text: str) -> Task:
    parts = [(match[1].lower(), body.strip()) for match, body in _parts(_LABEL, text)]
    shown = {each.name: each for each in _values(text)} if _BLOCK.search(text) else {}
    target = _TARGET.search(text.rstrip())
    task = Task()
    if target and target[1] in shown:
        task.variables = [shown[target[1]]]
        task.calls = [Call(m[1], m[2], dict(_ARGUMENT.findall(m[3]))) for m in _ONE_CALL.finditer(text)]
        task.values = {name: value_of(each.text) for name, each in shown.items() if name != target[1]}
    elif not target:
        task.variables = [*shown.values()][:1]
    for label, body in parts:
        if not re.search("criticism|feedback|gradient", label):
            continue
        if re.search("earlier|past|previous", label):
            task.history.append(({}, _without_closing(body)))
        else:
            task.feedback = _without_closing(body)
    return task


# ---- one variable in tags


def _tagged(text: str) -> Task:
    blocks = [(match[1].lower(), match[2].strip()) for match in _all_tags(text)]

    def first(*words: str) -> str:
        return next((body for tag, body in blocks for word in words if word in tag and not _is_slot(body)), "")

    value = first("variable", "parameter", "value")
    if not value:
        return Task()
    value = _whole(value, [body for _, body in blocks])
    said = [body for tag, body in blocks if ("feedback" in tag or "gradient" in tag) and not _is_slot(body)]
    feedback = "\n".join(said) or first("objective")
    kind = "code" if _FUNCTION.search(value) else type(value_of(value)).__name__
    return Task([Variable("", kind, value, first("constraint"))], feedback.replace("\\'", "'").replace('\\"', '"'))


def _all_tags(text: str) -> Iterator[re.Match[str]]:
    """Every tagged block, also those inside others."""
    for match in _TAG.finditer(text):
        yield match
        yield from _all_tags(match[2])


def _is_slot(body: str) -> bool:
    """Whether a block only shows where something is to be written."""
    return re.fullmatch(r"\s*(\{[^{}]*\}|\.\.\.|)\s*", body) is not None


def _whole(value: str, others: list[str]) -> str:
    """The value without the cut in its middle, where the request also shows it whole."""
    head, cut, tail = value.partition("(...)")
    if not cut:
        return value
    head, tail = head.rstrip(), tail.lstrip()
    return next(
        (each for each in others if "(...)" not in each and each.startswith(head) and each.endswith(tail)), value
    )
