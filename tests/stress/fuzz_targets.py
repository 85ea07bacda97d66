"""What is fuzzed: every loader with the files it reads, and every optimizer with the answers it reads."""

from __future__ import annotations

import enum
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import opto
import opto.runs
from opto.errors import OptoError
from opto.llm import Cached, FromCallable, Manual, Recorded
from opto.llm.profiles import find_profile, profile_names
from opto.optimizers import (
    OPRO,
    Choices,
    FewShot,
    Hybrid,
    LineSearch,
    Numeric,
    OptoPrime,
    OptoPrimeMulti,
    OptoPrimeV2,
    Preference,
    Range,
    Schedule,
    Select,
    TextGrad,
)
from opto.optimizers.formats import fenced_blocks, parse_json_answer, strip_thinking, unfence
from opto.optimizers.suggestions import check, convert, find_suggestion
from opto.optimizers.tagged import extract_xml_like_data, read_tags
from opto.runs import codec
from opto.runs.replaying import Replay
from opto.trace import Module, bundle, model, node

from .documents import ANY_JSON, damaged, damaged_text

__all__ = ["Target", "targets"]

MESSAGES = [{"role": "system", "content": "Be brief.\nBe right."}, {"role": "user", "content": "hello"}]


@dataclass(frozen=True)
class Target:
    """Something that reads what may be damaged.

    Attributes:
        name: for the table.
        examples: a hypothesis strategy of what it reads.
        read: reads one; raises an `OptoError` or nothing.
    """

    name: str
    examples: Any
    read: Callable[[Any], None]


def targets(folder: Path) -> list[Target]:
    """All targets; their files go to a folder."""
    folder.mkdir(exist_ok=True)
    return [*_values(folder), *_modules(folder), *_optimizers(folder), *_runs(folder), *_models(folder), *_answers()]


def _file(name: str, path: Path, documents: list[bytes], load: Callable[[], None]) -> Target:
    def read(data: bytes) -> None:
        path.write_bytes(data)
        load()

    return Target(name, damaged(documents), read)


# ---- values, modules, optimizers


def _values(folder: Path) -> list[Target]:
    import datetime
    from decimal import Decimal
    from fractions import Fraction

    import numpy

    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    value = {
        "numbers": [1, -2.5, 10**5000, float("nan"), 1j, Decimal("1.5"), Fraction(1, 3), True, None],
        "texts": ["a\nb", "\ud800", "漢", b"bytes", bytearray(b"x")],
        "sets": ({1, 2}, frozenset("ab"), range(5), slice(1, 2), ...),
        "times": [datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(1), datetime.date.today()],
        "arrays": [numpy.arange(6.0).reshape(2, 3), numpy.float32(1.5), numpy.array(["a", "b"])],
        (1, "key"): {"!tag": deep},
        "path": Path("a/b"),
    }
    path = folder / "value.json"
    codec.save(path, value, kind="value")

    def load() -> None:
        codec.dumps(codec.load(path, kind="value"))

    return [_file("values", path, [path.read_bytes()], load)]


class _Greeter(Module):
    def __init__(self) -> None:
        self.greeting = node("Hello", trainable=True, description="[Parameter] a greeting")
        self.numbers = [node(1, trainable=True), node(2.5, trainable=True)]

    def forward(self, name: Any) -> Any:
        return self.greeting + name


@model
class _Agent:
    def __init__(self) -> None:
        self.prompt = node("Answer.", trainable=True)
        self.settings = {"a": (1, 2)}
        self.plain = node(3)

    @bundle(trainable=True)
    def shout(self, text: Any) -> Any:
        """Say it loudly."""
        return text.upper()


def _modules(folder: Path) -> list[Target]:
    found = []
    for name, make in (("module", _Greeter), ("model", _Agent)):
        path = folder / f"{name}.json"
        make().save(path)
        found.append(_file(name, path, [path.read_bytes()], lambda path=path, make=make: _load_module(make(), path)))
    return found


def _load_module(module: Any, path: Path) -> None:
    before = repr(module.state_dict()), sorted(vars(module))
    try:
        module.load(path)
    except OptoError:
        assert (repr(module.state_dict()), sorted(vars(module))) == before, "refused, but changed"
        raise


