"""Guides that ask a person."""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opto.errors import FileFormatError
from opto.trainer.guides import HumanFeedback, PairwisePreference


class Person:
    """Answers in turn, and remembers what was asked and shown."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.prompts, self.shown = list(answers), list[str](), list[str]()

    def read(self, prompt: str) -> str:
        """The next answer, or the end of the input."""
        self.prompts.append(prompt)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)

    def write(self, text: str) -> None:
        """Remember a text."""
        self.shown.append(text)


def human(*answers: str, **options: Any) -> tuple[HumanFeedback, Person]:
    """A guide, and the person whom it asks."""
    person = Person(*answers)
    return HumanFeedback(read=person.read, write=person.write, **options), person


def prefers(liked: Callable[[str], Any]) -> Person:
    """A person who likes best what has the largest value."""
    person = Person()

    def read(prompt: str) -> str:
        person.prompts.append(prompt)
        first, second = (text.partition("\n")[2] for text in person.shown[-2:])
        return "=" if liked(first) == liked(second) else "1" if liked(first) > liked(second) else "2"

    person.read = read  # type: ignore[method-assign]
    return person


def test_a_person_gives_a_score_and_words() -> None:
    """The score goes to 0 to 1, the words are the feedback."""
    guide, person = human("7.5", "Shorter, please.")
    assert guide.get_feedback("Greet me.", "Good day!", "Hello!") == (0.75, "Shorter, please.")
    assert person.shown == ["--- Query\nGreet me.", "--- Reference\nHello!", "--- Response\nGood day!"]
    assert person.prompts[0] == "Score, 0 to 10: "


def test_what_is_no_score_is_asked_again() -> None:
    """Until a number on the scale is typed; no words are a sentence."""
    guide, person = human("good", "11", "nan", "1,5", "", scale=(1, 2))
    assert guide.get_feedback("q", "r") == (0.5, "A person gave it 1.5 of 1 to 2.")
    assert [text for text in person.shown if text.startswith("Please")][0] == (
        "Please type a number from 1 to 2, not 'good'."
    )


def test_responses_cannot_steer_the_terminal() -> None:
    """Escape sequences and marks that turn the direction of writing are shown as they are written."""
    guide, person = human("1", "x")
    guide.get_feedback("q", "\x1b[2Jgone \u202eyas\u202c\ttab\nline\r")
    assert person.shown[-1] == "--- Response\n\\x1b[2Jgone \\u202eyas\\u202c\ttab\nline\\r"


def test_without_a_terminal_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do; the end of the input is told too."""
    monkeypatch.setattr("sys.stdin", io.StringIO("5\n"))
    for guide in (HumanFeedback(), PairwisePreference()):
        with pytest.raises(RuntimeError, match="no terminal to ask a person in.*read="):
            guide.get_feedback("q", "r", "s")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(RuntimeError, match="no terminal"):
        HumanFeedback().get_feedback("q", "r")
    ended, _ = human()
    for _ in range(2):  # the second time finds the terminal free again
        with pytest.raises(RuntimeError, match="input ended"):
            ended.get_feedback("q", "r")


def test_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By `input` and `print`, where there is one."""

    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Typed("4\nfine\n"))
    assert HumanFeedback().get_feedback("q", "the response") == (0.4, "fine")
    assert "the response" in capsys.readouterr().out


def test_threads_ask_one_after_the_other() -> None:
    """What is shown and asked of two responses is never mixed."""
    events: list[tuple[int, str]] = []
    both = threading.Barrier(4)

    def read(prompt: str) -> str:
        events.append((threading.get_ident(), prompt))
        return "5" if "Score" in prompt else ""

    guide = HumanFeedback(read=read, write=lambda text: events.append((threading.get_ident(), text)))

    def ask() -> None:
        both.wait()
        guide.get_feedback("q", "r")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    owners = [owner for owner, _ in events]
    assert len(owners) == 16
    assert all(len(set(owners[start : start + 4])) == 1 for start in range(0, 16, 4))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": (1, 1)}, ValueError, "scale must be"),
        ({"scale": 5}, TypeError, "scale must be a pair"),
        ({"scale": (0, "x")}, TypeError, r"scale\[1\] must be a number"),
        ({"read": "x"}, TypeError, "read must be a function"),
        ({"write": 5}, TypeError, "write must be a function"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    """The message names the argument."""
    with pytest.raises(error, match=message):
        HumanFeedback(**options)


def test_the_better_of_two_is_kept() -> None:
    """A new response is compared with the best so far of its query."""
    person = prefers(len)
    guide = PairwisePreference(read=person.read, write=person.write)
    assert guide.get_feedback("q", "aa")[0] == 0.5
    assert not person.prompts
    assert guide.get_feedback("q", "aaa") == (1.0, "A person prefers it to this response: aa")
    assert guide.get_feedback("q", "a") == (0.0, "A person prefers to it this response: aaa")
    assert guide.get_feedback("q", "bbb")[0] == 0.5
    assert guide.get_feedback("other", "a", "reference")[0] == 0.0
    assert guide.get_feedback("other", "a longer one")[0] == 1.0


def test_no_pair_is_asked_about_twice(tmp_path: Path) -> None:
    """Turned round, in a copy, or after loading, the answer is known."""
    person = prefers(len)
    guide = PairwisePreference(read=person.read, write=person.write)
    assert guide.compare("q", "aaa", "b") == 1.0
    assert guide.compare("q", "b", "aaa") == 0.0
    assert guide.compare("q", "b", "b") == 0.5
    assert guide.copy().compare("q", "aaa", "b") == 1.0
    assert len(person.prompts) == 1
    guide.save(tmp_path / "answers.json")
    again = PairwisePreference(read=Person().read)
    again.load(tmp_path / "answers.json")
    assert again.compare("q", "b", "aaa") == 0.0
    assert again.answers == [{"query": "q", "first": "aaa", "second": "b", "preferred": 1.0}]
    assert pickle.loads(pickle.dumps(PairwisePreference())).answers == []
    with pytest.raises(ValueError, match="answers and the best responses"):
        again.load_state({"answers": [{"query": 1}], "best": {}})
    guide.answers[0]["preferred"] = 7
    guide.save(tmp_path / "answers.json")
    with pytest.raises(FileFormatError):
        again.load(tmp_path / "answers.json")


def test_neither_place_is_favoured() -> None:
    """A person who always says the first is right half of the time."""
    person = Person(*["1"] * 100)
    guide = PairwisePreference(read=person.read, write=person.write)
    scores = [guide.compare("q", f"new {number}", f"old {number}") for number in range(100)]
    assert 30 < sum(scores) < 70


def test_other_answers_are_asked_again() -> None:
    """Until 1, 2 or = is typed."""
    person = Person("left", "", "=")
    guide = PairwisePreference(read=person.read, write=person.write)
    assert guide.compare("q", "a", "b") == 0.5
    assert len(person.prompts) == 3
