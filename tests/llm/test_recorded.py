"""Recording exchanges with a model, and replaying them."""

import asyncio
import copy
import os
import pickle
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import FileFormatError, ModelError, OptoWarning, ReplayError
from opto.llm import FromCallable, Recorded, Response
from opto.llm.recording import append_exchange
from opto.testing import ModelSuite, Scripted


def ask(text):
    """A conversation with one question."""
    return [{"role": "system", "content": "Be brief.\nBe right."}, {"role": "user", "content": text}]


def echo(messages, **options):
    """A model that repeats the question."""
    return f"answer to {messages[-1]['content']}"


@pytest.fixture
def path(tmp_path):
    """Where the recording goes."""
    return tmp_path / "exchanges.json"


def test_replay_repeats_what_was_recorded(path):
    """The same requests in any order get the same answers, which say that they are replayed, without a model."""
    first = Recorded(path, Scripted(["one", {"choices": [{"message": {"content": "two"}}], "usage": {}}]), "record")
    answers = [first(ask("a"), temperature=0.5), first(ask("b"))]
    second = Recorded(path)
    replayed = [second(ask("b")), second(temperature=0.5, messages=ask("a"))]
    assert [answer.replayed for answer in answers] == [False, False]
    assert [answer.replayed for answer in replayed] == [True, True]
    assert replayed == [answers[1].as_replayed(), answers[0].as_replayed()]


def test_equal_requests_get_their_answers_in_order(path):
    """The n-th equal request gets the n-th answer."""
    recording = Recorded(path, Scripted(["one", "two", "three"]), "record")
    assert [recording(ask("a")).text for _ in range(3)] == ["one", "two", "three"]
    replay = Recorded(path)
    assert [replay(ask("a")).text for _ in range(3)] == ["one", "two", "three"]
    with pytest.raises(ReplayError, match="4th time: it is on file 3"):
        replay(ask("a"))


def test_reserved_places_do_not_depend_on_arrival(path):
    """Requests of one batch keep their places, in whichever order the threads run."""
    recording = Recorded(path, Scripted([f"answer {number}" for number in range(8)]), "record")
    options = [recording.reserve(ask("a")) for _ in range(8)]
    assert options == [{"occurrence": number} for number in range(1, 9)]
    order = list(range(8))
    random.Random(1).shuffle(order)
    recorded = {place: recording(ask("a"), **options[place]).text for place in order}

    replay = Recorded(path)
    options = [replay.reserve(ask("a")) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda extra: replay(ask("a"), **extra).text, options))
    assert texts == [recorded[place] for place in range(8)]


def test_concurrent_calls_lose_nothing(path):
    """Sixteen threads record at once; every exchange is on file once."""
    recording = Recorded(path, FromCallable(echo), "record")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: recording(ask(f"q{number % 10}")), range(80)))
    assert Recorded(path).count == 80
    replay = Recorded(path)
    assert [replay(ask(f"q{number % 10}")).text for number in range(80)] == [f"answer to q{n % 10}" for n in range(80)]


def test_async_form_records_and_replays(path):
    """`acall` does the same."""

    async def several(model):
        return [response.text for response in await asyncio.gather(*(model.acall(ask(t)) for t in "abc"))]

    assert asyncio.run(several(Recorded(path, echo, "record"))) == asyncio.run(several(Recorded(path)))


def test_unrecorded_request_shows_the_nearest_and_the_difference(path):
    """The error shows the recorded request that is nearest, as a short diff."""
    recording = Recorded(path, echo, "record")
    recording(ask("Fix the function add.\nIt fails for 0.\nReturn code."))
    recording(ask("something else"))
    with pytest.raises(ReplayError) as caught:
        Recorded(path)(ask("Fix the function add.\nIt fails for 1.\nReturn code."))
    message = str(caught.value)
    assert str(path) in message
    assert "-It fails for 0." in message
    assert "+It fails for 1." in message
    assert "something else" not in message


def test_changed_option_shows_in_the_difference(path):
    """Options are part of the request."""
    Recorded(path, echo, "record")(ask("a"), temperature=0)
    with pytest.raises(ReplayError, match=r'\+options: {"temperature": 1}'):
        Recorded(path)(ask("a"), temperature=1)


