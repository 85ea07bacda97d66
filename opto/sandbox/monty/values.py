"""Plain data on its way into the Monty interpreter and out of it, by the rules of `opto.sandbox.crossing`.

Monty converts more than these rules allow, and not all of it faithfully: what it has no form for leaves as the text
that `repr` gives, a `Counter` as a dict, an instance of a dataclass goes in as a link to the original. So each value is
checked where its type is known: before it enters, here; before it leaves, by a piece of Python inside (`CHECK`), and
once more here, for what runs inside may say anything.

An instance of a dataclass goes in as its fields, marked with a word that no other data holds; inside, a class of the
same name and fields, without methods, is built from them.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from opto.errors import CrossingError
from opto.sandbox.crossing import LIMITS, SAME_HASHES, check_hashes

__all__ = ["CHECK", "WRITTEN", "Incoming", "Outgoing", "class_text", "decode_text", "left_out"]

_SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_SCALARS = frozenset({type(None), bool, int, float, complex, bytes})

WRITTEN = "__opto_written"
"""The first argument of a host function whose arguments were written out."""

# Answers (True, value), (True, written, None) or (False, place, type). Taking its words from arguments keeps it whole
# whatever the text binds. Monty's hashes are not Python's: a set that is quick to build inside may be made so that it
# takes hours to build outside. So a value with a set or dict of keys that somebody could choose to that end leaves
# written out, as pairs of a kind and a list, and `Outgoing` builds it after a look at the hashes.
CHECK = (
    """\
def __opto_kind(value, type=type):
    return type(value).__name__
def __opto_odd(keys, type=type, safe={type(None), bool, float, str, bytes}, int=int, word=9223372036854775808):
    count = 0
    for key in keys:
        kind = type(key)
        if kind not in safe and not (kind is int and -word <= key < word):
            count += 1
    return count > SAME
def __opto_written(value, classes, type=type, list=list, tuple=tuple, dict=dict, set=set, frozenset=frozenset,
        getattr=getattr, scalars={type(None), bool, int, float, complex, str, bytes}):
    def write(each):
        kind = type(each)
        if kind in scalars:
            return each
        if kind is dict:
            return ('dict', [(write(key), write(part)) for key, part in each.items()])
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            return (kind.__name__, [write(part) for part in each])
        for cls, names in classes:
            if kind is cls:
                return (kind.__name__, [(name, write(getattr(each, name))) for name in names])
    return write(value)
def __opto_check(value, classes, type=type, set=set, map=map, str=str, repr=repr, list=list, tuple=tuple, dict=dict,
        frozenset=frozenset, len=len, getattr=getattr, scalars={type(None), bool, int, float, complex, str, bytes},
        odd=__opto_odd, written=__opto_written):
    if type(value) in scalars:
        return True, value
    write = False
    waiting = [(value, 'result', 1)]
    while waiting:
        each, place, depth = waiting.pop()
        kind = type(each)
        if kind in scalars:
            continue
        if depth > DEPTH:
            return False, place, ''
        if kind is list or kind is tuple:
            if set(map(type, each)) <= scalars:
                continue
            number = 0
            for part in each:
                waiting.append((part, place + '[' + str(number) + ']', depth + 1))
                number += 1
        elif kind is dict:
            write = write or (len(each) > SAME and odd(each))
            for key, part in each.items():
                if type(key) not in scalars:
                    waiting.append((key, 'a key of ' + place, depth + 1))
                if type(part) not in scalars:
                    waiting.append((part, place + '[' + repr(key)[:60] + ']', depth + 1))
        elif kind is set or kind is frozenset:
            write = write or (len(each) > SAME and odd(each))
            for part in each:
                waiting.append((part, 'an element of ' + place, depth + 1))
        else:
            found = False
            for cls, names in classes:
                if kind is cls:
                    found = True
                    for name in names:
                        waiting.append((getattr(each, name), place + '.' + name, depth + 1))
            if not found:
                return False, place, kind.__name__
    if write:
        return True, written(value, classes), None
    return True, value
def __opto_guarded(function, classes, check=__opto_check, len=len):
    def call(*args, **kwargs):
        answer = check((args, kwargs), classes)
        if len(answer) == 3 and answer[0]:
            return function('WRITTEN', answer[1])
        return function(*args, **kwargs)
    return call
def __opto_guarded_async(function, classes, check=__opto_check, len=len):
    async def call(*args, **kwargs):
        answer = check((args, kwargs), classes)
        if len(answer) == 3 and answer[0]:
            return await function('WRITTEN', answer[1])
        return await function(*args, **kwargs)
    return call
