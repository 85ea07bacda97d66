"""Pictures of Pillow, arrays, addresses and bytes, through LiteLLM to a model server: what the server sees of them."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image as Pillow

from opto.llm import LiteLLM
from opto.optimizers import OptoPrime, OptoPrimeMulti, OptoPrimeV2
from opto.testing import ModelServer
from opto.trace import GRAPH, Image, node
from tests.optimizers.pictures import describe


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


def answer(body):
    """A better question, in the form that is asked for."""
    if '"suggestion"' in body["messages"][0]["content"]:
        return json.dumps({"reasoning": "r", "answer": "", "suggestion": {"question0": "Where is it?"}})
    return "<reasoning>r</reasoning><variable><name>question0</name><value>Where is it?</value></variable>"


def sent(picture, kind=OptoPrime, **options):
    """The content of the first request's user message, as the server got it."""
    question = node("What is it?", trainable=True, name="question")
    with ModelServer(answer) as server:
        model = LiteLLM("openai/any", api_base=server.url, api_key="none")
        optimizer = kind([question], model, **{"images": True, **options})
        optimizer.backward(describe(node(picture, name="photo"), question), "There is a dog.")
        optimizer.step()
        assert question.data == "Where is it?"
        return server.requests[0].body["messages"][1]["content"]


def picture_in(content):
    """The picture that stands in a message, opened again."""
    assert [part["type"] for part in content] == ["text", "text", "image_url"]
    assert content[1]["text"] == "photo0:"
    head, _, data = content[2]["image_url"]["url"].partition(",")
    assert head in (
        "data:image/png;base64",
        "data:image/jpeg;base64",
        "data:image/gif;base64",
        "data:image/webp;base64",
    )
    return Pillow.open(io.BytesIO(base64.b64decode(data)))


def colours(size=(4, 3)):
    """A small picture of which every pixel differs."""
    made = Pillow.new("RGB", size)
    made.putdata([(10 * number, 255 - number, number) for number in range(size[0] * size[1])])
    return made


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "LA", "CMYK", "I;16", "F"])
def test_pictures_of_pillow(mode):
    """Whatever their mode; those that PNG has arrive pixel by pixel, and the text says what they are."""
    picture = (
        colours().convert("L").convert("F").convert("I").convert("I;16") if mode == "I;16" else colours().convert(mode)
    )
    content = sent(picture)
    assert "photo0=<image of 4 x 3 pixels>" in content[0]["text"]
    found = picture_in(content)
    assert found.size == (4, 3)
    if mode in ("RGB", "RGBA", "L"):
        assert found.mode == mode
        assert found.tobytes() == picture.tobytes()


def test_a_picture_of_a_camera_held_upright():
    """It is turned as its file says."""
    buffer = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned a quarter to the left
    Pillow.new("RGB", (40, 20), "red").save(buffer, "JPEG", exif=exif)
    assert picture_in(sent(Pillow.open(io.BytesIO(buffer.getvalue())))).size == (20, 40)


def test_a_large_picture_is_scaled():
    """To 1,568 pixels a side, in its proportions; the picture itself stays as it is."""
    picture = Pillow.new("RGB", (3136, 784), "red")
    assert picture_in(sent(picture)).size == (1568, 392)
    assert picture.size == (3136, 784)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_bytes_of_a_file(kind, wrapped):
    """They travel as they are."""
    buffer = io.BytesIO()
    colours().save(buffer, kind)
    content = sent(Image(buffer.getvalue()) if wrapped else buffer.getvalue())
    assert f"photo0=<image, {kind.lower()} of {len(buffer.getvalue())} bytes>" in content[0]["text"]
    assert base64.b64decode(content[2]["image_url"]["url"].partition(",")[2]) == buffer.getvalue()
    assert picture_in(content).format == kind


def test_a_file(tmp_path):
    """A path is read when the image is made, one that Pillow opened when it is sent."""
    path = tmp_path / "photo.png"
    colours().save(path)
    assert picture_in(sent(Image(path))).tobytes() == colours().tobytes()
    GRAPH.clear()
    with Pillow.open(path) as opened:
        assert picture_in(sent(opened)).tobytes() == colours().tobytes()


@pytest.mark.parametrize(
    ("array", "mode"),
    [
        (np.arange(12, dtype=np.uint8).reshape(3, 4), "L"),
        (np.arange(36, dtype=np.uint8).reshape(3, 4, 3), "RGB"),
        (np.arange(48, dtype=np.uint8).reshape(3, 4, 4), "RGBA"),
        (np.arange(12, dtype=np.uint8).reshape(3, 4, 1), "L"),
        (np.linspace(0, 1, 12).reshape(3, 4), "L"),
        (np.eye(3, 4, dtype=bool), "L"),
    ],
)
def test_arrays(array, mode):
    """Bytes as they are, floats from 0 to 1, truth as black and white."""
    found = picture_in(sent(Image(array)))
    assert (found.mode, found.size) == (mode, (4, 3))
    factor = 1 if array.dtype == np.uint8 else 255
    expected = (array.astype(float) * factor).astype(np.uint8)
    assert np.array_equal(np.asarray(found).reshape(expected.shape), expected)


@pytest.mark.parametrize("kind", [OptoPrimeV2, OptoPrimeMulti])
def test_an_address(kind):
    """It is handed on; the model's provider fetches it. In the other optimizers too."""
    content = sent(Image("https://example.com/photo.jpg"), kind)
    assert content[2] == {"type": "image_url", "image_url": {"url": "https://example.com/photo.jpg"}}


def test_pictures_as_candidates_are_judged():
    """Every request of a step that shows the problem has the picture."""
    question = node("What is it?", trainable=True, name="question")
    with ModelServer(answer) as server:
        model = LiteLLM("openai/any", api_base=server.url, api_key="none")
        optimizer = OptoPrimeMulti(
            [question], model, images=True, generation_technique="iterative_alternatives", judge=False
        )
        optimizer.backward(describe(node(colours(), name="photo"), question), "There is a dog.")
        optimizer.step()
        contents = [request.body["messages"][1]["content"] for request in server.requests]
    assert len(contents) == 3
    assert all("image_url" in [part["type"] for part in content] for content in contents)
    assert "Proposal 2:" in contents[2][-1]["text"]


def test_a_picture_that_cannot_be_read():
    """It is named with the reason, and the step goes on without it."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (400, 400), "red").save(buffer, "PNG")
    broken = Pillow.open(io.BytesIO(buffer.getvalue()[:200]))
    content = sent(broken)
    assert [part["type"] for part in content] == ["text", "text"]
    assert content[1]["text"].startswith("photo0: ...(1 image left out)...")


def test_a_model_that_does_not_see():
    """It gets words alone, and one that LiteLLM knows to see gets the picture without being asked."""
    assert isinstance(sent(colours(), images=None), str)
    GRAPH.clear()
    question = node("What is it?", trainable=True, name="question")
    with ModelServer(answer) as server:
        optimizer = OptoPrime([question], LiteLLM("gpt-4o", api_base=server.url, api_key="none"))
        optimizer.backward(describe(node(colours(), name="photo"), question), "There is a dog.")
        optimizer.step()
        assert picture_in(server.requests[0].body["messages"][1]["content"]).size == (4, 3)
