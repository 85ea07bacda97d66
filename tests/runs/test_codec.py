"""The safe text format: what is written is read back equal, readable, and without running anything."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import json
import math
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import uuid
import zoneinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opto.errors import FileFormatError
from opto.runs.codec import dumps, dumps_line, load, loads, register_codec, save


def same(one, two):
    """Whether two values are equal in every type, sign, order and nan."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return math.copysign(1, one) == math.copysign(1, two) and (one == two or (one != one and two != two))
    if isinstance(one, complex):
        return same(one.real, two.real) and same(one.imag, two.imag)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return same(list(one.items()), list(two.items()))
    if isinstance(one, (set, frozenset)):
        return sorted(map(repr, one)) == sorted(map(repr, two))
    if isinstance(one, Decimal):
        return one.as_tuple() == two.as_tuple()
    if isinstance(one, (datetime.datetime, datetime.time)):
        return repr(one) == repr(two)
    return one == two


def round_trip(value):
    """Write and read."""
    return loads(dumps(value))


any_text = st.text(st.characters(exclude_categories=()))
keys = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), any_text, st.binary(), st.tuples(st.integers(), any_text)
)
atoms = st.one_of(
    keys,
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.datetimes(timezones=st.none() | st.just(datetime.timezone.utc)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.binary().map(bytearray),
    st.builds(range, st.integers(), st.integers(), st.integers(min_value=1)),
    st.builds(slice, st.none() | st.integers(), st.integers(), st.none()),
    st.just(...),
    st.sets(keys),
    st.frozensets(keys),
)
values = st.recursive(
    atoms,
    lambda parts: st.one_of(
        st.lists(parts),
        st.lists(parts).map(tuple),
        st.dictionaries(keys, parts),
        st.dictionaries(st.sampled_from(["!tuple", "!", "!row", "a", "\ud83d\ude00"]) | any_text, parts),
    ),
    max_leaves=20,
)


@given(values)
@settings(max_examples=300)
def test_any_value_comes_back_as_it_was(value):
    """Types, signs, order of dicts and lone surrogates included; the text is valid UTF-8, and writing is repeatable."""
    text = dumps(value)
    assert same(loads(text), value)
    assert text.encode("utf-8")
    assert dumps(loads(text)) == text
    line = dumps_line(value, kind="value")
    assert line.count(b"\n") == 1
    assert same(loads(line.decode()), value)


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        float("-inf"),
        float("nan"),
        complex(-0.0, float("nan")),
        10**5000,
        -(7**9000),
        Fraction(3**9000, 2),
        Decimal("-0.00"),
        Decimal("sNaN12"),
        "\ud83d\ude00 is two surrogates, \U0001f600 is one character, \ud800 alone",
        "one\n\ntwo\r\nthree\n",
        "\n",
        "\x00\x1b\u2028\x85",
        {"!tuple": [1]},
        {"!tuple": [1], "other": 2},
        {"!": 0},
        {"\ud83d\ude00": 1},
        {1: "a", "1": "b", (1,): "c", None: "d", 2.5: "e"},
        {b"b": {frozenset({1}): [slice(1, None, (2,))]}},
        datetime.timezone(datetime.timedelta(hours=-3, seconds=5), "X"),
        datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("UTC")),
        datetime.time(2, 30, fold=1),
        Path("a") / "b",
        PurePosixPath("/a/\udcff"),
        PureWindowsPath(r"c:\a"),
        range(10**30, 0, -3),
        (),
        {},
        set(),
        [[], [()], {"": {}}],
    ],
    ids=lambda value: ascii(value)[:30] if not isinstance(value, (int, Fraction)) else "long",
)
def test_edges_come_back_as_they_were(value):
    """Values at the edges of their types."""
    assert same(round_trip(value), value)
    assert same(round_trip([{"k": value}]), [{"k": value}])


