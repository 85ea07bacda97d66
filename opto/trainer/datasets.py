"""Datasets: pairs of what a program is given and what is known of the right answer, from whatever holds them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias, overload

from opto.trainer.json_lines import JSONLines

__all__ = ["Dataset", "Field", "as_dataset"]

Field: TypeAlias = "str | Sequence[str] | Callable[[Any], Any]"
"""A column by its name, several columns as a dict, or a function of the row."""

_INPUTS = ("input", "inputs", "x", "query", "question", "prompt", "text")
_INFOS = ("info", "infos", "y", "reference", "answer", "target", "label", "expected")


class Dataset(Sequence[Any]):
    """A sequence of pairs `(input, info)`. Rows are read when they are asked for.

        dataset = as_dataset([("1 + 1", "2"), ("2 + 3", "5")])
        dataset[0]              # ("1 + 1", "2")
        dataset["inputs"][1]    # "2 + 3"

    Args:
        rows: anything with `len()` and places from 0.
        pair: makes `(input, info)` of a row; of one that it cannot read, it raises ValueError.
    """

    def __init__(self, rows: Any, pair: Callable[[Any], tuple[Any, Any]]) -> None:
        self._rows, self._pair = rows, pair

    @property
    def inputs(self) -> Sequence[Any]:
        """What the program is given."""
        return _Side(self, 0)

    @property
    def infos(self) -> Sequence[Any]:
        """What is known of the right answers."""
        return _Side(self, 1)

    @overload
    def __getitem__(self, place: int) -> tuple[Any, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> list[tuple[Any, Any]]: ...

    @overload
    def __getitem__(self, place: str) -> Sequence[Any]: ...

    def __getitem__(self, place: int | slice | str) -> Any:
        """A pair by its place, or all "inputs" or "infos".

        Raises:
            IndexError: there is none at this place.
            KeyError: a name that is neither of the two.
            ValueError: the row does not have the form of the others; the message says which.
        """
        if isinstance(place, str):
            if place not in ("inputs", "infos"):
                raise KeyError(f"a dataset has 'inputs' and 'infos', not {place!r}.")
            return self.inputs if place == "inputs" else self.infos
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"there is no example {place}: the dataset has {len(self):,}.")
        place = int(place) % len(self)
        try:
            return self._pair(self._rows[place])
        except _NotLikeTheOthers as error:
            raise ValueError(f"dataset: example {place} {error}") from None

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Dataset of {len(self):,} examples>"


class _Side(Sequence[Any]):
    """The inputs of a dataset, or its infos."""

    def __init__(self, dataset: Dataset, side: int) -> None:
        self._dataset, self._side = dataset, side

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [pair[self._side] for pair in self._dataset[place]]
        return self._dataset[place][self._side]

    def __len__(self) -> int:
        return len(self._dataset)


def as_dataset(
    source: Any, *, inputs: Field | None = None, infos: Field | None = None, limit: int | None = None
) -> Dataset:
    """A dataset of whatever holds examples.

    Examples are pairs `(input, info)`, dicts or rows with named columns, or bare inputs, about which nothing is known
    (info is None). All examples of a dataset have the same form, which is that of the first one.

    Args:
        source: one of

            - `{"inputs": [...], "infos": [...]}` of equal length, or a dict of other columns of equal length;
            - a list, or anything else with `len()` and places, as PyTorch's datasets have: read when needed;
            - an iterator or generator: read to its end at once;
            - a frame of pandas or polars;
            - a dataset of Hugging Face's `datasets`, read when needed; an iterable one is read at once;
            - the path of a JSON-lines file, read when needed (see `opto.trainer.json_lines.JSONLines`).
        inputs: which columns are the input: a name, several names (the input is a dict), or a function of the row. None
            takes the only column called input, inputs, x, query, question, prompt or text.
        infos: likewise for the info: info, infos, y, reference, answer, target, label or expected; None where there is
            no such column.
        limit: how many examples to take at most, from the first.

    Raises:
        TypeError: `source` is none of these.
        ValueError: columns of different length, columns that cannot be told apart, an example of another form.
        FileFormatError: a line of a file is no JSON; the message names it.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ValueError(f"limit must be an int >= 0 or None, got {limit!r}.")
    if isinstance(source, Dataset) and inputs is None and infos is None:
        return source if limit is None else Dataset(_First(source, limit), _as_it_is)
    rows = _rows(source, limit)
    if limit is not None and len(rows) > limit:
        rows = _First(rows, limit)
    return Dataset(rows, _reader(rows, inputs, infos))


class _NotLikeTheOthers(Exception):  # noqa: N818  # it becomes a ValueError that says which example it is
    """A row has another form than the first one."""


class _First:
    """The first rows of some."""

    def __init__(self, rows: Any, limit: int) -> None:
        self._rows, self._length = rows, min(limit, len(rows))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> Any:
        return self._rows[place]


