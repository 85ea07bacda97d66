"""What may cross the wall of a sandbox: plain data, as bytes that no reading of them can turn into code.

`pack` takes None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, instances of dataclasses,
and numpy arrays and scalars of plain dtypes, each of exactly that type: an instance of a subclass does not cross, since
its class could not come along. A bytearray arrives as bytes. What is shared inside a value arrives as copies. `unpack`
takes any bytes at all, as hostile as they like: it gives such a value or raises `CrossingError`, within the limits.

The form is MessagePack. What it does not have itself is written as

    ext INTEGER   an int beyond 64 bits, little-endian two's complement
    ext COMPLEX   two doubles
    ext ARRAY     a numpy array: length of the head, head (dtype, shape), items in C order
    ext SCALAR    a numpy scalar, as an array without dimensions
    ext MARK      only as the first item of an array, which it turns into a tuple, set, frozenset or dataclass instance
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from opto.errors import CrossingError, MissingExtraError
from opto.sandbox.plainness import explanation, has_fields, is_plain_numpy, is_plain_type, kind_of, state_of, too_deep

__all__ = ["LIMITS", "SAME_HASHES", "CrossingLimits", "check_hashes", "class_name", "pack", "unpack"]

_INTEGER, _COMPLEX, _ARRAY, _SCALAR, _MARK = 1, 2, 3, 4, 5
# Types whose hashes nobody can foretell, or of which only a few share one.
_SAFE_KEYS = frozenset({str, bytes, float, bool, type(None)})
SAME_HASHES = 32
_WORD = 1 << 63


@dataclass(frozen=True)
class CrossingLimits:
    """How much may cross at once.

    Attributes:
        size: bytes of the packed form.
        depth: containers inside each other.
        count: values in all.
    """

    size: int = 16 * 2**20
    depth: int = 200
    count: int = 2**20


LIMITS = CrossingLimits()


def class_name(cls: type) -> str:
    """The name under which a dataclass crosses: `module:qualified.name`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def pack(
    value: Any, *, limits: CrossingLimits = LIMITS, root: str = "value", met: dict[str, type] | None = None
) -> bytes:
    """Write plain data as bytes.

    Args:
        value: the data.
        limits: how large and how deep it may be.
        root: what to call the value in a message.
        met: takes in the dataclasses of the instances inside, by `class_name`.

    Raises:
        CrossingError: something inside is not plain data, contains itself, or is too deep or too large.
    """
    msgpack = _msgpack()
    try:
        data: bytes = msgpack.packb(
            value, default=_Packing(msgpack.ExtType, met), strict_types=True, unicode_errors="surrogatepass"
        )
    except CrossingError as error:
        raise CrossingError(explanation(value, limits.depth, root) or f"{root}: {error}") from None
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        # A cycle looks endless to the packer, and so does what is too deep for it.
        raise CrossingError(explanation(value, limits.depth, root) or f"{root} cannot cross: {error}") from None
    if len(data) > limits.size:
        raise CrossingError(f"{root} takes {len(data):,} bytes, and {limits.size:,} may cross at once.")
    if len(data) > limits.depth and (message := too_deep(value, limits.depth, root)):
        raise CrossingError(message)
    return data


def unpack(
    data: bytes | bytearray | memoryview,
    *,
    limits: CrossingLimits = LIMITS,
    classes: Mapping[str, type] | Callable[[str], type | None] | None = None,
    root: str = "value",
) -> Any:
    """Read plain data from bytes, whoever wrote them.

    Args:
        data: what `pack` wrote, or anything.
        limits: how large and how deep the value may be.
        classes: the dataclasses that may be built, by `class_name`, or a function that gives one for a name. They are
            built from their fields alone: neither `__init__` nor `__post_init__` runs.
        root: what to call the value in a message.

    Raises:
        CrossingError: the bytes are damaged, ask for a class that is not offered, or hold too much.
    """
    if len(data) > limits.size:
        raise CrossingError(f"{root} takes {len(data):,} bytes, and {limits.size:,} may cross at once.")
    msgpack = _msgpack()
    reading = _Unpacking(limits, classes)
    most = min(limits.count, len(data))  # no array can have more items than that; asked for more, none is made
    try:
        value = msgpack.unpackb(
            data,
            max_array_len=most,
            max_map_len=most,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            timestamp=1,
            list_hook=reading.array,
            object_pairs_hook=reading.map,
            ext_hook=reading.ext,
        )
    except CrossingError as error:
        raise CrossingError(f"{root}: {error}") from None
    except Exception as error:  # whatever the parser says of bytes that it does not understand
        if most == limits.count and "exceeds max_" in str(error):
            raise CrossingError(f"{root} has more than {limits.count:,} values, which may cross at once.") from None
        raise CrossingError(f"{root} is damaged: {type(error).__name__}: {error}") from None
    if reading.marks:
        raise CrossingError(f"{root} is damaged: a mark stands where none belongs.")
    if len(data) > limits.depth and (message := too_deep(value, limits.depth, root)):
        raise CrossingError(message)
    return value


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError as error:
        raise MissingExtraError("msgpack", "sandbox", "what crosses the wall of a sandbox") from error
    return msgpack


# ---- writing


