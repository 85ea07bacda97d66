"""A person is asked which of two responses is better."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from opto.optimizers.canonical import canonical
from opto.trainer.guides.base import Guide, Verdict
from opto.trainer.guides.terminal import Terminal

__all__ = ["PairwisePreference"]

_ANSWERS: Mapping[str, float] = {"1": 1.0, "2": 0.0, "=": 0.5}


class PairwisePreference(Guide):
    """Asks a person which of two responses to a query is better: the new one, or the best so far.

    The score is 1.0 for a response that is preferred, which then is the best so far; 0.5 for one that is as good; 0.0
    for one that is worse. The best so far is the reference at first; without one, the first response gets 0.5 unasked.
    No pair is asked about twice, also after `save` and `load`. Copies of the guide share what is known.

        guide = PairwisePreference(read=lambda prompt: "1", write=print)
        guide.compare("Greet me.", "Hello!", "Good morning to you!")     # 1.0: the first is better

    Which of the two is shown first depends on their texts, so that neither place is favoured.

    Args:
        read: called with a prompt, returns what the person says: "1", "2" or "="; None asks in the terminal.
        write: called with a text to show; None prints it.

    Attributes:
        answers: what was said: dicts of `query`, `first`, `second` (texts) and `preferred`: 1.0 for the first, 0.0 for
            the second, 0.5 for neither.
    """

    def __init__(self, *, read: Callable[[str], str] | None = None, write: Callable[[str], Any] | None = None) -> None:
        self._terminal = Terminal(read, write)
        self.answers: list[dict[str, Any]] = []
        self._known: dict[tuple[str, str, str], float] = {}
        self._best: dict[str, str] = {}

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Compare the response with the best so far.

        Raises:
            RuntimeError: there is no terminal, and no `read`; or the input ended.
        """
        asked, text = canonical(query), canonical(response)
        best = self._best.get(asked)
        if best is None:
            if reference is None:
                self._best[asked] = text
                return 0.5, "It is the first response to this query; there is nothing to compare it with."
            best = canonical(reference)
        score = self.compare(query, text, best)
        if score == 1.0 or asked not in self._best:
            self._best[asked] = text if score == 1.0 else best
        words = {1.0: "A person prefers it to", 0.5: "A person finds it as good as", 0.0: "A person prefers to it"}
        return score, f"{words[score]} this response: {best}"

    def compare(self, query: Any, first: Any, second: Any) -> float:
        """1.0 if the first is better, 0.0 if the second is, 0.5 if neither is.

        Raises:
            RuntimeError: as in `get_feedback`.
        """
        key = (canonical(query), canonical(first), canonical(second))
        if key[1] == key[2]:
            return 0.5
        if key in self._known:
            return self._known[key]
        with self._terminal as terminal:
            if key not in self._known:  # another thread may have asked meanwhile
                self._keep(key, self._asked(terminal, *key))
        return self._known[key]

    def copy(self) -> PairwisePreference:
        """The guide itself: there is one person, and what they said is known to all."""
        return self

    def state(self) -> dict[str, Any]:
        """What was said, and which response to each query is the best so far."""
        return {"answers": self.answers, "best": self._best}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, in place of what is known.

        Raises:
            ValueError: it is no such state.
        """
        answers, best = state.get("answers"), state.get("best")
        whole = state.keys() == {"answers", "best"} and isinstance(answers, list) and isinstance(best, dict)
        if not whole or not all(map(_is_answer, answers or ())):
            raise ValueError("the state must hold the answers and the best responses of a PairwisePreference.")
        self.answers, self._known, self._best = [], {}, dict(best or {})
        for each in answers or ():
            self._keep((each["query"], each["first"], each["second"]), float(each["preferred"]))

    def _keep(self, key: tuple[str, str, str], preferred: float) -> None:
        query, first, second = key
        self.answers.append({"query": query, "first": first, "second": second, "preferred": preferred})
        self._known[key] = preferred
        self._known[(query, second, first)] = 1.0 - preferred

    def _asked(self, terminal: Terminal, query: str, first: str, second: str) -> float:
        turned = hashlib.sha256("\0".join(sorted((first, second))).encode("utf-8", "replace")).digest()[0] % 2 == 1
        shown = sorted((first, second), reverse=turned)
        terminal.show("Query", query)
        terminal.show("1", shown[0])
        terminal.show("2", shown[1])
        while (answer := terminal.ask("Which is better? 1, 2, or = for neither: ")) not in _ANSWERS:
            terminal.say(f"Please type 1, 2 or =, not {answer!r}.")
        preferred = _ANSWERS[answer]
        return preferred if shown[0] == first else 1.0 - preferred


def _is_answer(answer: Any) -> bool:
    return (
        isinstance(answer, dict)
        and answer.keys() == {"query", "first", "second", "preferred"}
        and all(isinstance(answer[name], str) for name in ("query", "first", "second"))
        and answer["preferred"] in (0, 0.5, 1)
    )