""".replace("DEPTH", str(LIMITS.depth))
    .replace("SAME", str(SAME_HASHES))
    .replace("WRITTEN", WRITTEN)
)


class Incoming:
    """What goes in with one call.

    Attributes:
        classes: the dataclasses that were met, with the names by which they go in.
        word: marks their instances.
    """

    def __init__(self) -> None:
        self.classes: dict[type, str] = {}
        self.word = ""

    def value(self, value: Any, place: str, depth: int = 0) -> Any:
        """A value as Monty takes it.

        Args:
            value: any value.
            place: what to call it in a message.
            depth: how many containers it is in.

        Raises:
            CrossingError: something inside is not plain data, contains itself, is too deep, or is unknown to Monty.
        """
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is str:
            return _text(value, place)
        if depth >= LIMITS.depth:
            raise CrossingError(f"{place:.40} is nested deeper than {LIMITS.depth} levels, or contains itself.")
        deeper = depth + 1
        if kind is list:
            return [self.value(part, f"{place}[{n}]", deeper) for n, part in enumerate(value)]
        if kind is tuple:
            return tuple([self.value(part, f"{place}[{n}]", deeper) for n, part in enumerate(value)])
        if kind is dict:
            return {
                self.value(key, f"a key of {place}", deeper): self.value(part, f"{place}[{key!r:.60}]", deeper)
                for key, part in value.items()
            }
        if kind is set or kind is frozenset:
            return kind([self.value(part, f"an element of {place}", deeper) for part in value])
        if _is_dataclass(kind):
            return self._instance(value, kind, place, deeper)
        raise CrossingError(f"{place} is {_of_kind(kind)}, which cannot enter the Monty sandbox{_advice(value, kind)}")

    def name_of(self, cls: type) -> str:
        """The name by which a dataclass goes in."""
        return self.classes.setdefault(cls, f"__opto_class{len(self.classes)}")

    def _instance(self, value: Any, kind: type, place: str, depth: int) -> Any:
        self.word = self.word or os.urandom(16).hex()
        self.name_of(kind)
        number = list(self.classes).index(kind)
        parts = {
            each.name: self.value(getattr(value, each.name), f"{place}.{each.name}", depth)
            for each in dataclasses.fields(value)
            if hasattr(value, each.name)
        }
        return (self.word, number, tuple(parts.items()))


class Outgoing:
    """Checks what came out, and builds its dataclasses.

    Args:
        classes: the dataclasses of this side that it may hold, by their bare names.
    """

    def __init__(self, classes: dict[str, type]) -> None:
        self._classes = classes
        self._left = LIMITS.size

    def value(self, value: Any, place: str, depth: int = 0) -> Any:
        """A value of Monty's as plain data.

        Raises:
            CrossingError: it is something else, too deep, or too large together with what this checked before.
        """
        kind = type(value)
        if kind in _SCALARS or kind is str:
            self._count(_size(value), place)
            return value
        if depth >= LIMITS.depth:
            raise CrossingError(f"{place:.40} is nested deeper than {LIMITS.depth} levels, which cannot cross.")
        deeper = depth + 1
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            if not self._classes and {type(part) for part in value} <= _SCALARS | {str}:
                self._count(sum(map(_size, value)), place)
                return value
            return kind([self.value(part, f"{place}[{n}]", deeper) for n, part in enumerate(value)])
        if kind is dict:
            return {
                self.value(key, f"a key of {place}", deeper): self.value(part, f"{place}[{key!r:.60}]", deeper)
                for key, part in value.items()
            }
        if kind.__name__ == "MontyClassProxy" and kind.__module__ == "pydantic_monty":
            return self._instance(value, place, deeper)
        raise CrossingError(left_out(place, kind.__name__))

    def written(self, value: Any, place: str, depth: int = 0) -> Any:
        """A value that was written out because of its keys.

        Raises:
            CrossingError: its keys are made to collide, or see `value`.
        """
        if type(value) in _SCALARS or type(value) is str:
            return self.value(value, place)
        if depth >= LIMITS.depth or type(value) is not tuple or len(value) != 2 or type(value[1]) is not list:
            raise CrossingError(f"{place:.40} is nested deeper than {LIMITS.depth} levels, or damaged.")
        kind, parts = value
        deeper = depth + 1
        if kind in _SEQUENCES:
            items = [self.written(part, f"{place:.200}[{n}]", deeper) for n, part in enumerate(parts)]
            if kind in ("set", "frozenset"):
                check_hashes(items)
            return _SEQUENCES[kind](items)
        pairs = [(self.written(key, f"a key of {place:.200}", deeper), part) for key, part in parts]
        pairs = [(key, self.written(part, f"{place:.200}[{key!r:.60}]", deeper)) for key, part in pairs]
        if kind == "dict":
            check_hashes([key for key, _ in pairs])
            return dict(pairs)
        cls = self._classes.get(kind)
        if cls is None or not {name for name, _ in pairs} <= {each.name for each in dataclasses.fields(cls)}:
            raise CrossingError(left_out(place, str(kind)))
        instance: Any = object.__new__(cls)
        for name, part in pairs:
            object.__setattr__(instance, name, part)
        return instance

    def _count(self, size: int, place: str) -> None:
        self._left -= size
        if self._left < 0:
            raise CrossingError(f"{place:.40} takes more than the {LIMITS.size:,} bytes that may cross at once.")

    def _instance(self, proxy: Any, place: str, depth: int) -> Any:
        cls = self._classes.get(proxy.name)
        if cls is None or not proxy.is_dataclass:
            raise CrossingError(left_out(place, proxy.name))
        instance: Any = object.__new__(cls)
        names = {each.name for each in dataclasses.fields(cls)}
        for name, part in proxy.attributes.items():
            if name not in names:
                raise CrossingError(f"{place} is a {proxy.name} with an attribute {name!r}, which is no field of it.")
            object.__setattr__(instance, name, self.value(part, f"{place}.{name}", depth))
        return instance


def _size(value: Any) -> int:
    """About the bytes that a scalar takes where it is packed."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) + 1
    return 1 + value.bit_length() // 8 if kind is int else 9


