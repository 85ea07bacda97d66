"""`AbstractNode`: a value with a name and a description, which behaves as the value does where Python asks for one.

It knows nothing of the graph; that is what `Node` adds to it, in `nodes.py`.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from opto.trace.context import AMBIENT
from opto.trace.overloads import NodeOperators

if TYPE_CHECKING:
    from opto.trace.nodes import Node

__all__ = ["AbstractNode", "checked_description", "checked_name", "get_op_name", "same_value"]

T = TypeVar("T")

_TAG = re.compile(r"\s*\[([^\[\]]+)\]\s*")
_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def get_op_name(description: str) -> str:
    """The operator's name in a description such as `"[add] Add two values."`.

    Raises:
        ValueError: when the description does not start with a name in square brackets.
    """
    match = _TAG.match(description) if isinstance(description, str) else None
    if match is None:
        raise ValueError(
            "description must start with the operator's name in square brackets, such as '[add] Add.', "
            f"got {description!r}."
        )
    return match.group(1)


def checked_name(name: str) -> str:
    """`name`, or an error that says what a base name may be."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str or None, got {name!r}.")
    if not name or ":" in name:
        raise ValueError(f"name must be non-empty and without a colon (opto adds the number), got {name!r}.")
    if _BREAK.search(name):
        raise ValueError(f"name must be on one line, without control characters, got {name!r}.")
    return name


def checked_description(description: str | None) -> str | None:
    """`description`, or an error."""
    if description is not None and not isinstance(description, str):
        raise TypeError(f"description must be a str or None, got {description!r}.")
    return description


class AbstractNode(NodeOperators, Generic[T]):
    """Base of all nodes: what code that only asks "is this a node" should test for."""

    __slots__ = ("_base", "_data", "_index", "_text")

    # A NumPy array on the left of an operator leaves the operation to the node.
    __array_ufunc__: ClassVar[None] = None
    # Identity, not value: equal nodes are different keys. (`==` compares data.)
    __hash__ = object.__hash__

    # What `str` calls it.
    _kind: ClassVar[str] = "Node"

    _base: str
    _data: T
    _index: int
    _text: str | None

    # ---- the value

    @property
    def data(self) -> T:
        """The value. Read inside a bundled function, it is recorded as used by it."""
        ambient = AMBIENT.get()
        if ambient is not None and ambient.used is not None:
            ambient.used.add(cast("Node[Any]", self))
        return self._data

    def __sandbox_data__(self) -> T:
        """What stands for the node in a sandbox whose code got it from a bundled function: the value."""
        return self.data

    def _set(self, value: T | AbstractNode[T]) -> None:
        """Replace the value; graphs recorded before go on showing the one that they read."""
        self._data = value._data if isinstance(value, AbstractNode) else value

    @property
    def type(self) -> type[T]:
        """The Python type of the value."""
        return type(self._data)

    # ---- its names

    @property
    def name(self) -> str:
        """Base name and number, such as `"add:0"`."""
        return f"{self._base}:{self._index}"

    @property
    def py_name(self) -> str:
        """The name without its colon, such as `"add0"`: how prompts call the node."""
        return f"{self._base}{self._index}"

    @property
    def id(self) -> str:
        """The number in the name, as text."""
        return str(self._index)

    # ---- descriptions

    @property
    def _description(self) -> str:
        """The description with the tag that names its kind or operator: `"[Node] x"`, or the bare tag."""
        text = self._text
        if text is None:
            return f"[{type(self).__name__}]"
        return text if _TAG.match(text) else f"[{type(self).__name__}] {text}"

    @property
    def description(self) -> str | None:
        """The description without its tag; None if there is none."""
        return _TAG.sub("", self._description, count=1) or None

    @property
    def op_name(self) -> str:
        """The text of the tag: the operator's name, or the node's class."""
        return get_op_name(self._description)

    # ---- as text, and as what it holds

    def __str__(self) -> str:
        return f"{self._kind}: ({self.name}, dtype={type(self._data)}, data={self._data})"

    def __repr__(self) -> str:
        return f"{self._kind}: ({self.name}, dtype={type(self._data)}, data={self._data!r})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else str(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """How a notebook shows a node: its text. `backward(..., visualize=True)` gives the picture."""
        return {"text/plain": str(self)}

    def __eq__(self, other: object) -> bool:
        """Whether the values are equal: a plain bool. The traced form is `eq`."""
        return same_value(self.data, other.data if isinstance(other, AbstractNode) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return bool(self.data)

    def __len__(self) -> int:
        return len(cast(Any, self.data))

    def __contains__(self, item: object) -> bool:
        return (item.data if isinstance(item, AbstractNode) else item) in cast(Any, self.data)

    def __int__(self) -> int:
        return int(cast(Any, self.data))

    def __float__(self) -> float:
        return float(cast(Any, self.data))

    def __complex__(self) -> complex:
        return complex(cast(Any, self.data))

    def __index__(self) -> int:
        return operator.index(cast(Any, self.data))


def same_value(left: Any, right: Any) -> bool:
    """`left == right` as a bool; arrays are equal when they agree in shape and in all elements."""
    try:
        result = left == right
    except ValueError:
        if hasattr(left, "shape") and hasattr(right, "shape"):
            return False  # shapes that NumPy cannot compare
        raise
    if hasattr(result, "all") and not isinstance(result, bool):
        shapes = [each.shape for each in (left, right) if getattr(each, "shape", ())]
        return bool(result.all()) and (len(shapes) < 2 or shapes[0] == shapes[1])
    return bool(result)
