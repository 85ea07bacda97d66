"""How many tokens a text takes: by the model's own vocabulary where it is at hand, else counted from above.

| model | count |
|---|---|
| has a method `count_tokens(text) -> int` | what that says |
| one of OpenAI's, by its name | exact, by the vocabularies in LiteLLM's folder; LiteLLM is not imported |
| any other | the bytes of the text in UTF-8 |

A byte-level vocabulary never makes more tokens than there are bytes, so the last row over-counts whatever the text is:
about fourfold for English, about threefold for code, by little for emoji. Nothing is ever downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from opto.forking import forkable_lock
from opto.llm.model import Messages, Model

__all__ = [
    "IMAGE_TOKENS",
    "MESSAGE_TOKENS",
    "TokenCounter",
    "accepts_images",
    "context_window",
    "count_tokens",
    "litellm_name",
    "most_tokens",
    "token_counter",
]

TokenCounter: TypeAlias = Callable[[str], int]

MESSAGE_TOKENS = 8
"""What a message takes besides its text: its role and its marks. OpenAI's take 3; templates of open models up to 8."""

IMAGE_TOKENS = 2_500
"""What an image counts for: about the most that OpenAI, Anthropic and Google charge for one of 1,568 pixels a side."""

_LONGEST_EXACT = 2_000_000
_loading = forkable_lock()


def count_tokens(text_or_messages: str | Messages, model: Model | str | None = None) -> int:
    """The tokens of a text or of a conversation, never fewer than there are; see the table of this module.

    Args:
        text_or_messages: a text, or messages, whose contents may be texts or lists of parts.
        model: the model, or its LiteLLM name; None counts from above.
    """
    count = token_counter(model)
    if isinstance(text_or_messages, str):
        return count(text_or_messages)
    return MESSAGE_TOKENS + sum(
        MESSAGE_TOKENS + _content_tokens(each.get("content"), count) for each in text_or_messages
    )


def most_tokens(text: str) -> int:
    """An upper bound for any byte-level vocabulary: the bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def token_counter(model: Model | str | None = None) -> TokenCounter:
    """The function that counts the tokens of a text for a model, to be used many times."""
    own = getattr(_innermost(model), "count_tokens", None)
    if callable(own):
        return own  # type: ignore[no-any-return]
    name = model if isinstance(model, str) else litellm_name(model)
    encoding = _encoding_of(name) if name else None
    if encoding is None:
        return most_tokens

    def exact(text: str) -> int:
        if len(text) > _LONGEST_EXACT:
            return most_tokens(text)
        return len(encoding.encode(text, disallowed_special=()))

    return exact


def litellm_name(model: Any) -> str | None:
    """The name by which LiteLLM knows a model, through the wrappers around it; None when it is none of LiteLLM's."""
    inner = _innermost(model)
    name = getattr(inner, "model", None)
    return name if type(inner).__name__ == "LiteLLM" and isinstance(name, str) else None


def context_window(model: Any) -> int | None:
    """How many tokens a model reads at most, where LiteLLM knows it; None for other models.

    LiteLLM is imported for models that go through it, and for names; for no other.
    """
    known = _known(model)
    return known.get("max_input_tokens") or known.get("max_tokens")


def accepts_images(model: Any) -> bool:
    """Whether LiteLLM knows the model as one that sees images; it is imported as in `context_window`."""
    return bool(_known(model).get("supports_vision"))


def _known(model: Any) -> Mapping[str, Any]:
    name = model if isinstance(model, str) else litellm_name(model)
    if name is None:
        return {}
    from opto.llm.loading import load_litellm

    try:
        found: Mapping[str, Any] = load_litellm().get_model_info(name)
    except Exception:  # LiteLLM raises errors of several kinds for names that it does not know
        return {}
    return found


def _innermost(model: Any) -> Any:
    """The model within its wrappers, or the outermost one that counts tokens itself."""
    while not callable(getattr(model, "count_tokens", None)) and isinstance(getattr(model, "model", None), Model):
        model = model.model
    return model


def _content_tokens(content: Any, count: TokenCounter) -> int:
    if content is None:
        return 0
    if isinstance(content, str):
        return count(content)
    return sum(_part_tokens(part, count) for part in content)


def _part_tokens(part: Mapping[str, Any], count: TokenCounter) -> int:
    return IMAGE_TOKENS if part.get("type") == "image_url" else count(str(part.get("text") or ""))


@lru_cache(maxsize=256)
def _encoding_of(name: str) -> Any:
    """OpenAI's encoding for a model of this name, or None."""
    try:
        import tiktoken

        return _packaged_encoding(tiktoken.encoding_name_for_model(name.removeprefix("openai/")))
    except (ImportError, KeyError):
        return None


def _packaged_encoding(name: str) -> Any:
    """An encoding from LiteLLM's folder, or None when it is not there: `tiktoken` would download it then."""
    import hashlib
    from importlib.util import find_spec
    from pathlib import Path

    import tiktoken

    package = find_spec("litellm")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "litellm_core_utils" / "tokenizers"
    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    if not (folder / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()).is_file():
        return None
    with _loading:
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
        try:
            return tiktoken.get_encoding(name)
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before