@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}, lambda v: {0: v}, lambda v: [0, v, 1]]
)
def test_depth_is_no_limit(wrap):
    """A value that is 100,000 deep is written and read, and the text nests no deeper than a parser can follow."""
    value, depth = 7, 100_000 if type(wrap(7)) is list else 20_000
    for _ in range(depth):
        value = wrap(value)
    text = dumps(value)
    assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) < 500
    back = loads(text)
    for _ in range(depth):
        value, back = (v["k"] if "k" in v else v[0] if len(v) == 1 else v[1] for v in (value, back))
    assert back == value == 7


def test_works_deep_in_a_call_stack():
    """Writing and reading need little of the interpreter's stack."""
    value = 7
    for _ in range(300):
        value = {0: (value,)}
    text = dumps(value)

    def sink(levels):
        return sink(levels - 1) if levels else dumps(loads(text))

    assert sink(sys.getrecursionlimit() - len(__import__("inspect").stack(0)) - 350) == text


def test_documents_are_readable():
    """A document has a head, keeps what is not ASCII, and shows code line by line."""
    assert dumps(
        {"name": "café", "code": "def f(x):\n    return x", "ids": (1, 2)}, kind="parameters"
    ) == textwrap.dedent(
        """\
        {
          "format": "opto",
          "version": 1,
          "kind": "parameters",
          "value": {
            "name": "café",
            "code": {"!lines": [
              "def f(x):",
              "    return x"
            ]},
            "ids": {"!tuple": [1, 2]}
          }
        }
        """
    )


def test_sets_are_written_sorted():
    """The text of a set does not depend on the order of its hashes."""
    program = "from opto.runs.codec import dumps; print(dumps({'b', 'a', ('c', frozenset({'e', 'd'}))}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_shared_parts_are_legal_and_cycles_are_not():
    """One list in two places is written twice; a list in itself is an error that says where."""
    shared = [1]
    assert round_trip({"a": shared, "b": (shared, shared)}) == {"a": [1], "b": ([1], [1])}
    shared.append({"again": (shared,)})
    with pytest.raises(ValueError, match=r"parameters\['a'\]\[1\]\['again'\]\[0\] contains itself \(list\)"):
        dumps({"a": shared}, kind="parameters")


# --- numpy


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(6, dtype=">i2").reshape(2, 3),
        numpy.array(3.5),
        numpy.zeros((0, 3), dtype=bool),
        numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
        numpy.arange(10)[::-3],
        numpy.array([numpy.nan, -0.0, numpy.inf], dtype=numpy.float16),
        numpy.array([1 + 2j], dtype=numpy.complex64),
        numpy.array(["a", "漢字"]),
        numpy.array([b"a\x00b"]),
        numpy.array(["2024-01-01", "NaT"], dtype="datetime64[D]"),
        numpy.array([(1, 2.0, "x")], dtype=[("a", "<i4"), ("b", "<f8", ()), ("c", "<U2")]),
        numpy.zeros((2,), dtype="U0"),
    ],
    ids=str,
)
def test_arrays_come_back_as_they_were(array):
    """Dtype with byte order, shape and raw bytes; the result is writable and owns nothing of the file."""
    back = round_trip({"array": array})["array"]
    assert type(back) is numpy.ndarray
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize(
    "scalar",
    [
        numpy.float64(0.1),
        numpy.float32(0.1),
        numpy.float16("nan"),
        numpy.int8(-3),
        numpy.uint64(2**64 - 1),
        numpy.bool_(True),
        numpy.complex128(1 + 2j),
        numpy.longdouble("0.1"),
        numpy.str_("a\x00"),
        numpy.bytes_(b"a\x00"),
        numpy.datetime64("2024-01-01T00:00:01", "s"),
        numpy.timedelta64(3, "h"),
    ],
    ids=repr,
)
def test_scalars_come_back_as_they_were(scalar):
    """A scalar keeps its type and value, and common ones can be read in the file."""
    back = round_trip(scalar)
    assert type(back) is type(scalar)
    assert back.dtype == scalar.dtype
    assert back == scalar or (back != back and scalar != scalar)
    assert "0.1" in dumps(numpy.float64(0.1))


