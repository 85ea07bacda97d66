"""Recording a run, and running it again without a model."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from opto.runs.answers import answering
from opto.runs.events import listening
from opto.runs.reading import Run, read
from opto.runs.recorder import Recorder
from opto.runs.replaying import Replay
from opto.trace.registry import GRAPH

__all__ = ["opened", "record", "replay"]

T = TypeVar("T")


@contextlib.contextmanager
def record(path: str | os.PathLike[str]) -> Iterator[Recorder]:
    """Write every step of every optimizer in this block to a folder, as it happens.

        with opto.record("runs/first"):
            train()
        run = opto.runs.read("runs/first")

    What is recorded is what happens in this context: in this thread, in the threads and tasks that optimizers start,
    and in those that get a copy of the context (as `asyncio` tasks and `asyncio.to_thread` do).

    Args:
        path: a folder; made if it is missing. One that holds a record already is added to, as a further session.

    Raises:
        RecordInUseError: another process, or another part of this one, is writing to it.
        FileFormatError: there is something else in its place.
    """
    with opened(path) as recorder, listening(recorder):
        yield recorder


def opened(path: str | os.PathLike[str]) -> Recorder:
    """A recorder whose header says what a replay needs to know."""
    about = {
        "python": platform.python_version(),
        "platform": sys.platform,
        "hash_seed": os.environ.get("PYTHONHASHSEED"),
        "names": GRAPH.numbers(),
    }
    return Recorder(path, about)


def replay(run: Run | str | os.PathLike[str], program: Callable[[], T]) -> T:
    """Execute a program again with the recorded answers, without a model, and hold it against the record.

    Every request, of optimizers and of the program itself, gets the answer or the error that is on record, and every
    event is compared: problems, prompts, suggestions, values. Nodes are named as they were.

        opto.replay("runs/first", train)

    Args:
        run: a run of one session, or the path of one. Of several sessions pick one: `run.sessions[0]`.
        program: what was recorded, such as the function that trains. It must make its parameters itself, since those
            of the recorded run have changed, and draw random numbers from a seed.

    Returns:
        What the program returns.

    Raises:
        ReplayDifferenceError: it went another way; the error names the first difference.
        ValueError: the run has several sessions.
        Exception: what the program raised, where it raised the same when it was recorded.
    """
    recorded = run if isinstance(run, Run) else read(run)
    if len(recorded.sessions) != 1:
        raise ValueError(f"run must have one session, got {len(recorded.sessions)}: pick one of run.sessions.")
    comparison = Replay(recorded)
    names = GRAPH.numbers()
    GRAPH.renumber(recorded.headers[0].get("names", {}))
    try:
        with answering(comparison), listening(comparison):
            result = program()
    except Exception:
        if comparison.difference is not None:
            raise comparison.difference from None
        raise
    finally:
        now = GRAPH.numbers()
        GRAPH.renumber({base: max(names.get(base, 0), now.get(base, 0)) for base in {**names, **now}})
    comparison.finish()
    return result
