"""Answers kept on disk."""

import asyncio
import contextlib
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import FileFormatError, ModelError
from opto.llm import Budget, Cached, FromCallable, LiteLLM, Model, Response, Retrying, Usage, usage
from opto.testing import ModelSuite, Scripted

MESSAGES = [{"role": "user", "content": "a question that nobody shall read in a file"}]
OTHER = [{"role": "user", "content": "another"}]


class TestAsAModel(ModelSuite):
    """It is a model like others."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        self.path = tmp_path

    def make_model(self):
        return Cached(Scripted(["hello"] * 20), self.path)


def test_asks_once(tmp_path):
    """The next run gets the answer without the model, with its usage, marked as replayed."""
    answer = Response.from_text("hello", model="m", usage=Usage(1, 2, 3))
    assert not Cached(Scripted([answer]), tmp_path)(MESSAGES, temperature=0).replayed
    again = Cached(Scripted([]), tmp_path)(MESSAGES, temperature=0)
    assert again == answer.as_replayed()


def test_the_whole_request_is_the_key(tmp_path):
    """Other messages, options, models, options of a model, or addresses are other requests."""

    class Named(Scripted):
        pass

    Cached(Scripted(["one"]), tmp_path)(MESSAGES, temperature=0)
    for model, messages, options in (
        (Scripted(["new"]), OTHER, {"temperature": 0}),
        (Scripted(["new"]), MESSAGES, {"temperature": 1}),
        (Scripted(["new"]), MESSAGES, {}),
        (Named(["new"]), MESSAGES, {"temperature": 0}),
        (Scripted(["new"]), MESSAGES, {"temperature": 0, "api_base": "http://127.0.0.1:1/v1"}),
    ):
        assert Cached(model, tmp_path)(messages, **options).text == "new"
    cold, warm = (Cached(Retrying(LiteLLM("m", temperature=t)), tmp_path) for t in (0, 1))
    assert cold._request_key(MESSAGES, {}) != warm._request_key(MESSAGES, {})
    assert cold._request_key(MESSAGES, {"temperature": 1}) == warm._request_key(MESSAGES, {})


def test_samples_do_not_collapse(tmp_path):
    """The n-th equal request gets the n-th answer, in this run and in the next."""
    first = Cached(Scripted(["a", "b", "c"]), tmp_path)
    assert [first(MESSAGES).text for _ in range(3)] == ["a", "b", "c"]
    second = Cached(Scripted(["d"]), tmp_path)
    assert [second(MESSAGES).text for _ in range(4)] == ["a", "b", "c", "d"]


def test_reserved_places(tmp_path):
    """Who sends at once reserves first, so that the order of arrival does not count."""
    model = Cached(Scripted(["a", "b"]), tmp_path)
    one, two = model.reserve(MESSAGES), model.reserve(MESSAGES)
    assert (one, two) == ({"occurrence": 1}, {"occurrence": 2})
    assert model(MESSAGES, **two).text == "a"
    assert model(MESSAGES, **one).text == "b"
    again = Cached(Scripted([]), tmp_path)
    assert [again(MESSAGES).text for _ in range(2)] == ["b", "a"]


def test_failures_are_not_kept(tmp_path):
    """The next equal request takes the place of one that failed."""
    model = Cached(Scripted([ModelError("busy"), "a"]), tmp_path)
    with pytest.raises(ModelError):
        model(MESSAGES)
    assert model(MESSAGES).text == "a"
    assert len(model) == 1
    assert Cached(Scripted([]), tmp_path)(MESSAGES).text == "a"


async def test_async_form(tmp_path):
    """The same on the event loop."""
    model = Cached(Scripted(["a", "b"]), tmp_path)
    responses = await asyncio.gather(*(model.acall(MESSAGES, **model.reserve(MESSAGES)) for _ in range(2)))
    again = Cached(Scripted([]), tmp_path)
    assert [(await again.acall(MESSAGES)).text for _ in range(2)] == [response.text for response in responses]


def test_neither_requests_nor_secrets_are_written(tmp_path):
    """The folder holds answers alone."""
    Cached(Scripted(["an answer"]), tmp_path)(MESSAGES, api_key="sk-secret", extra_headers={"x": "hidden-header"})
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"an answer" in written
    for hidden in (b"sk-secret", b"hidden-header", b"nobody shall read"):
        assert hidden not in written


def test_drops_what_was_not_used_for_longest(tmp_path):
    """Answers beyond the size go, the oldest use first."""
    requests = [[{"role": "user", "content": str(number)}] for number in range(4)]
    model = Cached(Scripted(["x" * 1000] * 4), tmp_path, max_bytes=3900)
    for request in requests[:3]:
        model(request)
    assert len(model) == 3
    Cached(Scripted([]), tmp_path)(requests[0])  # used again, so the second is the oldest
    model(requests[3])
    assert len(model) == 3
    for request in (requests[0], requests[2], requests[3]):
        assert Cached(Scripted([]), tmp_path)(request).replayed
    assert Cached(Scripted(["asked"]), tmp_path)(requests[1]).text == "asked"


def test_costs_nothing_and_is_counted(tmp_path):
    """An answer from the cache takes no budget, and the totals say so."""
    with Budget(calls=1) as budget, usage() as totals:
        Cached(Scripted(["a"]), tmp_path)(MESSAGES)
        Cached(Scripted([]), tmp_path)(MESSAGES)
    assert budget.spent.calls == 1
    assert (totals.calls, totals.replayed) == (1, 1)


def test_threads_share_a_folder(tmp_path):
    """Many threads write and read at once."""

    class Echo(Model):
        def complete(self, messages, **options):
            return messages[-1]["content"]

    def ask(number):
        return Cached(Echo(), tmp_path)([{"role": "user", "content": str(number % 20)}]).text

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(200))) == [str(number % 20) for number in range(200)]
    assert len(Cached(Echo(), tmp_path)) == 20


def test_processes_share_a_folder(tmp_path):
    """Several processes begin and fill one folder at once."""
    program = (
        "import sys\n"
        "from opto.llm import Cached\n"
        "def echo(messages, **options):\n"
        "    return messages[0]['content']\n"
        "model = Cached(echo, sys.argv[1])\n"
        "print([model([{'role': 'user', 'content': str(n)}]).text for n in range(30)] == [str(n) for n in range(30)])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    results = [process.communicate() for process in running]
    assert [out.strip() for out, _ in results] == ["True"] * 3, results
    assert len(Cached(Scripted([]), tmp_path)) == 30


def test_a_damaged_or_newer_file(tmp_path):
    """The error names the file."""
    (tmp_path / "answers.sqlite").write_bytes(b"this is no database, whatever its name says" * 30)
    with pytest.raises(FileFormatError, match=r"answers\.sqlite is damaged"):
        Cached(Scripted(["a"]), tmp_path)(MESSAGES)
    (tmp_path / "answers.sqlite").unlink()
    store = sqlite3.connect(tmp_path / "answers.sqlite")
    store.execute("PRAGMA user_version = 9")
    store.close()
    with pytest.raises(FileFormatError, match="version 9"):
        Cached(Scripted(["a"]), tmp_path)(MESSAGES)


def test_clears_and_pickles(tmp_path):
    """It can be emptied, and a pickled one finds the same folder."""
    model = Cached(Scripted(["a", "b"]), tmp_path)
    model(MESSAGES)
    assert pickle.loads(pickle.dumps(Cached(Scripted([]), tmp_path)))(MESSAGES).text == "a"
    model.clear()
    assert len(model) == 0
    assert model
    with pytest.raises(ValueError, match="max_bytes"):
        Cached(Scripted([]), tmp_path, max_bytes=0)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_only_the_user_can_read_it(tmp_path):
    """The folder that is made has mode 0700, and every file in it 0600, also those of SQLite."""
    folder = tmp_path / "cache"
    model = Cached(Scripted(["a"]), folder)
    model(MESSAGES)
    with model._store() as store:
        store.execute("UPDATE answers SET used = 0")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3


def test_other_content_is_damage_too(tmp_path):
    """A database of something else, or an answer that is none, is refused with the remedy."""
    model = Cached(Scripted(["a"]), tmp_path)
    model(MESSAGES)
    for change in ("UPDATE answers SET response = '[1'", "UPDATE answers SET response = '{}'", "DROP TABLE answers"):
        with contextlib.closing(sqlite3.connect(tmp_path / "answers.sqlite")) as store, store:
            store.execute(change)
        with pytest.raises(FileFormatError, match=r"answers\.sqlite is damaged .*: remove it"):
            Cached(Scripted([]), tmp_path)(MESSAGES)


def test_many_threads_begin_a_cache_at_once(tmp_path):
    """Those that come while the file is made wait for it."""
    for number in range(10):
        folder, start = tmp_path / str(number), threading.Barrier(8)

        def ask(folder=folder, start=start):
            start.wait()
            return Cached(FromCallable(lambda messages, **_: "a"), folder)(MESSAGES).choices[0].message.content

        with ThreadPoolExecutor(8) as pool:
            assert [each.result() for each in [pool.submit(ask) for _ in range(8)]] == ["a"] * 8
