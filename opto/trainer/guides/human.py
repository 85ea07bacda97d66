"""A person is asked for a score and for words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opto.trainer.guides.base import Guide, Verdict, load_settings
from opto.trainer.guides.terminal import Terminal
from opto.trainer.objectives import finite_number

__all__ = ["HumanFeedback"]


class HumanFeedback(Guide):
    """Shows each response to a person, and asks for a score and for what could be better.

        guide = HumanFeedback(read=lambda prompt: "7" if "Score" in prompt else "Too long.", write=lambda text: None)
        guide.get_feedback("Greet me.", "Good morning to you!")      # (0.7, "Too long.")

    Several threads ask one after the other.

    Args:
        scale: the least and the greatest score that the person may give; the guide's are from 0 to 1.
        read: called with a prompt, returns what the person says; None asks in the terminal.
        write: called with a text to show; None prints it.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: `scale` is not a low and a higher number.
    """

    def __init__(
        self,
        *,
        scale: tuple[float, float] = (0, 10),
        read: Callable[[str], str] | None = None,
        write: Callable[[str], Any] | None = None,
    ) -> None:
        self.scale = checked_scale(scale)
        self._terminal = Terminal(read, write)

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Ask.

        Raises:
            RuntimeError: there is no terminal, and no `read`; or the input ended.
        """
        low, high = self.scale
        with self._terminal as terminal:
            terminal.show("Query", query)
            if reference is not None:
                terminal.show("Reference", reference)
            terminal.show("Response", response)
            number = self._asked(terminal, f"Score, {low:g} to {high:g}: ")
            words = terminal.ask("What could be better? (Enter for nothing) ")
        score = (number - low) / (high - low)
        return score, words or f"A person gave it {number:g} of {low:g} to {high:g}."

    def state(self) -> dict[str, Any]:
        """The scale."""
        return {"scale": self.scale}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, once it was checked."""
        load_settings(self, state)

    def _asked(self, terminal: Terminal, prompt: str) -> float:
        low, high = self.scale
        while True:
            answer = terminal.ask(prompt)
            try:
                number = float(answer.replace(",", "."))
            except ValueError:
                number = float("nan")
            if low <= number <= high:
                return number
            terminal.say(f"Please type a number from {low:g} to {high:g}, not {answer!r}.")


def checked_scale(scale: Any) -> tuple[float, float]:
    """A scale as two floats.

    Raises:
        TypeError: it is no pair of numbers.
        ValueError: it is empty or not finite.
    """
    if not isinstance(scale, (tuple, list)) or len(scale) != 2:
        raise TypeError(f"scale must be a pair (lowest, highest), got {scale!r}.")
    low, high = finite_number("scale[0]", scale[0]), finite_number("scale[1]", scale[1])
    if low >= high:
        raise ValueError(f"scale must be (lowest, highest), got {scale!r}.")
    return low, high
