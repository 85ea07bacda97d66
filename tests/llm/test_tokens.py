"""Token counts: exact where the vocabulary is at hand, from above everywhere else."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.llm import FromCallable, LiteLLM, Model, Retrying
from opto.llm.tokens import (
    IMAGE_TOKENS,
    MESSAGE_TOKENS,
    _packaged_encoding,
    accepts_images,
    context_window,
    count_tokens,
    litellm_name,
    most_tokens,
    token_counter,
)

ENCODINGS = [found for name in ("cl100k_base", "o200k_base", "p50k_base") if (found := _packaged_encoding(name))]
TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="0123456789", max_size=500),
    st.text(alphabet="漢字かなカナ한국어", max_size=200),
    st.text(alphabet="😀🏳️‍🌈👩‍👩‍👧🇩🇪", max_size=100),
    st.text(alphabet="def x(self):\n\t =[]{}\"'_-", max_size=400),
    st.text(alphabet=st.characters(min_codepoint=0xE000), max_size=100),
)


def test_an_encoding_is_packaged():
    """The property below is tested against real vocabularies."""
    assert {encoding.name for encoding in ENCODINGS} >= {"cl100k_base", "o200k_base"}


@given(TEXTS)
def test_the_bound_never_counts_too_little(text):
    """Whatever the text, no vocabulary at hand makes more tokens of it."""
    for encoding in ENCODINGS:
        assert len(encoding.encode(text, disallowed_special=())) <= most_tokens(text)


def test_lone_surrogates_are_counted():
    """Text that has no UTF-8 form does not stop the count."""
    assert most_tokens("\ud800") == 3


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o"])
def test_models_of_openai_are_counted_exactly(name):
    """By the vocabulary of the model itself, also behind wrappers."""
    text = "The quick brown fox, 12345 times. " * 20
    [o200k] = [encoding for encoding in ENCODINGS if encoding.name == "o200k_base"]
    assert count_tokens(text, name) == len(o200k.encode(text))
    assert count_tokens(text, Retrying(LiteLLM(name))) == len(o200k.encode(text))


def test_special_tokens_are_text():
    """What looks like a mark of the template is counted as it stands, not refused."""
    assert 0 < count_tokens("<|endoftext|>", "gpt-4o") <= 13


def test_other_models_are_counted_from_above():
    """A model whose vocabulary is not at hand, no model, a plain function."""
    for model in ("anthropic/claude-sonnet-4-5", "ollama/llama3", None, FromCallable(lambda messages: "")):
        assert count_tokens("añb", model) == 4


def test_a_model_may_count_itself():
    """A model with a vocabulary of its own says so by a method."""

    class Words(Model):
        """Counts words."""

        def complete(self, messages, **options):
            return ""

        def count_tokens(self, text):
            """Its words."""
            return len(text.split())

    assert token_counter(Retrying(Words()))("one two") == 2


def test_messages():
    """Each message takes its marks, and each image its part."""
    image = {"type": "image_url", "image_url": {"url": "data:..."}}
    messages = [
        {"role": "system", "content": "abc"},
        {"role": "user", "content": [{"type": "text", "text": "de"}, image]},
        {"role": "assistant", "content": None},
    ]
    assert count_tokens(messages) == 5 + 4 * MESSAGE_TOKENS + IMAGE_TOKENS


def test_what_litellm_knows_of_a_model():
    """Its window and its eyes; nothing of models that it does not reach, and then it is not even imported."""
    assert context_window(Retrying(LiteLLM("gpt-4o"))) == 128_000
    assert accepts_images("gpt-4o")
    assert context_window(LiteLLM("openai/any")) is None
    assert not accepts_images("openai/any")
    assert context_window(FromCallable(lambda messages: "")) is None
    assert litellm_name(None) is None


def test_litellm_is_not_imported_to_count(pytester_free_import):
    """Neither for a count nor for a model of another kind."""
    assert not pytester_free_import


@pytest.fixture
def pytester_free_import():
    """Whether a fresh interpreter that counts tokens has imported LiteLLM."""
    import subprocess

    script = (
        "import sys; from opto.llm.tokens import count_tokens, context_window; "
        "count_tokens('x', 'gpt-4o'); context_window(print); print('litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"
