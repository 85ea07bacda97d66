"""What a step has bought, on disk."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import os
import pickle
import stat
import subprocess
import sys
import threading

import pytest

import opto
from opto.errors import FileFormatError, ModelError, RecordInUseError
from opto.llm import Budget, FromCallable, usage
from opto.optimizers import Optimizer
from opto.optimizers.drivers import Request, arun, run
from opto.testing import Scripted
from opto.trace import bundle, node
from opto.trainer.rolling_out.step_journal import StepJournal


@pytest.fixture
def path(tmp_path):
    """Where the journal is."""
    return tmp_path / "run" / "step.jsonl"


def messages(text):
    """A conversation."""
    return [{"role": "user", "content": text}]


def asking(*texts, options=None):
    """A proposal that asks all at once, and gives the texts of the replies."""
    replies = yield [Request(messages(text), options or {}) for text in texts]
    return [reply.text if reply.error is None else str(reply.error) for reply in replies]


def key(text):
    """A key as passes make them."""
    return hashlib.sha256(text.encode()).hexdigest()


class Echo:
    """Answers with the question and the number of the call."""

    def __init__(self):
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self, messages, **options):
        with self.lock:
            self.calls += 1
            return f"{messages[-1]['content']} {self.calls}"


# ---- replies


@pytest.mark.parametrize("how", ["threads", "asyncio"])
def test_replies_of_proposals_are_taken_from_the_journal(path, how):
    """The requests of an optimizer get the replies that they had, the n-th equal one the n-th."""
    echo = Echo()
    model = FromCallable(echo)

    def driven(journal):
        with journal.replies():
            if how == "threads":
                return run(asking("a", "b", "a", "a"), lambda: model, {})
            return asyncio.run(arun(asking("a", "b", "a", "a"), lambda: model, {}))

    journal = StepJournal(path)
    first = driven(journal)
    assert (echo.calls, journal.replies_taken) == (4, 0)
    journal.close()
    journal = StepJournal(path)
    with usage() as totals, Budget(calls=0):
        assert driven(journal) == first
    assert (echo.calls, journal.replies_taken) == (4, 4)
    assert (totals.calls, totals.replayed) == (0, 4)
    more = driven(journal)
    assert (echo.calls, journal.replies_taken) == (8, 4)
    assert more != first


def test_replies_of_replaced_methods_are_kept_too(path):
    """An optimizer that asks its model by itself, and a function that does, are answered as well."""

    class Own(Optimizer):
        def __init__(self, parameters, llm):
            super().__init__(parameters)
            self.llm = llm

        def _step(self):
            return {self.parameters[0]: self.llm(messages("what?")).text}

    echo = Echo()
    values = []
    for _ in range(2):
        journal = StepJournal(path)
        x = node("x", trainable=True)
        with journal.replies():
            Own([x], FromCallable(echo)).step()
        values.append(x.data)
        journal.close()
    assert values == ["what? 1"] * 2
    assert (echo.calls, journal.replies_taken) == (1, 1)


def test_other_requests_have_other_replies(path):
    """Model, messages and options tell requests apart; keys do not."""
    journal = StepJournal(path)
    model = Scripted(["1", "2", "3"])
    with journal.replies():
        run(asking("a"), lambda: model, {})
        run(asking("a", options={"temperature": 0.5}), lambda: model, {})
        model(messages("b"), api_key="one")
    journal.close()
    journal = StepJournal(path)
    with journal.replies():
        assert model(messages("b"), api_key="another").text == "3"
        assert model(messages("a")).text == "1"
        assert model(messages("a"), temperature=0.5).replayed
        with pytest.raises(ZeroDivisionError):  # another model, which is asked
            FromCallable(lambda messages, **options: 1 / 0)(messages("a"))


def test_errors_of_models_are_not_kept(path):
    """A request that failed is made again, and keeps its place among equal ones."""
    model = Scripted([ModelError("busy"), "second", "again"])
    for texts, taken in ((["busy", "second"], 0), (["again", "second"], 1)):
        journal = StepJournal(path)
        with journal.replies():
            assert [*run(asking("a"), lambda: model, {}), *run(asking("a"), lambda: model, {})] == texts
        assert journal.replies_taken == taken
        journal.close()


def test_threads_share_a_journal(path):
    """Each equal request gets one of the replies, and none is given twice."""
    for _ in range(2):
        echo = Echo()
        model = FromCallable(echo)
        journal = StepJournal(path)
        found = []

        def work(journal=journal, model=model, found=found):
            with journal.replies():
                found.extend(run(asking(*"abcabc"), lambda: model, {}))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        journal.close()
        assert len(set(found)) == len(found) == 36
    assert (echo.calls, journal.replies_taken) == (0, 36)


def test_a_reply_with_a_key_is_not_kept(path):
    """What would have to be struck out is asked for again."""
    secret = "sk-" + "a1B2c3D4e5F6g7H8" * 3
    model = Scripted([secret] * 2)
    for _ in range(2):
        journal = StepJournal(path)
        with journal.replies():
            assert model(messages("a")).text == secret
        assert journal.unkept == 1
        journal.close()
    assert secret.encode() not in path.read_bytes()


def test_in_a_replay_the_record_answers(path, tmp_path):
    """The journal stays as it is."""
    model = FromCallable(Echo())
    with opto.record(tmp_path / "record"):
        model(messages("a"))
    journal = StepJournal(path)

    def program():
        with journal.replies():
            assert model(messages("a")).text == "a 1"

    opto.replay(tmp_path / "record", program)
    assert journal.place(key("x")).number == 1
    assert path.read_bytes().count(b"\n") == 1


# ---- steps


def test_clear_and_begin(path):
    """A step that was committed leaves nothing; one that begins again finds its own; another one does not."""
    journal = StepJournal(path)
    journal.begin(1)
    journal.keep(journal.place(key("x")), "reply", {"a": 1})
    journal.begin(1)
    place = journal.place(key("x"))
    assert journal.entry(place)["reply"] == {"a": 1}
    late = journal.place(key("late"))
    journal.clear()
    assert path.read_bytes().count(b"\n") == 1
    journal.keep(late, "reply", {"a": 2})  # of a thread that was left behind
    assert path.read_bytes().count(b"\n") == 1
    journal.begin(2)
    assert journal.entry(journal.place(key("x"))) is None
    journal.keep(journal.place(key("y")), "reply", {"a": 3})
    journal.close()
    for number, found in ((2, {"a": 3}), (3, None)):
        journal = StepJournal(path)
        journal.begin(number)
        entry = journal.entry(journal.place(key("y")))
        assert (entry and entry["reply"]) == found
        journal.close()


def test_words_of_functions_are_written_once(path):
    """A bundle gets a number; its words are there for the next process, and are written anew for the next step."""

    @bundle()
    def speak(x):
        """Speaks."""
        return x

    journal = StepJournal(path)
    assert [journal.number_of(speak), journal.number_of(speak.copy())] == [0, 0]
    journal.close()
    journal = StepJournal(path)
    assert journal.operation(0).description == speak.description
    assert journal.number_of(speak) == 0
    assert path.read_bytes().count(b"\n") == 2
    journal.clear()
    assert journal.number_of(speak) == 0
    assert path.read_bytes().count(b"\n") == 2


# ---- the file


def test_a_torn_line_is_cut_off(path):
    """A file cut at any byte is read, and goes on."""
    journal = StepJournal(path)
    for text in "xy":
        journal.keep(journal.place(key(text)), "reply", {"text": text})
    journal.close()
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    for size in [*range(40), *range(start, len(whole))]:
        path.write_bytes(whole[:size])
        journal = StepJournal(path)
        assert (journal.entry(journal.place(key("x"))) is not None) == (size >= start)
        assert journal.entry(journal.place(key("y"))) is None
        journal.keep(journal.place(key("z")), "reply", {"text": "z"})
        journal.close()
        journal = StepJournal(path)
        assert journal.entry(journal.place(key("z")))["reply"] == {"text": "z"}
        journal.close()


def test_damaged_lines_are_passed_over(path):
    """What cannot be read counts as not there."""
    journal = StepJournal(path)
    journal.keep(journal.place(key("x")), "reply", {"text": "x"})
    journal.close()
    content = path.read_bytes().replace(b'"text"', b"text") + b'{"operation":1,"words":oh\n\xff\xfe\n[]\n'
    path.write_bytes(content)
    journal = StepJournal(path)
    assert journal.entry(journal.place(key("x"))) is None
    journal.close()


def test_another_file_is_refused(path):
    """A file of something else, or of a newer version, is left as it is."""
    path.parent.mkdir()
    for content in (b"hello\n", b'{"format": "opto step", "version": 2}\n', b"hello"):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="step.jsonl"):
            StepJournal(path)
        assert path.read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="locks and modes of POSIX")
def test_one_process_at_a_time(path):
    """A second journal of the same file is refused, until the first is closed; others cannot read it."""
    journal = StepJournal(path)
    with pytest.raises(RecordInUseError):
        StepJournal(path)
    program = f"from opto.trainer.rolling_out.step_journal import StepJournal; StepJournal({str(path)!r})"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, check=False)
    assert "RecordInUseError" in done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    journal.close()
    StepJournal(path).close()
    with pytest.raises(RuntimeError, match="closed"):
        journal.place(key("x"))


def test_copies_are_the_journal_itself(path):
    """It is one thing that belongs to this process."""
    journal = StepJournal(path)
    assert copy.copy(journal) is journal
    assert copy.deepcopy([journal])[0] is journal
    with pytest.raises(TypeError, match="one process"):
        pickle.dumps(journal)
    assert "0 kept" in repr(journal)
