"""Entries as lines of JSON in a file."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from opto.runs.files import open_appending
from opto.secrets import redact_json
from opto.trainer.loggers.base import BaseLogger, pieces
from opto.trainer.objectives import number_of

__all__ = ["JSONLinesLogger"]


class JSONLinesLogger(BaseLogger):
    """Appends `{"time": 1.7e9, "step": 3, "name": "train/score", "value": 0.75}` to a file, one line for each entry.

    Numbers that are not finite are written as text, as is anything but numbers, texts, and lists and dicts of these.
    Keys and passwords that are known are struck out. Several threads and processes may write to one file.

        logger = JSONLinesLogger("logs/run.jsonl")
        logger.log("train/score", 0.75, step=3)

    Args:
        path: the file; it and its folder are made when the first entry comes, for the user alone.
    """

    def __init__(self, path: str | os.PathLike[str] = "logs/log.jsonl") -> None:
        self.path = os.fspath(path)

    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        """Append an entry.

        Raises:
            OSError: the file cannot be written.
        """
        entry = {"time": time.time(), "step": int(step), "name": name, "value": _plain(data)}
        line = redact_json(json.dumps(entry, allow_nan=False).encode()) + b"\n"
        descriptor = open_appending(self.path)
        try:
            os.write(descriptor, line)  # in one call, which appends as a whole
        finally:
            os.close(descriptor)


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    if data is None or isinstance(data, (bool, int)):
        return data
    number = number_of(data)
    if number is not None:
        return number if math.isfinite(number) else str(number)
    [(_, text)] = pieces("", data)
    return text
