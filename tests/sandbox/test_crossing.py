"""Tests of opto.sandbox.crossing."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.errors import CrossingError
from opto.sandbox.crossing import CrossingLimits, class_name, pack, unpack


@dataclass(frozen=True)
class Point:
    """A dataclass."""

    x: int
    y: Any = None


@dataclass
class Strict:
    """A dataclass that looks at its fields when it is made."""

    x: int
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        raise AssertionError("this must not run")


class Colour(IntEnum):
    """A subclass of int."""

    RED = 1


VALUES = [
    None, True, 0, -1, 2**63, 2**64, -(2**63) - 1, 10**300, 1.5, math.inf, -0.0, 1 - 2j, "", "é\ud800", b"\x00",
    [], [[1], [2.0]], (),
    (1, (2,)), {}, {"a": 1, (1, 2): {3}, None: b""}, {1, "a"}, frozenset({frozenset()}), Point(1, [2]),
]  # fmt: skip
ARRAYS = [np.arange(6).reshape(2, 3), np.zeros((0, 3)), np.array(["ab", "c"]), np.array(2.5), np.array([1 + 2j])]
SCALARS = [np.float64(2.5), np.int8(-3), np.bool_(True), np.datetime64("2020-01-01"), np.str_("x")]

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda parts: st.lists(parts) | st.lists(parts).map(tuple) | st.dictionaries(st.text() | st.integers(), parts),
    max_leaves=20,
)


def across(value: Any) -> Any:
    """A value, from one side to the other."""
    return unpack(pack(value), classes={class_name(Point): Point})


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data_crosses(value: Any) -> None:
    """It arrives equal, and of the same types."""
    arrived = across(value)
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value)


@given(plain)
def test_any_plain_data_crosses(value: Any) -> None:
    """It arrives as it was sent, types included."""
    assert repr(across(value)) == repr(value)


def test_a_nan_crosses() -> None:
    """It stays one."""
    assert math.isnan(across(math.nan))


@pytest.mark.parametrize("value", ARRAYS, ids=repr)
def test_arrays_cross(value: np.ndarray[Any, Any]) -> None:
    """With dtype and shape, and they can be written to."""
    arrived = across(value)
    assert arrived.dtype == value.dtype
    assert arrived.shape == value.shape
    assert arrived.flags.writeable
    assert np.array_equal(arrived, value)


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_numpy_scalars_cross(value: Any) -> None:
    """They stay scalars of their type, not Python numbers."""
    arrived = across([value])[0]
    assert type(arrived) is type(value)
    assert arrived == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, {"x": Colour.RED}], r"^result\[1\]\['x'\] is a .*Colour, which cannot cross.*Convert it with int"),
        ({"a": (OrderedDict(),)}, r"^result\['a'\]\[0\] is a collections.OrderedDict.*Convert it with dict"),
        ({Colour.RED: 1}, r"^the key <Colour.RED: 1> of result is"),
        (Point(1, print), r"^result.y is a builtin_function_or_method.*offered with host="),
        (np.array([object()]), r"^result is a numpy.ndarray of dtype object"),
        ([math], r"^result\[0\] is a module"),
        (ValueError("x"), r"^result is a ValueError"),
    ],
)
def test_what_cannot_cross_is_named(value: Any, message: str) -> None:
    """The message says where it is, what it is, and what to do."""
    with pytest.raises(CrossingError, match=message):
        pack(value, root="result")


def test_a_cycle_is_named() -> None:
    """It is found, not followed."""
    value: dict[str, Any] = {}
    value["a"] = [value]
    with pytest.raises(CrossingError, match=r"result\['a'\]\[0\] contains itself"):
        pack(value, root="result")


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: (inner, 1), lambda inner: {"k": inner}])
def test_depth_is_limited(wrap: Any) -> None:
    """Too deep is an error on both sides, however deep, and never a crash."""
    for depth in (250, 100_000):
        value: Any = 0
        for _ in range(depth):
            value = wrap(value)
        with pytest.raises(CrossingError, match="nested deeper than 200 levels"):
            pack(value)
    with pytest.raises(CrossingError):
        unpack(b"\x91" * 250 + b"\xc0")


def test_size_is_limited_on_both_sides() -> None:
    """The message says how much would cross and how much may."""
    limits = CrossingLimits(size=100)
    with pytest.raises(CrossingError, match="takes 203 bytes, and 100 may cross"):
        pack(b"x" * 200 + b"y", limits=limits)
    with pytest.raises(CrossingError, match="and 100 may cross"):
        unpack(pack("x" * 200), limits=limits)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[]] * 1000, "has more than 500 values"),
        ([[0] * 100] * 10, "has more values than may"),
        (dict.fromkeys(range(400), 0), "has more values than may"),
        ([{}] * 400 + [{1: 1}] * 99, "has more values than may"),
    ],
)
def test_count_is_limited(value: Any, message: str) -> None:
    """Many small values, which take little room on the wire and much in memory, are refused while they are read."""
    with pytest.raises(CrossingError, match=message):
        unpack(pack(value), limits=CrossingLimits(count=500))


def test_dataclasses_are_built_from_fields_alone() -> None:
    """Neither __init__ nor __post_init__ runs, only offered classes are built, and only with their fields."""
    made = object.__new__(Strict)
    made.x, made.log = 3, ["a"]
    data = pack(made)
    arrived = unpack(data, classes={class_name(Strict): Strict})
    assert (type(arrived), arrived.x, arrived.log) == (Strict, 3, ["a"])
    with pytest.raises(CrossingError, match="the dataclass '.*Strict', which this side does not know"):
        unpack(data)
    with pytest.raises(CrossingError, match="has no field 'log'"):
        unpack(data, classes={class_name(Strict): Point})


def test_classes_that_were_met_are_told() -> None:
    """Whoever sends instances learns of which classes."""
    met: dict[str, type] = {}
    pack([{"a": Point(1, Point(2))}], met=met)
    assert met == {class_name(Point): Point}


MARK = msgpack.packb(msgpack.ExtType(5, b"t"))
DAMAGED = {
    "nothing": b"",
    "a reserved byte": b"\xc1",
    "more than one value": b"\x90\x90",
    "a length beyond the end": b"\xdd\xff\xff\xff\xff",
    "a mark alone": MARK,
    "a mark that is not first": b"\x92\x01" + MARK,
    "a mark as a key": b"\x81" + MARK + b"\x01",
    "a mark of an unknown kind": msgpack.packb([msgpack.ExtType(5, b"q")]),
    "an unknown ext": msgpack.packb(msgpack.ExtType(99, b"")),
    "a key that is a list": b"\x81\x90\x01",
    "a set of lists": msgpack.packb([msgpack.ExtType(5, b"s"), []]),
    "an array of objects": msgpack.packb(msgpack.ExtType(3, b"\x04\x00|O 1" + bytes(8))),
    "an array with a wrong shape": msgpack.packb(msgpack.ExtType(3, b"\x05\x00<f8 9" + bytes(8))),
    "an array with a negative shape": msgpack.packb(msgpack.ExtType(3, b"\x06\x00<f8 -1" + bytes(8))),
    "a complex number cut short": msgpack.packb(msgpack.ExtType(2, bytes(9))),
    "a dataclass without fields": msgpack.packb([msgpack.ExtType(5, b"d"), "os:system"]),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_bytes_are_refused(data: bytes) -> None:
    """With a CrossingError, whatever is wrong with them."""
    with pytest.raises(CrossingError):
        unpack(data)


def test_keys_made_to_collide_are_refused() -> None:
    """-1 and -2 have one hash, and so do all tuples of them: building such a dict would take hours."""
    keys = list(itertools.product((-1, -2), repeat=8))
    for value in (dict.fromkeys(keys), set(keys), {(2**61 - 1) << each for each in range(10, 99)}):
        with pytest.raises(CrossingError, match="made to collide"):
            unpack(pack(value))
    many = {(index, "x"): None for index in range(5000)}
    assert unpack(pack(many)) == many


@given(st.binary(max_size=60))
def test_any_bytes_are_data_or_an_error(data: bytes) -> None:
    """Nothing else comes of them."""
    try:
        unpack(data)
    except CrossingError:
        pass


@given(st.binary(min_size=1, max_size=200), st.integers(min_value=0), st.integers(0, 255))
def test_a_flipped_byte_is_data_or_an_error(seed: bytes, place: int, byte: int) -> None:
    """The same for bytes that are almost right."""
    data = bytearray(pack([Point(1, (seed, {2**70})), np.arange(3), {"a": {1.5}}]))
    data[place % len(data)] = byte
    try:
        unpack(bytes(data), classes={class_name(Point): Point})
    except CrossingError:
        pass
