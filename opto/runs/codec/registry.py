"""Which type has which text form: the standard ones, numpy's, and those that were registered.

Types are matched exactly: an instance of a subclass would come back as its base.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from opto.runs.codec.forms import RESERVED_TAGS, STANDARD, STANDARD_TAGS, Form

__all__ = ["form_of", "form_tagged", "register_codec"]

T = TypeVar("T")


def register_codec(cls: type[T], tag: str, encode: Callable[[T], Any], decode: Callable[[Any], T]) -> None:
    """Give a type a text form, so that `save` and `dumps` can write its instances.

    Registering a class again, or a new class of the same module and name (a notebook cell that was run twice), replaces
    the form. Instances of subclasses need a form of their own.

    Args:
        cls: the type.
        tag: names the type in files, so it must stay the same for as long as files do, for example `"mypackage.Point"`.
        encode: gives plain data for an instance: numbers, text, lists, dicts, or other values that have a text form.
        decode: gives the instance for that data.

    Raises:
        TypeError: `cls` is not a class, or a function cannot be called.
        ValueError: the tag is malformed, or belongs to another type.

    Example:
        >>> register_codec(Point, "geometry.Point", lambda p: [p.x, p.y], lambda xy: Point(*xy))  # doctest: +SKIP
    """
    if not isinstance(cls, type):
        raise TypeError(f"cls must be a class, got {cls!r}.")
    for name, function in (("encode", encode), ("decode", decode)):
        if not callable(function):
            raise TypeError(f"{name} must be callable, got {function!r}.")
    if not (isinstance(tag, str) and re.fullmatch(r"[^\W\d][\w.:-]*", tag)):
        raise ValueError(f"tag must be a name such as 'mypackage.Point', got {tag!r}.")
    _REGISTRY.add(cls, Form(tag, encode, decode, registered=True))


def form_of(value: object) -> Form | None:
    """The form of a value's type, or None when it has none."""
    cls = type(value)
    form = STANDARD.get(cls) or _REGISTRY.by_type.get(cls)
    if form is None and cls.__module__ == "numpy":
        from opto.runs.codec import numpy_forms

        form = numpy_forms.form_of(value)
    return form


def form_tagged(tag: str) -> Form | None:
    """The form with this tag, or None when nothing has registered it."""
    form = STANDARD_TAGS.get(tag) or _REGISTRY.by_tag.get(tag)
    if form is None and tag.startswith("numpy."):
        from opto.runs.codec import numpy_forms

        form = numpy_forms.form_tagged(tag)
    return form


class _Registry:
    """The registered forms; changed under a lock, read without one, since each look-up is a single step."""

    def __init__(self) -> None:
        self.by_type: dict[type, Form] = {}
        self.by_tag: dict[str, Form] = {}
        self._owners: dict[str, type] = {}
        self._lock = threading.Lock()

    def add(self, cls: type, form: Form) -> None:
        if cls in STANDARD or cls in (type(None), bool, int, float, str, list, dict) or cls.__module__ == "numpy":
            raise ValueError(f"cls must be a type without a text form, but {cls.__qualname__} has one.")
        if form.tag in RESERVED_TAGS or form.tag in STANDARD_TAGS or form.tag.startswith("numpy."):
            raise ValueError(f"tag {form.tag!r} belongs to the format itself; choose another.")
        with self._lock:
            owner = self._owners.get(form.tag)
            if owner is not None and _full_name(owner) != _full_name(cls):
                raise ValueError(f"tag {form.tag!r} already belongs to {_full_name(owner)}; choose another.")
            if owner is not None:
                self.by_type.pop(owner, None)
            self.by_type[cls] = self.by_tag[form.tag] = form
            self._owners[form.tag] = cls


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


_REGISTRY = _Registry()
