"""Declared domains: what is read from a constraint, and what lies in it."""

import copy
import enum
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt, MultipleOf
from pydantic import Field

from opto.optimizers.declarations import choices_of, domain_of, plain_domains, read_domain
from opto.optimizers.domains import Choices, Range, position
from opto.trace import node


class Color(enum.Enum):
    """A choice."""

    RED = 1
    BLUE = 2


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (Annotated[int, Ge(0), Lt(5)], Range(0, 4, whole=True)),
        (Annotated[int, Gt(0), Le(3)], Range(1, 3, whole=True)),
        (Annotated[float, Interval(ge=0, le=1)], Range(0.0, 1.0)),
        (Annotated[float, Field(ge=-1, le=1)], Range(-1.0, 1.0)),
        (Annotated[int, Field(ge=1, le=10, multiple_of=3)], Range(3, 9, whole=True, step=3)),
        (Annotated[int, Ge(0), Le(9), MultipleOf(1)], Range(0, 9, whole=True)),
        (range(10, 0, -3), Range(1, 10, whole=True, step=3)),
        (range(3), Range(0, 2, whole=True)),
        (Literal["a", "b"], Choices(["a", "b"])),
        (Literal["a"] | None, Choices(["a", None])),
        (bool, Choices([False, True])),
        (Color, Choices([Color.RED, Color.BLUE])),
        (Annotated[Literal[1, 2], "words"], Choices([1, 2])),
    ],
)
def test_declarations_that_are_domains(declared, expected):
    """Ranges and choices are read in all the forms that a node may declare."""
    assert read_domain(declared) == expected


@pytest.mark.parametrize(
    "declared",
    [None, "a sentence", int, Annotated[int, Ge(0)], Annotated[float, "words"], lambda value: True, int | None],
)
def test_declarations_that_are_none(declared):
    """What is open on one side, or no range at all, is no domain."""
    assert read_domain(declared) is None


def test_open_bounds_of_floats():
    """An open bound is not a value of the range."""
    domain = read_domain(Annotated[float, Interval(gt=0, lt=1)])
    assert 0.0 not in domain
    assert 1.0 not in domain
    assert 0.5 in domain


def even(value):
    """Must be even."""
    return value % 2 == 0


@pytest.mark.parametrize(
    ("declared", "current", "expected"),
    [
        ((Range(0.0, 1.0), "A sentence."), 0.5, Range(0.0, 1.0)),
        ((int, Ge(0), Le(5)), 1, Range(0, 5, whole=True)),
        (Interval(ge=0, le=1), 0.5, Range(0.0, 1.0)),
        (Interval(ge=0, le=3), 2, Range(0, 3, whole=True)),
        ((range(10), range(3, 20)), 5, Range(3, 9, whole=True)),
        ((Range(0, 10, whole=True), Range(1, 20, step=3)), 4, Range(1, 10, whole=True, step=3)),
        ((Range(2, 20, whole=True), Range(0, 20, step=3)), 3, Range(3, 20, whole=True, step=3)),
        ((Choices([1, 2, 3]), Range(2, 9)), 2, Choices([2, 3])),
        ((Literal["a", "b"], Choices(["b", "c"])), "b", Choices(["b"])),
        ((Choices([1, 2, 3, 4]), even), 2, Choices([2, 4])),
        ((Range(0, 9), even), 2, None),
        ((bool, "Be bold."), True, Choices([False, True])),
    ],
)
def test_declarations_in_several_parts(declared, current, expected):
    """What all parts allow; sentences do not count, and a predicate leaves no domain of a range."""
    assert read_domain(declared, current) == expected


def test_parts_that_exclude_each_other():
    """It is a mistake."""
    for declared in ((range(3), range(5, 9)), (Choices([1]), Range(2, 3)), (Choices([1, 3]), even)):
        with pytest.raises(ValueError, match=r"no value"):
            read_domain(declared, 1)