def test_arrays_of_objects_are_refused():
    """An array of objects could hold anything, so it has no text form, neither when written nor when read."""
    with pytest.raises(TypeError, match=r"value\['x'\] is of type numpy.ndarray, which has no text form"):
        dumps({"x": numpy.array([object()])})
    text = dumps(numpy.zeros(1)).replace("<f8", "|O")
    with pytest.raises(FileFormatError, match="dtype object"):
        loads(text)


def test_an_array_of_another_size_than_its_data_is_damage():
    """A shape that its bytes do not fill is refused before any memory is taken."""
    with pytest.raises(FileFormatError, match="do not make an array"):
        loads(dumps(numpy.zeros(1)).replace("[1]", "[1000000000000]"))


def test_numpy_is_loaded_only_for_arrays():
    """A document without arrays is written and read without numpy."""
    program = (
        "import sys; from opto.runs.codec import dumps, loads; loads(dumps([1, (2,), {3}]));"
        "assert not {'numpy', 'cloudpickle'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


# --- types of one's own


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Policy:
    items: list
    name: str = "p"


class Opaque:
    pass


register_codec(Colour, "test.Colour", lambda colour: colour.name, Colour.__getitem__)
register_codec(Policy, "test.Policy", lambda policy: dict(vars(policy)), lambda fields: Policy(**fields))


def test_registered_types_come_back():
    """Enum members and dataclasses with a codec, nested in each other."""
    value = {"policy": Policy([Colour.RED, (Policy([1]),)])}
    assert round_trip(value) == value


def test_a_value_without_text_form_is_named_with_its_place_and_the_remedies():
    """The error is an expression for where the value is, its type, and what to do."""
    with pytest.raises(TypeError) as caught:
        dumps({"policy": Policy([1, 2, 3, Opaque()])}, kind="parameters")
    assert "parameters['policy'].items[3] is of type " in str(caught.value)
    assert "Opaque" in str(caught.value)
    assert "register_codec" in str(caught.value)
    assert "allow_pickle=True" in str(caught.value)
    with pytest.raises(TypeError, match=r"value\[\(1, 2\)\]\['a'\]"):
        dumps({(1, 2): {"a": Opaque()}})
    with pytest.raises(TypeError, match=r"value\.key\("):
        dumps({Opaque(): 1})
    with pytest.raises(TypeError, match=r"value\['a'\]\{\.\.\.\}"):
        dumps({"a": {Opaque()}})


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1),
        collections.namedtuple("Pair", "a b")(1, 2),
        type("Text", (str,), {})("a"),
        type("Int", (int,), {})(1),
        uuid.UUID(int=1),
        Opaque,
        len,
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_are_not_silently_turned_into_their_base(value):
    """A subclass of a known type has no text form until it is registered."""
    with pytest.raises(TypeError, match="has no text form"):
        dumps([value])


def test_the_registry_refuses_what_would_make_files_ambiguous():
    """Tags of the format, tags of another type, malformed tags and types that have a form already."""
    for tag in ("tuple", "row", "numpy.array", "test.Colour", "", "!x", "a b", 3):
        with pytest.raises(ValueError, match="tag"):
            register_codec(Opaque, tag, vars, Opaque)
    for cls in (int, dict, tuple, numpy.ndarray, Path):
        with pytest.raises(ValueError, match="text form"):
            register_codec(type(Path()) if cls is Path else cls, "test.New", vars, Opaque)
    with pytest.raises(TypeError, match="cls must be a class"):
        register_codec(Opaque(), "test.New", vars, Opaque)
    with pytest.raises(TypeError, match="decode must be callable"):
        register_codec(Opaque, "test.New", vars, None)


