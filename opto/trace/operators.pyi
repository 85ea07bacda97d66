# ruff: noqa: A001, D403
"""The traced functions. Written by tools/make_stubs.py from the table in operators.py."""

from collections.abc import Callable
from typing import Any

from opto.trace.nodes import MessageNode
from opto.trace.operation import Operator

TABLE: list[tuple[str, Callable[..., Any], str, str, str]]
OPERATORS: dict[str, Operator]
REFLECTED: frozenset[str]

__all__ = [
    "abs",
    "add",
    "and_",
    "call",
    "call_llm",
    "capitalize",
    "ceil",
    "chr_",
    "clone",
    "concat",
    "cond",
    "dict_pop",
    "dict_popitem",
    "dict_update",
    "divide",
    "eq",
    "floor",
    "floor_divide",
    "format",
    "ge",
    "get",
    "getitem",
    "gt",
    "identity",
    "in_",
    "invert",
    "is_",
    "is_not",
    "join",
    "keys",
    "le",
    "len_",
    "list_append",
    "list_clear",
    "list_extend",
    "list_insert",
    "list_pop",
    "list_remove",
    "list_reverse",
    "list_sort",
    "lower",
    "lshift",
    "lt",
    "make_dict",
    "make_list",
    "make_set",
    "make_tuple",
    "matmul",
    "mod",
    "multiply",
    "ne",
    "neg",
    "neq",
    "node_divmod",
    "node_getattr",
    "not_",
    "not_in",
    "or_",
    "ord_",
    "pop",
    "pos",
    "power",
    "replace",
    "round",
    "rshift",
    "set_add",
    "set_clear",
    "set_discard",
    "set_intersection_update",
    "set_pop",
    "set_remove",
    "set_symmetric_difference_update",
    "set_update",
    "split",
    "strip",
    "subtract",
    "swapcase",
    "title",
    "to_dict",
    "to_list",
    "to_set",
    "to_tuple",
    "trunc",
    "upper",
    "values",
    "xor",
]

def clone(x: Any) -> MessageNode[Any]:
    """A copy of x."""

def identity(x: Any) -> MessageNode[Any]:
    """x itself."""

def pos(x: Any) -> MessageNode[Any]:
    """x with a plus sign."""

def neg(x: Any) -> MessageNode[Any]:
    """The negative of x."""

def abs(x: Any) -> MessageNode[Any]:
    """The absolute value of x."""

def invert(x: Any) -> MessageNode[Any]:
    """The bitwise inverse of x."""

def round(x: Any, n: Any = None) -> MessageNode[Any]:
    """x rounded to n decimal places."""

def floor(x: Any) -> MessageNode[Any]:
    """The largest integer not above x."""

def ceil(x: Any) -> MessageNode[Any]:
    """The smallest integer not below x."""

def trunc(x: Any) -> MessageNode[Any]:
    """x cut off towards zero."""

def add(x: Any, y: Any) -> MessageNode[Any]:
    """The sum of x and y."""

def subtract(x: Any, y: Any) -> MessageNode[Any]:
    """x minus y."""

def multiply(x: Any, y: Any) -> MessageNode[Any]:
    """The product of x and y."""

def floor_divide(x: Any, y: Any) -> MessageNode[Any]:
    """x divided by y, rounded down."""

def divide(x: Any, y: Any) -> MessageNode[Any]:
    """x divided by y."""

def mod(x: Any, y: Any) -> MessageNode[Any]:
    """The remainder of x divided by y."""

def node_divmod(x: Any, y: Any) -> MessageNode[Any]:
    """The pair of quotient and remainder of x by y."""

def power(x: Any, y: Any) -> MessageNode[Any]:
    """x to the power of y."""

def matmul(x: Any, y: Any) -> MessageNode[Any]:
    """The matrix product of x and y."""

def lshift(x: Any, y: Any) -> MessageNode[Any]:
    """x shifted left by y bits."""

def rshift(x: Any, y: Any) -> MessageNode[Any]:
    """x shifted right by y bits."""

def and_(x: Any, y: Any) -> MessageNode[Any]:
    """The bitwise and of x and y."""

def or_(x: Any, y: Any) -> MessageNode[Any]:
    """The bitwise or of x and y."""

def xor(x: Any, y: Any) -> MessageNode[Any]:
    """The bitwise exclusive or of x and y."""

