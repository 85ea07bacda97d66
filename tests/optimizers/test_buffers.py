"""A bounded memory."""

import pytest

from opto.optimizers.buffers import FIFOBuffer


def test_the_oldest_leaves():
    """Only the last `size` items stay, oldest first."""
    buffer = FIFOBuffer(2)
    for item in "abc":
        buffer.add(item)
    assert list(buffer) == ["b", "c"]
    assert len(buffer) == buffer.size == 2


def test_size_zero_keeps_nothing():
    """A memory of size 0 is off."""
    buffer = FIFOBuffer(0)
    buffer.add("a")
    assert list(buffer) == []


@pytest.mark.parametrize(("size", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError), (None, TypeError)])
def test_bad_sizes(size, error):
    """A size that is no whole number >= 0 is refused by name."""
    with pytest.raises(error, match="size must be"):
        FIFOBuffer(size)
