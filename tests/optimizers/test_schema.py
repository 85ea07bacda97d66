"""The model of all that an answer may say, and its schema."""

import enum
import json
import re
from typing import Annotated, Literal

import pytest
from annotated_types import Interval
from pydantic import BaseModel, ValidationError

from opto.errors import ConstraintWarning, SuggestionError
from opto.optimizers import Choices, OptoPrime, OptoPrimeV2, Range
from opto.optimizers.schema import response_format, suggestion_model, suggestion_schema
from opto.optimizers.suggestions import check, convert
from opto.testing import Scripted
from opto.trace import GRAPH, node


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Box(BaseModel):
    width: int
    label: str = "x"


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def parameter(value, constraint=None, name="p"):
    """A parameter."""
    return node(value, trainable=True, name=name, constraint=constraint)


@pytest.mark.parametrize(
    ("value", "constraint", "suggested", "expected"),
    [
        (1, range(10), "7", 7),
        (0.5, Annotated[float, Interval(ge=0, le=1)], "25%", 0.25),
        (0.5, Interval(ge=0, le=1), "1", 1.0),
        ("a", Literal["a", "b"], " B ", "b"),
        (1, Literal[1, 2], "2", 2),
        (Size.SMALL, Size, "Size.LARGE", Size.LARGE),
        (Size.SMALL, None, "LARGE", Size.LARGE),
        (Box(width=1), None, {"width": "2"}, Box(width=2)),
        (Box(width=1), Box, '{"width": 2, "label": "y"}', Box(width=2, label="y")),
        ([1], list[int], "[1, '2']", [1, 2]),
        (None, int | None, "None", None),
        ("a-1", re.compile(r"[a-z]-\d"), "b-2", "b-2"),
    ],
)
def test_conversion(value, constraint, suggested, expected):
    """What is declared is what a value becomes, and it passes the check."""
    p = parameter(value, constraint)
    converted = convert(p, suggested)
    assert converted == expected
    assert type(converted) is type(expected)
    check(p, converted)
    assert suggestion_model([p]).model_validate({"p0": suggested}).model_dump(by_alias=True)["p0"] == (
        expected.model_dump() if isinstance(expected, BaseModel) else expected
    )


def test_errors_name_the_field():
    """All that is wrong is told."""
    model = suggestion_model([parameter(1, range(10)), parameter("a", Literal["a", "b"], "q")])
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"p0": 10, "q0": "c"})
    assert [error["loc"] for error in caught.value.errors()] == [("p0",), ("q0",)]


def test_a_value_that_breaks_its_own_constraint():
    """It warns; None does not."""
    with pytest.warns(ConstraintWarning, match="p0 is declared with must be a whole number from 0 to 2, got 5"):
        parameter(5, range(3))
    parameter(None, range(3))


@pytest.mark.parametrize("wrong", [5, object(), re.compile(b"x")])
def test_what_is_no_constraint(wrong):
    """The error says what is one."""
    with pytest.raises(TypeError, match="constraint must be a type, a range"):
        parameter(5, wrong)


