"""What the children of `killing.py` write, and how it is read afterwards.

    python -m tests.stress.killed_writers NAME FOLDER DESCRIPTOR

Each writer numbers its writes from 0 and goes on behind the last one that it finds. A value is made so that half of one
cannot pass for whole: it says its number at its beginning, at its end, and in its length.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["WRITERS", "Writer"]


@dataclass(frozen=True)
class Writer:
    """One way to write.

    Attributes:
        write: writes for ever into a folder, from the number given; yields each number when its write has returned.
        read: gives the number of the last write in a folder, -1 for none; raises where anything is damaged.
        files: the names that may be in the folder.
    """

    write: Callable[[Path, int], Iterator[int]]
    read: Callable[[Path], int]
    files: frozenset[str]


def _text(number: int) -> str:
    return f"{number}\n" + "x" * (number % 50_000) + f"\n{number}"


def _number(text: Any) -> int:
    lines = text.split("\n")
    assert len(lines) == 3, "a value was cut"
    number = int(lines[0])
    assert text == _text(number), "a value is not as it was written"
    return number


def _steps(start: int) -> Iterator[int]:
    while True:
        yield start
        start += 1


# ---- modules, optimizers, exported programs


def _module(text: str = "") -> Any:
    from opto.trace import Module, node

    class Holder(Module):
        def __init__(self) -> None:
            self.left, self.right = node(text, trainable=True), node(text, trainable=True)

    return Holder()


def _write_module(folder: Path, start: int) -> Iterator[int]:
    module = _module()
    for number in _steps(start):
        module.load_state_dict({"left": _text(number), "right": _text(number)})
        module.save(folder / "module.json")
        yield number


def _read_module(folder: Path) -> int:
    if not (folder / "module.json").exists():
        return -1
    module = _module()
    module.load(folder / "module.json")
    numbers = {_number(value) for value in module.state_dict().values()}
    assert len(numbers) == 1, f"values of several writes: {numbers}"
    return numbers.pop()


def _optimizer() -> Any:
    from opto.llm import FromCallable
    from opto.optimizers import OptoPrime
    from opto.trace import node

    return OptoPrime([node("a", trainable=True)], FromCallable(lambda messages, **options: "{}"), memory_size=2)


def _write_optimizer(folder: Path, start: int) -> Iterator[int]:
    optimizer = _optimizer()
    for number in _steps(start):
        optimizer.steps = number
        optimizer.memory.add({"variables": _text(number), "feedback": ""})
        optimizer.save(folder / "optimizer.json")
        yield number


def _read_optimizer(folder: Path) -> int:
    if not (folder / "optimizer.json").exists():
        return -1
    optimizer = _optimizer()
    optimizer.load(folder / "optimizer.json")
    assert _number(list(optimizer.memory)[-1]["variables"]) == optimizer.steps, "a memory of another write"
    return int(optimizer.steps)


# ---- recordings, caches, records


def _asked(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"question {number}"}]


def _answer(messages: Any, **options: Any) -> str:
    return _text(int(messages[-1]["content"].split()[1]))


def _write_recording(folder: Path, start: int) -> Iterator[int]:
    from opto.llm import FromCallable, Recorded

    model = Recorded(folder / "exchanges.json", FromCallable(_answer), "auto")
    for number in _steps(start):
        model(_asked(number))
        yield number


def _read_recording(folder: Path) -> int:
    from opto.llm import Recorded

    path = folder / "exchanges.json"
    if not path.exists() or not path.stat().st_size:
        return -1
    model = Recorded(path)
    for number in range(model.count):
        assert _number(model(_asked(number)).text) == number
    return model.count - 1


def _write_cache(folder: Path, start: int) -> Iterator[int]:
    from opto.llm import Cached, FromCallable

    for number in _steps(start):
        Cached(FromCallable(_answer), folder)(_asked(number))
        yield number


def _read_cache(folder: Path) -> int:
    from opto.llm import Cached, FromCallable

    def refuse(messages: Any, **options: Any) -> str:
        raise AssertionError(f"{messages} is not in the cache")

    refuse.__name__ = _answer.__name__  # the name of the model is part of the key
    model = Cached(FromCallable(refuse), folder)
    count = len(model)
    for number in range(count):
        assert _number(model(_asked(number)).text) == number
    return count - 1


def _write_run(folder: Path, start: int) -> Iterator[int]:
    import opto
    from opto.runs import emit

    with opto.record(folder / "run") as recorder:
        done = start - 1
        for number in _steps(start):
            emit("step", optimizer="O", identity="a", step=number, outcome="applied", new={"a": _text(number % 500)})
            if number % 20 == 0:
                recorder.flush()
                done = number
            yield done


def _read_run(folder: Path) -> int:
    import opto.runs

    if not (folder / "run" / "events.jsonl").exists():
        return -1
    run = opto.runs.read(folder / "run")
    for number, step in enumerate(run.steps):
        assert step.number == number, f"step {number} is missing"
        assert _number(step.new["a"]) == number % 500
    return len(run.steps) - 1


_SQLITE = frozenset({"answers.sqlite", "answers.sqlite-wal", "answers.sqlite-shm"})
WRITERS = {
    "module": Writer(_write_module, _read_module, frozenset({"module.json"})),
    "optimizer": Writer(_write_optimizer, _read_optimizer, frozenset({"optimizer.json"})),
    "recording": Writer(_write_recording, _read_recording, frozenset({"exchanges.json"})),
    "cache": Writer(_write_cache, _read_cache, _SQLITE),
    "run": Writer(_write_run, _read_run, frozenset({"events.jsonl"})),
}


def main(name: str, folder: str, descriptor: str) -> None:
    """Say -1, write until somebody ends it, and tell of each completed write."""
    writer, place = WRITERS[name], Path(folder)
    with tempfile.TemporaryDirectory() as elsewhere, contextlib.closing(writer.write(Path(elsewhere), 0)) as writes:
        next(writes)  # so that all is imported
    start = writer.read(place) + 1
    os.write(int(descriptor), b"-1\n")  # ready
    for number in writer.write(place, start):
        os.write(int(descriptor), b"%d\n" % number)


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")  # of a torn end, which the one before left
    main(*sys.argv[1:])
