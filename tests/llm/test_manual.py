"""A person as the model, through files in a folder."""

import asyncio
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import ModelResponseError, ModelTimeoutError
from opto.llm import Manual

MESSAGES = [
    {"role": "system", "content": "You are careful."},
    {"role": "user", "content": "Fix this:\n```python\nx = 1\n```\nNow."},
]


class Person:
    """Answers while the model sleeps: one action at each wait."""

    def __init__(self, *actions):
        self.actions = list(actions)
        self.waits = []

    def __call__(self, seconds):
        self.waits.append(seconds)
        if self.actions:
            self.actions.pop(0)()

    async def later(self, seconds):
        self(seconds)
        await asyncio.sleep(0)


def answer_all(folder):
    """What a process does that asks ten questions and is answered at once."""
    model = Manual(folder, sleep=Person(), on_request=lambda path: write_answer(path, path.name))
    for _ in range(10):
        model(MESSAGES)


def write_answer(request, text):
    """Answer a request."""
    request.with_name(request.name.replace("request", "answer")).write_text(text)


@pytest.fixture
def folder(tmp_path):
    """The folder of requests, which does not exist yet."""
    return tmp_path / "inbox"


def test_request_is_written_in_full_and_the_answer_taken(folder):
    """The request file has every message, the options and how to answer; the answer is the file's text."""
    person = Person(lambda: (folder / "0001.answer.md").write_text("x = 2\n\n- done\n\n"))
    response = Manual(folder, sleep=person, poll=0.5)(MESSAGES, temperature=0, api_key="sk-secret")
    assert response.text == "x = 2\n\n- done"
    assert response.model == "manual"
    request = (folder / "0001.request.md").read_text()
    assert "You are careful." in request
    assert "````text\nFix this:\n```python\nx = 1\n```\nNow.\n````" in request
    assert '{"temperature": 0}' in request
    assert "`0001.answer.md`" in request
    assert "sk-secret" not in request
    assert set(person.waits) == {0.5}


def test_async_form_answers_without_blocking_the_loop(folder):
    """Several requests wait on one loop, and the last is answered first."""

    async def ask():
        def answer_backwards(path):
            if path.name.startswith("0003"):
                for number in (3, 2, 1):
                    (folder / f"000{number}.answer.md").write_text(f"answer {number}")

        model = Manual(folder, asleep=Person().later, on_request=answer_backwards)
        return await asyncio.gather(*(model.acall(MESSAGES) for _ in range(3)))

    assert [response.text for response in asyncio.run(ask())] == ["answer 1", "answer 2", "answer 3"]


def test_answer_is_taken_only_when_it_is_complete(folder):
    """Empty files, blank files, and files that still grow are waited for."""
    answer = folder / "0001.answer.md"
    person = Person(
        lambda: answer.touch(),
        lambda: None,
        lambda: answer.write_text("  \n"),
        lambda: None,
        lambda: answer.write_text("half"),
        lambda: answer.write_text("half and half"),
        lambda: answer.write_text("half and half and whole"),
        lambda: None,
    )
    assert Manual(folder, sleep=person)(MESSAGES).text == "half and half and whole"
    assert person.actions == []


def test_time_out_says_where_the_request_lies(folder):
    """Without an answer in time the error names both files."""
    now = iter(range(100))
    with pytest.raises(ModelTimeoutError, match=r"within 5 s to .*0001\.request\.md: write it to 0001\.answer\.md"):
        Manual(folder, sleep=Person(), timeout=5, clock=lambda: next(now))(MESSAGES)


def test_numbers_go_on_after_those_in_the_folder(folder):
    """A second run leaves earlier files alone."""
    folder.mkdir()
    (folder / "0007.request.md").write_text("earlier")
    (folder / "0009.answer.md").write_text("the answer to nothing")
    (folder / "notes.request.md").write_text("not a number")
    Manual(folder, sleep=Person(), on_request=lambda path: write_answer(path, "ok"))(MESSAGES)
    assert (folder / "0008.request.md").exists()
    assert (folder / "0007.request.md").read_text() == "earlier"


def test_threads_and_processes_share_a_folder(folder):
    """Numbers have neither gaps nor clashes, and each request gets its own answer."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=answer_all, args=(folder,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    model = Manual(folder, sleep=Person(), on_request=lambda path: write_answer(path, path.name))
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: model(MESSAGES).text, range(20)))
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(set(texts)) == 20
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(f"{number:04d}.{kind}.md" for number in range(1, 41) for kind in ("request", "answer"))


def test_request_is_whole_when_it_appears(folder):
    """A program that watches the folder never sees half a request: no other name is visible to it."""
    seen = []
    long = [{"role": "user", "content": "x" * 1_000_000}]

    def look(path):
        seen.extend(path.read_text() for path in folder.glob("*.md"))
        write_answer(path, "ok")

    Manual(folder, sleep=Person(), on_request=look)(long)
    assert [len(text) > 1_000_000 for text in seen] == [True]


def test_answer_that_is_no_text_is_an_error(folder):
    """An answer in another encoding is refused by name."""
    person = Person(lambda: (folder / "0001.answer.md").write_bytes(b"\xff\xfe\x00"))
    with pytest.raises(ModelResponseError, match=r"0001\.answer\.md is not UTF-8"):
        Manual(folder, sleep=person)(MESSAGES)


def test_byte_order_mark_is_dropped(folder):
    """Some editors write one."""
    person = Person(lambda: (folder / "0001.answer.md").write_text("hello", encoding="utf-8-sig"))
    assert Manual(folder, sleep=person)(MESSAGES).text == "hello"


def test_parts_of_a_message_are_shown(folder):
    """Text parts read as text, other parts as JSON, and other fields of a message too."""
    content = [{"type": "text", "text": "look:\nhere"}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]
    model = Manual(folder, sleep=Person(), on_request=lambda path: write_answer(path, "ok"))
    model([{"role": "user", "content": content, "name": "Ada"}, {"role": "assistant", "content": None}])
    request = (folder / "0001.request.md").read_text()
    assert "look:\nhere" in request
    assert "http://x/y.png" in request
    assert '"name": "Ada"' in request


def test_waiting_is_announced(folder, caplog):
    """The logger says where the request lies."""
    with caplog.at_level("INFO", logger="opto.llm"):
        Manual(folder, sleep=Person(), on_request=lambda path: write_answer(path, "ok"))(MESSAGES)
    assert "0001.request.md" in caplog.text


@pytest.mark.parametrize("options", [{"poll": 0}, {"timeout": -1}])
def test_wrong_options_are_refused(folder, options):
    """Options out of range are named."""
    with pytest.raises(ValueError, match="poll must be"):
        Manual(folder, **options)
