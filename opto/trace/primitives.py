"""The computations behind the operators, on raw values, where the standard library has none ready."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__: list[str] = []


def clone(x: Any) -> Any:
    return copy.deepcopy(x)


def identity(x: Any) -> Any:
    return x


def node_round(x: Any, n: Any = None) -> Any:
    return round(x) if n is None else round(x, n)


def cond(condition: Any, x: Any, y: Any) -> Any:
    return x if condition else y


def in_(x: Any, y: Any) -> bool:
    return x in y


def not_in(x: Any, y: Any) -> bool:
    return x not in y


def pop(x: Any, index: Any = -1) -> Any:
    return x.pop(index)


def get(x: Any, key: Any, default: Any = None) -> Any:
    return x.get(key, default)


def to_list(x: Any) -> list[Any]:
    return canonical_order(x) if isinstance(x, (set, frozenset)) else list(x)


def canonical_order(values: Iterable[Any]) -> list[Any]:
    """The elements of a set in an order that does not depend on hashing."""
    elements = list(values)
    try:
        return sorted(elements)
    except TypeError:
        return sorted(elements, key=lambda each: (type(each).__name__, repr(each)))


def make_list(*args: Any) -> list[Any]:
    return list(args)


def make_tuple(*args: Any) -> tuple[Any, ...]:
    return args


def make_set(*args: Any) -> set[Any]:
    return set(args)


def make_dict(**kwargs: Any) -> dict[str, Any]:
    return kwargs


def keys(x: Mapping[Any, Any]) -> list[Any]:
    return list(x.keys())


def values(x: Mapping[Any, Any]) -> list[Any]:
    return list(x.values())


def capitalize(x: str) -> str:
    return x.capitalize()


def lower(x: str) -> str:
    return x.lower()


def upper(x: str) -> str:
    return x.upper()


def swapcase(x: str) -> str:
    return x.swapcase()


def title(x: str) -> str:
    return x.title()


def split(x: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    return x.split(sep, maxsplit)


def strip(x: str, chars: str | None = None) -> str:
    return x.strip(chars)


def replace(x: str, old: str, new: str, count: int = -1) -> str:
    return x.replace(old, new, count)


def format_text(x: str, /, *args: Any, **kwargs: Any) -> str:
    return x.format(*args, **kwargs)


def join(x: str, *args: str) -> str:
    return x.join(args)


def node_getattr(x: Any, name: str) -> Any:
    return getattr(x, name)


def call_llm(llm: Callable[..., Any], system_prompt: str, *user_prompts: str, **kwargs: Any) -> Any:
    """The text of a chat completion."""
    if not callable(llm):
        raise TypeError(f"llm must be a model, a callable such as opto.llm.LLM(); got {llm!r}.")
    messages = [{"role": "system", "content": system_prompt}] if system_prompt else []
    messages += [{"role": "user", "content": prompt} for prompt in user_prompts]
    return llm(messages=messages, **kwargs).choices[0].message.content


def changed(method: str) -> Callable[..., Any]:
    """A function that applies a method which changes its object, to a shallow copy, and returns that."""

    def apply(x: Any, *args: Any, **kwargs: Any) -> Any:
        made = copy.copy(x)
        getattr(made, method)(*args, **kwargs)
        return made

    return apply
