"""Preference: which of two is better, and what to ask next."""

import copy
import itertools
import random
import statistics

import numpy as np
import pytest

from opto.errors import ModelError, SuggestionWarning
from opto.optimizers import Preference
from opto.optimizers.neural_utilities import NeuralUtilities
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


def comparisons_needed(seed, *, chosen, most=40, utility="neural"):
    """After how many comparisons the best text is believed best, and stays so."""
    texts, liking = hidden_taste(seed)
    best = max(texts, key=liking.get)
    tone = node(texts[0], trainable=True)
    optimizer = Preference([tone], texts, seed=seed, utility=utility)
    draw = random.Random(seed)
    since = most
    for number in range(most):
        left, right = optimizer.pair() if chosen else draw.sample(texts, 2)
        optimizer.backward((left, right), preferred=0 if liking[left] > liking[right] else 1)
        if optimizer.best()[tone] != best:
            since = most
        elif since == most:
            since = number + 1
    return since


@pytest.mark.parametrize("utility", ["neural", "linear"])
def test_finds_the_best_of_thirty_texts_sooner_than_random_pairs(utility):
    """The median over seeds is at most two thirds of that of random pairs, which need far more."""
    ours = statistics.median(comparisons_needed(seed, chosen=True, utility=utility, most=25) for seed in range(7))
    uniform = statistics.median(comparisons_needed(seed, chosen=False, utility="linear") for seed in range(7))
    assert ours <= 20
    assert ours < uniform * 2 / 3


def checkered(seed):
    """Forty points and their utilities, high where both coordinates have one sign: no linear function of them."""
    points = np.random.default_rng(seed).standard_normal((40, 2))
    liking = 3 * np.sign(points[:, 0] * points[:, 1]) * np.minimum(1, 3 * np.abs(points).min(axis=1))
    draw = random.Random(seed)
    pairs = [draw.sample(range(25), 2) for _ in range(60)]
    return points, liking, [(i, j, 1.0) if liking[i] > liking[j] else (j, i, 1.0) for i, j in pairs]


def right_of_unseen(known, liking):
    """Which part of the pairs of the last fifteen points, never compared, is ordered as it should be."""
    pairs = [(i, j) for i, j in itertools.combinations(range(25, 40), 2) if abs(liking[i] - liking[j]) > 0.1]
    return np.mean([(known.means[i] > known.means[j]) == (liking[i] > liking[j]) for i, j in pairs])


def test_a_taste_that_is_not_linear():
    """The network orders pairs that it never saw, where linear utilities can only guess."""
    neural, linear = [], []
    for seed in range(5):
        points, liking, pairs = checkered(seed)
        neural.append(right_of_unseen(NeuralUtilities(reduced(points), pairs), liking))
        linear.append(right_of_unseen(Utilities(reduced(points), pairs), liking))
    assert np.mean(neural) > 0.85
    assert np.mean(linear) < 0.65


def test_the_middle_is_found():
    """A person who likes medium lengths best: with linear utilities an end would win."""
    texts = ["x" * length for length in range(1, 22)]
    found = {}
    for utility in ("neural", "linear"):
        tone = node(texts[0], trainable=True)
        optimizer = Preference(
            [tone], texts, embed=lambda each: [[len(text)] for text in each], seed=1, utility=utility
        )
        for _ in range(20):
            left, right = optimizer.pair()
            optimizer.backward((left, right), preferred=int(abs(len(left) - 11) > abs(len(right) - 11)))
        found[utility] = len(optimizer.best()[tone])
    assert abs(found["neural"] - 11) <= 1
    assert abs(found["linear"] - 11) > 1


def test_gradients_of_the_network():
    """They are those of finite differences, of the utilities and of the loss."""
    points, _, pairs = checkered(3)
    known = NeuralUtilities(reduced(points), pairs, width=4)
    weights = known._start + 0.3 * np.random.default_rng(1).standard_normal(known._start.shape)

    def loss(weights):
        utilities = known._utilities(weights)
        return (known._weights * np.log1p(np.exp(-known._apart @ utilities))).sum() + (
            (weights - known._start) ** 2
        ).sum() / 2

    gradients, slope = known._gradients(weights), known._slope(weights)
    for place in itertools.product(range(weights.shape[0]), range(weights.shape[1])):
        step = np.zeros_like(weights)
        step[place] = 1e-5
        moved = (known._utilities(weights + step) - known._utilities(weights - step)) / 2e-5
        assert gradients[:, place[0] * weights.shape[1] + place[1]] == pytest.approx(moved, abs=1e-6)
        assert slope[place] == pytest.approx((loss(weights + step) - loss(weights - step)) / 2e-5, abs=1e-5)


def test_what_the_network_does_not_know():
    """Nothing is liked before it is told; the spread is that of the prior; the same seed gives the same network."""
    points, _, pairs = checkered(0)
    rows = reduced(points)
    before, after = NeuralUtilities(rows, [], spread=2.0), NeuralUtilities(rows, pairs, spread=2.0)
    assert before.means == pytest.approx(np.zeros(40), abs=1e-9)
    centred = before._covariance - before._covariance.mean(axis=0)
    assert np.sqrt(np.diag(centred - centred.mean(axis=1)[:, None]).mean()) == pytest.approx(2.0)
    assert after.uncertainty(0)[:25].mean() < before.uncertainty(0)[:25].mean()
    assert after.means == pytest.approx(NeuralUtilities(rows, pairs, spread=2.0).means)
    assert not np.allclose(after.means, NeuralUtilities(rows, pairs, spread=2.0, seed=1).means)


@pytest.mark.parametrize("model", [Utilities, NeuralUtilities])
def test_utilities_follow_the_preferences(model):
    """A clear order is learned, and what was compared often is more certain."""
    features = np.eye(4)
    pairs = [(i, j, 1.0) for i, j in itertools.combinations(range(3), 2) for _ in range(5)]
    known = model(reduced(features), pairs)
    assert known.means[0] > known.means[1] > known.means[2]
    assert known.uncertainty(0)[0] == pytest.approx(0, abs=1e-6)
    assert known.uncertainty(0)[1] < known.uncertainty(0)[3]
    assert model(reduced(features), []).means == pytest.approx(np.zeros(4))


@pytest.mark.parametrize("model", [Utilities, NeuralUtilities])
def test_equal_texts_have_no_utility(model):
    """Alternatives without any difference are no error."""
    assert not np.any(model(reduced(np.ones((3, 5))), [(0, 1, 1.0)]).means)


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
    assert optimizer.utilities() == pytest.approx([0, 0], abs=1e-2)
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
        ({"candidates": ["a", "b"], "utility": "deep"}, ValueError, "utility must be"),
        ({"candidates": ["a", "b"], "most": 0}, ValueError, "most"),
        ({"candidates": ["a", "b"], "seed": "now"}, TypeError, "seed must be an int"),
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
