"""Code that a model wrote is read before it takes the place of a function."""

import pytest

from opto.errors import SuggestionError
from opto.optimizers.code_checks import check_code
from opto.trace import bundle

FACTOR = 2


def trainable(scale=3):
    """A trainable function with a local variable around it."""
    offset = scale

    @bundle(trainable=True)
    def mix(first, second=1, *rest, key, option=None, **others):
        """Mixes."""
        return first * FACTOR + offset

    return mix


@bundle(trainable=True)
async def fetch(x):
    """Fetches."""
    return x


@pytest.mark.parametrize(
    "code",
    [
        "def mix(first, second=2, *rest, key, option='x', **others): return first",
        "def mix(first: int, second: int = 1, *rest, key, option=None, **others) -> int: return first",
        "def mix(*args, **kwargs): return args",
        "def mix(first, second=1, third=0, *rest, key, option=None, **others): return third",
        "import math\ndef mix(first, second=1, *rest, key, option=None, **others): return math.pi * FACTOR + offset",
        "def mix(first, second=1, *rest, key, option=None, **others):\n    import json\n    return [json]",
        "from os.path import *\ndef mix(first, second=1, *rest, key, option=None, **others): return join(first)",
        "class A:\n    b = 1\ndef mix(first, second=1, *rest, key, option=None, **others): return A.b.no_such_thing",
        "def mix(first, second=1, *rest, key, option=None, **others):\n try: return fast()\n except NameError: pass",
        "def helper(n): return helper(n - 1) if n else mix\nmix = helper",
        "import functools\n@functools.lru_cache\ndef mix(first, second=1, *rest, key, option=None, **others): return 1",
    ],
)
def test_code_that_will_do(code):
    """Bodies, defaults, annotations, decorators and helpers may differ."""
    function = trainable()
    check_code(function.parameter, code)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def mix(second, first=1, *rest, key, option=None, **others): pass", "number 1 is second, not first"),
        ("def mix(first, second, *rest, key, option=None, **others): pass", "second has no default"),
        ("def mix(first, second=1, *, key, option=None, **others): pass", r"takes no \*rest"),
        ("def mix(first, second=1, *rest, key, option=None): pass", r"takes no \*\*others"),
        ("def mix(first, second=1, *rest, key, option, **others): pass", "option has no default"),
        ("def mix(first, second=1, *rest, key, option=None, more, **others): pass", "more has no default"),
        ("def mix(first, /, second=1, *rest, key, option=None, **others): pass", "cannot be given by keyword"),
        ("async def mix(first, second=1, *rest, key, option=None, **others): pass", "with `def`"),
        ("def mix(first, second=1, *rest, key, option=None, **others): return ratio + np.pi", "not defined: np, ratio"),
        ("import mixer as mix", "must define the function mix"),
    ],
)
def test_code_that_will_not(code, reason):
    """The complaint says what would be right."""
    function = trainable()
    with pytest.raises(SuggestionError, match=reason):
        check_code(function.parameter, code)


def test_async_stays_async():
    """A coroutine function is awaited by its callers."""
    check_code(fetch.parameter, "async def fetch(x): return x + 1")
    with pytest.raises(SuggestionError, match="with `async def`"):
        check_code(fetch.parameter, "def fetch(x): return x + 1")


def test_nothing_is_run():
    """Code is only read."""
    check_code(fetch.parameter, "raise SystemExit\nasync def fetch(x): return x")
