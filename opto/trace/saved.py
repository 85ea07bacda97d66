"""What a file of `save` must hold, checked before anything is changed.

A file may set values and make new attributes, but never take the place of a method, or of what Python itself reads.
"""

from __future__ import annotations

import inspect
from typing import Any

from opto.errors import FileFormatError

__all__ = ["checked_attributes", "checked_parameters", "may_be_set"]


def checked_parameters(path: Any, saved: Any) -> dict[str, dict[str, Any]]:
    """The parameters of a file: by their dotted path, value, name and description.

    Raises:
        FileFormatError: the file holds something else.
    """
    if not isinstance(saved, dict):
        raise FileFormatError(f"{path}: the parameters must be a dict, got {type(saved).__name__}.")
    for name, entry in saved.items():
        if not isinstance(name, str) or not isinstance(entry, dict) or "value" not in entry:
            raise FileFormatError(f"{path}: the parameter {name!r} has no value.")
        base, description = entry.get("name"), entry.get("description")
        if not isinstance(base, str) or not base or not isinstance(description, (str, type(None))):
            raise FileFormatError(f"{path}: the parameter {name!r} has no name, or a description that is no text.")
    return saved


def checked_attributes(path: Any, saved: Any, owner: Any) -> dict[str, Any]:
    """The other attributes of a file, by name.

    Raises:
        FileFormatError: the file holds something else, or would replace a method.
    """
    if not isinstance(saved, dict):
        raise FileFormatError(f"{path}: the attributes must be a dict, got {type(saved).__name__}.")
    for name in saved:
        if not isinstance(name, str) or not may_be_set(owner, name):
            raise FileFormatError(f"{path}: a file may not set the attribute {name!r} of {type(owner).__name__}.")
    return saved


def may_be_set(owner: Any, name: str) -> bool:
    """Whether a file may set this attribute: one that the object has, or a new one that hides no method or property."""
    if not name.isidentifier() or (name.startswith("__") and name.endswith("__")):
        return False
    if name in getattr(owner, "__dict__", {}):
        return True
    static = inspect.getattr_static(type(owner), name, None)
    return not (callable(static) or hasattr(type(static), "__get__"))
