"""Preference: which of two is better, and what to ask next."""

import copy
import itertools
import random
import statistics

import numpy as np
import pytest

from opto.errors import ModelError, SuggestionWarning
from opto.optimizers import Preference
from opto.optimizers.preferences import Utilities, reduced
from opto.optimizers.text_features import hashed_ngrams
from opto.runs import EventLog, codec, listening
from opto.testing import Scripted
from opto.trace import bundle, node

WORDS = (
    "clear short polite answer explain step reason question please never always table list example cite source "
    "friendly formal expert child number first last summary detail"
).split()


def hidden_taste(seed):
    """Thirty texts of six words, and what a person thinks of each: a linear utility of the words."""
    draw = random.Random(seed)
    texts = [" ".join(draw.sample(WORDS, 6)) for _ in range(30)]
    weights = {word: draw.gauss(0, 1) for word in WORDS}
    return texts, {text: sum(weights[word] for word in text.split()) for text in texts}


def comparisons_needed(seed, *, chosen, most=40):
    """After how many comparisons the best text is believed best, and stays so."""
    texts, utility = hidden_taste(seed)
    best = max(texts, key=utility.get)
    tone = node(texts[0], trainable=True)
    optimizer = Preference([tone], texts, seed=seed)
    draw = random.Random(seed)
    since = most
    for number in range(most):
        left, right = optimizer.pair() if chosen else draw.sample(texts, 2)
        optimizer.backward((left, right), preferred=0 if utility[left] > utility[right] else 1)
        if optimizer.best()[tone] != best:
            since = most
        elif since == most:
            since = number + 1
    return since


def test_finds_the_best_of_thirty_texts_sooner_than_random_pairs():
    """The median over seeds is at most two thirds of that of random pairs, which need far more."""
    ours = statistics.median(comparisons_needed(seed, chosen=True) for seed in range(9))
    uniform = statistics.median(comparisons_needed(seed, chosen=False) for seed in range(9))
    assert ours <= 20
    assert ours < uniform * 2 / 3


def test_utilities_follow_the_preferences():
    """A clear order is learned, and what was compared often is more certain."""
    features = np.eye(4)
    pairs = [(i, j, 1.0) for i, j in itertools.combinations(range(3), 2) for _ in range(5)]
    known = Utilities(reduced(features), pairs)
    assert known.means[0] > known.means[1] > known.means[2]
    assert known.uncertainty(0)[0] == pytest.approx(0, abs=1e-6)
    assert known.uncertainty(0)[1] < known.uncertainty(0)[3]
    assert not np.any(Utilities(reduced(features), []).means)


def test_equal_texts_have_no_utility():
    """Alternatives without any difference are no error."""
    assert not np.any(Utilities(reduced(np.ones((3, 5))), [(0, 1, 1.0)]).means)


def test_hashed_ngrams():
    """Vectors of length one, the same in every run; near texts are near."""
    near, same, far, empty = hashed_ngrams(["Answer briefly.", "answer BRIEFLY", "Use a long table of sources", ""])
    assert np.linalg.norm(near) == pytest.approx(1)
    assert near @ same == pytest.approx(1)
    assert near @ far < 0.4
    assert not empty.any()
    assert hashed_ngrams(["abc"])[0].nonzero()[0].tolist() == hashed_ngrams(["abc"])[0].nonzero()[0].tolist()


def test_a_step_sets_the_value_believed_best():
    """Before any comparison the present value stays."""
    tone = node("c", trainable=True)
    optimizer = Preference([tone], ["a", "b", "c"], seed=0)
    assert optimizer.step() in ({}, {tone: "c"})
    optimizer.backward(("a", "b"), preferred=1)
    optimizer.backward(("c", "b"), preferred=1)
    optimizer.step()
    assert tone.data == "b"


def test_outputs_stand_for_the_values_they_were_made_with():
    """A person may compare what the program says."""
    tone = node("hello", trainable=True)

    @bundle()
    def program(tone, name):
        return f"{tone}, {name}"

    optimizer = Preference([tone], ["hello", "go away"], seed=0)
    first = program(tone, "Ann")
    tone._data = "go away"
    second = program(tone, "Ann")
    optimizer.backward((second, first), preferred=1)
    assert optimizer.best() == {tone: "hello"}
    with pytest.raises(ValueError, match="not computed from"):
        optimizer.backward((first, node("x")), preferred=0)


def test_ties_and_new_values():
    """A tie tells nothing of two equal texts' order; a value that was no candidate becomes one."""
    tone = node("a", trainable=True)
    optimizer = Preference([tone], ["a", "b"], seed=0)
    optimizer.backward(("a", "b"), preferred=None)
    assert optimizer.utilities() == pytest.approx([0, 0], abs=1e-6)
    optimizer.backward(("a", "something else"), preferred=1)
    assert optimizer.best() == {tone: "something else"}