def class_text(cls: type, name: str) -> str:
    """Python that defines, inside, a class with the fields of a dataclass as `name`."""
    lines = [f"def {name}():", " from dataclasses import dataclass, field"]
    lines.append(f" @dataclass(frozen={cls.__dataclass_params__.frozen})")  # type: ignore[attr-defined]
    lines.append(f" class {cls.__name__}:")
    fields = dataclasses.fields(cls)
    with_default = False
    for each in fields:
        default = _default(each)
        with_default = with_default or bool(default)
        # A field without a default after one that has one is for keywords only, which Monty does not know.
        lines.append(f"  {each.name}: object{default or (' = None' if with_default else '')}")
    if not fields:
        lines.append("  pass")
    return "\n".join([*lines, f" return {cls.__name__}", f"{name} = {name}()", ""])


def decode_text(word: str, names: list[str]) -> str:
    """Python that defines `__opto_decode`, which builds the instances that a value holds."""
    return f"""\
def __opto_decode(value, type=type, list=list, tuple=tuple, dict=dict, set=set, frozenset=frozenset, len=len):
    kind = type(value)
    if kind is tuple and len(value) == 3 and value[0] == {word!r}:
        return ({", ".join(names)},)[value[1]](**{{name: __opto_decode(part) for name, part in value[2]}})
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        return kind([__opto_decode(part) for part in value])
    if kind is dict:
        return {{__opto_decode(key): __opto_decode(part) for key, part in value.items()}}
    return value
"""


def left_out(place: str, kind: str) -> str:
    """A sentence on what may not leave."""
    if not kind:
        return f"{place:.40} is nested deeper than {LIMITS.depth} levels, or contains itself, and cannot cross."
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    hint = {
        "function": " A function stays inside: return what it gives.",
        "coroutine": " Define the function with `async def`, or await it.",
        "Counter": " Return dict(...) of it.",
        "defaultdict": " Return dict(...) of it.",
        "deque": " Return list(...) of it.",
    }
    iterators = ("iterator", "range", "map", "filter", "zip", "enumerate", "reversed", "dict_")
    more = " Return list(...) of it." if any(word in kind for word in iterators) else hint.get(kind, "")
    return f"{place:.200} is {article} {kind:.100}, which cannot cross: only plain data does.{more}"


def _default(field: Any) -> str:
    if type(field.default) in {type(None), bool, int, str}:
        return f" = {field.default!r}"
    if field.default_factory in (list, dict, set):
        return f" = field(default_factory={field.default_factory.__name__})"
    return ""


def _text(value: str, place: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise CrossingError(
                f"{place} has half of a surrogate pair, which a text in the Monty sandbox cannot hold. Encode it "
                "with errors='replace' before, or use Subprocess."
            ) from None
    return value


def _is_dataclass(cls: type) -> bool:
    return "__dataclass_fields__" in cls.__dict__ and dataclasses.is_dataclass(cls)


def _of_kind(cls: type) -> str:
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _advice(value: Any, kind: type) -> str:
    if kind.__module__.split(".")[0] == "numpy":
        return ": it has no numpy. Pass value.tolist(), or use Subprocess."
    if callable(value):
        return ": only plain data does. A function goes in by name, if it is offered with host=."
    for base in (bool, int, float, str, bytes, bytearray, tuple, list, dict, set, frozenset):
        if isinstance(value, base):
            wanted = bytes if base is bytearray else base
            return f": only plain data does, of these very types. Convert it with {wanted.__name__}(...)."
    return ": only plain data does."
