"""New values in an answer that has none of the forms asked for, found by the names of the variables.

Only what cannot be mistaken for talk is taken: a tag with the name of a variable, a line that begins with the name and
gives a value that is no running text, a fenced block of code that defines the function whose code is wanted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opto.optimizers.code_checks import function_name
from opto.optimizers.formats import fenced_blocks
from opto.optimizers.rendering import is_code

if TYPE_CHECKING:
    from opto.trace.nodes import ParameterNode

__all__ = ["loose_suggestion"]

_LONGEST = 200_000
_QUOTED = re.compile(r"""(?:"([^"]*)"|'([^']*)'|`([^`]*)`|\u201c([^\u201d]*)\u201d)[.,;]?""")
_TO = re.compile(r"^.{0,80}?(?:->|→|=>|\bto\b)\s*(?=\S)")
_LONGEST_BARE = 200
_VALUE_LINE = re.compile(r"^\s*\([^()]*\)\s[^\s=:]+[=:]")


def loose_suggestion(text: str, parameters: Iterable[ParameterNode[Any]], shown: str = "") -> dict[str, Any]:
    """New values by name, {} when none is found.

    Args:
        text: an answer.
        parameters: those that may get a value.
        shown: the prompt. What stands there just so is quoted from it, and is no suggestion.
    """
    if len(text) > _LONGEST:
        return {}
    free = list(parameters)
    found: dict[str, Any] = {}
    for parameter in free:
        value = _tagged(text, parameter.py_name, shown)
        if value is not None:
            found[parameter.py_name] = value
    codes = [parameter for parameter in free if is_code(parameter.py_name) and parameter.py_name not in found]
    found.update({name: code for name, code in _fenced_code(text, codes).items() if code.strip() not in shown})
    if not found:
        found.update(_lines(text, [parameter for parameter in free if not is_code(parameter.py_name)], shown))
    return found


def _tagged(text: str, name: str, shown: str) -> str | None:
    start = text.rfind(f"<{name}>")
    end = text.find(f"</{name}>", start) if start >= 0 else -1
    if end < 0 or text[start : end + len(name) + 3] in shown:
        return None
    return text[start + len(name) + 2 : end].strip()


def _fenced_code(text: str, parameters: list[ParameterNode[Any]]) -> dict[str, str]:
    """The last block that defines the function of each code parameter; none where two parameters have one name."""
    wanted = {parameter: function_name(parameter) for parameter in parameters}
    names = list(wanted.values())
    blocks = [block for block in fenced_blocks(text) if "def " in block]
    if not blocks and text.lstrip().startswith(("def ", "async def ", "import ", "from ", "@")):
        blocks = [text.strip()]
    found: dict[str, str] = {}
    for block in blocks:
        try:
            defined = {each.name for each in ast.parse(block).body if hasattr(each, "name")}
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        for parameter, name in wanted.items():
            if name in defined and names.count(name) == 1:
                found[parameter.py_name] = block
    return found


def _lines(text: str, parameters: list[ParameterNode[Any]], shown: str) -> dict[str, Any]:
    """The values in lines such as `- **int0**: 5`, `int0 = 5` and `| int0 | 5 |`; the last one of a name counts."""
    names = {parameter.py_name: parameter for parameter in parameters}
    if not names:
        return {}
    spelled = "|".join(re.escape(name) for name in names)
    line = re.compile(
        rf"^[ \t]{{0,20}}(?:[-*+•|]|\d{{1,3}}[.)])?[ \t]{{0,20}}[*_`\"']{{0,4}}({spelled})[*_`\"']{{0,4}}"
        rf"[ \t]{{0,20}}(?::|=|->|→|=>|\||should be|becomes)[*_]{{0,3}}[ \t]{{0,20}}(\S.*)$",
        re.MULTILINE,
    )
    found: dict[str, Any] = {}
    quoted: set[str] | None = None
    for match in line.finditer(text):
        if quoted is None:
            quoted = {_VALUE_LINE.sub("", each).strip() for each in shown.splitlines()}
        if match.group().strip() in quoted:
            continue
        value = _value(match.group(2), is_text=isinstance(names[match.group(1)]._data, str))
        if value is not None:
            found[match.group(1)] = value
    return found


def _value(rest: str, *, is_text: bool) -> str | None:
    """What a line gives as the value: of a text only what is quoted, else also a short bare word or number."""
    rest = rest.strip().rstrip("|").strip()
    if len(rest) > 10_000:
        return None
    arrow = _TO.match(rest)
    for part in (rest[arrow.end() :] if arrow else "", rest):
        quoted = _QUOTED.fullmatch(part.strip())
        if quoted:
            return next(group for group in quoted.groups() if group is not None)
        bare = part.strip().rstrip(".,;")
        if part and not is_text and len(bare) <= _LONGEST_BARE:
            return bare
    return None