def test_the_schema_can_be_kept_to_strictly():
    """All keys are required, and null stands for no change."""
    box = parameter(Box(width=1), Box, "box")
    schema = response_format(suggestion_schema([parameter(3, range(0, 10, 3)), box]))["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["required"] == ["p0", "box0"]
    assert schema["schema"]["properties"]["p0"]["anyOf"][1] == {"type": "null"}
    assert schema["schema"]["$defs"]["Box"]["required"] == ["width", "label"]
    assert response_format(suggestion_schema([parameter({"a": 1})]))["json_schema"]["strict"] is False


def field(value, constraint):
    """The schema of one parameter, without what is said of it in words."""
    schema = suggestion_schema([parameter(value, constraint)])["properties"].popitem()[1]
    found = schema["anyOf"][0] if "anyOf" in schema else schema
    return {key: each for key, each in found.items() if key not in ("description", "title")}


@pytest.mark.parametrize(
    ("value", "constraint", "expected"),
    [
        (0.5, Range(0.0, 1.0), {"type": "number", "minimum": 0.0, "maximum": 1.0}),
        (3, Range(1, 9), {"type": "integer", "minimum": 1, "maximum": 9}),
        (None, Range(1, 9, whole=True), {"type": "integer", "minimum": 1, "maximum": 9}),
        (None, Range(0.0, 1.0), {"type": "number", "minimum": 0.0, "maximum": 1.0}),
        (4, Range(0, 8, step=4), {"type": "integer", "minimum": 0, "maximum": 8, "multipleOf": 4}),
        (5, Range(1, 9, step=4), {"type": "integer", "minimum": 1, "maximum": 9}),
        (3, (Range(1, 9), range(2, 20)), {"type": "integer", "minimum": 2, "maximum": 9}),
        (6, range(0, 10, 3), {"type": "integer", "minimum": 0, "maximum": 9, "multipleOf": 3}),
        ("a", Choices(["a", "b"]), {"type": "string", "enum": ["a", "b"]}),
        (0.1, Choices([0.1, 0.5]), {"type": "number", "enum": [0.1, 0.5]}),
        ("a", Choices(["a", 1, None]), {"enum": ["a", 1, None]}),
        (len, Choices([len, max]), {}),
        ("a", (Choices(["a", "b"]), "Be brief."), {"type": "string", "enum": ["a", "b"]}),
    ],
)
def test_ranges_and_choices_in_the_schema(value, constraint, expected):
    """Samplers and schemas read the same declaration."""
    assert field(value, constraint) == expected


@pytest.mark.parametrize(
    ("value", "constraint", "suggested", "expected"),
    [
        ("a", Choices(["a", 1, None]), "1", 1),
        ("a", Choices(["a", 1, None]), None, None),
        (1, Choices(["a", 1]), " A ", "a"),
        (len, Choices([len, max]), "max", max),
        (0.1, Choices([0.1, 1.0]), 1, 1.0),
        (Size.SMALL, Choices(list(Size)), "large", Size.LARGE),
        (0.5, Range(0.0, 1.0), "0.25", 0.25),
    ],
)
def test_choices_and_ranges_are_converted(value, constraint, suggested, expected):
    """A choice may be named, whatever the type of the present one."""
    p = parameter(value, constraint)
    converted = convert(p, suggested)
    assert converted == expected
    assert type(converted) is type(expected)
    check(p, converted)


@pytest.mark.parametrize(("value", "constraint", "suggested"), [("a", Choices(["a", "b"]), "c"), (3, Range(1, 9), 10)])
def test_values_outside(value, constraint, suggested):
    """They are refused, and the words say what would be right."""
    p = parameter(value, constraint)
    with pytest.raises(SuggestionError, match=r"p0 breaks (Choices|Range)\("):
        check(p, convert(p, suggested))


def test_null_keeps_a_value_that_may_not_be_none():
    """None is a value where it is among the choices; it is never the text "None"."""
    for constraint, expected in ((None, "a"), (Choices(["a", "b"]), "a"), (Choices(["a", None]), None)):
        p = parameter("a", constraint)
        optimizer = OptoPrime([p], structured_output=True)
        optimizer.backward(p + "!", "more")
        optimizer.llm = Scripted([json.dumps({"reasoning": "", "answer": "", "suggestion": {p.py_name: None}})])
        optimizer.step()
        assert p.data == expected


def asking(answers, value=1, constraint=range(10), kind=OptoPrime, **options):
    """An optimizer with feedback."""
    p = parameter(value, constraint)
    optimizer = kind([p], Scripted(answers), **options)
    optimizer.backward(p + 1, "more")
    return p, optimizer


def test_the_schema_goes_along_where_it_is_asked_for():
    """Refused, it is left out; null keeps a value; the form in tags has no schema."""
    p, optimizer = asking([ValueError("no schemas"), '{"suggestion": {"p0": 5}}'], structured_output=True)
    optimizer.step()
    assert [options["response_format"]["type"] for _, options in optimizer.llm.requests] == [
        "json_schema",
        "json_object",
    ]
    assert p.data == 5
    p, optimizer = asking(['{"reasoning": "fine", "answer": "", "suggestion": {"p1": null}}'], structured_output=True)
    assert optimizer.step() == {}
    _, optimizer = asking(["<reasoning>fine</reasoning>"], kind=OptoPrimeV2, structured_output=True)
    optimizer.step()
    assert "response_format" not in optimizer.llm.requests[0][1]


def test_no_schema_by_default():
    """A model of which nothing is known gets what it always got."""
    _, optimizer = asking(['{"suggestion": {"p0": 5}}'])
    optimizer.step()
    assert optimizer.llm.requests[0][1]["response_format"] == {"type": "json_object"}


HOSTILE = {
    "brackets": "[" * 1_000_000,
    "braces": "{" * 1_000_000,
    "keys": '{"a":' * 200_000,
    "quotes": '{"a": "' + '"' * 30_000,
    "digits": '{"suggestion": {"p0": ' + "9" * 1_000_000 + "}}",
    "minus": '{"suggestion": {"p0": "' + "-" * 1_000_000 + '1"}}',
    "thoughts": "<think></think>" * 60_000,
    "tags": "<variable>" * 100_000,
    "spaces": "```\n" + " " * 1_000_000,
}


@pytest.mark.parametrize("kind", [OptoPrime, OptoPrimeV2])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers(name, kind):
    """A megabyte of nonsense is refused, without an error and in bounded work."""
    _, optimizer = asking([], kind=kind)
    attempt = optimizer._read(HOSTILE[name], was_cut=False)
    assert attempt.values == {}
    assert attempt.reasons
