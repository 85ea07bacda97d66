# ruff: noqa: D403
"""The operators and traced methods of nodes. Written by tools/make_stubs.py from the table in operators.py."""

from collections.abc import Iterator
from typing import Any

from opto.trace.nodes import MessageNode

__all__ = ["NodeOperators"]

class NodeOperators:
    __slots__ = ()

    def clone(self) -> MessageNode[Any]:
        """A copy of x."""

    def __pos__(self) -> MessageNode[Any]:
        """x with a plus sign."""

    def __neg__(self) -> MessageNode[Any]:
        """The negative of x."""

    def __abs__(self) -> MessageNode[Any]:
        """The absolute value of x."""

    def __invert__(self) -> MessageNode[Any]:
        """The bitwise inverse of x."""

    def __round__(self, n: Any = None) -> MessageNode[Any]:
        """x rounded to n decimal places."""

    def __floor__(self) -> MessageNode[Any]:
        """The largest integer not above x."""

    def __ceil__(self) -> MessageNode[Any]:
        """The smallest integer not below x."""

    def __trunc__(self) -> MessageNode[Any]:
        """x cut off towards zero."""

    def __add__(self, other: Any, /) -> MessageNode[Any]:
        """The sum of x and y."""

    def __radd__(self, other: Any, /) -> MessageNode[Any]:
        """The sum of x and y."""

    def __sub__(self, other: Any, /) -> MessageNode[Any]:
        """x minus y."""

    def __rsub__(self, other: Any, /) -> MessageNode[Any]:
        """x minus y."""

    def __mul__(self, other: Any, /) -> MessageNode[Any]:
        """The product of x and y."""

    def __rmul__(self, other: Any, /) -> MessageNode[Any]:
        """The product of x and y."""

    def __floordiv__(self, other: Any, /) -> MessageNode[Any]:
        """x divided by y, rounded down."""

    def __rfloordiv__(self, other: Any, /) -> MessageNode[Any]:
        """x divided by y, rounded down."""

    def __truediv__(self, other: Any, /) -> MessageNode[Any]:
        """x divided by y."""

    def __rtruediv__(self, other: Any, /) -> MessageNode[Any]:
        """x divided by y."""

    def __mod__(self, other: Any, /) -> MessageNode[Any]:
        """The remainder of x divided by y."""

    def __rmod__(self, other: Any, /) -> MessageNode[Any]:
        """The remainder of x divided by y."""

    def __divmod__(self, other: Any, /) -> MessageNode[Any]:
        """The pair of quotient and remainder of x by y."""

    def __rdivmod__(self, other: Any, /) -> MessageNode[Any]:
        """The pair of quotient and remainder of x by y."""

    def __pow__(self, other: Any, /) -> MessageNode[Any]:
        """x to the power of y."""

    def __rpow__(self, other: Any, /) -> MessageNode[Any]:
        """x to the power of y."""

    def __matmul__(self, other: Any, /) -> MessageNode[Any]:
        """The matrix product of x and y."""

    def __rmatmul__(self, other: Any, /) -> MessageNode[Any]:
        """The matrix product of x and y."""

    def __lshift__(self, other: Any, /) -> MessageNode[Any]:
        """x shifted left by y bits."""

    def __rlshift__(self, other: Any, /) -> MessageNode[Any]:
        """x shifted left by y bits."""

    def __rshift__(self, other: Any, /) -> MessageNode[Any]:
        """x shifted right by y bits."""

    def __rrshift__(self, other: Any, /) -> MessageNode[Any]:
        """x shifted right by y bits."""

    def __and__(self, other: Any, /) -> MessageNode[Any]:
        """The bitwise and of x and y."""

    def __rand__(self, other: Any, /) -> MessageNode[Any]:
        """The bitwise and of x and y."""

    def __or__(self, other: Any, /) -> MessageNode[Any]:
        """The bitwise or of x and y."""

    def __ror__(self, other: Any, /) -> MessageNode[Any]:
        """The bitwise or of x and y."""

    def __xor__(self, other: Any, /) -> MessageNode[Any]:
        """The bitwise exclusive or of x and y."""

    def __rxor__(self, other: Any, /) -> MessageNode[Any]:
        """The bitwise exclusive or of x and y."""

    def __lt__(self, other: Any, /) -> MessageNode[Any]:
        """Whether x is less than y."""

    def __le__(self, other: Any, /) -> MessageNode[Any]:
        """Whether x is at most y."""

    def eq(self, other: Any, /) -> MessageNode[Any]:
        """Whether x equals y."""

    def neq(self, other: Any, /) -> MessageNode[Any]:
        """Whether x differs from y."""

    def __ge__(self, other: Any, /) -> MessageNode[Any]:
        """Whether x is at least y."""

    def __gt__(self, other: Any, /) -> MessageNode[Any]:
        """Whether x is greater than y."""

    def __getitem__(self, index: Any) -> MessageNode[Any]:
        """The element of x at the index."""

    def pop(self, index: Any = -1) -> MessageNode[Any]:
        """The element of x at the index, which is taken out of x."""

    def get(self, key: Any, default: Any = None) -> MessageNode[Any]:
        """The value of x at the key, or else the default."""

    def len(self) -> MessageNode[Any]:
        """The number of elements of x."""

    def lower(self) -> MessageNode[Any]:
        """The text x in lower case."""

    def upper(self) -> MessageNode[Any]:
        """The text x in upper case."""

    def title(self) -> MessageNode[Any]:
        """The text x with each word capitalized."""

    def swapcase(self) -> MessageNode[Any]:
        """The text x with upper and lower case exchanged."""

    def capitalize(self) -> MessageNode[Any]:
        """The text x with its first letter in upper case."""

    def split(self, sep: Any = None, maxsplit: Any = -1) -> MessageNode[Any]:
        """The parts of the text x between separators."""

    def strip(self, chars: Any = None) -> MessageNode[Any]:
        """The text x without the given characters at its ends."""

    def replace(self, old: Any, new: Any, count: Any = -1) -> MessageNode[Any]:
        """The text x with old replaced by new."""

    def format(self, /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
        """The template x with its fields filled in."""

    def getattr(self, name: Any) -> MessageNode[Any]:
        """The attribute of x with the name."""

    def keys(self) -> MessageNode[Any]:
        """The keys of the dict x."""

    def values(self) -> MessageNode[Any]:
        """The values of the dict x."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
        """Call the value; arguments become inputs."""

    def __iter__(self) -> Iterator[MessageNode[Any]]:
        """The elements, as nodes; of a dict its keys."""

    def __reversed__(self) -> Iterator[MessageNode[Any]]:
        """The elements as nodes, last first."""

    def append(self, value: Any) -> MessageNode[Any]:
        """Append to the list in place; gives a node that holds None."""

    def call(self, method: Any, /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
        """Call a method of the value; arguments become inputs."""

    def items(self) -> Iterator[tuple[MessageNode[Any], MessageNode[Any]]]:
        """The key and value of each item of the dict, both as nodes."""

    def join(self, seq: Any) -> MessageNode[Any]:
        """The texts in `seq` joined by this text."""
