"""Values with their middle left out."""

from hypothesis import given
from hypothesis import strategies as st

from opto.optimizers.canonical import canonical
from opto.optimizers.cutting import cut, cut_value, exceeds

VALUES = st.recursive(
    st.one_of(st.integers(), st.floats(), st.none(), st.text(), st.binary(), st.sets(st.integers())),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner), st.tuples(inner, inner)
    ),
)


@given(VALUES)
def test_what_fits_is_canonical(value):
    """Where nothing is cut, the text is the one that prompts had before."""
    assert cut_value(value, 1 << 40) == canonical(value)


@given(VALUES, st.integers(24, 400))
def test_the_length_is_bounded(value, limit):
    """And what is cut says so."""
    text = cut_value(value, limit)
    assert len(text) <= 3 * limit + 300
    if text != canonical(value):
        assert "left out)..." in text


def test_head_and_tail_of_a_text():
    """Three quarters of it the head, and the exact number of characters in between."""
    text = "".join(chr(97 + n % 26) for n in range(10_000))
    shown = cut_value(text, 100)
    assert shown == f"{text[:75]} ...(9,900 characters left out)... {text[-25:]}"
    assert cut(text, 20_000) == text


def test_items_of_a_list():
    """The first and the last ones, and how many in between."""
    assert cut_value(list(range(1000)), 40) == (
        "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...(986 items left out)..., 997, 998, 999]"
    )


def test_the_cost_is_bounded():
    """Only what is shown of a large container is looked at."""
    looked = []

    class Item:
        """Notes that it was written."""

        def __repr__(self):
            looked.append(1)
            return "item"

    cut_value([Item() for _ in range(100_000)], 100)
    assert len(looked) < 100


def test_deep_nesting():
    """Lists in lists in lists, also such as contain themselves."""
    value = [1, 2]
    for _ in range(200):
        value = [value, value]
    assert len(cut_value(value, 100)) < 700
    loop = [1]
    loop.append(loop)
    assert cut_value(loop, 100) == canonical(loop)


@given(VALUES, st.integers(0, 200))
def test_what_exceeds_is_longer(value, limit):
    """A value is told to exceed a limit only where its text does, and always where its strings do."""
    if exceeds(value, limit):
        assert len(canonical(value)) > limit
    assert exceeds([value, "x" * limit], limit)


def test_a_value_is_measured_up_to_the_limit():
    """Also one that contains itself, or that is far larger than anybody will read."""
    loop = {}
    loop["again"] = [loop]
    assert exceeds(loop, 1000)
    value = [1, 2]
    for _ in range(200):
        value = [value, value]
    assert exceeds(value, 10_000)
