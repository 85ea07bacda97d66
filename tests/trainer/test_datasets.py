"""Datasets from lists, iterators, frames, Hugging Face datasets and files."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from opto.errors import FileFormatError
from opto.trainer.datasets import Dataset, as_dataset
from opto.trainer.json_lines import JSONLines

PAIRS = [("1 + 1", "2"), ("2 + 3", "5")]
ROWS = [{"id": number, "question": question, "answer": answer} for number, (question, answer) in enumerate(PAIRS)]


@pytest.mark.parametrize(
    "source",
    [
        PAIRS,
        [list(pair) for pair in PAIRS],
        tuple(PAIRS),
        ROWS,
        {"inputs": ["1 + 1", "2 + 3"], "infos": ["2", "5"]},
        {"question": ["1 + 1", "2 + 3"], "answer": ("2", "5"), "id": [0, 1]},
    ],
    ids=["pairs", "lists", "tuple", "rows", "inputs-infos", "columns"],
)
def test_each_form_gives_the_same_pairs(source: Any) -> None:
    """Pairs, rows and columns, as they are and from a generator where that makes sense."""
    assert list(as_dataset(source)) == PAIRS
    if not isinstance(source, dict):
        assert list(as_dataset(each for each in source)) == PAIRS


def test_both_sides_are_sequences() -> None:
    """`inputs` and `infos` by attribute and by name, with slices and negative places."""
    dataset = as_dataset(PAIRS)
    assert list(dataset.inputs) == list(dataset["inputs"]) == ["1 + 1", "2 + 3"]
    assert dataset["infos"][-1] == "5"
    assert dataset["infos"][:1] == ["2"]
    assert dataset[-1] == PAIRS[1]
    assert dataset[::-1] == PAIRS[::-1]
    with pytest.raises(KeyError, match="outputs"):
        dataset["outputs"]
    with pytest.raises(IndexError, match="no example 2: the dataset has 2"):
        dataset[2]


def test_bare_inputs_have_no_info() -> None:
    """A list of texts is a dataset of inputs alone."""
    assert list(as_dataset(["a", "b"])) == [("a", None), ("b", None)]


def test_a_dataset_stays_itself() -> None:
    """`as_dataset` of a dataset makes no other."""
    dataset = as_dataset(PAIRS)
    assert as_dataset(dataset) is dataset
    assert list(as_dataset(dataset, limit=1)) == PAIRS[:1]


def test_columns_are_chosen_by_name_names_or_function() -> None:
    """`inputs` and `infos` take each of the three."""
    assert as_dataset(ROWS, inputs="id", infos="answer")[1] == (1, "5")
    assert as_dataset(ROWS, inputs=["id", "question"])[0] == ({"id": 0, "question": "1 + 1"}, "2")
    assert as_dataset(ROWS, inputs=lambda row: row["question"] + "?", infos=lambda row: row["id"])[1] == ("2 + 3?", 1)
    assert as_dataset([(1, 2, 3)], inputs=lambda row: row[0], infos=lambda row: row[1:])[0] == (1, (2, 3))
    assert as_dataset(PAIRS, infos=lambda row: row[1])[0] == (PAIRS[0], "2")


def test_a_limit_stops_an_endless_iterator() -> None:
    """Only as many examples are taken as asked for."""
    assert len(as_dataset(itertools.count(), limit=3)) == 3
    assert len(as_dataset(ROWS, limit=1)) == 1
    assert len(as_dataset(ROWS, limit=9)) == 2


def test_rows_are_read_when_needed() -> None:
    """A sequence of one's own is asked for the rows that are used, and no others."""

    class Rows:
        def __init__(self) -> None:
            self.read: list[int] = []

        def __len__(self) -> int:
            return 10_000

        def __getitem__(self, place: int) -> tuple[int, int]:
            self.read.append(place)
            return place, place * place

    rows = Rows()
    dataset = as_dataset(rows)
    assert dataset[9999] == (9999, 9999**2)
    assert set(rows.read) == {0, 9999}


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ({"inputs": [1, 2], "infos": [1]}, {}, ValueError, "equal length, got {'inputs': 2, 'infos': 1}"),
        ({"inputs": 5, "infos": [1]}, {}, TypeError, r"dataset\['inputs'\] must be a list"),
        ([{"a": 1, "b": 2}], {}, ValueError, "not clear which is the input"),
        ([{"question": 1, "input": 2}], {}, ValueError, "not clear which is the input"),
        (ROWS, {"inputs": "missing"}, ValueError, r"inputs names \['missing'\]"),
        (ROWS, {"infos": ["id", "other"]}, ValueError, r"infos names \['other'\]"),
        (PAIRS, {"inputs": "question"}, ValueError, "the examples have none"),
        ([(1, 2, 3)], {}, ValueError, "has 3 parts"),
        (5, {}, TypeError, "got int: '5'"),
        (b"bytes", {}, TypeError, "got bytes"),
        ({1, 2}, {}, TypeError, "a set has no order"),
        (PAIRS, {"limit": -1}, ValueError, "limit must be"),
    ],
)
def test_wrong_sources_are_explained(
    source: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """The message says what is wrong and what would be right."""
    with pytest.raises(error, match=message):
        as_dataset(source, **options)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([(1, 2), (3, 4, 5)], "example 1 must be a pair"),
        ([(1, 2), 3], "example 1 must be a pair"),
        ([1, (2, 3)], "example 1 must be an input alone"),
        ([{"x": 1, "y": 2}, {"x": 1}], "example 1 lacks 'y'"),
        ([{"x": 1, "y": 2}, 7], "example 1 has no named columns"),
    ],
)
def test_an_example_of_another_form_is_named(source: Any, message: str) -> None:
    """All examples have the form of the first one."""
    dataset = as_dataset(source)
    with pytest.raises(ValueError, match=message):
        dataset[1]


