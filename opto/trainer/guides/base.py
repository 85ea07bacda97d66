"""What a guide is."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from opto.errors import FileFormatError
from opto.trainer.objectives import to_score_dict

__all__ = ["Guide", "Verdict", "in_words", "load_settings", "shown"]

G = TypeVar("G", bound="Guide")

Verdict: TypeAlias = "tuple[float | dict[str, float], str]"
"""A score, or one for each objective, larger is better; and feedback in words."""

_LONGEST_REFERENCE = 2000


class Guide:
    """Judges responses: a score, and feedback that an optimizer can act on.

    A guide is one method:

        class Shorter(Guide):
            '''Wants few words.'''

            def get_feedback(self, query, response, reference=None, **kwargs):
                words = len(response.split())
                return 1 / (1 + words), f"{words} words. Use fewer."

        score, feedback = Shorter().get_feedback("Greet me.", "Good morning to you!")

    The score is a number, or a dict of numbers for several objectives; larger is better. One guide may be called from
    several threads. `opto.trainer.as_guide` makes a guide of a plain function.

    Override `aget_feedback` where there is a native async form, `state` and `load_state` where there is a state to
    save that is not in plain attributes.
    """

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """Judge a response.

        Args:
            query: what the program was given.
            response: what it returned.
            reference: what is known of the right answer; None where nothing is.
            **kwargs: what a guide of one's own may take besides.

        Returns:
            `(score, feedback)`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define get_feedback(query, response, reference).")

    async def aget_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """`get_feedback` without blocking the event loop: in a thread, unless a subclass does better."""
        import asyncio

        return await asyncio.to_thread(self.get_feedback, query, response, reference, **kwargs)

    def __call__(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """The same as `get_feedback`."""
        return self.get_feedback(query, response, reference, **kwargs)

    def metric(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> float | dict[str, float]:
        """The score alone."""
        return self.get_feedback(query, response, reference, **kwargs)[0]

    def get_score_dict(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> dict[str, float]:
        """The score as a dict: `{"score": float}`, or what the guide says of several objectives.

        Raises:
            TypeError: `metric` returns neither a number nor a dict of numbers.
            ValueError: a score is not finite.
        """
        return to_score_dict(self.metric(query, response, reference, **kwargs))

    def copy(self: G) -> G:
        """A guide with the same settings and a state of its own."""
        return copy.deepcopy(self)

    def state(self) -> Mapping[str, Any]:
        """What `save` writes: by default the attributes of the guide."""
        return dict(vars(self))

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave; an attribute that is not in it stays.

        Raises:
            ValueError: the state holds something that this guide does not have.
        """
        unknown = [name for name in state if name not in vars(self)]
        if unknown:
            raise ValueError(f"{type(self).__name__} has no {', '.join(map(repr, unknown))} to load.")
        vars(self).update(state)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a text file, in one step.

        Raises:
            TypeError: it holds a value that has no text form.
        """
        from opto.runs import codec

        codec.save(path, {"class": type(self).__qualname__, "state": dict(self.state())}, kind="guide")

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read what `save` wrote into this guide.

        Raises:
            FileFormatError: the file is damaged, or was written by a guide of another class. Nothing is changed then.
        """
        from opto.runs import codec

        saved = codec.load(path, kind="guide")
        if not (isinstance(saved, dict) and saved.keys() == {"class", "state"} and isinstance(saved["state"], dict)):
            raise FileFormatError(f"{os.fspath(path)}: it must hold the class and the state of a guide.")
        if saved["class"] != type(self).__qualname__:
            raise FileFormatError(
                f"{os.fspath(path)}: it was saved by a {saved['class']}, and this is a {type(self).__qualname__}."
            )
        try:
            self.load_state(saved["state"])
        except (TypeError, ValueError) as error:
            raise FileFormatError(f"{os.fspath(path)}: {error}") from error


def load_settings(guide: Guide, state: Mapping[str, Any]) -> None:
    """Take over the state of a guide whose state is some of its constructor's arguments, once they were checked.

    Raises:
        TypeError: as the constructor.
        ValueError: likewise; the names are not those of its state.
    """
    names = guide.state().keys()
    if state.keys() != names:
        raise ValueError(f"the state of a {type(guide).__name__} has {', '.join(names)}; got {', '.join(state)}.")
    checked = vars(type(guide)(**state))
    vars(guide).update({name: checked[name] for name in names})


def in_words(score: Any, reference: Any) -> str:
    """A score in words, for feedback where nothing else was said."""
    if type(score) is bool or type(score).__name__ == "bool_":
        verdict = "Correct." if score else "Incorrect."
        return verdict if score or reference is None else f"{verdict} The reference is: {shown(reference)}"
    if isinstance(score, Mapping):
        text = ", ".join(f"{name}: {_rounded(value)}" for name, value in score.items())
        return f"Scores (larger is better): {text}."
    return f"Score: {_rounded(score)} (larger is better)."


def shown(value: Any, limit: int = _LONGEST_REFERENCE) -> str:
    """A value in feedback: a text as it is, anything else as Python writes it; long ones are cut, and say so."""
    from opto.trace.brief import brief, shortened

    return shortened(value, limit) if isinstance(value, str) else brief(value, limit)


def _rounded(value: Any) -> str:
    number = float(value)
    return f"{number:.6g}" if math.isfinite(number) else str(number)