def _optimizers(folder: Path) -> list[Target]:
    answer = FromCallable(_any_answer)
    makers: dict[str, Callable[[], Any]] = {
        "OptoPrime": lambda: OptoPrime(_parameters()[:2], answer, memory_size=3),
        "OptoPrimeMulti": lambda: OptoPrimeMulti(_parameters()[:2], answer, memory_size=3),
        "OPRO": lambda: OPRO(_parameters()[:2], answer),
        "TextGrad": lambda: TextGrad(_parameters()[1:2], answer, gradient_memory=2),
        "Numeric": lambda: Numeric([node(1.0, trainable=True, name="rate", constraint=Range(0.0, 2.0))]),
        "Select": lambda: Select([node("a", trainable=True, name="tone")], ["a", "b"]),
        "Preference": lambda: Preference([node("a", trainable=True, name="tone")], ["a", "b", "c"]),
        "Schedule": lambda: Schedule(OptoPrime(_parameters()[:2], answer), temperature=[0.0, 1.0]),
        "FewShot": lambda: FewShot([node([], trainable=True, name="shots")], list("abcd"), score=_mean, sets=2, seed=1),
        "Hybrid": lambda: Hybrid([_parameters()[1], node("a", trainable=True, constraint=Choices(["a", "b"]))], answer),
        "LineSearch": lambda: LineSearch(OptoPrime(_parameters()[:2], answer), lambda values: 1.0),
    }
    found = []
    for name, make in makers.items():
        path = folder / f"{name}.json"
        documents = []
        optimizer = make()
        for _ in range(2):
            optimizer.save(path)
            documents.append(path.read_bytes())
            _one_step(optimizer)
        found.append(
            _file(f"optimizer {name}", path, documents, lambda path=path, o=optimizer: _load_optimizer(o, path))
        )
    return found


def _mean(values: Any, items: Any) -> list[float]:
    return [0.5] * len(items)


def _load_optimizer(optimizer: Any, path: Path) -> None:
    before = repr(optimizer.state_dict())
    try:
        optimizer.load(path)
    except OptoError:
        assert repr(optimizer.state_dict()) == before, "refused, but changed"
        raise
    _one_step(optimizer)


def _one_step(optimizer: Any) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        several = isinstance(optimizer, Hybrid)
        optimizer.zero_feedback()
        if isinstance(optimizer, Preference):
            optimizer.backward(("a", "b"), 1)
        for parameter in () if isinstance(optimizer, Preference) else optimizer.parameters:
            optimizer.backward(parameter + type(parameter.data)(), (0.5, "half") if several else 0.5)
        optimizer.step()


def _any_answer(messages: Any, **options: Any) -> str:
    names = re.findall(r"\(?(?:int|str|float)\)? ?(\w+\d+)=", str(messages[-1]["content"]))
    return json.dumps({"reasoning": "r", "answer": "", "suggestion": dict.fromkeys(names, 3)})


# ---- records


def _runs(folder: Path) -> list[Target]:
    run = folder / "run"
    with opto.record(run):
        optimizer = OptoPrime(_parameters()[:2], FromCallable(_any_answer), memory_size=2)
        for _ in range(2):
            _one_step(optimizer)
        FromCallable(_any_answer)(MESSAGES)
    path = run / "events.jsonl"

    def load() -> None:
        found = opto.runs.read(path)
        for session in found.sessions:
            _use_run(session)

    return [_file("run", path, [path.read_bytes()], load)]


def _use_run(run: Any) -> None:
    for step in run.steps:
        _ = step.graph, step.rendered, step.feedback, step.score, step.errors
    _ = [(each.text, each.prompt_tokens, each.completion_tokens) for each in run.exchanges]
    _ = run.calls, run.totals, run.parameters, run.scores, run.rows(), run.attempts, repr(run)
    Replay(run)


def _models(folder: Path) -> list[Target]:
    echo = FromCallable(lambda messages, **options: "an answer\nof two lines")
    recording = folder / "exchanges.json"
    Recorded(recording, echo, "record")(MESSAGES, temperature=0.5)
    Recorded(recording, echo, "auto")(MESSAGES)
    recorded = recording.read_bytes()

    def replay_and_add() -> None:
        model = Recorded(recording, echo, "auto")
        model(MESSAGES, temperature=0.5)
        model([*MESSAGES, {"role": "user", "content": "more"}])
        Recorded(recording)

    cache = folder / "cache"
    Cached(echo, cache)(MESSAGES)
    kept = cache / "answers.sqlite"
    with Cached(echo, cache)._store() as store:  # so that all stands in the one file
        store.execute("SELECT 1")
    stored = kept.read_bytes()

    def ask_cache() -> None:
        for ending in ("-wal", "-shm"):
            kept.with_name(kept.name + ending).unlink(missing_ok=True)
        model = Cached(echo, cache)
        model(MESSAGES)
        len(model)

    profiles = folder / "opto.toml"
    text = b'[models.judge]\nmodel = "openai/x"\ntemperature = 0\nfallbacks = ["a"]\n'
    text += b'[models.a]\nmodel = "b"\noptions = {x = 1}\n'

    def find() -> None:
        os.environ["OPTO_CONFIG"] = str(profiles)
        try:
            for name in profile_names():
                find_profile(name)
        finally:
            del os.environ["OPTO_CONFIG"]

    return [
        _file("recording", recording, [recorded], replay_and_add),
        _file("cache", kept, [stored], ask_cache),
        _file("profiles", profiles, [text], find),
        Target("answer by hand", damaged([b"an answer\n"]), lambda data: _by_hand(folder / "inbox", data)),
    ]