def test_pandas_frames() -> None:
    """Columns of a frame, with an index that does not begin at 0."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, index=[7, 3])
    assert list(as_dataset(frame)) == PAIRS
    assert as_dataset({"inputs": frame["question"], "infos": frame["id"]})[0] == ("1 + 1", 0)
    assert type(as_dataset(frame, inputs="id")[0][0]) is int
    with pytest.raises(TypeError, match="pandas's Series"):
        as_dataset(frame["question"])


def test_arrays_keep_their_rows() -> None:
    """What a program was given as an array stays one."""
    numpy = pytest.importorskip("numpy")
    dataset = as_dataset({"inputs": numpy.eye(2), "infos": numpy.array([3, 4]), "question": ["a", "b"]})
    assert dataset[1][0].tolist() == [0.0, 1.0]
    assert dataset[1][1] == 4


def test_polars_frames() -> None:
    """Columns of a frame; a lazy one is refused with the remedy."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(ROWS)
    assert list(as_dataset(frame)) == PAIRS
    assert list(as_dataset(frame, inputs="id", infos=["question", "answer"])[:1])[0][0] == 0
    with pytest.raises(TypeError, match="collect"):
        as_dataset(frame.lazy())


@pytest.mark.filterwarnings("ignore")  # what that package and its own say while they are imported
def test_hugging_face_datasets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those with places, iterable ones, and splits, which must be chosen from."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_list(ROWS)
    assert list(as_dataset(table)) == PAIRS
    assert list(as_dataset(table.to_iterable_dataset(), limit=1)) == PAIRS[:1]
    with pytest.raises(ValueError, match=r"one split, got train, test: take source\['train'\]"):
        as_dataset(datasets.DatasetDict({"train": table, "test": table}))


def lines(path: Path, *rows: Any) -> Path:
    """The file, with a line for each row."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_json_lines_files(tmp_path: Path) -> None:
    """A path is a dataset, as text or Path; empty lines do not count, and an accent or two do no harm."""
    path = lines(tmp_path / "examples.jsonl", *ROWS)
    assert list(as_dataset(path)) == list(as_dataset(str(path))) == PAIRS
    path.write_bytes(b'\xef\xbb\xbf["\xc3\xa9", 1]\r\n\r\n["b", 2]')
    assert list(as_dataset(path)) == [("é", 1), ("b", 2)]
    assert list(JSONLines(path)) == JSONLines(path)[:] == [["é", 1], ["b", 2]]
    assert JSONLines(path)[-1] == ["b", 2]
    with pytest.raises(IndexError):
        JSONLines(path)[2]


@pytest.mark.parametrize("broken", [b"{", b'{"x": 1} {"x": 2}', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_line_is_named(tmp_path: Path, broken: bytes) -> None:
    """It is found when the file is opened, before anything is trained."""
    path = tmp_path / "examples.jsonl"
    path.write_bytes(b'{"x": 1}\n\n' + broken + b'\n{"x": 2}\n')
    with pytest.raises(FileFormatError, match=r"examples\.jsonl, line 3 is"):
        as_dataset(path)


def test_a_file_that_changes_is_told_of(tmp_path: Path) -> None:
    """Places of lines would no longer be right."""
    path = lines(tmp_path / "examples.jsonl", *ROWS)
    dataset = as_dataset(path)
    lines(path, *ROWS, *ROWS)
    with pytest.raises(FileFormatError, match="has changed since it was opened"):
        dataset[0]
    with pytest.raises(FileNotFoundError):
        as_dataset(tmp_path / "none.jsonl")


def test_json_lines_are_not_kept_in_memory(tmp_path: Path) -> None:
    """A file of ten thousand long lines takes 16 bytes of memory for each."""
    import tracemalloc

    path = lines(tmp_path / "long.jsonl", *[{"x": "a" * 1000, "y": number} for number in range(10_000)])
    tracemalloc.start()
    try:
        dataset = as_dataset(path)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 400_000 < path.stat().st_size
    assert dataset[7777] == ("a" * 1000, 7777)


def test_datasets_pickle(tmp_path: Path) -> None:
    """A dataset goes to another process, a file by its path."""
    for source in (PAIRS, ROWS, lines(tmp_path / "examples.jsonl", *ROWS)):
        again = pickle.loads(pickle.dumps(as_dataset(source)))
        assert isinstance(again, Dataset)
        assert list(again) == PAIRS
