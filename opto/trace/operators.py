"""The operators: one table, from which the traced functions, the overloads of nodes and the type stubs are made.

A new operator is one line in `TABLE`. `ops.add(x, y)` and `node(1) + 2` do the same.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from opto.trace import primitives as p
from opto.trace.operation import CallOperator, Operator

# name, computation, parameters, what it does, and the overloads: "__add__" takes the node on the left, "__radd__" on
# the right; other names are methods of nodes, whose arguments are the parameters after the first.
TABLE: list[tuple[str, Callable[..., Any], str, str, str]] = [
    ("clone", p.clone, "x", "A copy of x.", "clone"),
    ("identity", p.identity, "x", "x itself.", ""),
    ("pos", operator.pos, "x", "x with a plus sign.", "__pos__"),
    ("neg", operator.neg, "x", "The negative of x.", "__neg__"),
    ("abs", abs, "x", "The absolute value of x.", "__abs__"),
    ("invert", operator.invert, "x", "The bitwise inverse of x.", "__invert__"),
    ("round", p.node_round, "x, n=None", "x rounded to n decimal places.", "__round__"),
    ("floor", math.floor, "x", "The largest integer not above x.", "__floor__"),
    ("ceil", math.ceil, "x", "The smallest integer not below x.", "__ceil__"),
    ("trunc", math.trunc, "x", "x cut off towards zero.", "__trunc__"),
    ("add", operator.add, "x, y", "The sum of x and y.", "__add__ __radd__"),
    ("subtract", operator.sub, "x, y", "x minus y.", "__sub__ __rsub__"),
    ("multiply", operator.mul, "x, y", "The product of x and y.", "__mul__ __rmul__"),
    ("floor_divide", operator.floordiv, "x, y", "x divided by y, rounded down.", "__floordiv__ __rfloordiv__"),
    ("divide", operator.truediv, "x, y", "x divided by y.", "__truediv__ __rtruediv__"),
    ("mod", operator.mod, "x, y", "The remainder of x divided by y.", "__mod__ __rmod__"),
    ("node_divmod", divmod, "x, y", "The pair of quotient and remainder of x by y.", "__divmod__ __rdivmod__"),
    ("power", operator.pow, "x, y", "x to the power of y.", "__pow__ __rpow__"),
    ("matmul", operator.matmul, "x, y", "The matrix product of x and y.", "__matmul__ __rmatmul__"),
    ("lshift", operator.lshift, "x, y", "x shifted left by y bits.", "__lshift__ __rlshift__"),
    ("rshift", operator.rshift, "x, y", "x shifted right by y bits.", "__rshift__ __rrshift__"),
    ("and_", operator.and_, "x, y", "The bitwise and of x and y.", "__and__ __rand__"),
    ("or_", operator.or_, "x, y", "The bitwise or of x and y.", "__or__ __ror__"),
    ("xor", operator.xor, "x, y", "The bitwise exclusive or of x and y.", "__xor__ __rxor__"),
    ("lt", operator.lt, "x, y", "Whether x is less than y.", "__lt__"),
    ("le", operator.le, "x, y", "Whether x is at most y.", "__le__"),
    ("eq", operator.eq, "x, y", "Whether x equals y.", "eq"),
    ("neq", operator.ne, "x, y", "Whether x differs from y.", "neq"),
    ("ne", operator.ne, "x, y", "Whether x differs from y.", ""),
    ("ge", operator.ge, "x, y", "Whether x is at least y.", "__ge__"),
    ("gt", operator.gt, "x, y", "Whether x is greater than y.", "__gt__"),
    ("cond", p.cond, "condition, x, y", "x if the condition holds, else y.", ""),
    ("not_", operator.not_, "x", "Whether x is false.", ""),
    ("is_", operator.is_, "x, y", "Whether x and y are the same object.", ""),
    ("is_not", operator.is_not, "x, y", "Whether x and y are different objects.", ""),
    ("in_", p.in_, "x, y", "Whether x is in y.", ""),
    ("not_in", p.not_in, "x, y", "Whether x is not in y.", ""),
    ("getitem", operator.getitem, "x, index", "The element of x at the index.", "__getitem__"),
    ("pop", p.pop, "x, index=-1", "The element of x at the index, which is taken out of x.", "pop"),
    ("get", p.get, "x, key, default=None", "The value of x at the key, or else the default.", "get"),
    ("len_", len, "x", "The number of elements of x.", "len"),
    ("ord_", ord, "x", "The code point of the character x.", ""),
    ("chr_", chr, "x", "The character with code point x.", ""),
    ("concat", operator.add, "x, y", "The text x followed by the text y.", ""),
    ("lower", p.lower, "x", "The text x in lower case.", "lower"),
    ("upper", p.upper, "x", "The text x in upper case.", "upper"),
    ("title", p.title, "x", "The text x with each word capitalized.", "title"),
    ("swapcase", p.swapcase, "x", "The text x with upper and lower case exchanged.", "swapcase"),
    ("capitalize", p.capitalize, "x", "The text x with its first letter in upper case.", "capitalize"),
    ("split", p.split, "x, sep=None, maxsplit=-1", "The parts of the text x between separators.", "split"),
    ("strip", p.strip, "x, chars=None", "The text x without the given characters at its ends.", "strip"),
    ("replace", p.replace, "x, old, new, count=-1", "The text x with old replaced by new.", "replace"),
    ("format", p.format_text, "x, /, *args, **kwargs", "The template x with its fields filled in.", "format"),
    ("join", p.join, "x, *args", "The other texts joined by the text x.", ""),
    ("node_getattr", p.node_getattr, "x, name", "The attribute of x with the name.", "getattr"),
    ("to_list", p.to_list, "x", "The elements of x as a list.", ""),
    ("make_list", p.make_list, "*args", "A list of the inputs.", ""),
    ("to_dict", dict, "x", "The pairs in x as a dict.", ""),
    ("make_dict", p.make_dict, "**kwargs", "A dict of the inputs.", ""),
    ("to_set", set, "x", "The elements of x as a set.", ""),
    ("make_set", p.make_set, "*args", "A set of the inputs.", ""),
    ("to_tuple", tuple, "x", "The elements of x as a tuple.", ""),
    ("make_tuple", p.make_tuple, "*args", "A tuple of the inputs.", ""),
    ("keys", p.keys, "x", "The keys of the dict x.", "keys"),
    ("values", p.values, "x", "The values of the dict x.", "values"),
    ("dict_update", p.changed("update"), "x, y", "The dict x updated with y.", ""),
    ("dict_pop", p.changed("pop"), "x, key", "The dict x without the key.", ""),
    ("dict_popitem", p.changed("popitem"), "x", "The dict x without its last item.", ""),
    ("list_append", p.changed("append"), "x, y", "The list x with y at its end.", ""),
    ("list_clear", p.changed("clear"), "x", "The list x without its elements.", ""),
    ("list_extend", p.changed("extend"), "x, y", "The list x followed by the elements of y.", ""),
    ("list_insert", p.changed("insert"), "x, index, y", "The list x with y before the index.", ""),
    ("list_pop", p.changed("pop"), "x, index=-1", "The list x without the element at the index.", ""),
    ("list_remove", p.changed("remove"), "x, y", "The list x without the first y.", ""),
    ("list_reverse", p.changed("reverse"), "x", "The list x in reverse order.", ""),
    ("list_sort", p.changed("sort"), "x, *, key=None, reverse=False", "The list x sorted.", ""),
    ("set_add", p.changed("add"), "x, y", "The set x with y.", ""),
    ("set_clear", p.changed("clear"), "x", "The set x without its elements.", ""),
    ("set_discard", p.changed("discard"), "x, y", "The set x without y, if it was there.", ""),
    ("set_intersection_update", p.changed("intersection_update"), "x, y", "What x and y share.", ""),
    ("set_pop", p.changed("pop"), "x", "The set x without one of its elements.", ""),
    ("set_remove", p.changed("remove"), "x, y", "The set x without y.", ""),
    ("set_symmetric_difference_update", p.changed("symmetric_difference_update"), "x, y", "What is in one only.", ""),
    ("set_update", p.changed("update"), "x, y", "The set x with the elements of y.", ""),
]

_ARITHMETIC = ("add", "sub", "mul", "floordiv", "truediv", "mod", "divmod", "pow", "matmul")
_BITWISE = ("lshift", "rshift", "and", "or", "xor")
REFLECTED = frozenset(f"__r{name}__" for name in (*_ARITHMETIC, *_BITWISE))
"""The overloads that take the node on the right."""

OPERATORS: dict[str, Operator] = {row[0]: Operator(*row[:4]) for row in TABLE}
OPERATORS["call"] = CallOperator("call", p.identity, "fun, /, *args, **kwargs", "The result of calling fun.")
OPERATORS["call_llm"] = Operator(
    "call_llm",
    p.call_llm,
    "llm, system_prompt, *user_prompts, **kwargs",
    "The model's answer to the prompts.",
    catches=False,
)

# The traced functions, by name: `from opto.trace import operators as ops; ops.add(x, y)`.
globals().update(OPERATORS)

__all__ = sorted(OPERATORS)  # noqa: PLE0605


def __dir__() -> list[str]:
    return __all__
