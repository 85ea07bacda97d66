"""What programs read from global variables, in their fingerprints."""

from __future__ import annotations

import hashlib
import importlib
import linecache
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import cloudpickle
import pytest

from opto.trainer.fingerprints import walk
from opto.trainer.fingerprints.walk import fingerprint

PROGRAM = '''
import json
import re
import threading
import typing
import functools
import dataclasses
import enum

import numpy as np

from opto.llm import LLM
from opto.trace import Module, bundle, node

LIMIT = 3
WORD = re.compile(r"[a-z]+")
PROMPTS = {"cut": "Shorten.", "why": ["a", "b"]}
STYLE = node("polite")
MODEL = LLM("one/a")
Kind = typing.Literal["short", "long"]
lock = threading.Lock()
opened = sys.stdout if FILES else None
seen = []
counts = {"calls": 0}
total = 0
client = None
UNREAD = 1


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Settings:
    depth: int = 2
    calls: int = 0

    def count(self):
        self.calls += 1


settings = Settings()


def clean(text):
    return " ".join(WORD.findall(text))


@functools.lru_cache
def cached(text):
    return text.lower()


def cut(text):
    return clean(cached(text))[:LIMIT]


def unrelated(text):
    return text


@bundle()
def style(text):
    """Say it in style."""
    return text + "."


def connected():
    global client
    if client is None:
        client = threading.Thread(target=print)
    return client


class Cutter:
    suffix = "!"

    def __call__(self, text):
        return text + self.suffix


cutter = Cutter()


class Agent(Module):
    def __init__(self):
        self.prompt = node("Hello", trainable=True)

    @bundle(trainable=True)
    def plan(self, text):
        """Plan."""
        return planned(text)

    def forward(self, text):
        global total
        total += 1
        seen.append(text)
        counts["calls"] += 1
        settings.count()
        connected()
        lock.locked(), opened
        answer = cut(PROMPTS["cut"] + text) + str(STYLE.data) + str(settings.depth) + MODEL.name + str(Kind)
        return self.plan(style(cutter(answer) + Color.RED.value + json.dumps(np.float64(1).item())))


def planned(text):
    return text
'''


def loaded(text: str, name: str = "project_of_a_user", **variables: object) -> types.ModuleType:
    """A module with this source."""
    module = types.ModuleType(name)
    vars(module).update(sys=sys, FILES=True, **variables)
    file = f"/home/user/{hashlib.sha256(text.encode()).hexdigest()}/{name}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    sys.modules[name] = module
    try:
        exec(compile(text, file, "exec"), vars(module))
    finally:
        del sys.modules[name]
    return module


def printed(text: str) -> str:
    """The fingerprint of the program in a source."""
    return fingerprint(loaded(text).Agent())


