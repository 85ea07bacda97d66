"""What code reads from around it, and what it changes there, as far as its byte code tells.

Byte code tells global names and imports for certain, attributes by their names only. Changes are seen where a name is
bound anew (`global count; count += 1`), and where what a name stands for is changed on the spot (`seen.append(x)`,
`table[key] = x`, `table[key].append(x)`); not where it goes through another variable first.
"""

from __future__ import annotations

import dis
import hashlib
import sys
import types
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["CodeReads", "reads_of", "reads_of_text"]

_CHANGING = frozenset(
    {
        *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert"),
        *("intersection_update", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort"),
        *("symmetric_difference_update", "update", "__setitem__", "__delitem__"),
    }
)
"""The methods that change lists, dicts, sets and deques."""
_COPYING = frozenset({"copy", "deepcopy"})
_FAR = 60
"""After how many instructions a value that was read is lost from sight."""


@dataclass(frozen=True)
class CodeReads:
    """What a code object, with the functions defined in it, has to do with what is around it.

    Attributes:
        digest: a hash of the code: its instructions, names and constants.
        globals: the global names that it reads, in order.
        names: all names in it, those of attributes too.
        imports: `(name, level, names from it)` of the imports in it.
        rebound: the global names that it binds.
        changed: the global names whose values it changes on the spot.
        changed_attributes: the names of attributes that it sets, or whose values it changes on the spot.
    """

    digest: bytes
    globals: tuple[str, ...]
    names: frozenset[str]
    imports: tuple[tuple[str, int, tuple[str, ...]], ...]
    rebound: frozenset[str]
    changed: frozenset[str]
    changed_attributes: frozenset[str]


def reads_of(code: types.CodeType) -> CodeReads:
    """What the byte code tells; kept for as long as the code object lives."""
    found = _KNOWN.get(code)
    if found is None:
        found = _KNOWN[code] = _Reader(code).result()
    return found


@lru_cache(maxsize=512)
def reads_of_text(text: str) -> CodeReads | None:
    """The same of a text of code, which is compiled and not run; None where it does not compile."""
    try:
        return reads_of(compile(text, "<text>", "exec", dont_inherit=True))
    except (SyntaxError, ValueError):
        return None


_KNOWN: weakref.WeakKeyDictionary[types.CodeType, CodeReads] = weakref.WeakKeyDictionary()


def _opcodes(*names: str) -> frozenset[int]:
    """The numbers of those instructions that this version of Python has."""
    return frozenset(dis.opmap[name] for name in names if name in dis.opmap)


_EXTENDED_ARG = dis.opmap["EXTENDED_ARG"]
_LOAD_GLOBAL = dis.opmap["LOAD_GLOBAL"]
_LOAD_NAMES = _opcodes("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_BIND_GLOBAL = _opcodes("STORE_GLOBAL", "DELETE_GLOBAL")
_SET_ATTRIBUTE = _opcodes("STORE_ATTR", "DELETE_ATTR")
_LOAD_ATTRIBUTE = _opcodes("LOAD_ATTR", "LOAD_METHOD")
_SET_ITEM = _opcodes("STORE_SUBSCR", "DELETE_SUBSCR")
_SET_SLICE = _opcodes("STORE_SLICE")
_REORDERING = _opcodes("SWAP", "ROT_TWO", "ROT_THREE")
_IMPORT = dis.opmap["IMPORT_NAME"]
_IMPORT_FROM = dis.opmap["IMPORT_FROM"]
_CACHE = dis.opmap.get("CACHE", -1)
_GLOBAL_SHIFT = 1 if sys.version_info >= (3, 11) else 0
_ATTRIBUTE_SHIFT = 1 if sys.version_info >= (3, 12) else 0


class _Reader:
    """One pass through a code object."""

    def __init__(self, code: types.CodeType) -> None:
        self._code = code
        self._steps = list(_instructions(code.co_code))
        self._imports: list[tuple[str, int, tuple[str, ...]]] = []
        self._globals: dict[str, None] = {}
        self._rebound: set[str] = set()
        self._changed: set[str] = set()
        self._changed_attributes: set[str] = set()
        for place in range(len(self._steps)):
            self._look_at(place)

    def result(self) -> CodeReads:
        """What was found, with what the code objects in this one have."""
        inner = [reads_of(each) for each in self._code.co_consts if isinstance(each, types.CodeType)]
        for each in inner:
            self._globals.update(dict.fromkeys(each.globals))
            self._imports.extend(each.imports)
        return CodeReads(
            digest=_digest(self._code, inner),
            globals=tuple(self._globals),
            names=frozenset(self._code.co_names).union(*(each.names for each in inner)),
            imports=tuple(self._imports),
            rebound=frozenset(self._rebound).union(*(each.rebound for each in inner)),
            changed=frozenset(self._changed).union(*(each.changed for each in inner)),
            changed_attributes=frozenset(self._changed_attributes).union(*(each.changed_attributes for each in inner)),
        )

    def _look_at(self, place: int) -> None:
        code, argument = self._steps[place]
        names = self._code.co_names
        if code == _LOAD_GLOBAL:
            name = names[argument >> _GLOBAL_SHIFT]
            self._globals[name] = None
            if not (_GLOBAL_SHIFT and argument & 1) and self._is_changed(place):  # otherwise it is called
                self._changed.add(name)
        elif code in _LOAD_NAMES:
            self._globals[names[argument]] = None
        elif code in _BIND_GLOBAL:
            self._rebound.add(names[argument])
        elif code in _SET_ATTRIBUTE:
            self._changed_attributes.add(names[argument])
        elif code in _LOAD_ATTRIBUTE:
            if self._is_changed(place):
                self._changed_attributes.add(self._attribute(place))
        elif code == _IMPORT:
            self._note_import(place)

    def _attribute(self, place: int) -> str:
        code, argument = self._steps[place]
        shift = _ATTRIBUTE_SHIFT if code == dis.opmap["LOAD_ATTR"] else 0
        return self._code.co_names[argument >> shift]

    def _is_changed(self, place: int) -> bool:
        """Whether what an instruction loads, or what is read from it in place, is changed on the spot."""
        depth = 1  # how many values lie on the stack from this one on
        for position in range(place + 1, min(place + _FAR, len(self._steps))):
            code, argument = self._steps[position]
            if code in _SET_ITEM or code in _SET_SLICE:
                own = 3 if code in _SET_SLICE else 2
                augmented = depth == own + 1 and self._steps[position - 1][0] in _REORDERING
                return depth == own or augmented
            if code in _LOAD_ATTRIBUTE and depth == 1:
                name = self._attribute(position)
                if name in _CHANGING or name in _COPYING:
                    return name in _CHANGING
            try:
                depth += dis.stack_effect(code, argument if code >= dis.HAVE_ARGUMENT else None, jump=False)
            except ValueError:
                return False
            if depth < 1:
                return False
        return False

    def _note_import(self, place: int) -> None:
        """An import, whose level and names are the two constants that were loaded before."""
        name = self._code.co_names[self._steps[place][1]]
        level = self._steps[place - 2] if place >= 2 else (-1, 0)
        names = []
        for code, argument in self._steps[place + 1 :]:
            if code == _IMPORT_FROM:
                names.append(self._code.co_names[argument])
            elif not dis.opname[code].startswith("STORE_"):
                break
        self._imports.append((name, self._number(*level), tuple(names)))

    def _number(self, code: int, argument: int) -> int:
        if dis.opname[code] == "LOAD_SMALL_INT":  # since Python 3.14
            return argument
        found = self._code.co_consts[argument] if dis.opname[code] == "LOAD_CONST" else 0
        return found if isinstance(found, int) else 0


def _instructions(code: bytes) -> Iterable[tuple[int, int]]:
    """The instructions with their arguments; `dis.get_instructions` takes fifty times as long."""
    argument = 0
    for place in range(0, len(code), 2):
        argument = argument << 8 | code[place + 1]
        if code[place] == _EXTENDED_ARG:
            continue
        if code[place] != _CACHE:
            yield code[place], argument
        argument = 0


def _digest(code: types.CodeType, inner: list[CodeReads]) -> bytes:
    found = hashlib.sha256(code.co_code)
    inside = iter(inner)
    said: list[object] = [code.co_names, code.co_varnames, code.co_freevars, code.co_argcount, code.co_kwonlyargcount]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            said.append(next(inside).digest)
        else:
            said.append(_written(constant))
    found.update(repr(said).encode("utf-8", "surrogatepass"))
    return found.digest()


def _written(constant: object) -> str:
    """A constant as text, which is the same in every process."""
    if isinstance(constant, frozenset):
        return f"frozenset({sorted(map(_written, constant))})"
    if isinstance(constant, tuple):
        return f"({', '.join(map(_written, constant))})"
    return repr(constant)
