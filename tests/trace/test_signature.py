"""`Signature`: binds as Python binds, whatever the signature."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.trace.signature import Signature


def test_fixed_signatures():
    """Values in the order of the parameters, defaults filled in; positional ones first."""

    def f(a, /, b, k=3, *, flag=True):
        pass

    signature = Signature(f)
    assert signature.bind(1, b=2) == ((1, 2, 3, True), ("a", "b", "k", "flag"), 3)
    assert signature.names == ("a", "b", "k", "flag")
    assert signature.exact == -1
    assert signature.positional == ("a", "b", "k")
    assert signature.text == "(a, /, b, k=3, *, flag=True)"


def test_variadic_signatures():
    """Extra positionals are args_0, args_1 ...; extra keywords keep their names."""

    def f(a, *rest, flag=True, **named):
        pass

    values, names, count = Signature(f).bind(1, 2, 3, z=4)
    assert (values, names, count) == ((1, 2, 3, True, 4), ("a", "args_0", "args_1", "flag", "z"), 3)
    assert Signature(f).names == ("a", "flag")


def test_exact():
    """A function of positional parameters only tells how many make a call that needs no binding."""
    assert Signature(lambda a, b=1: None).exact == 2
    assert Signature(lambda: None).exact == 0
    assert Signature(lambda *a: None).exact == -1
    assert Signature(lambda a, **k: None).exact == -1


def test_further_names():
    """Names of further inputs come last, for every call."""
    signature = Signature(lambda a, *rest: None, further=("__code",))
    assert signature.names == ("a", "__code")
    assert signature.bind(1, 2)[1] == ("a", "args_0", "__code")


def test_defaults_are_the_objects_themselves():
    """A default is passed as the object that it is."""
    default: list = []
    assert Signature(eval("lambda x=d: None", {"d": default})).bind()[0][0] is default


def test_defaults_that_do_not_compare():
    """Defaults whose == gives no truth value do not disturb."""
    numpy = pytest.importorskip("numpy")
    default = numpy.zeros(3)
    signature = Signature(eval("lambda x=d, *rest: None", {"d": default}))
    assert signature.bind()[0][0] is default


@pytest.mark.parametrize("name", ["len", "bind", "self", "print", "tuple"])
def test_any_parameter_name(name):
    """Parameters may be called as anything."""
    namespace: dict = {}
    exec(f"def f({name}, *args, **kwargs): pass", namespace)
    assert Signature(namespace["f"]).bind(1, 2, k=3) == ((1, 2, 3), (name, "args_0", "k"), 2)


def test_errors_are_pythons_own():
    """A call that does not fit raises the TypeError that the function itself would."""

    def f(a, b):
        pass

    with pytest.raises(TypeError, match=r"test_errors_are_pythons_own\.<locals>\.f\(\) missing 1 required"):
        Signature(f).bind(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        Signature(f, "name").bind(1, 2, c=3)


@given(
    positional_only=st.integers(0, 2),
    plain=st.integers(0, 2),
    variadic=st.booleans(),
    keyword_only=st.integers(0, 2),
    keywords=st.booleans(),
    defaults=st.integers(0, 4),
    given_args=st.integers(0, 5),
    given_names=st.sets(st.sampled_from(["p0", "p1", "q0", "q1", "k0", "k1", "z"])),
)
def test_binds_as_python_binds(  # noqa: PLR0917
    positional_only, plain, variadic, keyword_only, keywords, defaults, given_args, given_names
):
    """For any signature and any call: the values that the function itself gets, or TypeError where it raises it."""
    first = [f"p{k}" for k in range(positional_only)]
    second = [f"q{k}" for k in range(plain)]
    both = first + second
    marked = [f"{each}=-1" if index >= len(both) - defaults else each for index, each in enumerate(both)]
    written = marked[: len(first)] + (["/"] if first else []) + marked[len(first) :]
    written += ["*rest"] if variadic else (["*"] if keyword_only else [])
    written += [f"k{k}=-2" if k else "k0" for k in range(keyword_only)]
    written += ["**named"] if keywords else []
    namespace: dict = {}
    exec(f"def f({', '.join(written)}): return locals()", namespace)
    function = namespace["f"]
    args = tuple(range(given_args))
    kwargs = {each: each for each in sorted(given_names)}
    try:
        bound = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            Signature(function).bind(*args, **kwargs)
        return
    values, names, count = Signature(function).bind(*args, **kwargs)
    assert values[:count] == (*(bound[each] for each in both), *bound.get("rest", ()))
    named = {each: bound[each] for each in bound if each.startswith("k")} | bound.get("named", {})
    assert dict(zip(names[count:], values[count:])) == named
    assert len(names) == len(values)
