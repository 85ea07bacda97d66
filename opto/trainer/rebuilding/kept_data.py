"""The examples of a run in its folder, so that it can go on without being given them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.runs import codec
from opto.runs.files import make_folder, read_file, write_atomic
from opto.secrets import redact_json
from opto.trainer.datasets import Dataset, as_dataset

__all__ = ["MOST_BYTES", "check_dataset", "keep_dataset", "kept_dataset"]

MOST_BYTES = 32 * 1024 * 1024
"""Datasets whose text is longer are not kept, and only their first examples tell them from others."""

_KIND = "example"
_FOLDER = "data"


def keep_dataset(folder: Path, name: str, dataset: Dataset) -> dict[str, Any]:
    """Write a dataset into the folder of a run.

    Args:
        folder: of the run.
        name: "train", "validate" or "test".
        dataset: the examples.

    Returns:
        What is known of it, plain data: `count`, `digest` (None where an example has no text form), `file` (None where
        it was not kept) and `why`.
    """
    known: dict[str, Any] = {"count": len(dataset), "digest": None, "file": None, "why": ""}
    lines, known["digest"], known["why"] = _read(dataset)
    if known["why"]:
        return known
    content = b"".join(lines)
    if redact_json(content) != content:
        return {**known, "why": "it holds a key or a password, which is not written"}
    make_folder(folder / _FOLDER)
    file = f"{_FOLDER}/{name}.jsonl"
    write_atomic(folder / file, content)
    return {**known, "file": file}


def kept_dataset(folder: Path, known: dict[str, Any]) -> Dataset:
    """The dataset that was kept.

    Raises:
        FileFormatError: the file is missing, damaged, or another one.
    """
    path = folder / _FOLDER / os.path.basename(known["file"])
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise FileFormatError(f"{path} is missing: give the dataset anew.") from None
    if hashlib.sha256(content).hexdigest() != known["digest"]:
        raise FileFormatError(f"{path} is damaged, or another one than the run began with: give the dataset anew.")
    pairs = [codec.loads(line.decode(), kind=_KIND) for line in content.splitlines()]
    return as_dataset([(x, info) for x, info in pairs])


def check_dataset(name: str, dataset: Dataset, known: dict[str, Any]) -> None:
    """Refuse a dataset that is not the one that a run began with.

    Raises:
        ValueError: it has more examples, or fewer, or others.
    """
    if len(dataset) != known["count"]:
        raise ValueError(
            f"{name} must be the one that the run began with: {known['count']:,} examples, not {len(dataset):,}."
        )
    if known["digest"] is not None and _read(dataset)[1] != known["digest"]:
        raise ValueError(f"{name} must be the one that the run began with, but its examples are others.")


def _read(dataset: Dataset) -> tuple[list[bytes], str | None, str]:
    """The lines of a dataset, their digest (None where there is none), and why they are not kept ("" if they are)."""
    lines: list[bytes] = []
    digest, size = hashlib.sha256(), 0
    try:
        for line in _lines(dataset):
            digest.update(line)
            size += len(line)
            if size > MOST_BYTES:
                return [], digest.hexdigest(), f"it is longer than {MOST_BYTES:,} bytes"
            lines.append(line)
    except (TypeError, ValueError) as error:
        return [], None, f"an example has no text form ({error})"
    return lines, digest.hexdigest(), ""


def _lines(dataset: Dataset) -> Iterator[bytes]:
    for x, info in dataset:
        document = json.loads(codec.dumps([x, info], kind=_KIND))
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
