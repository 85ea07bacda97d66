"""Images as values of nodes."""

import base64
import pickle
import zlib

import numpy as np
import pytest

from opto.trace import Image, node
from opto.trace.images import as_image


def test_an_array_becomes_a_png():
    """Its header tells the size, and its rows are the pixels."""
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    kind, _, content = Image(pixels).url.partition(",")
    content = base64.b64decode(content)
    assert kind == "data:image/png;base64"
    assert content[16:24] == b"\x00\x00\x00\x04\x00\x00\x00\x02"
    start = content.index(b"IDAT") + 4
    rows = zlib.decompress(content[start : content.index(b"IEND") - 8])
    assert rows == b"".join(b"\x00" + row.tobytes() for row in pixels)


def test_floats_go_from_0_to_1():
    """A float image and the same one in bytes are equal."""
    floats = np.array([[0.0, 1.0], [np.nan, 7.0]])
    assert Image(floats) == Image(np.array([[0, 255], [0, 255]], np.uint8))


def test_addresses_and_files(tmp_path):
    """An address stays one, a file is read, a text that is neither is refused."""
    assert Image("https://example.com/a.png").url == "https://example.com/a.png"
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 and so on")
    assert Image(path).url.startswith("data:image/jpeg;base64,")
    with pytest.raises(ValueError, match="address"):
        Image("a.jpg")
    with pytest.raises(ValueError, match="bytes"):
        Image(b"no image")
    with pytest.raises(ValueError, match="array"):
        Image(np.zeros((2, 2, 7)))
    with pytest.raises(TypeError, match="source"):
        Image(3)


def test_what_is_an_image():
    """Bytes of a known kind are; texts and arrays only when they are wrapped."""
    assert as_image(b"\x89PNG\r\n\x1a\n...") is not None
    assert as_image(np.zeros((4, 4, 3))) is None
    assert as_image("https://example.com/a.png") is None
    assert as_image(b"other") is None


def test_an_image_says_what_it_is():
    """Its text is the same on every machine and holds no pixels; it pickles."""
    image = Image(np.zeros((3, 5), np.uint8))
    assert str(image) == "<image of 5 x 3 pixels>"
    assert pickle.loads(pickle.dumps(image)) == image
    assert node(image).data is image


def test_a_large_image_is_refused():
    """With its size, when its address is asked for."""
    with pytest.raises(ValueError, match="scale it down"):
        _ = Image(b"\x89PNG\r\n\x1a\n" + b"x" * 6_000_000).url
