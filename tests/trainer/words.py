"""A program that learns from demonstrations: which group a word belongs to."""

from __future__ import annotations

import random
from typing import Any

from opto.optimizers.few_shot import FewShot
from opto.testing.search_problem import Toolbox
from opto.trace import bundle

GROUPS = "abcdef"


@bundle()
def group(word, demos):
    """The group of a demonstrated word with the same first letter; without one, the last letter."""
    for each in demos:
        if each["word"][0] == word[0]:
            return each["output"]
    return word[-1]


class Grouping(Toolbox):
    """A program with one parameter, a list of demonstrations."""

    def __init__(self, *, copyable: bool = True) -> None:
        super().__init__([[]], copyable=copyable)

    def forward(self, word: str) -> Any:
        self.runs.add()
        return group(word, self.texts[0])


class Words:
    """The problem: words of six groups; a word's group is its first letter, and a program without demonstrations is
    right about those that end with it. A set holds four demonstrations.
    """

    def __init__(self, *, copyable: bool = True, seed: int = 0) -> None:
        self.agent = Grouping(copyable=copyable)
        self.optimizer = FewShot(list(self.agent.texts), size=4, seed=seed)
        self.train_dataset, self.validate_dataset = (
            self._words(f"{seed}/train", 24),
            self._words(f"{seed}/validate", 24),
        )

    @staticmethod
    def _words(seed: str, count: int) -> list[tuple[str, str]]:
        draw = random.Random(seed)
        firsts = draw.choices(GROUPS, [8, 6, 4, 2, 2, 1], k=count)
        words = [
            f"{first}{draw.randrange(10**6)}{first if draw.random() < 0.3 else draw.choice(GROUPS)}" for first in firsts
        ]
        return list(zip(words, firsts, strict=True))

    @staticmethod
    def guide(query: str, response: Any, reference: str) -> tuple[float, str]:
        return float(response == reference), f"{response} for {reference}"
