"""Programs for the tests of evaluation. They are made inside functions, so that they travel to processes by value."""

from __future__ import annotations

from typing import Any

from opto.trace import Module, bundle, node


def shouter(mark: str = "!", **attributes: Any) -> Any:
    """A module that shouts: its answer to "a" is "A!"; it raises at "bad", and counts its calls."""

    @bundle()
    def shout(text, mark):
        """The text, louder."""
        if text == "bad":
            raise ValueError("cannot shout that")
        return text.upper() + mark

    class Shouter(Module):
        def __init__(self, mark="!", attributes=()):
            self.mark = node(mark, trainable=True, name="mark")
            self.calls = []
            for name, value in dict(attributes).items():
                setattr(self, name, value)

        def forward(self, x):
            self.calls.append(x)
            return shout(x, self.mark)

    return Shouter(mark, attributes)


def async_shouter() -> Any:
    """The same with an async forward pass."""

    @bundle()
    async def shout(text, mark):
        """The text, louder."""
        import asyncio

        await asyncio.sleep(0)
        if text == "bad":
            raise ValueError("cannot shout that")
        return text.upper() + mark

    class Shouter(Module):
        def __init__(self):
            self.mark = node("!", trainable=True, name="mark")

        async def forward(self, x):
            return await shout(x, self.mark)

    return Shouter()


def exact(query: Any, response: Any, reference: Any) -> tuple[float, str]:
    """A guide: 1.0 for the reference."""
    return float(response == reference), f"{response!r} for {reference!r}"


def troubled(folder: str) -> Any:
    """A program that has trouble at some examples: `kind:name`.

    The kinds are `die` (its process ends), `hang` and `raise`; with `once` in the name only the first time. What it did
    before is kept in `folder`. It returns how often it was called for the example.
    """

    def program(x):
        import os
        import threading

        path = os.path.join(folder, x.replace(":", "-"))
        with open(path, "a") as file:
            file.write(".")
        count = os.path.getsize(path)
        kind, _, name = x.partition(":")
        if count == 1 or "once" not in name:
            if kind == "die":
                os._exit(1)
            if kind == "hang":
                threading.Event().wait()
            if kind == "raise":
                raise OSError("connection reset")
        return count

    return program


def count_guide(query: Any, response: Any, reference: Any) -> float:
    """The response as a score."""
    return float(response)