def test_a_class_that_is_defined_again_takes_over_its_tag():
    """Running a notebook cell twice registers the new class in place of the old one."""

    def define():
        class Cell:
            pass

        register_codec(Cell, "test.Cell", lambda cell: None, lambda _: Cell())
        return Cell

    old, new = define(), define()
    assert type(round_trip(new())) is new
    with pytest.raises(TypeError, match="has no text form"):
        dumps(old())


def test_a_codec_that_gives_no_plain_data_is_an_error():
    """An encode that returns its argument would never end."""

    class Loop:
        pass

    register_codec(Loop, "test.Loop", lambda loop: Loop(), lambda _: Loop())
    with pytest.raises(TypeError, match=r"codec 'test.Loop' must give plain data"):
        dumps(Loop())


def test_threads_may_register_and_write_at_once():
    """Many threads register types of their own and use them."""
    failures = []

    def work(number):
        try:
            cls = type(f"Threaded{number}", (), {})
            register_codec(cls, f"test.threaded{number}", lambda _: number, lambda _: cls())
            assert type(round_trip([cls()])[0]) is cls
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# --- pickles


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_need_the_consent_of_the_writer_and_the_reader(tmp_path):
    """Nothing is executed without allow_pickle, and the error says what to do."""
    fuse = tmp_path / "went-off"
    path = tmp_path / "file"
    with pytest.raises(TypeError, match="allow_pickle=True"):
        save(path, [Bomb(fuse)], kind="agent")
    save(path, {"a": [Bomb(fuse)]}, kind="agent", allow_pickle=True)
    with pytest.raises(FileFormatError, match=r"holds a pickle of .*Bomb.*allow_pickle=True"):
        load(path, kind="agent")
    assert not fuse.exists()
    load(path, kind="agent", allow_pickle=True)
    assert fuse.exists()


def test_allowed_pickles_come_back_among_text():
    """Only what has no text form is pickled; local functions go by cloudpickle."""
    value = {"plain": (1,), "counter": collections.Counter("aab"), "fun": lambda x: x + 1}
    text = dumps(value, allow_pickle=True)
    back = loads(text, allow_pickle=True)
    assert back["plain"] == (1,)
    assert back["counter"] == value["counter"]
    assert back["fun"](1) == 2
    assert '"plain": {"!tuple": [1]}' in text


def test_what_cannot_even_be_pickled_is_an_error_that_says_where():
    """A lock has neither a text form nor a pickle."""
    with pytest.raises(TypeError, match=r"value\[1\] is of type _thread.lock, which cannot be pickled"):
        dumps([0, threading.Lock()], allow_pickle=True)


# --- files and damage


def test_files_come_back_with_their_kind(tmp_path):
    """A value goes to a file and comes back, when the kind is the one that was written."""
    path = tmp_path / "new" / "file.json"
    save(path, {"a": 1}, kind="parameters")
    assert load(os.fspath(path), kind="parameters") == {"a": 1}
    with pytest.raises(FileFormatError, match=r"file.json: it holds 'parameters', but 'module' is needed"):
        load(path, kind="module")


def test_a_value_that_cannot_be_written_leaves_the_old_file(tmp_path):
    """Nothing touches the disk before the whole value has its text."""
    path = tmp_path / "file"
    save(path, 1, kind="k")
    with pytest.raises(TypeError):
        save(path, [1, Opaque()], kind="k")
    assert load(path, kind="k") == 1
    assert os.listdir(tmp_path) == ["file"]


def test_a_missing_file_is_just_missing(tmp_path):
    """The error is the one that everybody knows."""
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none", kind="k")


@pytest.mark.parametrize("kind", ["", None, 3])
def test_a_kind_is_a_text(kind):
    """A document without a kind could not be checked."""
    with pytest.raises(ValueError, match="kind must be"):
        dumps(1, kind=kind)