EDITS = {
    "a helper": ("[:LIMIT]", "[:LIMIT + 1]"),
    "a helper of a helper": ('" ".join', '"-".join'),
    "a decorated helper": ("text.lower()", "text.upper()"),
    "a number": ("LIMIT = 3", "LIMIT = 4"),
    "a pattern": ("[a-z]+", "[a-y]+"),
    "a prompt in a dict": ("Shorten.", "Shorten it."),
    "a node": ("polite", "rude"),
    "a model": ("one/a", "one/b"),
    "a bundle": ('text + "."', 'text + ","'),
    "a method of an object": ("text + self.suffix", "self.suffix + text"),
    "an attribute of a class": ('suffix = "!"', 'suffix = "?"'),
    "an attribute of an object": ("settings = Settings()", "settings = Settings(depth=3)"),
    "a member of an enum": ('RED = "red"', 'RED = "rouge"'),
    "a type": ('"long"', '"longer"'),
    "what trainable code reads": ("def planned(text):\n    return text", "def planned(text):\n    return text * 2"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_of_what_is_read(what: str):
    """What the program reads by name, at any remove, is a part of it."""
    old, new = EDITS[what]
    assert PROGRAM.count(old) == 1
    assert printed(PROGRAM.replace(old, new)) != printed(PROGRAM) == printed(PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UNREAD = 1", "UNREAD = 2"),
        ("def unrelated(text):\n    return text", "def unrelated(text):\n    return text * 2"),
        ("import json\nimport re\n", "import math\nimport re\nimport json\n"),
        ("seen = []", "seen = ['earlier']"),
        ("total = 0", "total = 7"),
        ("LIMIT = 3", "# at most\nLIMIT = 3"),
    ],
)
def test_an_edit_of_something_else(old: str, new: str):
    """What it does not read, comments, and where its own counters begin are no part of a program."""
    assert PROGRAM.count(old) == 1
    assert printed(PROGRAM.replace(old, new)) == printed(PROGRAM)


def test_running_it_changes_nothing():
    """Counters, logs, caches and clients that a program keeps in global variables are not what it is."""
    module = loaded(PROGRAM)
    agent = module.Agent()
    first = fingerprint(agent)
    agent("Some text")
    assert (module.total, module.counts, len(module.seen), module.settings.calls) == (1, {"calls": 1}, 1, 1)
    assert fingerprint(agent) == first


def test_what_trainable_code_comes_to_read():
    """A suggested text that reads other names makes them a part of the program."""
    prints = set()
    for text in (
        PROGRAM,
        PROGRAM.replace("def unrelated(text):\n    return text", "def unrelated(text):\n    return 1"),
    ):
        agent = loaded(text).Agent()
        [code] = [each for each in agent.parameters() if "def plan" in str(each.data)]
        code._set("def plan(self, text):\n    return unrelated(text)")
        prints.add(fingerprint(agent))
    assert len(prints) == 2


def test_what_cannot_be_looked_into(monkeypatch: pytest.MonkeyPatch):
    """In a global variable that counts by its class, and deep or huge data do not fail either."""
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    monkeypatch.setattr(walk, "_MOST_GLOBAL_PARTS", 6_000)
    huge = [object() for _ in range(8_000)]
    program = "def program(x): return clients, deep, huge, x"
    proxy = type("Proxy", (), {"__class__": property(lambda self: 1 / 0)})()
    values = {"clients": {"a": sys.stdout, "b": [sys.modules], "c": proxy}, "deep": deep, "huge": huge}
    one = fingerprint(loaded(program, **values).program)
    assert one == next(fingerprint(loaded(program, **values).program) for _ in "a")  # at another depth of calls
    assert one != fingerprint(loaded(program, **{**values, "deep": {}}).program)


def test_recursion():
    """Functions that call each other, and a class that names itself, come to an end."""
    text = "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\n"
    assert fingerprint(loaded(text).even) != fingerprint(loaded(text.replace("n != 0", "n > 0")).even)
    text = "class Agent:\n    def copy(self): return Agent()\n"
    assert printed(text) == printed(text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with modules of a user, a function that gives the fingerprint of their program, and one that edits."""
    files = {
        "user_main.py": """
            import user_helpers, user_package.tools
            from user_package import more

            def program(text):
                import user_lazy
                from user_package.inner import deepest
                cut = user_helpers.cut(text) + user_package.tools.wrap(text)
                return cut + more.FORMAT + user_lazy.say(text) + deepest(text)
            """,
        "user_helpers.py": "LIMIT = 3\n\ndef cut(text): return text[:LIMIT]\n\ndef unused(): return 1\n",
        "user_lazy.py": "def say(text): return text\n",
        "user_package/__init__.py": "",
        "user_package/tools.py": "def wrap(text): return f'<{text}>'\n",
        "user_package/more.py": "FORMAT = '{}'\n",
        "user_package/inner.py": "def deepest(text): return text\n",
    }
    (tmp_path / "user_package").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name in [name for name in sys.modules if name.startswith("user_")]:
            del sys.modules[name]

    def found(run: bool = False, by_value: bool = False) -> str:
        forget()
        module = importlib.import_module("user_main")
        program = module.program
        if run:
            program("text")
        if by_value:
            cloudpickle.register_pickle_by_value(module)
            program = cloudpickle.loads(cloudpickle.dumps(program))
            cloudpickle.unregister_pickle_by_value(module)
            assert program.__globals__ is not vars(module)
        return fingerprint(program)

    def edit(name: str, old: str, new: str) -> None:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (tmp_path / name).write_text(text.replace(old, new), encoding="utf-8")

    yield found, edit
    forget()


def test_other_modules_of_the_project(project):
    """What is read through modules counts, and what a function imports counts by its file."""
    found, edit = project
    first = found()
    assert found(run=True) == found(by_value=True) == first
    edit("user_helpers.py", "return 1", "return 2")
    assert found() == first
    known = {first}
    for edited in (
        ("user_helpers.py", "LIMIT = 3", "LIMIT = 4"),
        ("user_helpers.py", "text[:LIMIT]", "text[LIMIT:]"),
        ("user_package/tools.py", "<", "("),
        ("user_package/more.py", "{}", "{}{}"),
        ("user_lazy.py", "return text", "return text + text"),
        ("user_package/inner.py", "return text", "return text + text"),
    ):
        edit(*edited)
        known.add(found())
    assert len(known) == 7


def test_programs_that_travelled(tmp_path: Path):
    """A program that was loaded by its value, where its module cannot be imported, is the same."""
    saved = tmp_path / "program.pickle"
    script = "import sys\nFILES = False\n" + PROGRAM.replace("lock = threading.Lock()", "lock = None").replace(
        "@functools.lru_cache\n", ""
    )
    pack = f"agent = Agent()\nimport cloudpickle\nopen({str(saved)!r}, 'wb').write(cloudpickle.dumps(agent))\n"
    unpack = f"import pickle\nagent = pickle.loads(open({str(saved)!r}, 'rb').read())\n"
    prints = []
    for seed, code in enumerate((script + pack, unpack)):
        whole = code + "from opto.trainer.fingerprints.walk import fingerprint\nprint(fingerprint(agent))\n"
        (tmp_path / f"{seed}.py").write_text(whole, encoding="utf-8")
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(tmp_path / f"{seed}.py")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        prints.append(done.stdout)
    assert prints[0] == prints[1]


def test_libraries_by_their_versions(monkeypatch: pytest.MonkeyPatch):
    """A function of a library counts by its name and the version of the library."""
    import numpy as np

    from opto.trainer.fingerprints import origins

    program = loaded("import numpy\ndef program(x): return numpy.mean(x)").program
    first = fingerprint(program)
    monkeypatch.setattr(np, "mean", lambda x: x)
    assert fingerprint(program) == first
    monkeypatch.setattr(origins.importlib.metadata, "version", lambda name: "99")
    kept = (origins.library_at, origins._installed_version)
    for each in kept:
        each.cache_clear()
    try:
        assert fingerprint(program) != first
    finally:
        for each in kept:
            each.cache_clear()
