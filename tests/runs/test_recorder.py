"""Tests of opto.runs.recorder and opto.runs.lines."""

import multiprocessing
import os
import threading

import pytest

from opto.errors import OptoWarning
from opto.runs import Recorder, emit, listening, read


def test_events_come_back(tmp_path):
    """Kind, data and order are kept; what JSON cannot say is text."""
    data = [{"a": 1, "b": [1.5, None, True, "é\u2028"]}, {"x": float("nan"), "y": {1: {2}}, "z": "\ud800"}, {}]
    with Recorder(tmp_path) as recorder, listening(recorder):
        for each in data:
            emit("thing", **each)
    events = read(tmp_path).events
    assert [event.kind for event in events] == ["thing"] * 3
    assert events[0].data == data[0]
    assert events[1].data == {"x": "NaN", "y": {"1": [2]}, "z": "\ud800"}
    assert events[0].time <= events[1].time


def test_long_texts_are_written_once(tmp_path):
    """A prompt that comes again costs a reference, and reads as it was, also in a second session."""
    text = "a long text " * 100
    for _ in range(2):
        with Recorder(tmp_path) as recorder, listening(recorder):
            for _ in range(50):
                emit("request", messages=[{"role": "user", "content": text}, {"role": "user", "content": "short"}])
    run = read(tmp_path)
    assert len(run.sessions) == 2
    assert {event.data["messages"][0]["content"] for event in run.events} == {text}
    assert (tmp_path / "events.jsonl").stat().st_size < 30_000


def test_more_texts_than_are_remembered(tmp_path):
    """Texts that were forgotten are written anew."""
    with Recorder(tmp_path) as recorder, listening(recorder):
        for number in [*range(600), *range(600)]:
            emit("problem", prompt=f"{number} " * 200)
    prompts = [event.data["prompt"] for event in read(tmp_path).events]
    assert prompts == [f"{number} " * 200 for number in range(600)] * 2


def test_many_threads(tmp_path):
    """Each line is whole, and each thread's events are in order."""
    with Recorder(tmp_path) as recorder:

        def work(name):
            with listening(recorder):
                for number in range(300):
                    emit("request", name=name, number=number, messages=[{"content": f"{name} {number}" * 50}])

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read(tmp_path).events
    for name in range(8):
        own = [event.data for event in events if event.data["name"] == name]
        assert [each["number"] for each in own] == list(range(300))
        assert all(each["messages"][0]["content"] == f"{name} {each['number']}" * 50 for each in own)


def test_events_are_on_disk_while_the_program_waits(tmp_path):
    """A flush writes what waits; the thread of the recorder does so by itself."""
    with Recorder(tmp_path) as recorder, listening(recorder):
        emit("one")
        recorder.flush()
        assert len(read(tmp_path).events) == 1
        emit("two")
        for _ in range(2000):
            if len(read(tmp_path).events) == 2:
                break
            threading.Event().wait(0.005)
        assert len(read(tmp_path).events) == 2


def test_what_is_heard_after_the_end_is_not_written(tmp_path):
    """Closing twice does nothing either."""
    recorder = Recorder(tmp_path)
    recorder.close()
    recorder.close()
    with listening(recorder):
        emit("late")
    assert read(tmp_path).events == []


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    """The program goes on with a warning, and later events are written again."""
    with Recorder(tmp_path) as recorder, listening(recorder):
        with monkeypatch.context() as patched:
            patched.setattr(recorder._journal, "append", _no_space)
            emit("problem", prompt="lost " * 100)
            recorder._write()
        with pytest.warns(OptoWarning, match="No space left"):
            emit("problem", prompt="lost " * 100)
    assert [event.data["prompt"] for event in read(tmp_path).events] == ["lost " * 100]


def _no_space(lines):
    raise OSError(28, "No space left on device")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_a_record_of_its_own(tmp_path):
    """Neither writes into the other's, and nothing is written twice."""
    with Recorder(tmp_path) as recorder, listening(recorder):
        emit("before")
        child = os.fork()
        if child == 0:
            emit("inside")
            recorder.flush()
            os._exit(0)
        os.waitpid(child, 0)
        emit("after")
    assert [event.kind for event in read(tmp_path).events] == ["before", "after"]
    assert [event.kind for event in read(tmp_path / f"process-{child}").events] == ["inside"]