def test_what_is_declared_without_a_type():
    """For who describes a parameter: ranges and choices, whole numbers where the parameter holds one."""
    x = node(3, trainable=True, constraint=(Range(1, 9), "A sentence.", range(5)))
    assert plain_domains(x) == [Range(0, 4, whole=True), Range(1, 9, whole=True)]
    assert choices_of(x) is None
    assert choices_of(node("a", trainable=True, constraint=Choices(["a", "b"]))) == Choices(["a", "b"])
    assert plain_domains(node("a", trainable=True)) == []


@pytest.mark.parametrize(
    ("raw", "place"),
    [("Brief.", 0), (" 'brief.' ", 0), ("2", 1), (2.0, 1), (True, None), ("maximum", None), ("max", 2), ("none", 3)],
)
def test_what_a_raw_value_means(raw, place):
    """A choice by itself, by an equal number, or by a text that names it."""
    assert Choices(["Brief.", 2, max, None]).meant(raw) == place


def test_empty_declarations():
    """A declaration without values is a mistake."""
    with pytest.raises(ValueError, match="holds no value"):
        read_domain(range(0))
    with pytest.raises(ValueError, match="holds no value"):
        read_domain(Annotated[int, Ge(5), Le(3)])


def test_the_type_of_the_present_value_counts():
    """A range on an int is one of integers, on a float one of floats; a bool needs no declaration."""
    assert domain_of(node(3, trainable=True, constraint=Range(1, 9))).whole
    assert not domain_of(node(3.0, trainable=True, constraint=Range(1, 9))).whole
    assert domain_of(node(True, trainable=True)) == Choices([False, True])
    assert domain_of(node("text", trainable=True)) is None


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Range(0.0, 1.0), [0.0, 1, 0.3], [-0.1, 1.1, "0.5", None, True, float("nan")]),
        (Range(0, 10, whole=True), [0, 10, 4.0], [4.5, 11]),
        (Range(0.0, 1.0, step=0.1), [0.3, 0.7], [0.35]),
        (Choices([1, "a", len]), [1, "a", len], [1.0, True, "b", max]),
    ],
)
def test_membership(domain, inside, outside):
    """A value is in its domain by number, or by identity or equality of one type; the domain is a predicate."""
    assert all(value in domain and domain(value) for value in inside)
    assert not any(value in domain or domain(value) for value in outside)


def test_values_of_ranges():
    """Steps are listed; other ranges give as many points as are wanted, evenly on their scale."""
    assert Range(0.0, 1.0, step=0.25).values() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert Range(1, 4, whole=True).values() == [1, 2, 3, 4]
    assert Range(0.0, 1.0).values(3) == [0.0, 0.5, 1.0]
    assert Range(1.0, 100.0, log=True).values(3) == pytest.approx([1, 10, 100])
    with pytest.raises(ValueError, match="how many points"):
        Range(0.0, 1.0).values()


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((2, 1), {}, ValueError),
        ((0, float("inf")), {}, ValueError),
        (("0", 1), {}, TypeError),
        ((0, True), {}, TypeError),
        ((0, 1), {"step": 0}, ValueError),
        ((0, 1), {"log": True}, ValueError),
    ],
)
def test_bad_ranges(arguments, options, error):
    """A range checks its bounds at once."""
    with pytest.raises(error):
        Range(*arguments, **options)


def test_choices_without_values_or_in_a_text():
    """Choices need a list with something in it."""
    with pytest.raises(ValueError, match="at least one"):
        Choices([])
    with pytest.raises(TypeError, match="list of values"):
        Choices("abc")


def test_a_copied_choice_is_the_same_choice():
    """Values that cannot be compared, such as models, stay what they are when an optimizer is copied."""
    model = object()
    assert copy.deepcopy(Choices([model])).index(model) == 0


def test_values_that_cannot_be_compared():
    """An `==` that raises tells values apart."""

    class Strange:
        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    first, second = Strange(), Strange()
    assert position([first, second], second) == 1
    assert position([first], second) is None