def test_embeddings_of_the_user():
    """Each text is embedded once; a wrong shape is an error."""
    seen = []

    def embed(texts):
        seen.extend(texts)
        return [[len(text), 1.0] for text in texts]

    tone = node("a", trainable=True)
    optimizer = Preference([tone], ["a", "bbb", "cccccc"], embed=embed, seed=0)
    optimizer.backward(("a", "bbb"), preferred=1)
    optimizer.pair()
    optimizer.best()
    assert seen == ["a", "bbb", "cccccc"]
    assert optimizer.best() == {tone: "cccccc"}  # it generalizes: longer is better
    broken = Preference([tone], ["a", "b"], embed=lambda texts: [1.0], seed=0)
    broken.backward(("a", "b"), preferred=0)
    with pytest.raises(ValueError, match="one finite vector"):
        broken.best()


def test_a_model_proposes_candidates():
    """It sees the versions by preference; what it proposes joins them, up to `most`."""
    tone = node("Answer.", trainable=True, description="How to answer.")
    model = Scripted(["<version>Short.</version> and <version>Long.</version>", "<version>More.</version>"])
    optimizer = Preference([tone], llm=model, most=4, seed=0)
    with pytest.raises(ValueError, match="only one candidate"):
        optimizer.pair()
    optimizer.step()
    assert optimizer.candidates == ["Answer.", "Short.", "Long."]
    optimizer.backward(("Long.", "Short."), preferred=0)
    optimizer.step()
    assert tone.data == "Long."
    prompt = model.requests[1][0][1]["content"]
    assert "How to answer." in prompt
    assert prompt.index("Long.") < prompt.index("Short.")
    optimizer.step()  # there are four now: the model is asked no more
    assert len(model.requests) == 2


def test_answers_of_the_model_that_cannot_be_used():
    """An answer without a version warns; an error of the model is raised; both change nothing."""
    tone = node("a", trainable=True)
    optimizer = Preference([tone], llm=Scripted(["I cannot.", ModelError("down")]), seed=0)
    with pytest.warns(SuggestionWarning, match="no version"):
        optimizer.step()
    with pytest.raises(ModelError, match="down"):
        optimizer.step()
    assert optimizer.candidates == ["a"]
    assert tone.data == "a"


async def test_astep():
    """The model is asked on the event loop as well."""
    tone = node("a", trainable=True)
    optimizer = Preference([tone], llm=Scripted(["<version>b</version>"]), seed=0)
    await optimizer.astep()
    assert optimizer.candidates == ["a", "b"]


def test_state_round_trip_and_events():
    """A restored optimizer asks the same next pair; comparisons are told."""
    texts, utility = hidden_taste(1)
    tone = node(texts[0], trainable=True)
    optimizer = Preference([tone], texts, seed=4)
    log = EventLog()
    with listening(log):
        for _ in range(5):
            left, right = optimizer.pair()
            optimizer.backward((left, right), preferred=0 if utility[left] > utility[right] else 1)
    assert [event.data["purpose"] for event in log.of("attempt")] == ["compare"] * 5
    other = Preference([tone], ["x", "y"])
    other.load_state_dict(codec.loads(codec.dumps(optimizer.state_dict())))
    assert other.pair() == optimizer.pair() == copy.deepcopy(optimizer).pair()
    assert other.best() == optimizer.best()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"candidates": ["a"]}, ValueError, "at least two"),
        ({"candidates": "ab"}, TypeError, "list of values"),
        ({"candidates": ["a", "b"], "embed": 3}, TypeError, "embed"),
        ({"candidates": ["a", "b"], "explore": -1}, ValueError, "explore"),
        ({"candidates": ["a", "b"], "most": 0}, ValueError, "most"),
    ],
)
def test_bad_options(options, error, message):
    """Errors name the argument."""
    with pytest.raises(error, match=message):
        Preference([node("a", trainable=True)], **options)


def test_bad_comparisons():
    """A pair of two different values, and one of them preferred."""
    tone = node("a", trainable=True)
    optimizer = Preference([tone], ["a", "b"], seed=0)
    with pytest.raises(TypeError, match="pair"):
        optimizer.backward("ab")
    with pytest.raises(ValueError, match="preferred must be"):
        optimizer.backward(("a", "b"), preferred=2)
    with pytest.raises(ValueError, match="two different values"):
        optimizer.backward(("a", "a"), preferred=0)
    with pytest.raises(ValueError, match="exactly one parameter"):
        Preference([tone, node("b", trainable=True)], ["a", "b"])
