"""Values as the trees that JSON holds, for lines of files that have a form of their own around them."""

from __future__ import annotations

from typing import Any

from opto.errors import FileFormatError
from opto.runs.codec.decoding import Decoder
from opto.runs.codec.encoding import Encoder

__all__ = ["from_tree", "to_tree"]

_DEEP = "!deep"


def to_tree(value: Any) -> Any:
    """The tree of a value, which `json` can write; `from_tree` makes an equal value of it.

    Raises:
        TypeError: a value inside has no text form.
        ValueError: the value contains itself.
    """
    encoder = Encoder("value", False)
    tree = encoder.encode(value)
    return {_DEEP: [encoder.rows, tree]} if encoder.rows else tree


def from_tree(tree: Any) -> Any:
    """The value of a tree by `to_tree`. Reading it runs nothing.

    Raises:
        FileFormatError: the tree is damaged.
    """
    rows: Any = []
    if type(tree) is dict and len(tree) == 1 and _DEEP in tree:
        try:
            rows, tree = tree[_DEEP]
        except (TypeError, ValueError) as error:
            raise FileFormatError(f"a deep value is damaged: {error}.") from error
    return Decoder(False).decode({"rows": rows, "value": tree})
