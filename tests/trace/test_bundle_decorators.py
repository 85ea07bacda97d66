"""`bundle` under and over other decorators, on any callable, and on recursive functions."""

from __future__ import annotations

import functools
import random

import pytest

from opto.errors import LostDependencyWarning
from opto.trace import (
    ExecutionError,
    Node,
    bundle,
    node,
)


def names_of(output: Node) -> list[str]:
    """The input names of a result."""
    return list(output.inputs)


# ---- other decorators


def plain_decorator(function):
    """Adds 100, and hides what it decorates."""

    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) + 100

    return wrapper


def wrapping_decorator(function):
    """Adds 100, and tells what it decorates."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) + 100

    return wrapper


class TestDecorators:
    def test_over_a_wrapping_decorator(self):
        """Below bundle, a decorator with functools.wraps is part of the function; names are the wrapped one's."""

        @bundle()
        @wrapping_decorator
        def f(x):
            return x + 1

        output = f(1)
        assert output.data == 102
        assert names_of(output) == ["x"]

    def test_over_a_decorator_that_does_not_wrap(self):
        """Without functools.wraps the inputs are the wrapper's."""

        @bundle()
        @plain_decorator
        def f(x):
            return x + 1

        output = f(1)
        assert output.data == 102
        assert names_of(output) == ["args_0"]

    def test_trainable_over_a_wrapping_decorator_keeps_it(self):
        """Inner decorators are part of the code that is trained."""

        @bundle(trainable=True)
        @wrapping_decorator
        def f(x):
            return x + 1

        assert f.parameter.data.startswith("@wrapping_decorator\ndef f(x):")
        assert f(1).data == 102
        f.parameter._data = "def f(x):\n    return -x"
        assert f(1).data == -1

    def test_over_a_decorator_that_adds_arguments(self):
        """A decorator may pass arguments that callers do not: its own call decides what fits."""

        def with_bonus(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, bonus=10, **kwargs)

            return wrapper

        @bundle()
        @with_bonus
        def f(x, bonus):
            return x + bonus

        output = f(node(1))
        assert output.data == 11
        assert len(output.parents) == 1
        with pytest.raises(ExecutionError, match="unexpected keyword"):
            f(1, other=2)

    def test_under_another_decorator(self):
        """Above bundle, a decorator sees nodes come out."""

        @wrapping_decorator
        @bundle(trainable=True)
        def f(x):
            return x + 1

        output = f(node(1))
        assert output.data == 102
        assert output._base == "add"

    def test_lru_cache_below(self):
        """A cached function may be bundled: its cache keeps raw values."""

        @bundle()
        @functools.lru_cache
        def f(x):
            return x + 1

        assert (f(1).data, f(1).data, f.fun.cache_info().hits) == (2, 2, 1)

    def test_partial_of_bundle(self):
        """functools.partial of bundle decorates."""
        trained = functools.partial(bundle, trainable=True)

        @trained()
        def f(x):
            return x + 1

        assert f.trainable
        assert f(1).data == 2

    def test_inline(self):
        """bundle()(function) bundles an existing function, with its whole source."""

        def f(x):
            return x + 1

        bundled = bundle(trainable=True)(f)
        assert bundled.parameter.data.startswith("def f(x):")
        assert bundled(1).data == 2
        assert f(1) == 2

    def test_partial_object(self):
        """A functools.partial can be bundled."""

        def f(x, y):
            return x + y

        assert bundle("[part] Adds.")(functools.partial(f, 1))(2).data == 3

    @pytest.mark.parametrize("function", [len, max, str.upper, int])
    def test_builtins(self, function):
        """Functions written in C can be bundled."""
        argument = {"len": [1, 2], "max": [1, 2], "upper": "a", "int": "3"}[function.__name__]
        assert bundle()(function)(argument).data == function(argument)

    def test_callable_objects(self):
        """An object with __call__ can be bundled."""

        class Adder:
            def __call__(self, x, y=1):
                return x + y

        assert bundle("[adder] Adds.")(Adder())(1).data == 2

    def test_what_is_no_function(self):
        """Bundling a value that cannot be called, or a bundle, is a TypeError that says so."""
        with pytest.raises(TypeError, match="decorates a function"):
            bundle()(3)
        with pytest.raises(TypeError, match="bundled already"):
            bundle()(bundle()(lambda x: x))

    def test_bundle_without_parentheses(self):
        """Forgetting the parentheses is a TypeError that says to add them."""
        with pytest.raises(TypeError, match=r"bundle\(\)"):

            @bundle
            def f(x):
                return x


# ---- recursion


class TestRecursion:
    def test_plain_recursion_is_traced_call_by_call(self):
        """Without overwriting, an inner call gives the body a node."""

        @bundle()
        def f(n):
            return 0 if n == 0 else f(n - 1) + 1

        output = f(3)
        assert output.data == 3
        assert len(output.parents) == 1

    def test_overwritten_recursion_sees_plain_values(self):
        """With overwrite_python_recursion the body's own calls reach the plain function."""

        @bundle(overwrite_python_recursion=True)
        def f(n):
            if n == 0:
                return 0
            inner = f(n - 1)
            assert type(inner) is int
            return inner + 1

        output = f(node(3))
        assert output.data == 3
        assert len(output.parents) == 1

    def test_trainable_recursion(self):
        """Trainable implies it; the result's parents are the argument and the code."""

        @bundle(trainable=True)
        def fib(n):
            if n < 2:
                return n
            inner = fib(n - 1)
            assert type(inner) is int
            return inner + fib(n - 2)

        output = fib(node(10))
        assert output.data == 55
        assert len(output.parents) == 2

    def test_trainable_recursion_runs_the_current_code(self):
        """After an update, inner calls run the new code too."""

        @bundle(trainable=True)
        def f(n):
            return 0 if n == 0 else 1 + f(n - 1)

        f.parameter._data = "def f(n):\n    return 0 if n == 0 else 2 + f(n - 1)"
        assert f(3).data == 6

    def test_mutual_recursion(self):
        """Two bundles that call each other."""

        @bundle(trainable=True)
        def even(n):
            return True if n == 0 else bool(odd(n - 1))

        @bundle(trainable=True)
        def odd(n):
            return False if n == 0 else bool(even(n - 1))

        with pytest.warns(LostDependencyWarning, match="__code"):
            assert (even(10).data, even(7).data) == (True, False)

    def test_recursive_trainable_method(self):
        """self.method inside the body is the plain method."""

        class Agent:
            @bundle(trainable=True)
            def count(self, n):
                if n == 0:
                    return 0
                inner = self.count(n - 1)
                assert type(inner) is int
                return inner + 1

        output = Agent().count(4)
        assert output.data == 4
        assert len(output.parents) == 3

    def test_deep_recursion_costs_no_extra_frames_in_plain_code(self):
        """A trainable function may recurse a few hundred deep."""

        @bundle(trainable=True)
        def f(n):
            return 0 if n == 0 else 1 + f(n - 1)

        assert f(150).data == 150


def test_random_state_is_left_alone():
    """Bundling and calling a trainable function draws nothing from `random`."""
    random.seed(3)
    expected = random.random()
    random.seed(3)

    @bundle(trainable=True)
    def f(x):
        return x

    f(1)
    assert random.random() == expected


def test_both_access_forms():
    """`opto.trace.bundle` is the decorator and, as a module, holds the names that programs import."""
    import opto.trace
    import opto.trace.bundle as module

    assert opto.trace.bundle is bundle
    assert module.to_data([node(1), 2]) == [1, 2]
    from opto.trace.bundle import ExecutionError as one
    from opto.trace.errors import ExecutionError as two

    assert one is two