class _Columns:
    """Columns of equal length as rows."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"dataset must have columns of equal length, got {lengths}.")
        self.columns = columns
        self._length = next(iter(lengths.values()), 0)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {name: column[place] for name, column in self.columns.items()}


def _rows(source: Any, limit: int | None) -> Any:
    """The source as something with a length and places."""
    library = type(source).__module__.partition(".")[0]
    if isinstance(source, (str, os.PathLike)):
        return JSONLines(source)
    if library in ("pandas", "polars"):
        return _Columns(_frame_columns(source, library))
    if isinstance(source, Mapping):
        return _Columns(_mapping_columns(source))
    if hasattr(source, "__len__") and hasattr(source, "__getitem__") and not isinstance(source, (bytes, bytearray)):
        return source
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray, set, frozenset)):
        return list(islice(source, limit))
    raise TypeError(
        "dataset must be {'inputs': [...], 'infos': [...]}, a list, an iterator, a frame of pandas or polars, a "
        "dataset of Hugging Face or the path of a JSON-lines file (a set has no order: sort it), "
        f"got {type(source).__name__}: {str(source)[:80]!r}."
    )


def _frame_columns(frame: Any, library: str) -> dict[str, list[Any]]:
    if hasattr(frame, "collect") or not hasattr(frame, "columns"):
        remedy = " Call its collect() first." if hasattr(frame, "collect") else " Make a frame of it first."
        raise TypeError(f"dataset must be a frame, got {library}'s {type(frame).__name__}.{remedy}")
    as_list = "tolist" if library == "pandas" else "to_list"
    if len(set(frame.columns)) != len(frame.columns):
        raise ValueError(f"dataset must have columns of different names, got {list(frame.columns)}.")
    return {str(name): getattr(frame[name], as_list)() for name in frame.columns}


def _mapping_columns(source: Mapping[Any, Any]) -> dict[str, Sequence[Any]]:
    columns = {}
    for name, column in source.items():
        if hasattr(column, "column_names"):
            raise ValueError(f"dataset must be one split, got {', '.join(map(str, source))}: take source[{name!r}].")
        if isinstance(column, Iterator):
            column = list(column)
        if not (hasattr(column, "__len__") and hasattr(column, "__getitem__")) or isinstance(column, Mapping):
            raise TypeError(f"dataset[{name!r}] must be a list, got {type(column).__name__}: {column!r}.")
        if type(column).__module__.partition(".")[0] == "pandas":
            column = column.tolist()  # its places are labels
        columns[str(name)] = column
    return columns


def _reader(rows: Any, inputs: Field | None, infos: Field | None) -> Callable[[Any], tuple[Any, Any]]:
    """What makes pairs of rows that have the form of the first one."""
    if not len(rows):
        return _as_it_is
    first = rows[0]
    if isinstance(first, Mapping):
        names = [str(name) for name in first]
        found = _column(names, _INPUTS) if inputs is None else inputs
        if found is None:
            raise ValueError(
                f"dataset has columns {names}, and it is not clear which is the input: "
                "say inputs= (and infos=), a name, several names or a function of the row."
            )
        return _FromColumns(found, _column(names, _INFOS) if infos is None else infos, names)
    if callable(inputs) or callable(infos):
        return _FromColumns(inputs or _whole, infos, None)
    if inputs is not None or infos is not None:
        raise ValueError(f"inputs and infos name columns, but the examples have none: the first is {first!r:.80}.")
    if not isinstance(first, (tuple, list)):
        return _bare
    if len(first) != 2:
        raise ValueError(
            f"dataset must hold pairs (input, info); its first example has {len(first)} parts. "
            "Say inputs= and infos=, functions of the example."
        )
    return _as_it_is


def _column(names: Sequence[str], known: Sequence[str]) -> str | None:
    if "inputs" in names and "infos" in names:  # the two names that leave no doubt
        return "inputs" if "inputs" in known else "infos"
    found = [name for name in names if name.lower() in known]
    return found[0] if len(found) == 1 else None


class _FromColumns:
    """Makes pairs of dicts."""

    def __init__(self, inputs: Field, infos: Field | None, names: Sequence[str] | None) -> None:
        self._inputs, self._infos = inputs, infos
        for argument, wanted in (("inputs", inputs), ("infos", infos)):
            if names is None or wanted is None or callable(wanted):
                continue
            missing = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name not in names]
            if missing:
                raise ValueError(f"{argument} names {missing}, and the dataset has the columns {list(names)}.")

    def __call__(self, row: Any) -> tuple[Any, Any]:
        return _field(row, self._inputs), None if self._infos is None else _field(row, self._infos)


def _field(row: Any, wanted: Field) -> Any:
    if callable(wanted):
        return wanted(row)
    if not isinstance(row, Mapping):
        raise _NotLikeTheOthers(f"has no named columns, as the first one has, but is a {type(row).__name__}.")
    missing = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name not in row]
    if missing:
        raise _NotLikeTheOthers(f"lacks {', '.join(map(repr, missing))}; it has {', '.join(map(repr, row))}.")
    return row[wanted] if isinstance(wanted, str) else {name: row[name] for name in wanted}


def _whole(row: Any) -> Any:
    return row


def _as_it_is(row: Any) -> tuple[Any, Any]:
    if not (isinstance(row, (tuple, list)) and len(row) == 2):
        raise _NotLikeTheOthers(f"must be a pair (input, info), as the first one is, got {row!r:.80}.")
    return row[0], row[1]


def _bare(row: Any) -> tuple[Any, Any]:
    if isinstance(row, (tuple, list, Mapping)):
        raise _NotLikeTheOthers(f"must be an input alone, as the first one is, got {row!r:.80}.")
    return row, None
