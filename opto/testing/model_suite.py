"""The tests that every model must pass, to be subclassed for a back-end."""

from __future__ import annotations

import asyncio
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opto.llm import Model, Response

__all__ = ["ModelSuite"]


class ModelSuite:
    """Contract tests of a model. A subclass whose name begins with "Test" says how to make one:

        class TestShouting(ModelSuite):
            def make_model(self):
                return Shouting()

    Every call of `make_model` gives a model that can answer at least 20 requests.

    Attributes:
        pickles: set to False for a model that cannot be pickled, such as one around a lambda.
        secret: a key that the model was made with, which must show up nowhere.
    """

    pickles = True
    secret: str | None = None
    messages: tuple[dict[str, Any], ...] = (
        {"role": "system", "content": "Answer with one word."},
        {"role": "user", "content": "What is the capital of France?"},
    )

    def make_model(self) -> Model:
        """A new model."""
        raise NotImplementedError("a subclass of ModelSuite must define make_model(self)")

    def _conversation(self) -> list[dict[str, Any]]:
        """The messages anew, so that a model that changes them is caught."""
        return copy.deepcopy(list(self.messages))

    def test_answers_in_the_shape_of_a_chat_completion(self) -> None:
        """A call gives a `Response` with a text in its first choice."""
        response = self.make_model()(self._conversation())
        assert isinstance(response, Response), f"expected a Response, got {type(response).__name__}"
        assert isinstance(response.choices[0].message.content, str), f"the answer has no text: {response!r}"

    def test_takes_messages_by_name_and_options(self) -> None:
        """Messages may be given by name, and OpenAI's options with them."""
        response = self.make_model()(messages=self._conversation(), temperature=0.0, max_tokens=100)
        assert isinstance(response.text, str), f"the answer has no text: {response!r}"

    def test_answers_without_blocking_the_loop(self) -> None:
        """`acall` gives a response as well, several at once."""

        async def several() -> list[Response]:
            model = self.make_model()
            return await asyncio.gather(*(model.acall(self._conversation()) for _ in range(4)))

        responses = asyncio.run(several())
        assert all(isinstance(response.text, str) for response in responses), "an answer has no text: share no state"

    def test_answers_several_threads(self) -> None:
        """Threads share one model, and each gets a whole answer."""
        model = self.make_model()
        with ThreadPoolExecutor(8) as pool:
            responses = list(pool.map(lambda _: model(self._conversation()), range(16)))
        assert all(isinstance(response.text, str) for response in responses), "an answer has no text: share no state"

    def test_leaves_the_messages_as_they_are(self) -> None:
        """A request does not change the messages and options it was given."""
        messages, stop = self._conversation(), ["###"]
        before = copy.deepcopy(messages)
        self.make_model()(messages, stop=stop)
        assert messages == before, "the model changed the messages"
        assert stop == ["###"], "the model changed an option"

    def test_reserves_options_for_the_same_request(self) -> None:
        """What `reserve` returns can be given with the request."""
        model = self.make_model()
        response = model(self._conversation(), **model.reserve(self._conversation()))
        assert isinstance(response.text, str), f"the answer has no text: {response!r}"

    @pytest.mark.parametrize("wrong", ["a text", {"role": "user", "content": "hi"}, ["a text"], [{"content": "hi"}], 7])
    def test_refuses_what_is_no_conversation(self, wrong: Any) -> None:
        """Messages that are no sequence of mappings with a role are a TypeError that names them."""
        with pytest.raises(TypeError, match="messages"):
            self.make_model()(wrong)

    def test_survives_a_copy(self) -> None:
        """A deep copy answers too."""
        answer = copy.deepcopy(self.make_model())(self._conversation())
        assert isinstance(answer.text, str), f"a copy's answer has no text: {answer!r}"

    def test_survives_pickling(self) -> None:
        """A model that went through pickle answers too."""
        if not self.pickles:
            pytest.skip("this model does not promise to pickle")
        answer = pickle.loads(pickle.dumps(self.make_model()))(self._conversation())  # trusted: pickled in this line
        assert isinstance(answer.text, str), f"the answer after pickling has no text: {answer!r}"

    def test_has_a_name_and_keeps_its_secret(self) -> None:
        """A model has a name, and neither it nor the repr tells a key."""
        model = self.make_model()
        named = isinstance(model.name, str) and bool(model.name)
        assert named, f"name must be a text that is not empty, got {model.name!r}"
        if self.secret:
            assert self.secret not in f"{model.name} {model!r}", "the key shows in the name or the repr"
