"""What a language model is to opto: one required method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from opto.llm.exchanges import aexchanged, exchanged, watched
from opto.llm.metering import ametered, metered
from opto.llm.response import Response

__all__ = ["Messages", "Model"]

Messages: TypeAlias = Sequence[Mapping[str, Any]]
"""A conversation: mappings with `role` and `content`, the oldest first."""


class Model(ABC):
    """A language model: a callable `(messages, **options) -> Response`, with the async form `acall`.

    A back-end is one class with one required method, `complete`. It returns a text, or anything in the shape of an
    OpenAI chat completion, and may be called from several threads at once:

        from opto.llm import Model

        class Shouting(Model):
            '''Answers with the last message in capitals.'''

            def complete(self, messages, **options):
                return messages[-1]["content"].upper()

        Shouting()([{"role": "user", "content": "hello"}]).choices[0].message.content    # "HELLO"

    Override `acomplete` where the back-end has a native async form; by default `complete` runs in a thread, with the
    context variables of the caller. Raise `opto.errors.ModelError` (with `transient=True` where asking again may
    help) for what goes wrong. `opto.testing.ModelSuite` is a set of tests to subclass for a new back-end.

    Budgets (`opto.llm.Budget`) and totals (`opto.llm.usage`) meter every call of a back-end.

    Attributes:
        asks_another: True for a class whose models pass requests on to another model, as `opto.llm.Wrapper` does. They
            are not metered themselves.
        takes_timeout: True for a class whose models keep to the option `timeout`, in seconds.
    """

    asks_another: bool = False
    takes_timeout: bool = False

    @property
    def name(self) -> str:
        """What to call this model in reports and recordings."""
        return type(self).__name__

    @abstractmethod
    def complete(self, messages: Messages, **options: Any) -> Any:
        """The model's answer, as a text or in the shape of an OpenAI chat completion."""

    async def acomplete(self, messages: Messages, **options: Any) -> Any:
        """The same without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(self.complete, messages, **options)

    def __call__(self, messages: Messages, **options: Any) -> Response:
        """The model's response to a conversation.

        Args:
            messages: mappings with `role` ("system", "user", "assistant") and `content`, the oldest first.
            **options: options of the request by their OpenAI names: `temperature`, `max_tokens`, `response_format`...

        Raises:
            TypeError: `messages` is not a sequence of such mappings.
            ModelError: the model could not answer; ModelResponseError: its answer has not the shape of an answer.
        """
        messages = _checked(messages)
        ask = partial(metered, self, messages, options, partial(self.complete, messages))
        return exchanged(self.name, messages, options, ask) if watched() else ask()

    async def acall(self, messages: Messages, **options: Any) -> Response:
        """`__call__` without blocking the event loop."""
        messages = _checked(messages)
        ask = partial(ametered, self, messages, options, partial(self.acomplete, messages))
        return await (aexchanged(self.name, messages, options, ask) if watched() else ask())

    def effective_options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options that a request is sent with: these, and those that the model adds to every request."""
        return options

    def reserve(self, messages: Messages, **options: Any) -> dict[str, Any]:
        """Options to add when this request is sent, so that it keeps its place among equal ones.

        Whoever sends several requests at once calls this for each of them first, in the order in which they count,
        and adds what is returned to the options of the call. A model that does not care (this default) returns {};
        `Recorded` returns the occurrence number, so that a replay does not depend on which thread was faster.
        """
        return {}


def _checked(messages: Messages) -> Messages:
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise TypeError(
            f"messages must be a sequence of mappings like {{'role': 'user', 'content': ...}}, "
            f"got {type(messages).__name__}: {str(messages)[:80]!r}"
        )
    for position, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise TypeError(f"messages[{position}] must be a mapping with a `role`, got {str(message)[:80]!r}")
    if not messages:
        raise ValueError("messages must hold at least one message, got none")
    return messages
