"""Images as values of nodes: `Image(...)` wraps a picture of any kind, so that an optimizer can show it to a model."""

from __future__ import annotations

import base64
import struct
import sys
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["Image", "as_image"]

_KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}
_LARGEST = 5_000_000
_LONGEST_SIDE = 1568


class Image:
    """A picture: an address, the bytes of a file, an array, or a PIL image.

        chart = node(Image("https://example.com/chart.png"))
        photo = node(Image(Path("photo.jpg")))
        frame = node(Image(array))          # (height, width), or (height, width, 3 or 4); uint8, or floats from 0 to 1

    Args:
        source: an address `http(s)://...` or `data:image/...`; the `Path` of a file; the bytes of a PNG, JPEG, GIF or
            WebP file; an array; a PIL image.

    Raises:
        TypeError: `source` is of another kind.
        ValueError: the bytes are no image, or the array has another shape.
    """

    def __init__(self, source: Any) -> None:
        self.source: Any
        if isinstance(source, Image):
            source = source.source
        if isinstance(source, Path):
            source = source.read_bytes()
        if isinstance(source, str):
            if not source.startswith(("http://", "https://", "data:image/")):
                raise ValueError(f"source must be an address of an image, or a Path, got {source[:80]!r}.")
        elif isinstance(source, (bytes, bytearray)):
            source = bytes(source)
            if _kind(source) is None:
                raise ValueError(f"source must be the bytes of a PNG, JPEG, GIF or WebP file, got {source[:16]!r}...")
        elif _is_array(source):
            _check_shape(source.shape)
        elif not _is_pil(source):
            raise TypeError(f"source must be an address, a Path, bytes, an array or a PIL image, got {type(source)}.")
        self.source = source

    @cached_property
    def url(self) -> str:
        """The address of the picture, a `data:` address for one that has no other; PIL images are scaled to 1,568 px.

        Raises:
            ValueError: it has more than 5 MB, or PIL cannot read it.
        """
        if isinstance(self.source, str):
            if len(self.source) > _LARGEST * 4 // 3 + 100:
                raise ValueError(f"an image may have {_LARGEST:,} bytes, but {self} has more: scale it down.")
            return self.source
        content = self.source if isinstance(self.source, bytes) else _png_of(self.source)
        if len(content) > _LARGEST:
            raise ValueError(f"an image may have {_LARGEST:,} bytes, but {self} has {len(content):,}: scale it down.")
        return f"data:image/{_kind(content)};base64,{base64.b64encode(content).decode()}"

    def __str__(self) -> str:
        if isinstance(self.source, str):
            shown = self.source if not self.source.startswith("data:") else self.source.partition(";")[0]
            return f"<image {shown}>"
        if isinstance(self.source, bytes):
            return f"<image, {_kind(self.source)} of {len(self.source):,} bytes>"
        height, width = self.source.shape[:2] if _is_array(self.source) else self.source.size[::-1]
        return f"<image of {width} x {height} pixels>"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (self is other or self.url == other.url)

    def __hash__(self) -> int:
        return hash(str(self))

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source}


def as_image(value: Any) -> Image | None:
    """The image that a value is: an `Image`, a PIL image, or the bytes of a PNG, JPEG, GIF or WebP file; else None.

    Texts and arrays are images only where they are wrapped.
    """
    if isinstance(value, Image):
        return value
    if _is_pil(value) or (isinstance(value, (bytes, bytearray)) and _kind(value) is not None):
        return Image(value)
    return None


def _kind(content: bytes | bytearray) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)


def _is_pil(value: Any) -> bool:
    module = sys.modules.get("PIL.Image")  # a PIL image exists only where PIL has been imported
    return module is not None and isinstance(value, module.Image)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _check_shape(shape: Any) -> None:
    if not (len(shape) in (2, 3) and all(shape) and (len(shape) == 2 or shape[2] in (1, 3, 4))):
        raise ValueError(f"an array must be (height, width) or (height, width, 1, 3 or 4) to be an image, got {shape}.")


def _png_of(picture: Any) -> bytes:
    if _is_array(picture):
        return _png_of_array(picture)
    from importlib import import_module
    from io import BytesIO

    buffer = BytesIO()
    try:
        upright = import_module("PIL.ImageOps").exif_transpose(picture)  # a copy, turned as its camera was held
        scaled = upright if upright.mode in ("L", "RGB", "RGBA") else upright.convert("RGBA")
        scaled.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        scaled.save(buffer, "PNG")
    except (OSError, SyntaxError) as error:  # PIL reads a file late, and may find it cut short or damaged
        raise ValueError(f"PIL cannot read the picture: {error}") from error
    return buffer.getvalue()


def _png_of_array(array: Any) -> bytes:
    """An array as a PNG file, written here: the format is short, and PIL may be missing."""
    import numpy as np

    pixels = np.asarray(array)
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(pixels).clip(0, 1) * 255
    elif pixels.dtype.kind == "b":
        pixels = pixels * 255
    pixels = pixels.clip(0, 255).astype(np.uint8)
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    colour = {1: 0, 3: 2, 4: 6}[channels]
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row starts with its filter, 0
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