def test_error_is_short_whatever_the_prompt(path):
    """The message is bounded."""
    Recorded(path, echo, "record")(ask("\n".join(f"recorded {number}" for number in range(5000))))
    with pytest.raises(ReplayError) as caught:
        Recorded(path)(ask("\n".join(f"asked {number}" for number in range(5000))))
    assert len(str(caught.value)) < 8000


def test_auto_asks_only_for_what_is_not_on_file(path):
    """Mode "auto" replays and adds."""
    Recorded(path, Scripted(["one"]), "record")(ask("a"))
    model = Scripted(["two", "three"])
    recording = Recorded(path, model, "auto")
    assert [recording(ask(text)).text for text in "aba"] == ["one", "two", "three"]
    assert len(model.requests) == 2
    assert Recorded(path).count == 3


def test_auto_begins_a_file_and_needs_no_model_for_what_is_there(path):
    """Without a file "auto" records; without a model it replays."""
    assert Recorded(path, echo, "auto")(ask("a")).text == "answer to a"
    replay = Recorded(path, mode="auto")
    assert replay(ask("a")).replayed
    with pytest.raises(ReplayError):
        replay(ask("b"))


def test_failure_is_not_recorded_and_gives_its_number_back(path):
    """After a failed request the next equal one takes its place, so the replay finds it."""
    recording = Recorded(path, Scripted([ModelError("busy"), "one", "two"]), "record")
    with pytest.raises(ModelError, match="busy"):
        recording(ask("a"))
    assert [recording(ask("a")).text for _ in range(2)] == ["one", "two"]
    replay = Recorded(path)
    assert [replay(ask("a")).text for _ in range(2)] == ["one", "two"]


def test_numbers_come_back_lowest_first(path):
    """Of several failed requests the first one's place is filled first."""

    async def run():
        ends = [asyncio.get_running_loop().create_future() for _ in range(5)]
        waiting = iter(ends)

        async def model(messages, **options):
            return await next(waiting)

        recording = Recorded(path, model, "record")
        tasks = [asyncio.ensure_future(recording.acall(ask("a"))) for _ in range(3)]
        await asyncio.sleep(0)
        ends[2].set_result("third")
        await tasks[2]
        for place in (0, 1):  # the first is the first to fail, so that its number is not the last to come back
            ends[place].set_exception(ModelError("busy"))
            with pytest.raises(ModelError):
                await tasks[place]
        for place, text in ((3, "first"), (4, "second")):
            ends[place].set_result(text)
            assert (await recording.acall(ask("a"))).text == text

    asyncio.run(run())
    replay = Recorded(path)
    assert [replay(ask("a")).text for _ in range(3)] == ["first", "second", "third"]


def test_request_that_was_answered_is_not_asked_again(path):
    """The same reserved request gets the same answer, also while recording."""
    model = Scripted(["one", "two"])
    recording = Recorded(path, model, "record")
    place = recording.reserve(ask("a"))
    assert [recording(ask("a"), **place).text for _ in range(2)] == ["one", "one"]
    assert model.remaining == 1


def test_reserved_request_keeps_its_number_when_it_fails(path):
    """A retry of a reserved request records under the same number, and no other request takes it."""
    recording = Recorded(path, Scripted([ModelError("busy"), "other", "mine"]), "record")
    place = recording.reserve(ask("a"))
    with pytest.raises(ModelError):
        recording(ask("a"), **place)
    assert recording(ask("a")).text == "other"
    assert recording(ask("a"), **place).text == "mine"
    replay = Recorded(path)
    assert [replay(ask("a")).text for _ in range(2)] == ["mine", "other"]


def test_keys_and_headers_are_never_written(path):
    """Nothing secret reaches the file, and a replay does not need it."""
    options = {"api_key": "sk-secret", "extra_headers": {"x": "hidden-header"}, "api_base": "http://private"}
    Recorded(path, echo, "record")(ask("a"), **options)
    text = path.read_text()
    assert not any(word in text for word in ("sk-secret", "hidden-header", "private", "api_key", "headers"))
    assert Recorded(path)(ask("a")).replayed


def test_file_says_who_answered(path):
    """The label is in the file, by default the name of the model; a second label goes with its own exchanges."""
    Recorded(path, echo, "record", answered_by="Ada, by hand")(ask("a"))
    assert Recorded(path).answered_by == "Ada, by hand"
    Recorded(path, echo, "auto", answered_by="Grace")(ask("b"))
    assert path.read_text().count('"answered_by": "Grace"') == 1
    assert Recorded(path).answered_by == "Ada, by hand"


