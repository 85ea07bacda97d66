"""Images among the values of a problem, as parts of a message for models that see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opto.llm.tokens import IMAGE_TOKENS
from opto.optimizers.cutting import left_out
from opto.trace.images import Image, as_image

if TYPE_CHECKING:
    from opto.optimizers.problem import FunctionFeedback

__all__ = ["images_of", "with_images"]

_NEVER_IMAGES = frozenset({int, float, bool, str, type(None), list, tuple, dict, set, frozenset})
_MOST = 8
"""So many images go with one prompt at most; some providers refuse more than ten."""


def images_of(summary: FunctionFeedback, tokens: int | None = None) -> list[tuple[str, Image]]:
    """The images of a problem by name: variables first, then outputs, inputs and intermediate results.

    Args:
        summary: the facts.
        tokens: the tokens of the whole prompt; images may take half of them.
    """
    most = _MOST if tokens is None else min(_MOST, tokens // 2 // IMAGE_TOKENS)
    found: list[tuple[str, Image]] = []
    for facts in (summary.variables, summary.output, summary.inputs, summary.others):
        if _NEVER_IMAGES.issuperset({type(value) for value, _ in facts.values()}):
            continue
        for name, (value, _) in facts.items():
            if len(found) >= most:
                return found
            if (image := as_image(value)) is not None:
                found.append((name, image))
    return found


def with_images(text: str, images: Sequence[tuple[str, Image]]) -> list[dict[str, Any]]:
    """The content of a message: the text, and every image that it names, each after its name.

    An image that is too large is named with the reason, and not sent.
    """
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for name, image in images:
        if f" {name}=" not in text and f'name="{name}"' not in text:
            continue  # the value itself was left out, and that is said
        try:
            url = image.url
        except ValueError as error:
            parts.append({"type": "text", "text": f"{name}: {left_out(1, 'image')} {error}"})
            continue
        parts += [{"type": "text", "text": f"{name}:"}, {"type": "image_url", "image_url": {"url": url}}]
    return parts
