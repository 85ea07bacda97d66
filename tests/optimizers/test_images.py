"""Images among the values of a problem."""

import json

import numpy as np
import pytest

from opto.errors import SuggestionWarning
from opto.llm.tokens import count_tokens
from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.trace import GRAPH, Image, node
from tests.optimizers.pictures import describe


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from 0 in each test."""
    GRAPH.clear()


class Seeing:
    """Keeps the messages, and answers."""

    def __init__(self):
        self.requests = []

    def __call__(self, messages, **options):
        self.requests.append(messages)
        return json.dumps({"suggestion": {"question0": "What is in the corner?"}})


def step(optimizer_class=OptoPrime, picture=None, **options):
    """One step; the content of its user message."""
    question = node("What is it?", trainable=True, name="question")
    model = Seeing()
    optimizer = optimizer_class([question], model, **options)
    picture = Image(np.zeros((2, 3), np.uint8)) if picture is None else picture
    optimizer.backward(describe(node(picture, name="photo"), question), "There is a dog.")
    optimizer.step()
    return model.requests[0][1]["content"], optimizer


def test_a_model_that_sees_gets_the_image():
    """As a part of the message, after its name; the text names it too."""
    content, optimizer = step(images=True)
    assert [part["type"] for part in content] == ["text", "text", "image_url"]
    assert "(Image) photo0=<image of 3 x 2 pixels>" in content[0]["text"]
    assert content[1]["text"] == "photo0:"
    assert content[2]["image_url"]["url"].startswith("data:image/png;base64,")
    assert optimizer.log[0]["user_prompt"].endswith("photo0:\n<image>")


def test_other_models_get_words():
    """A model that is not known to see reads what the image is."""
    content, _ = step()
    assert "<image of 3 x 2 pixels>" in content


def test_bytes_of_an_image_are_not_written_out():
    """They are an image, wrapped or not."""
    content, _ = step(picture=b"\x89PNG\r\n\x1a\n" + bytes(1000))
    assert "(bytes) photo0=<image, png of 1,008 bytes>" in content


def test_tags():
    """The other form as well."""

    class Tagged(OptoPrimeV2):
        """Answers are ignored here."""

        def construct_update_dict(self, suggestion):
            return {}

    with pytest.warns(SuggestionWarning, match="not applied"):
        content, _ = step(Tagged, images=True)
    assert content[-1]["type"] == "image_url"


def test_a_large_image_is_left_out_and_named():
    """The step goes on without it."""
    content, _ = step(picture=b"\x89PNG\r\n\x1a\n" + bytes(6_000_000), images=True)
    assert "image left out" in content[1]["text"]
    assert "scale it down" in content[1]["text"]


@pytest.mark.parametrize("most", [4000, 12000])
def test_images_count(most):
    """An image takes its tokens from the prompt, and is not sent where they are too many."""
    content, _ = step(images=True, max_prompt_tokens=most)
    assert count_tokens([{"role": "user", "content": content}]) <= most
    assert isinstance(content, str) == (most == 4000)
