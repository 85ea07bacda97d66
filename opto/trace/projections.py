"""Projections: what maps a suggested value onto the values that a parameter may take, before it is applied."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

from opto.errors import MissingExtraError

__all__ = ["BlackCodeFormatter", "DocstringProjection", "Projection"]


class Projection(ABC):
    """Maps a value onto the nearest one that is allowed.

    The one method to write is `project`; calling the projection does the same.

        class Clip(Projection):
            def project(self, x):
                return min(max(x, 0.0), 1.0)

        rate = node(0.5, trainable=True, projections=[Clip()])
    """

    def __call__(self, x: Any) -> Any:
        """Do what `project` does."""
        return self.project(x)

    @abstractmethod
    def project(self, x: Any) -> Any:
        """Give the allowed value for `x`; a value that is allowed already should come back equal."""


class BlackCodeFormatter(Projection):
    """Formats Python code with black.

    Only text that contains `def` counts as code. All other values, and text that black cannot read as Python, come back
    as they are: what is wrong with a piece of code is told when it is compiled.
    """

    def project(self, x: Any) -> Any:
        """Give the formatted code.

        Raises:
            MissingExtraError: black is not installed.
        """
        if not (isinstance(x, str) and "def" in x):
            return x
        try:
            import black
            from black.parsing import InvalidInput
        except ImportError as error:
            raise MissingExtraError("black", "black", "BlackCodeFormatter") from error
        try:
            return black.format_str(x, mode=black.Mode())
        except InvalidInput:
            return x


class DocstringProjection(Projection):
    """Puts a fixed docstring in place of whatever stands there, so that a suggestion cannot change it.

    The content of the first block in triple double quotes is replaced, all else is kept byte for byte. Text without
    such a block, and values that are not text, come back as they are.

    Args:
        docstring: the content, without the quotes.

    Raises:
        TypeError: `docstring` is not a text.
        ValueError: the docstring would end its own block too early, or not at all.
    """

    # A backslash takes the next character with it, so an escaped quote does not end the block.
    _BLOCK = re.compile(r'"""((?:[^\\]|\\.)*?)"""', re.DOTALL)

    def __init__(self, docstring: str) -> None:
        if not isinstance(docstring, str):
            raise TypeError(f"docstring must be a str, got {docstring!r}.")
        whole = self._BLOCK.match(f'"""{docstring}"""')
        if whole is None or whole[1] != docstring or docstring.endswith('"'):
            raise ValueError(
                "docstring must not hold three double quotes, nor end in a double quote or a single backslash, "
                f"got {docstring!r}."
            )
        self.docstring = docstring

    def project(self, x: Any) -> Any:
        """Give the text with the docstring in place."""
        block = self._BLOCK.search(x) if isinstance(x, str) else None
        if block is None:
            return x
        return f"{x[: block.start(1)]}{self.docstring}{x[block.end(1) :]}"