def document(**changes):
    """The text of a small document, with changes."""
    return json.dumps({"format": "opto", "version": 1, "kind": "k", "value": 1, **changes})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON, or was cut off"),
        (dumps([1, 2, 3], kind="k")[:-10].encode(), "not JSON, or was cut off"),
        (b"\x80\x04K\x01.", "is a pickle, as other systems write them"),
        (b"[1]", "not a document by opto"),
        (b'{"value": 1}', "not a document by opto"),
        (document(version=2).encode(), "version 2 .* this opto reads 1: update opto"),
        (document(version="1").encode(), "not a version number"),
        (document(version=True).encode(), "not a version number"),
        (document(kind=None).encode(), "holds None"),
        (b'{"format": "opto", "version": 1, "kind": "k"}', "no 'value'"),
        (document(value={"!never.heard": 1}).encode(), "'never.heard', which nothing has registered"),
        (document(value={"!row": 0}).encode(), "mentions row 0"),
        (document(rows=[{"!row": 0}], value={"!row": 0}).encode(), "mentions row 0"),
        (document(rows=3).encode(), "'rows' must be a list"),
        (document(value={"!bytes": "?"}).encode(), "tag 'bytes' is damaged"),
        (document(value={"!set": [[1]]}).encode(), "tag 'set' is damaged"),
        (document(value={"!float": "1"}).encode(), "tag 'float' is damaged"),
        (document(value={"!fraction": [1, 0]}).encode(), "tag 'fraction' is damaged"),
        (document(value={"!fraction": ["1e999999999"]}).encode(), "tag 'fraction' is damaged"),
        (document(rows=[[1], [{"!row": 0}, {"!row": 0}]], value={"!row": 1}).encode(), "mentions row 0 twice"),
        (document(value={"!pickle": {"type": "x", "data": ""}}).encode(), "holds a pickle of x"),
        (document(value={"!pickle": 3}).encode(), "tag 'pickle' is damaged"),
        (document(value=float("nan")).encode(), "NaN is not JSON"),
        (document(value=1)[:-1].encode() + b', "value": 2}', "the key 'value' twice"),
        (document()[:-2].encode() + b"9" * 5000 + b"}", "no document that opto wrote"),
        (document()[:-2].encode() + b"[" * 100_000 + b"]" * 100_000 + b"}", "no document that opto wrote"),
    ],
)
def test_damage_is_named_with_the_file(tmp_path, content, complaint):
    """Every kind of damage is a FileFormatError that begins with the file and says what is wrong."""
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=complaint) as caught:
        load(path, kind="k")
    assert str(caught.value).startswith(f"{path}: ")


@given(st.binary(max_size=40) | st.text().map(str.encode))
def test_noise_is_a_file_format_error(tmp_path_factory, noise):
    """No content of a file makes reading raise anything else."""
    path = tmp_path_factory.getbasetemp() / "noise"
    path.write_bytes(noise)
    with pytest.raises(FileFormatError):
        load(path, kind="k")


@given(st.data())
@settings(max_examples=300)
def test_a_changed_document_is_read_or_refused(data):
    """Any one character changed gives a value or a FileFormatError, nothing else."""
    text = dumps(
        [(1, {2: b"x"}), float("inf"), {3}, numpy.arange(2), datetime.datetime(2024, 1, 1), "a\nb", Policy([1])],
        kind="k",
    )
    position = data.draw(st.integers(0, len(text) - 1))
    changed = text[:position] + data.draw(st.sampled_from('[]{}",:!0a9x')) + text[position + 1 :]
    try:
        loads(changed, kind="k")
    except FileFormatError:
        pass


def test_a_pickle_file_is_not_opened(tmp_path):
    """A pickle where a document should be is damage, and runs nothing."""
    fuse = tmp_path / "went-off"
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(Bomb(fuse)))
    with pytest.raises(FileFormatError):
        load(path, kind="k")
    assert not fuse.exists()
