"""A language model as a program: a module whose system prompt is a node, and whose answers are nodes of the graph."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from opto.trace.abstract_node import checked_name
from opto.trace.bundle import bundle
from opto.trace.images import as_image
from opto.trace.modules import Module
from opto.trace.nodes import Node, ParameterNode, node
from opto.trace.snapshots import snapshot

if TYPE_CHECKING:
    from opto.llm import Model
    from opto.trace.fun_module import FunModule

__all__ = ["ChatHistory", "TracedLLM"]

_OPERATOR = "[ask_model] A language model answers user_query. system_prompt tells it what to do."
_WITH_HISTORY = f"{_OPERATOR} The others are the earlier turns: a query, its response, and so on."


class TracedLLM(Module):
    """A language model whose responses are nodes that depend on the system prompt, the history and the query.

        from opto.features.flows.compose import TracedLLM
        from opto.optimizers import OptoPrime

        clerk = TracedLLM("Answer in one word.", trainable=True, model_name="clerk")
        answer = clerk("Is water wet?")                             # a node, named clerk_response
        optimizer = OptoPrime(clerk.parameters())
        optimizer.backward(answer, "Answer in capital letters.")    # reaches the system prompt

    With `chat_history_on` each call goes on with the conversation. The earlier turns are inputs of a response, so
    feedback to it reaches the system prompt, and whatever earlier queries came from, through them too. A call that
    fails leaves the history as it was.

    A `copy()` goes on with the same turns in a history of its own; the system prompt and the model are shared, and so
    are the limits that the model keeps to. `save` writes the system prompt where it is trainable, and no conversation.
    One conversation belongs to one thread or task at a time.

    Args:
        system_prompt: a text, or a node, which is then an input of every response; None for none.
        llm: a model, or a callable that answers `(messages, **options)`; None for `opto.llm.LLM()`.
        chat_history_on: whether a response depends on the earlier turns.
        trainable: make the system prompt a parameter. It may be None here: an optimizer then writes the first one.
        model_name: names the nodes: `<model_name>_user_query`, `<model_name>_response`, `<model_name>_system_prompt`.
            By default the name of the class.

    Attributes:
        system_prompt: the node of the system prompt.
        chat_history: the turns so far; `chat_history.clear()` begins a new conversation.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: `model_name` is empty, or holds a colon.
    """

    def __init__(
        self,
        system_prompt: str | Node[Any] | None = None,
        llm: Any = None,
        chat_history_on: bool = False,
        trainable: bool = False,
        model_name: str | None = None,
    ) -> None:
        if not (system_prompt is None or isinstance(system_prompt, (str, Node))):
            raise TypeError(f"system_prompt must be a text, a node or None, got {system_prompt!r}.")
        self.model_name = checked_name(type(self).__name__ if model_name is None else model_name)
        self.llm: Model = _model(llm)
        self.chat_history_on = bool(chat_history_on)
        self.chat_history = ChatHistory()
        self.system_prompt = self._prompt("" if system_prompt is None else system_prompt, bool(trainable))

    def forward(self, user_query: Any) -> Any:
        """The model's response.

        Args:
            user_query: a text, an image, or a list of parts of a message; or a node of one.

        Returns:
            A node; its data is a text.

        Raises:
            ExecutionError: the model could not answer. Its `exception_node` depends on the same inputs.
        """
        query = self._query(user_query)
        response = self._operator(_Asking(self.llm).ask)(self.system_prompt, query, *self._past())
        return self._remembered(query, response)

    async def acall(self, user_query: Any) -> Any:
        """The same as a call, without blocking the event loop."""
        with snapshot():
            query = self._query(user_query)
            response = await self._operator(_Asking(self.llm).aask)(self.system_prompt, query, *self._past())
            return self._remembered(query, response)

    def _prompt(self, given: str | Node[Any], trainable: bool) -> Node[Any]:
        if isinstance(given, ParameterNode) or (isinstance(given, Node) and not trainable):
            return given
        return node(
            given,
            name=f"{self.model_name}_system_prompt",
            trainable=trainable,
            description="What the language model is told before each conversation." if trainable else None,
        )

    def _query(self, given: Any) -> Node[Any]:
        return given if isinstance(given, Node) else node(given, name=f"{self.model_name}_user_query")

    def _operator(self, ask: Any) -> FunModule:
        text = _WITH_HISTORY if self.chat_history_on else _OPERATOR
        return bundle(text, output_name=f"{self.model_name}_response")(ask)

    def _past(self) -> list[Node[Any]]:
        return [each for turn in self.chat_history for each in turn] if self.chat_history_on else []

    def _remembered(self, query: Node[Any], response: Node[Any]) -> Node[Any]:
        if self.chat_history_on:
            self.chat_history.add(query, response)
        return response

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        memo[id(self.llm)] = self.llm  # its budget and its limits hold for all copies together
        # With the same parameters the past is the same; with other ones it must not lead back to these.
        if all(memo.get(id(each)) is each for each in self.parameters()):
            memo[id(self.chat_history)] = ChatHistory(self.chat_history)
        for name, value in vars(self).items():
            object.__setattr__(twin, name, copy.deepcopy(value, memo))
        return twin


class ChatHistory:
    """The turns of a conversation: pairs of the nodes of a query and of its response."""

    def __init__(self, turns: Any = ()) -> None:
        self._turns: list[tuple[Node[Any], Node[Any]]] = list(turns)

    def add(self, query: Node[Any], response: Node[Any]) -> None:
        """Put a turn at the end."""
        self._turns.append((query, response))

    def clear(self) -> None:
        """Forget all turns."""
        self._turns.clear()

    def __iter__(self) -> Iterator[tuple[Node[Any], Node[Any]]]:
        return iter(self._turns)

    def __len__(self) -> int:
        return len(self._turns)

    def __repr__(self) -> str:
        return f"<ChatHistory of {len(self)} turns>"


class _Asking:
    """What the operator runs; a class of its own, so that graphs pickle without the module that made them."""

    def __init__(self, llm: Model) -> None:
        self.llm = llm

    def ask(self, system_prompt: Any, user_query: Any, *history: Any) -> str:
        return self.llm(messages=_messages(system_prompt, user_query, history)).text

    async def aask(self, system_prompt: Any, user_query: Any, *history: Any) -> str:
        return (await self.llm.acall(messages=_messages(system_prompt, user_query, history))).text


def _messages(system_prompt: Any, user_query: Any, history: tuple[Any, ...]) -> list[dict[str, Any]]:
    told = [{"role": "system", "content": system_prompt}] if system_prompt else []
    said = [
        {"role": "assistant" if place % 2 else "user", "content": _content(each)}
        for place, each in enumerate((*history, user_query))
    ]
    return [*told, *said]


def _content(value: Any) -> Any:
    """What a query is in a message: texts and lists of parts as they are, images by address, the rest by `str`."""
    if isinstance(value, str) or _is_parts(value):
        return value
    image = as_image(value)
    return str(value) if image is None else [{"type": "image_url", "image_url": {"url": image.url}}]


def _is_parts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "type" in each for each in value)


def _model(llm: Any) -> Model:
    from opto.llm import LLM, as_model

    return LLM() if llm is None else as_model(llm)
