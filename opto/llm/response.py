"""The answer of a language model: plain data in the shape of an OpenAI chat completion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opto.errors import ModelResponseError

__all__ = ["Choice", "Message", "Response", "Usage"]


@dataclass(frozen=True, slots=True)
class Message:
    """What a model said in one choice. `content` is None when it only called tools."""

    content: str | None
    role: str = "assistant"
    reasoning_content: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers to a request. A `finish_reason` of "length" means that the text was cut at `max_tokens`."""

    message: Message
    index: int = 0
    finish_reason: str | None = "stop"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an exchange took, as the provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer in the shape of an OpenAI chat completion, as plain data that compares, pickles and turns into a dict.

    Attributes:
        choices: at least one `Choice`; the text is `response.choices[0].message.content`, or `response.text`.
        model: the model that answered, as the provider names it, or "".
        usage: the tokens it took, or None where the provider does not tell.
        id: the provider's name of this exchange, or "".
        replayed: whether it was read from a recording instead of coming from a model.
    """

    choices: tuple[Choice, ...]
    model: str = ""
    usage: Usage | None = None
    id: str = ""
    replayed: bool = False

    @property
    def text(self) -> str:
        """The text of the first choice, "" where there is none."""
        return self.choices[0].message.content or ""

    @classmethod
    def from_text(cls, text: str, *, model: str = "", usage: Usage | None = None) -> Response:
        """The response that says `text`."""
        return cls((Choice(Message(text)),), model=model, usage=usage)

    @classmethod
    def of(cls, answer: Any, *, model: str = "") -> Response:
        """The response that `answer` stands for.

        Args:
            answer: a `Response`, a text, or a mapping or an object in the shape of an OpenAI chat completion.
            model: the name to give where `answer` names no model.

        Raises:
            ModelResponseError: `answer` has another shape.
        """
        if isinstance(answer, cls):
            return answer
        if isinstance(answer, str):
            return cls.from_text(answer, model=model)
        choices = _read(answer, "choices")
        if not isinstance(choices, Iterable) or isinstance(choices, (str, bytes, Mapping)):
            raise _wrong_shape(answer, "it has no list `choices`")
        read = tuple(_choice(choice, position, answer) for position, choice in enumerate(choices))
        if not read:
            raise _wrong_shape(answer, "its `choices` are empty")
        name, identity = _read(answer, "model"), _read(answer, "id")
        return cls(
            read,
            model=name if isinstance(name, str) and name else model,
            usage=_usage(_read(answer, "usage")),
            id=identity if isinstance(identity, str) else "",
            replayed=_read(answer, "replayed") is True,
        )

    def to_dict(self) -> dict[str, Any]:
        """This response as JSON data, without what is empty; `Response.of` reads it back."""
        data: dict[str, Any] = {"id": self.id} if self.id else {}
        data["model"] = self.model
        data["choices"] = [_choice_to_dict(choice) for choice in self.choices]
        if self.usage is not None:
            data["usage"] = {name: getattr(self.usage, name) for name in Usage.__slots__}
        if self.replayed:
            data["replayed"] = True
        return data

    def as_replayed(self) -> Response:
        """A copy that says it was read from a recording."""
        return replace(self, replayed=True)


def _read(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _wrong_shape(answer: Any, what: str) -> ModelResponseError:
    shown = repr(answer)
    shown = shown if len(shown) <= 200 else shown[:200] + "..."
    return ModelResponseError(
        f"a model's answer must be a text or have the shape of an OpenAI chat completion "
        f"(answer.choices[0].message.content), but {what}: {type(answer).__name__} {shown}"
    )


def _choice(choice: Any, position: int, answer: Any) -> Choice:
    message = _read(choice, "message")
    if message is None:
        raise _wrong_shape(answer, f"`choices[{position}]` has no `message`")
    content, tool_calls = _content(_read(message, "content"), position, answer), _read(message, "tool_calls")
    if content is None and not tool_calls and _read(message, "role") is None:
        raise _wrong_shape(answer, f"`choices[{position}].message` has no `content`")
    reasoning, finish_reason = _read(message, "reasoning_content"), _read(choice, "finish_reason")
    role, index = _read(message, "role"), _read(choice, "index")
    return Choice(
        Message(
            content,
            role=role if isinstance(role, str) else "assistant",
            reasoning_content=reasoning if isinstance(reasoning, str) else None,
            tool_calls=tuple(_plain(call) for call in tool_calls) if isinstance(tool_calls, (list, tuple)) else (),
        ),
        index=index if isinstance(index, int) else position,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
    )


def _content(content: Any, position: int, answer: Any) -> str | None:
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)):
        return "".join(text for part in content if isinstance(text := _read(part, "text"), str))
    raise _wrong_shape(answer, f"`choices[{position}].message.content` is of type {type(content).__name__}")


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    counts = [_read(usage, name) for name in Usage.__slots__]
    prompt, completion, total = (count if isinstance(count, int) else 0 for count in counts)
    return Usage(prompt, completion, total or prompt + completion)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _choice_to_dict(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": choice.message.role, "content": choice.message.content}
    if choice.message.reasoning_content is not None:
        message["reasoning_content"] = choice.message.reasoning_content
    if choice.message.tool_calls:
        message["tool_calls"] = [_plain(call) for call in choice.message.tool_calls]
    return {"index": choice.index, "message": message, "finish_reason": choice.finish_reason}