def _by_hand(folder: Path, data: bytes) -> None:
    def answer(request: Path) -> None:
        request.with_name(request.name.replace(".request.", ".answer.")).write_bytes(data)

    waits = iter([None] * 3)
    hand = Manual(
        folder, timeout=2, on_request=answer, sleep=lambda seconds: next(waits), clock=iter(range(9)).__next__
    )
    try:
        hand(MESSAGES)
    finally:
        for path in folder.iterdir():
            path.unlink()


# ---- answers


class _Tone(enum.Enum):
    WARM = "warm"
    COLD = "cold"


@dataclass
class _Settings:
    rate: float = 0.5
    names: list[str] = field(default_factory=list)


def _parameters() -> list[Any]:
    return [
        node(1, trainable=True, name="count"),
        node("text", trainable=True, name="text"),
        node(0.5, trainable=True, name="rate", constraint=Range(0.0, 1.0)),
        node(True, trainable=True, name="flag"),
        node([1, 2], trainable=True, name="items"),
        node({"a": 1}, trainable=True, name="mapping"),
        node((1, "x"), trainable=True, name="pair"),
        node(_Tone.WARM, trainable=True, name="tone"),
        node(_Settings(), trainable=True, name="settings"),
        node(None, trainable=True, name="nothing"),
    ]


@bundle(trainable=True)
def _code(text: str) -> str:
    """Shorten a text."""
    return text[:3]


_JSON = [
    '{"reasoning": "because", "answer": "", "suggestion": {"NAMES": 3}}',
    'Sure!\n```json\n{"suggestion": {"NAMES": "x", "__code0": "def _code(text):\\n    return text"}}\n```',
    "{'reasoning': 'it\\'s', 'suggestion': {'NAMES': True, 'rate0': '50%', 'tone0': 'cold'}}",
    '<think>hm {"a": 1}</think>{"suggestion": {"variables": [{"name": "NAMES", "value": [1, {"a": null}]}]}}',
    '{"suggestion": {"settings0": {"rate": 1e999, "names": ["a"]}, "mapping0": {"b": 1}, "pair0": [1, "y"]}}',
]
_TAGS = [
    "<reasoning>because</reasoning><variable><name>NAMES</name><value>3</value></variable>",
    "<Variable name='NAMES'><value><![CDATA[def _code(text):\n    return text]]></value></Variable>",
    "&lt;variable&gt;&lt;name&gt;NAMES&lt;/name&gt;&lt;value&gt;1,000&lt;/value&gt;&lt;/variable&gt;",
]


def _answers() -> list[Target]:
    plain = [text.replace("NAMES", "count0") for text in (*_JSON, *_TAGS)]
    steps: dict[str, Any] = {"OptoPrime": OptoPrime, "OptoPrimeV2": OptoPrimeV2, "OPRO": OPRO, "TextGrad": TextGrad}
    found = [
        Target(f"step {name}", damaged_text(plain), lambda text, kind=kind: _step(kind, text))
        for name, kind in steps.items()
    ]
    return [
        Target("answers", damaged_text(plain), _parse),
        Target("suggestions", ANY_JSON, _suggest),
        *found,
    ]


def _parse(text: str) -> None:
    for reader in (parse_json_answer, read_tags, extract_xml_like_data, strip_thinking, unfence, fenced_blocks):
        reader(text)
    parameters = [*_parameters(), _code.parameter]
    for value in (*parse_json_answer(text)[0].values(), *read_tags(text)[0].values(), text):
        _suggest_each(parameters, value)


def _suggest(value: Any) -> None:
    parameters = [*_parameters(), _code.parameter]
    find_suggestion(parameters, {"suggestion": value, "variables": [value]})
    if isinstance(value, dict):
        find_suggestion(parameters, value)
    _suggest_each(parameters, value)


def _suggest_each(parameters: list[Any], value: Any) -> None:
    for parameter in parameters:
        try:
            converted = convert(parameter, value)
            check(parameter, converted)
        except OptoError:
            continue
        _sound(parameter, converted)


def _sound(parameter: Any, value: Any) -> None:
    now = parameter.data
    if now is not None and not (isinstance(now, float) and isinstance(value, int)):
        assert type(value) is type(now), f"{parameter.py_name} would be {value!r}"
    if parameter.constraint is not None and isinstance(parameter.constraint, Range):
        assert 0.0 <= value <= 1.0, f"{parameter.py_name} would be {value!r}"


def _step(kind: Any, text: str) -> None:
    parameters = [*_parameters(), _code.copy().parameter]
    named = {each.py_name: each.data for each in parameters}
    renamed = re.sub(r"\b(count|rate|tone|settings|mapping|pair|__code)0\b", lambda found: _name(named, found[1]), text)
    optimizer = kind(parameters, FromCallable(lambda messages, **options: renamed))
    optimizer.zero_feedback()
    optimizer.backward(parameters[0] + 1, 0.5)
    optimizer.step()
    for parameter in parameters:
        assert type(parameter.data) is type(named[parameter.py_name]) or named[parameter.py_name] is None


def _name(named: dict[str, Any], base: str) -> str:
    return next((name for name in named if name.rstrip("0123456789") == base), base)