class _Packing:
    """What MessagePack asks about values that it has no form for."""

    def __init__(self, ext: Any, met: dict[str, type] | None) -> None:
        self._ext = ext
        self._met = met

    def __call__(self, value: Any) -> Any:
        cls = type(value)
        if cls is tuple:
            return [self._ext(_MARK, b"t"), *value]
        if cls is int:
            return self._ext(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
        if cls is set:
            return [self._ext(_MARK, b"s"), *value]
        if cls is frozenset:
            return [self._ext(_MARK, b"f"), *value]
        if cls is complex:
            return self._ext(_COMPLEX, struct.pack("<dd", value.real, value.imag))
        if has_fields(cls):
            if self._met is not None:
                self._met[class_name(cls)] = cls
            return [self._ext(_MARK, b"d"), class_name(cls), state_of(value)]
        if is_plain_numpy(value):
            return self._ext(_ARRAY if cls.__name__ == "ndarray" else _SCALAR, _array_bytes(value))
        raise CrossingError(f"it is {kind_of(cls)}.")


def _array_bytes(array: Any) -> bytes:
    head = f"{array.dtype.str} {' '.join(map(str, array.shape))}".encode()
    items: bytes = array.tobytes()
    return struct.pack("<H", len(head)) + head + items


# ---- reading


class _Mark:
    """Stands for an ext MARK until the array that it begins is complete."""

    __slots__ = ("kind",)

    def __init__(self, kind: bytes) -> None:
        self.kind = kind


class _Unpacking:
    """What MessagePack asks while it reads: it calls back for each array, map and ext, innermost first."""

    def __init__(self, limits: CrossingLimits, classes: Any) -> None:
        self.marks = 0
        self._left = limits.count
        self._offered = classes if callable(classes) else (classes or {}).get

    def array(self, items: list[Any]) -> Any:
        self._count(len(items))
        if not items or type(items[0]) is not _Mark:
            return items
        self.marks -= 1
        kind = items[0].kind
        if kind == b"t":
            return tuple(items[1:])
        if kind == b"d":
            return self._instance(items)
        check_hashes(items[1:])
        return set(items[1:]) if kind == b"s" else frozenset(items[1:])

    def map(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self._count(2 * len(pairs))
        check_hashes([key for key, _ in pairs])
        return dict(pairs)

    def ext(self, code: int, data: bytes) -> Any:
        if code == _MARK and data in (b"t", b"s", b"f", b"d"):
            self.marks += 1
            return _Mark(data)
        if code == _INTEGER:
            return int.from_bytes(data, "little", signed=True)
        if code == _COMPLEX:
            return complex(*struct.unpack("<dd", data))
        if code in (_ARRAY, _SCALAR):
            return _array(data, scalar=code == _SCALAR)
        raise CrossingError(f"it is damaged: it has an unknown form {code}.")

    def _count(self, number: int) -> None:
        self._left -= number
        if self._left < 0:
            raise CrossingError("it has more values than may cross at once.")

    def _instance(self, items: list[Any]) -> Any:
        if len(items) != 3 or type(items[1]) is not str or type(items[2]) is not dict:
            raise CrossingError("it is damaged: an instance of a dataclass has a name and fields.")
        _, name, state = items
        cls = self._offered(name)
        if cls is None:
            raise CrossingError(
                f"it holds an instance of the dataclass {name[:200]!r}, which this side does not know. Return plain "
                "data, or use a dataclass that the namespace of the code holds."
            )
        names = {each.name for each in fields(cls)}
        if not state.keys() <= names:
            raise CrossingError(f"it is damaged: {name!r} has no field {sorted(map(str, state.keys() - names))[0]!r}.")
        instance = object.__new__(cls)
        for each, value in state.items():
            object.__setattr__(instance, each, value)
        return instance


def check_hashes(keys: list[Any]) -> None:
    """Refuse keys made so that they all have one hash: a dict of a hundred thousand would take hours to build."""
    if len(keys) <= SAME_HASHES:
        return
    doubtful = [
        key for key in keys if not (type(key) in _SAFE_KEYS or (type(key) is int and -_WORD <= key < 2 * _WORD))
    ]
    if len(doubtful) > SAME_HASHES and max(Counter(map(hash, doubtful)).values()) > SAME_HASHES:
        # Equal keys have equal hashes, too, but then they are one key, which nobody writes often.
        raise CrossingError("it is damaged: its keys are made to collide.")


def _is_word(key: Any) -> bool:
    return type(key) is int and -_WORD <= key < 2 * _WORD


def _array(data: bytes, *, scalar: bool) -> Any:
    import numpy

    (length,) = struct.unpack_from("<H", data)
    dtype_text, *shape_texts = data[2 : 2 + length].decode("ascii").split(" ")
    shape = tuple(int(each) for each in shape_texts if each)
    if not is_plain_type(dtype_text) or any(each < 0 for each in shape) or (scalar and shape):
        raise CrossingError("it is damaged: it has an array of a kind that does not cross.")
    dtype = numpy.dtype(dtype_text)
    if math.prod(shape) * dtype.itemsize != len(data) - 2 - length:
        raise CrossingError("it is damaged: it has an array whose items do not fill its shape.")
    array = numpy.ndarray(shape, dtype, data, 2 + length).copy()
    return array[()] if scalar else array
