"""Suggested values are converted without loss, and checked before they are applied."""

import contextlib
import enum

import numpy
import pytest

from opto.errors import SuggestionError
from opto.optimizers.suggestions import check, convert, find_suggestion, format_code
from opto.trace import bundle, node
from opto.trace.nodes import ParameterNode


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


def parameter(value, **options):
    """A parameter with this value."""
    return ParameterNode(value, **options)


@pytest.mark.parametrize(
    ("current", "suggested", "expected"),
    [
        (1, "2", 2),
        (1, 2.0, 2),
        (1, "2.0", 2),
        (1, "-7", -7),
        (1.5, "5", 5.0),
        (1.5, 5, 5.0),
        (1.5, "1e-3", 1e-3),
        (1, "two", 2),
        (1, "minus twenty-one", -21),
        (1, "1,200", 1200),
        (1, "`7`", 7),
        (1, "\u22127", -7),
        (True, "no", False),
        (True, "False", False),
        (True, "false", False),
        (False, 1, True),
        ("a", 5, "5"),
        ("a", "5", "5"),
        ("a", {"k": [1]}, '{"k": [1]}'),
        ("a", "```x```", "```x```"),
        ([1], "[1, 2]", [1, 2]),
        ([1], (1, 2), [1, 2]),
        ((1,), [1, 2], (1, 2)),
        ({1}, [1, 1], {1}),
        ({}, '{"a": null}', {"a": None}),
        ({}, "{'a': None}", {"a": None}),
        (None, "anything", "anything"),
        (None, {"a": 1}, {"a": 1}),
        (Size.SMALL, "large", Size.LARGE),
    ],
)
def test_conversion(current, suggested, expected):
    """A value takes the type of the present one where nothing is lost."""
    value = convert(parameter(current), suggested)
    assert value == expected
    assert type(value) is type(expected)


def test_arrays_keep_their_element_type():
    """A list becomes an array of the same kind."""
    value = convert(parameter(numpy.array([1.0, 2.0])), "[3, 4]")
    assert value.dtype == float
    assert value.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("current", "suggested"),
    [
        (1, 2.5),
        (1, "a few"),
        (1, "50%"),
        (1, True),
        (1, None),
        (1.5, "fast"),
        (1.5, True),
        (True, "perhaps"),
        (True, 2),
        ([1], "abc"),
        ([1], "5"),
        ({}, "[1]"),
        (Size.SMALL, "huge"),
        (1, float("inf")),
    ],
)
def test_what_cannot_be_converted(current, suggested):
    """A lossy or senseless conversion is an error."""
    with pytest.raises(SuggestionError):
        convert(parameter(current), suggested)


def test_types_are_checked():
    """The message names the parameter, what it needs and what it got."""
    with pytest.raises(SuggestionError, match=r"size\d+ must be of type int, got str 'big'"):
        check(parameter(1, name="size"), "big")
    with pytest.raises(SuggestionError, match="must be of type int, got bool"):
        check(parameter(1), True)
    check(parameter(None), "anything")


def test_a_declared_type_counts():
    """A type given as the constraint is what a value may be, whatever the present one is."""
    check(parameter(1, constraint=int | None), None)
    check(parameter(1, constraint=(int | float)), 2.5)
    with pytest.raises(SuggestionError, match="must be of type float"):
        check(parameter(None, constraint=float), "x")


def test_predicates_are_asked():
    """A callable constraint says no by returning False or by raising."""

    def positive(value):
        if value > 100:
            raise ValueError("at most 100")
        return value > 0

    check(parameter(1, constraint=positive), 5)
    with pytest.raises(SuggestionError, match="breaks positive, got -5"):
        check(parameter(1, constraint=positive), -5)
    with pytest.raises(SuggestionError, match="at most 100"):
        check(parameter(1, constraint=positive), 500)


def test_a_sentence_is_no_check():
    """A constraint in words is for the model to read."""
    check(parameter(1, constraint="must be even"), 3)


@bundle(trainable=True)
def double(x):
    """Twice x."""
    return x * 3


@pytest.mark.parametrize(
    "code",
    [
        "def double(x):\n    return x * 2",
        "import math\n\ndef helper(x):\n    return x\n\ndef double(x):\n    return 2 * helper(x)",
        "try:\n    import fast\nexcept ImportError:\n    def double(x):\n        return x",
        "double = lambda x: 2 * x",
    ],
)
def test_code_that_defines_its_function(code):
    """Imports and helpers around the function are legal."""
    check(double.parameter, code)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def double(x):\n    return x *", "does not compile"),
        ("return 5", "does not compile"),
        ("def f(:", "does not compile"),
        ("x = '\0'", "does not compile"),
        ("async def double(x):\n    return 2 * x", "must define double with `def`"),
        ("def triple(x):\n    return x", "must define the function double, but it defines triple"),
        ("", "must be Python source"),
        (5, "must be Python source"),
    ],
)
def test_code_that_does_not(code, reason):
    """Code that cannot work is not accepted, and the reason says why."""
    with pytest.raises(SuggestionError, match=reason):
        check(double.parameter, code)


def test_checking_runs_no_code():
    """Code that a model wrote is only read."""
    check(double.parameter, "raise SystemExit\n\ndef double(x):\n    return x")


def test_code_is_taken_out_of_its_fence():
    """A model that fences the code in its answer is understood."""
    assert convert(double.parameter, "```python\ndef double(x):\n    return x\n```") == "def double(x):\n    return x"


def test_names_are_matched_loosely():
    """With a colon, quotes or spaces the name is still the parameter's; unknown names are ignored."""
    first, second, fixed = node(1, trainable=True), node(2, trainable=True), node(3, trainable=True)
    fixed.trainable = False
    names = {first.name: "a", f" `{second.py_name}` ": "b", fixed.py_name: "c", "nobody0": "d"}
    assert find_suggestion([first, second, fixed], names) == {first: "a", second: "b"}


def test_format_code():
    """Source is laid out; what is no source stays."""
    assert format_code("def f(x): return {  'a':1}") == 'def f(x):\n    return {"a": 1}\n'
    assert format_code("the def of it all") == "the def of it all"


@pytest.mark.parametrize("number", ["0x" + "f" * 9000, "0b" + "1" * 50_000, "{'a': [0o" + "7" * 9000 + "]}"])
def test_a_number_too_long_to_print_is_refused(number):
    """Python reads such numbers in other bases, but no message could name them."""
    for value in (1, "text", [1], {"a": 1}):
        parameter = node(value, trainable=True)
        with contextlib.suppress(SuggestionError):
            repr(convert(parameter, number))