def lt(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x is less than y."""

def le(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x is at most y."""

def eq(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x equals y."""

def neq(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x differs from y."""

def ne(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x differs from y."""

def ge(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x is at least y."""

def gt(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x is greater than y."""

def cond(condition: Any, x: Any, y: Any) -> MessageNode[Any]:
    """x if the condition holds, else y."""

def not_(x: Any) -> MessageNode[Any]:
    """Whether x is false."""

def is_(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x and y are the same object."""

def is_not(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x and y are different objects."""

def in_(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x is in y."""

def not_in(x: Any, y: Any) -> MessageNode[Any]:
    """Whether x is not in y."""

def getitem(x: Any, index: Any) -> MessageNode[Any]:
    """The element of x at the index."""

def pop(x: Any, index: Any = -1) -> MessageNode[Any]:
    """The element of x at the index, which is taken out of x."""

def get(x: Any, key: Any, default: Any = None) -> MessageNode[Any]:
    """The value of x at the key, or else the default."""

def len_(x: Any) -> MessageNode[Any]:
    """The number of elements of x."""

def ord_(x: Any) -> MessageNode[Any]:
    """The code point of the character x."""

def chr_(x: Any) -> MessageNode[Any]:
    """The character with code point x."""

def concat(x: Any, y: Any) -> MessageNode[Any]:
    """The text x followed by the text y."""

def lower(x: Any) -> MessageNode[Any]:
    """The text x in lower case."""

def upper(x: Any) -> MessageNode[Any]:
    """The text x in upper case."""

def title(x: Any) -> MessageNode[Any]:
    """The text x with each word capitalized."""

def swapcase(x: Any) -> MessageNode[Any]:
    """The text x with upper and lower case exchanged."""

def capitalize(x: Any) -> MessageNode[Any]:
    """The text x with its first letter in upper case."""

def split(x: Any, sep: Any = None, maxsplit: Any = -1) -> MessageNode[Any]:
    """The parts of the text x between separators."""

def strip(x: Any, chars: Any = None) -> MessageNode[Any]:
    """The text x without the given characters at its ends."""

def replace(x: Any, old: Any, new: Any, count: Any = -1) -> MessageNode[Any]:
    """The text x with old replaced by new."""

def format(x: Any, /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
    """The template x with its fields filled in."""

def join(x: Any, *args: Any) -> MessageNode[Any]:
    """The other texts joined by the text x."""

def node_getattr(x: Any, name: Any) -> MessageNode[Any]:
    """The attribute of x with the name."""

def to_list(x: Any) -> MessageNode[Any]:
    """The elements of x as a list."""

def make_list(*args: Any) -> MessageNode[Any]:
    """A list of the inputs."""

def to_dict(x: Any) -> MessageNode[Any]:
    """The pairs in x as a dict."""

def make_dict(**kwargs: Any) -> MessageNode[Any]:
    """A dict of the inputs."""

def to_set(x: Any) -> MessageNode[Any]:
    """The elements of x as a set."""

def make_set(*args: Any) -> MessageNode[Any]:
    """A set of the inputs."""

def to_tuple(x: Any) -> MessageNode[Any]:
    """The elements of x as a tuple."""

def make_tuple(*args: Any) -> MessageNode[Any]:
    """A tuple of the inputs."""

def keys(x: Any) -> MessageNode[Any]:
    """The keys of the dict x."""

def values(x: Any) -> MessageNode[Any]:
    """The values of the dict x."""

def dict_update(x: Any, y: Any) -> MessageNode[Any]:
    """The dict x updated with y."""

def dict_pop(x: Any, key: Any) -> MessageNode[Any]:
    """The dict x without the key."""

def dict_popitem(x: Any) -> MessageNode[Any]:
    """The dict x without its last item."""

def list_append(x: Any, y: Any) -> MessageNode[Any]:
    """The list x with y at its end."""

def list_clear(x: Any) -> MessageNode[Any]:
    """The list x without its elements."""

def list_extend(x: Any, y: Any) -> MessageNode[Any]:
    """The list x followed by the elements of y."""

def list_insert(x: Any, index: Any, y: Any) -> MessageNode[Any]:
    """The list x with y before the index."""

def list_pop(x: Any, index: Any = -1) -> MessageNode[Any]:
    """The list x without the element at the index."""

def list_remove(x: Any, y: Any) -> MessageNode[Any]:
    """The list x without the first y."""

def list_reverse(x: Any) -> MessageNode[Any]:
    """The list x in reverse order."""

def list_sort(x: Any, *, key: Any = None, reverse: Any = False) -> MessageNode[Any]:
    """The list x sorted."""

def set_add(x: Any, y: Any) -> MessageNode[Any]:
    """The set x with y."""

def set_clear(x: Any) -> MessageNode[Any]:
    """The set x without its elements."""

def set_discard(x: Any, y: Any) -> MessageNode[Any]:
    """The set x without y, if it was there."""

def set_intersection_update(x: Any, y: Any) -> MessageNode[Any]:
    """What x and y share."""

def set_pop(x: Any) -> MessageNode[Any]:
    """The set x without one of its elements."""

def set_remove(x: Any, y: Any) -> MessageNode[Any]:
    """The set x without y."""

def set_symmetric_difference_update(x: Any, y: Any) -> MessageNode[Any]:
    """What is in one only."""

def set_update(x: Any, y: Any) -> MessageNode[Any]:
    """The set x with the elements of y."""

def call(fun: Any, /, *args: Any, **kwargs: Any) -> MessageNode[Any]:
    """The result of calling fun."""

def call_llm(llm: Any, system_prompt: Any, *user_prompts: Any, **kwargs: Any) -> MessageNode[Any]:
    """The model's answer to the prompts."""