def test_record_never_overwrites(path):
    """A recording that exists is not begun anew."""
    Recorded(path, echo, "record")(ask("a"))
    with pytest.raises(FileExistsError, match="auto"):
        Recorded(path, echo, "record")


def test_wrong_arguments_are_refused_at_once(path):
    """A missing file, an unknown mode, and a missing model are errors before the first request."""
    with pytest.raises(FileNotFoundError, match="nothing to replay"):
        Recorded(path)
    with pytest.raises(ValueError, match="mode must be"):
        Recorded(path, mode="play")
    with pytest.raises(ValueError, match="needs the model"):
        Recorded(path, mode="record")


def test_two_answers_to_one_request_are_refused(path):
    """A file that a merge gave two answers for one place is an error; the same answer twice is none."""
    request = {"messages": [{"role": "user", "content": "a"}], "options": {}}
    for text in ("one", "one", "two"):
        if text == "two":
            assert Recorded(path).count == 1
        answer = Response.from_text(text).to_dict()
        append_exchange(path, {"occurrence": 1, "request": request, "response": answer}, answered_by="x")
    with pytest.raises(FileFormatError, match="two answers"):
        Recorded(path)


def test_deep_copy_counts_together_with_the_original(path):
    """A copy is the same recording: it does not answer the first request a second time."""
    recording = Recorded(path, Scripted(["one", "two"]), "record")
    assert recording(ask("a")).text == "one"
    assert copy.deepcopy(recording)(ask("a")).text == "two"


def test_pickle_goes_on_where_it_was(path):
    """A recording that travels keeps its count."""
    recording = Recorded(path, Scripted(["one", "two"]), "record")
    for _ in range(2):
        recording(ask("a"))
    replay = Recorded(path)
    replay(ask("a"))
    assert pickle.loads(pickle.dumps(replay))(ask("a")).text == "two"


def test_waiting_for_the_model_blocks_no_other_request(path):
    """Two requests are with the model at the same time."""
    both = threading.Barrier(2, timeout=10)

    def meet(messages, **options):
        both.wait()
        return "met"

    recording = Recorded(path, meet, "record")
    with ThreadPoolExecutor(2) as pool:
        assert [r.text for r in pool.map(lambda t: recording(ask(t)), "ab")] == ["met", "met"]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_recording_does_not_depend_on_the_hash_seed(path, seed):
    """Another process with another hash seed finds the exchange."""
    options = {"stop": ["x"], "seed": 3, "logit_bias": {"5": 1, "7": 2}}
    Recorded(path, echo, "record")(ask("a"), **options)
    program = (
        f"from opto.llm import Recorded; print(Recorded({str(path)!r})({ask('a')!r}, "
        f"**{dict(reversed(options.items()))!r}).text)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "answer to a"


class TestRecorded(ModelSuite):
    """A recording passes the contract tests while it records."""

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path):
        self.path = tmp_path / "exchanges.json"

    def make_model(self):
        return Recorded(self.path, echo, "auto")


def test_empty_recording_is_still_a_model(path):
    """`model or default` does not pass over a recording that has no exchange yet."""
    assert Recorded(path, echo, "record")


def test_two_that_record_at_once_agree(path):
    """Who comes second with an answer to the same request gets the first one's, and the file holds one."""
    first = Recorded(path, Scripted(["one", "two"]), "auto", answered_by="x")
    second = Recorded(path, Scripted(["other", "more"]), "auto", answered_by="x")
    assert first(ask("a")).text == "one"
    assert second(ask("a")).text == "one"
    assert second(ask("b")).text == "more"
    assert first(ask("b")).text == "more"
    assert Recorded(path).count == 2


def test_a_beginning_that_was_not_written_to_its_end(path):
    """A process killed in its very first write leaves a file that the next one begins anew."""
    Recorded(path, echo, "record")(ask("a"))
    path.write_bytes(path.read_bytes()[:30])
    with pytest.warns(OptoWarning, match="not written to its end"):
        model = Recorded(path, echo, "auto")
    assert model(ask("a")).text == "answer to a"
    assert Recorded(path)(ask("a")).text == "answer to a"
