"""What the step under way has bought: rollouts with graphs and replies of models, on disk as soon as they are there.

Results of evaluations are in a `ResultCache`. All else that a step pays for is lost when the process is killed, unless
it stands in a journal: then the step is begun again, asks for the same, and is given what is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from opto.errors import ModelResponseError
from opto.llm.request import canonical_text
from opto.llm.response import Response
from opto.llm.totals import tell_replayed
from opto.runs.answers import Keep, answering, answers
from opto.runs.own_lines import OwnLines
from opto.secrets import redact_json
from opto.trace.remembered import Remembered, words_of

__all__ = ["Place", "StepJournal"]

_ENTRY = re.compile(rb'\{"key":"([0-9a-f]{64})","number":(\d+),"(?:rollout|reply)":')
_OPERATION = re.compile(rb'\{"operation":(\d+),"words":')
_STEP = re.compile(rb'\{"step":(\d+)\}')
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_MOST_KNOWN = 1000


class Place(NamedTuple):
    """Where something has its place in a step: the how-manieth equal request it is, from 1, in which step."""

    key: str
    number: int
    step: int


class StepJournal:
    """A file with what the step under way has bought, written at once and taken from there when the step begins again.

        journal = StepJournal("runs/first/step.jsonl")
        journal.begin(number)
        batches, examples = sampler.sample([agent], journal=journal)
        ...                                             # optimizer.backward for each rollout
        with journal.replies():
            optimizer.step()
        ...                                             # the step is committed
        journal.clear()

    What is asked for is found by what it is (the program, guide and example of a rollout; model, messages and options
    of a reply) and by its occurrence: the n-th equal request of a step gets the n-th answer. So what a step asks for
    must depend on the committed state alone. Not kept are errors of models, and rollouts whose graph has a value
    without a text form, or holds a key or token: these are made again.

    The file is text, and reading it runs nothing. Threads may share a journal. It cannot be pickled; a copy is the
    journal itself.

    Args:
        path: the file, made if it is missing; only its owner may read it.

    Attributes:
        rollouts_taken: how many rollouts were taken from it.
        replies_taken: how many replies were taken from it.
        unkept: how many rollouts and replies were not kept.

    Raises:
        RecordInUseError: another process, or another journal, has it open.
        FileFormatError: what is there is another file, or was written by a newer version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.rollouts_taken = self.replies_taken = self.unkept = 0
        self._lock = threading.RLock()
        self._lines = OwnLines(path, "opto step")
        self._step = 0
        self._number: int | None = None
        self._forget()
        for place, line in self._lines.lines():
            self._note(place, line)

    def begin(self, number: int) -> None:
        """Begin a step, or begin it again: what is there of it is given out from the first.

        What another step has left is forgotten: that one was committed, and the process killed before `clear`.
        """
        with self._lock:
            if self._number == number:
                self._asked.clear()
                return
            self.clear()
            self._lines.append(b'{"step":%d}\n' % number)
            self._number = number

    def clear(self) -> None:
        """Forget everything, because the step is committed."""
        with self._lock:
            self._lines.clear()
            self._forget()

    def close(self) -> None:
        """Let another process have the file. What rollouts that still run come to is not kept."""
        with self._lock:
            self._step = -1
            self._lines.close()

    @contextlib.contextmanager
    def replies(self) -> Iterator[None]:
        """A block in which the answers of models are kept, and answered from here where they are.

        Both those that optimizers ask for and those of programs. In a replay the record answers, and nothing is kept.
        An answer from here costs no budget and counts as replayed.
        """
        if answers() is not None:
            yield
            return
        with answering(self):
            yield

    # ---- replies

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any] | Keep:
        """See `opto.runs.answers.Answers`."""
        asked = canonical_text({name: request[name] for name in ("model", "messages", "options")})
        place = self.place(hashlib.sha256(b"reply\n" + asked.encode("utf-8", "surrogatepass")).hexdigest())
        found = self.entry(place)
        with contextlib.suppress(KeyError, TypeError, ModelResponseError):  # damaged: the model is asked
            response = Response.of(found["reply"]).as_replayed() if found is not None else None
            if response is not None:
                with self._lock:
                    self.replies_taken += 1
                tell_replayed(response.model or request["model"])
                return {"response": response}
        return partial(self._keep_reply, place)

    def _keep_reply(self, place: Place, response: Mapping[str, Any]) -> None:
        self.keep(place, "reply", response)

    # ---- what rollouts and replies have in common

    def place(self, key: str) -> Place:
        """The place of the next request with this key, a hash in hexadecimal.

        Raises:
            RuntimeError: the journal is closed.
        """
        with self._lock:
            if self._step < 0:
                raise RuntimeError(f"{self._lines.path} is closed: open a new StepJournal.")
            self._asked[key] += 1
            return Place(key, self._asked[key], self._step)

    def entry(self, place: Place) -> dict[str, Any] | None:
        """What is kept at a place: a dict with one of "rollout" and "reply"; None for nothing, or a damaged line."""
        with self._lock:
            where = self._entries.get((place.key, place.number))
            line = self._lines.read(*where) if where is not None and place.step == self._step else b""
        try:
            found = json.loads(line.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def keep(self, place: Place, what: str, content: Any) -> None:
        """Write something at its place, at once; what cannot be written, or holds a secret, counts as unkept.

        Raises:
            OSError: the file cannot be written to.
        """
        try:
            text = _written(content)
        except (TypeError, ValueError, RecursionError):
            self.miss()
            return
        head = f'{{"key":"{place.key}","number":{place.number},"{what}":'.encode()
        line = b"".join((head, text, b"}\n"))
        with self._lock:
            if place.step == self._step:  # else it comes too late
                self._entries[place.key, place.number] = self._lines.append(line), len(line)

    def count_rollout(self) -> None:
        """Count a rollout as taken."""
        with self._lock:
            self.rollouts_taken += 1

    def miss(self) -> None:
        """Count something as unkept."""
        with self._lock:
            self.unkept += 1

    # ---- bundled functions, whose words are written once

    def number_of(self, bundle: Any) -> int:
        """See `opto.trace.graphs_as_text.Links`."""
        form = id(bundle.fun), bundle.trainable, bundle.description
        known = self._numbers.get(form)
        if known is not None and known[1] is bundle.fun:
            return known[0]
        text = _written(words_of(bundle))
        with self._lock:
            number = self._texts.get(text)
            if number is None:
                number = len(self._operations)
                self._lines.append(b'{"operation":%d,"words":%b}\n' % (number, text))
                self._texts[text] = number
                self._operations[number] = json.loads(text)
            if len(self._numbers) >= _MOST_KNOWN:  # functions that came from other processes, each in its own copy
                self._numbers.clear()
            self._numbers[form] = number, bundle.fun
            return number

    def operation(self, number: int) -> Remembered:
        """See `opto.trace.graphs_as_text.Links`."""
        return Remembered(self._operations[number])

    # ---- reading

    def _forget(self) -> None:
        self._step += 1
        self._number = None
        self._asked: Counter[str] = Counter()
        self._entries: dict[tuple[str, int], tuple[int, int]] = {}
        self._numbers: dict[Any, tuple[int, Any]] = {}
        self._texts: dict[bytes, int] = {}
        self._operations: dict[int, Any] = {}

    def _note(self, place: int, line: bytes) -> None:
        """Note what stands in a line of an earlier process; a damaged one is passed over."""
        entry = _ENTRY.match(line)
        if entry is not None:
            self._entries[entry[1].decode(), int(entry[2])] = place, len(line)
            return
        step = _STEP.match(line)
        if step is not None:
            self._number = int(step[1])
        operation = _OPERATION.match(line)
        if operation is not None:
            with contextlib.suppress(ValueError, KeyError):
                text = line[operation.end() : -2]
                self._operations[int(operation[1])] = json.loads(text)
                self._texts[text] = int(operation[1])

    def __copy__(self) -> StepJournal:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> StepJournal:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a StepJournal belongs to one process and cannot be pickled: keep it out of what is sent.")

    def __repr__(self) -> str:
        return (
            f"<StepJournal {str(self._lines.path)!r}: {len(self._entries)} kept, {self.rollouts_taken} rollouts and "
            f"{self.replies_taken} replies taken>"
        )


def _written(content: Any) -> bytes:
    """JSON data in one line.

    Raises:
        TypeError: it is no JSON data.
        ValueError: it holds a secret, without which it would be something else.
    """
    text = _ENCODER.encode(content).encode("utf-8", "surrogatepass")
    if redact_json(text) is not text:
        raise ValueError("it holds a key or token, which is not written")
    return text
