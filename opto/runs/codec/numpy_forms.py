"""The text forms of numpy's arrays and scalars; imported only when one is met, so numpy need not be loaded.

An array is its dtype, shape and raw bytes; a scalar of the common kinds is its type and its value, so that a score can
be read and compared in a file. Arrays of objects hold anything at all, so they have no text form.
"""

from __future__ import annotations

import math
from typing import Any

import numpy

from opto.runs.codec.forms import Form, from_base64, to_base64

__all__ = ["form_of", "form_tagged"]

# Booleans, integers, floats, complex, time spans, times, bytes, text and records: whatever is its own raw bytes.
_KINDS = frozenset("biufcmMSUV")

_READABLE = frozenset({"b", "i", "u", "f"})


def form_of(value: object) -> Form | None:
    """The form of an array or scalar, or None for arrays of objects and for other things of numpy's."""
    if type(value) is numpy.ndarray:
        return _ARRAY if _is_raw(value.dtype) else None
    if isinstance(value, numpy.generic) and _is_raw(value.dtype):
        return _SCALAR
    return None


def form_tagged(tag: str) -> Form | None:
    """The form with this tag."""
    return {_ARRAY.tag: _ARRAY, _SCALAR.tag: _SCALAR}.get(tag)


def _is_raw(dtype: Any) -> bool:
    return dtype.kind in _KINDS and not dtype.hasobject


def _encode_array(array: Any) -> dict[str, Any]:
    return {
        "dtype": numpy.lib.format.dtype_to_descr(array.dtype),
        "shape": list(array.shape),
        "data": to_base64(numpy.ascontiguousarray(array).tobytes()),
    }


def _decode_array(payload: dict[str, Any]) -> Any:
    dtype = numpy.lib.format.descr_to_dtype(payload["dtype"])
    if not _is_raw(dtype):
        raise ValueError(f"arrays of dtype {dtype} are not stored")
    shape, data = tuple(payload["shape"]), bytearray(from_base64(payload["data"]))
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"an array cannot have the shape {shape}")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes do not make an array of shape {shape} and dtype {dtype}")
    # An empty buffer is refused by numpy, though an array without bytes is legal.
    return numpy.ndarray(shape, dtype, buffer=data) if data else numpy.zeros(shape, dtype)


def _encode_scalar(scalar: Any) -> Any:
    if isinstance(scalar, (numpy.str_, numpy.bytes_)):
        return [scalar.dtype.kind, str.__str__(scalar) if isinstance(scalar, str) else bytes(scalar)]
    if scalar.dtype.kind in _READABLE and scalar.dtype.itemsize <= 8:
        return [scalar.dtype.name, scalar.item()]
    return _encode_array(numpy.asarray(scalar))


def _decode_scalar(payload: Any) -> Any:
    if isinstance(payload, dict):
        return _decode_array(payload)[()]
    name, value = payload
    if name in ("U", "S"):
        # Through the type and not through a dtype, which would drop zeros at the end.
        return numpy.str_(value) if name == "U" else numpy.bytes_(value)
    dtype = numpy.dtype(name)
    if dtype.kind not in _READABLE:
        raise ValueError(f"{name!r} is not a type of numbers")
    return dtype.type(value)


_ARRAY = Form("numpy.array", _encode_array, _decode_array)
_SCALAR = Form("numpy.scalar", _encode_scalar, _decode_scalar)
