"""Cutting the text of a definition out of its file."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

from opto.trace.source_files import Definition, FileIndex

__all__ = ["block", "first_line_of", "head_end", "shifted", "signature_line"]


def first_line_of(index: FileIndex, definition: Definition, position: int | None) -> int:
    """The first line after a decorator (the whole definition for None), whose expression may stand in parentheses."""
    if position is None:
        return definition.first_line
    decorators = definition.decorators
    last = decorators[position].end_line
    following = decorators[position + 1].line if position + 1 < len(decorators) else definition.line
    for line in range(last + 1, following):
        if index.lines[line - 1].lstrip().startswith(")"):
            last = line
    return last + 1


def block(index: FileIndex, first: int, definition: Definition) -> list[str]:
    """The lines of a definition from line `first` on, dedented, with the comments that end its body.

    Lines inside a string keep their indentation, for it is part of the value; those of a docstring do not.
    """
    lines = index.lines[first - 1 : definition.end_line]
    head = index.lines[definition.line - 1]
    indent = head[: len(head) - len(head.lstrip())]
    lines += _closing_comments(index.lines[definition.end_line :], len(indent))
    return shifted(lines, indent, "") if indent else lines


def signature_line(lines: list[str]) -> str:
    """A definition, given from its `def` on, up to its colon; one over several lines is written on one."""
    row, column = head_end(lines)
    if row == 1:
        return lines[0][:column].strip()
    head = "".join([*lines[: row - 1], lines[row - 1][:column]])
    return ast.unparse(ast.parse(f"{head} pass")).split("\n")[0]


def head_end(lines: list[str]) -> tuple[int, int]:
    """Row (from 1) and column (from 0) after the colon that ends the `def` or `class` which begins the lines."""
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
        if token.string in ("(", "[", "{"):
            depth += 1
        elif token.string in (")", "]", "}"):
            depth -= 1
        elif token.string == ":" and not depth:
            return token.end
    raise AssertionError(lines)


def shifted(lines: list[str], indent: str, by: str) -> list[str]:
    """The lines with `by` in place of `indent` in front, save those that begin inside a string which is a value."""
    inside = _inside_strings(lines)
    return [
        by + line.removeprefix(indent) if line.strip() and number not in inside else line
        for number, line in enumerate(lines)
    ]


def _closing_comments(lines: list[str], indent: int) -> list[str]:
    """The comments after the last statement of a body that are indented as part of it."""
    taken = 0
    for number, line in enumerate(lines, start=1):
        stripped = line.lstrip()
        if stripped.startswith("#") and len(line) - len(stripped) > indent:
            taken = number
        elif stripped:
            break
    return lines[:taken]


def _inside_strings(lines: list[str]) -> set[int]:
    """The numbers (from 0) of lines that begin inside a string which is a value."""
    text = "".join(lines)
    inside: set[int] = set()
    if '"""' not in text and "'''" not in text and "\\\n" not in text:
        return inside
    for start, end in _multiline_strings(f"if 1:\n{text}"):
        inside.update(range(start - 1, end - 1))
    return inside


def _multiline_strings(text: str) -> Iterator[tuple[int, int]]:
    """First and last row of each string over several rows that does not stand as a statement of its own."""
    begins: list[int] = []
    statement = True  # does the next token begin a statement?
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            name = tokenize.tok_name[token.type]
            if name.endswith("STRING_START"):
                begins.append(token.start[0])
            elif name.endswith("STRING_END"):
                yield begins.pop(), token.end[0]
            elif name == "STRING" and not statement:
                yield token.start[0], token.end[0]
            if name in ("NEWLINE", "INDENT", "DEDENT"):
                statement = True
            elif name not in ("NL", "COMMENT"):
                statement = False
    except (tokenize.TokenError, SyntaxError):
        return
