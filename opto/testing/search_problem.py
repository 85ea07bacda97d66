"""A small problem for tests and measurements of search: what a program needs is known, and its model is simulated."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opto.llm import Messages, Model
from opto.optimizers import Optimizer
from opto.optimizers.drivers import Proposal, Request
from opto.optimizers.optimizer import Update
from opto.trace import Module, bundle, node

__all__ = ["Apprentice", "SearchProblem", "Tinkerer", "Toolbox"]

_LETTERS = "abcdefgh"


@bundle()
def cover(known: list[str], task: str, text: str) -> list[str]:
    """The skills of a task that a text names, added to those that are known."""
    words = text.split()
    return known + [skill for skill in task.split() if skill in words]


class Toolbox(Module):
    """A program with one text for each kind of skill; it masters a task if its texts name all skills of it.

    Args:
        starts: the texts that it begins with.
        copyable: whether it can be copied; otherwise its texts stand outside of it.

    Attributes:
        texts: the texts, nodes.
        runs: how often it was run.
    """

    def __init__(self, starts: Sequence[Any] = ("", ""), *, copyable: bool = True) -> None:
        texts = [
            node(text, trainable=True, name=f"text_{letter}") for letter, text in zip(_LETTERS, starts, strict=False)
        ]
        self.texts = texts
        if not copyable:
            self.texts = _Outside(texts)  # type: ignore[assignment]
        self.runs = _Counter()

    def forward(self, task: str) -> Any:
        """The skills of the task that it masters."""
        self.runs.add()
        known: Any = []
        for text in self.texts:
            known = cover(known, task, text)
        return known


class _Outside(Sequence[Any]):
    """Nodes that a module does not take for its own, and that copies share."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self._given: Callable[[], Sequence[Any]] = lambda: nodes

    def __getitem__(self, place: Any) -> Any:
        return self._given()[place]

    def __len__(self) -> int:
        return len(self._given())

    def __deepcopy__(self, memo: dict[int, Any]) -> _Outside:
        return self


class _Counter:
    """A number that copies share."""

    def __init__(self) -> None:
        self.count, self._lock = 0, threading.Lock()

    def add(self) -> None:
        with self._lock:
            self.count += 1

    def __deepcopy__(self, memo: dict[int, Any]) -> _Counter:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _Counter, ()


class Tinkerer(Model):
    """The simulated model of an `Apprentice`: adds skills that are missing, and errs with a given probability.

    Args:
        competence: the probability that an answer adds skills that were missing.
        clumsiness: the probability that it loses another one meanwhile.
        seed: of all that is left to chance. An answer depends on it, on the request, and on how many equal ones came
            before among those that were sent together: nothing else is remembered, so a run can be gone on with.
    """

    def __init__(self, competence: float = 0.6, clumsiness: float = 0.3, seed: int = 0) -> None:
        self.competence, self.clumsiness, self.seed = competence, clumsiness, seed
        self._seen: dict[str, int] = {}
        self._answered = False
        self._lock = threading.Lock()

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """The number of this request among equal ones."""
        if "occurrence" in options:
            return {}
        key = json.dumps(list(messages))
        with self._lock:
            if self._answered:  # those that are sent together are all reserved before the first is answered
                self._seen.clear()
                self._answered = False
            self._seen[key] = self._seen.get(key, 0) + 1
            return {"occurrence": self._seen[key] - 1}

    def complete(self, messages: Messages, **options: Any) -> Any:
        """New texts by kind, as JSON."""
        self._answered = True
        asked = json.loads(messages[0]["content"])
        draw = random.Random(f"{self.seed}/{json.dumps(list(messages))}/{options.get('occurrence', 0)}")
        texts: dict[str, str] = asked["texts"]
        missing = [skill for skill in asked["missing"] if skill[0] in texts]
        good = bool(missing) and draw.random() < self.competence
        changed = {name: text.split() for name, text in texts.items()}
        if good:
            added = draw.sample(missing, min(2, len(missing)))
            for name in texts:
                changed[name] += [skill for skill in added if skill[0] == name]
        if not good or draw.random() < self.clumsiness:
            name = draw.choice(sorted(texts))
            if changed[name]:
                changed[name][draw.randrange(len(texts[name].split()) or 1)] = f"junk{draw.randrange(1000)}"
            else:
                changed[name] = [f"junk{draw.randrange(1000)}"]
        return json.dumps({name: " ".join(words) for name, words in changed.items() if words != texts[name].split()})

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class Apprentice(Optimizer):
    """Asks its model for texts with the skills that feedback calls missing.

    Args:
        parameters: the texts of a `Toolbox`.
        llm: the model; None for a `Tinkerer`.
    """

    def __init__(self, parameters: Any, llm: Model | None = None) -> None:
        super().__init__(parameters)
        self.llm = Tinkerer() if llm is None else llm

    def _propose(self, *args: Any, **kwargs: Any) -> Proposal[Update]:
        """One request."""
        told = [str(feedback) for _, feedback in self.trace_graph.feedback_by_output]
        missing = sorted({word for each in told if each.startswith("missing") for word in each.split()[1:]})
        free = {each.py_name[len("text_")]: each for each in self._free()}  # without the number that names end in
        question = {"step": self.steps, "missing": missing, "texts": {name: each.data for name, each in free.items()}}
        replies = yield [Request([{"role": "user", "content": json.dumps(question)}])]
        return {free[name]: text for name, text in json.loads(replies[0].text).items()}


@dataclass
class SearchProblem:
    """A program, its optimizer, a guide and examples; all made anew for each problem.

    Args:
        seed: of the examples and the model.
        skills: how many each text is to name.
        kinds: how many texts there are.
        train: how many training examples.
        validate: how many validation examples; None for none.
        competence: of the model.
        clumsiness: of the model.
        copyable: whether the program can be copied.
        known: how many skills each text names from the beginning.
    """

    seed: int = 0
    skills: int = 4
    kinds: int = 2
    train: int = 12
    validate: int | None = 12
    competence: float = 0.6
    clumsiness: float = 0.3
    copyable: bool = True
    known: int = 0

    def __post_init__(self) -> None:
        starts = [" ".join(f"{_LETTERS[kind]}{skill}" for skill in range(self.known)) for kind in range(self.kinds)]
        self.agent = Toolbox(starts, copyable=self.copyable)
        self.model = Tinkerer(self.competence, self.clumsiness, self.seed)
        self.optimizer = Apprentice(self.agent.texts, self.model)
        self.train_dataset = self._tasks("train", self.train)
        self.validate_dataset = None if self.validate is None else self._tasks("validate", self.validate)

    def _tasks(self, split: str, count: int) -> list[tuple[str, None]]:
        """Each skill is needed somewhere, as far as there are enough tasks; two of five tasks need two."""
        draw = random.Random(f"{self.seed}/{split}")
        every = [f"{_LETTERS[kind]}{skill}" for kind in range(self.kinds) for skill in range(self.skills)]
        draw.shuffle(every)
        tasks = []
        for place in range(count):
            first, second = every[place % len(every)], draw.choice(every)
            skills = f"{first} {second}" if second != first and draw.random() < 0.4 else first
            tasks.append((f"{skills} #{place}", None))  # no two are equal, or results would be known from another
        return tasks

    @staticmethod
    def guide(query: str, response: Sequence[str], reference: Any = None) -> tuple[float, str]:
        """1.0 for a task all of whose skills are mastered; otherwise 0.0, with those that are missing."""
        missing = [skill for skill in query.split() if skill not in response and not skill.startswith("#")]
        return float(not missing), f"missing {' '.join(missing)}" if missing else "well done"
