"""Virtual environments under `.venv/`, made once and made again when what they hold has changed.

uv does the work, because it is several times faster than pip. It is taken from PATH or installed into an environment of
its own; where it cannot be had, or fails, `venv` and pip do the same more slowly.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from tools.interpreters import Interpreter, find

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".venv"

_STAMP = "opto-stamp.json"
_one_at_a_time = threading.Lock()

# uv does not read pip's configuration: what pip was told about the machine's registry is told to uv as well.
_PIP_TO_UV = {
    "cert": "SSL_CERT_FILE",
    "constraint": "UV_CONSTRAINT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_NO_INDEX",
    "timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}
_COMMA_SEPARATED = {"UV_FIND_LINKS"}

NO_VENV = """
{python} cannot make virtual environments (its `venv` or `ensurepip` module is missing), and uv could not be had.
On Debian and Ubuntu: apt-get install python3-venv. Elsewhere, install uv or virtualenv, and run make again.
"""


def ensure(name: str, interpreter: Interpreter, *requirements: str) -> Path:
    """The Python of the environment `.venv/<name>`, set up with `requirements` if it is not yet.

    Args:
        name: folder below `.venv`.
        interpreter: what the environment is made from.
        requirements: arguments of `pip install`; `-e .[test]` is opto itself, installed again when `setup.py` changes.

    Raises:
        SystemExit: it cannot be set up; the last lines of the installer have been printed.
    """
    folder = HOME / name
    python = folder / "bin" / "python"
    stamp = _stamp(interpreter, requirements)
    with _one_at_a_time:
        if _read_stamp(folder) == stamp and python.exists():
            return python
        started = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        HOME.mkdir(exist_ok=True)
        if not (
            _set_up_with_uv(folder, interpreter, requirements) or _set_up_with_pip(folder, interpreter, requirements)
        ):
            raise SystemExit(f"The environment {folder.relative_to(ROOT)} could not be set up.")
        (folder / _STAMP).write_text(json.dumps(stamp))
        print(f"{folder.relative_to(ROOT)}: set up in {time.monotonic() - started:.1f} s", flush=True)
    return python


def add(python: Path, *requirements: str) -> bool:
    """Whether these requirements are now in an environment that `ensure` made; each set is installed once."""
    folder = python.parents[1]
    stamp = folder / f"added-{hashlib.sha256(repr(requirements).encode()).hexdigest()[:16]}"
    if stamp.exists():
        return True
    interpreter = Interpreter((sys.version_info[0], sys.version_info[1]), sys.executable)
    uv = _find_uv(interpreter)
    done = uv is not None and _run(
        [uv, "pip", "install", "--quiet", "--python", str(python), *requirements], _uv_environment(interpreter)
    )
    done = done or _run([str(python), "-m", "pip", "install", "--quiet", *requirements], dict(os.environ), show=False)
    if done:
        stamp.touch()
    return done


def _stamp(interpreter: Interpreter, requirements: tuple[str, ...]) -> list[str]:
    content = [interpreter.name, interpreter.path, *requirements]
    if "-e" in requirements:
        content += [
            hashlib.sha256((ROOT / source).read_bytes()).hexdigest() for source in ("setup.py", "pyproject.toml")
        ]
    return content


def _read_stamp(folder: Path) -> list[str] | None:
    try:
        content: list[str] = json.loads((folder / _STAMP).read_text())
    except (OSError, ValueError):
        return None
    return content


def _set_up_with_uv(folder: Path, interpreter: Interpreter, requirements: tuple[str, ...]) -> bool:
    uv = _find_uv(interpreter)
    if uv is None:
        return False
    environment = _uv_environment(interpreter)
    steps = [
        [uv, "venv", "--quiet", "--python", interpreter.path, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *requirements],
    ]
    if all(_run(step, environment) for step in steps):
        return True
    print("uv could not set it up; trying pip.", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _set_up_with_pip(folder: Path, interpreter: Interpreter, requirements: tuple[str, ...]) -> bool:
    if not _make_venv(folder, interpreter):
        print(NO_VENV.format(python=interpreter.path), flush=True)
        return False
    return _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements], dict(os.environ))


def _make_venv(folder: Path, interpreter: Interpreter) -> bool:
    """Whether an environment with pip could be made by the standard library or by virtualenv."""
    for module in ("venv", "virtualenv"):
        if _run([interpreter.path, "-m", module, str(folder)], dict(os.environ), show=False):
            return True
        shutil.rmtree(folder, ignore_errors=True)
    return False


def _find_uv(interpreter: Interpreter) -> str | None:
    """Path of a uv that runs: on PATH, or installed here by pip."""
    found = shutil.which("uv")
    if found and _run([found, "--version"], dict(os.environ), show=False):
        return found
    folder = HOME / "uv"
    own = folder / "bin" / "uv"
    if own.exists():
        return str(own)
    failed = HOME / "uv-failed"
    if failed.exists():  # asked once and refused: `make clean` asks again
        return None
    for each in (interpreter, *find().values()):
        shutil.rmtree(folder, ignore_errors=True)
        if _install_uv(folder, each) and own.exists():
            return str(own)
    shutil.rmtree(folder, ignore_errors=True)
    failed.touch()
    return None


def _install_uv(folder: Path, interpreter: Interpreter) -> bool:
    """Whether uv is now in `folder`: in an environment or, where Python cannot make one, put there by its pip."""
    install = ["-m", "pip", "install", "--quiet", "uv"]
    if _make_venv(folder, interpreter):
        return _run([str(folder / "bin" / "python"), *install], dict(os.environ), show=False)
    return _run([interpreter.path, *install, "--target", str(folder)], dict(os.environ), show=False)


def _uv_environment(interpreter: Interpreter) -> dict[str, str]:
    """The environment for uv: ours, and what pip's configuration says where uv has no word of its own."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    for option, value in _pip_configuration(interpreter).items():
        variable = _PIP_TO_UV.get(option)
        if variable:
            separator = "," if variable in _COMMA_SEPARATED else " "
            environment.setdefault(variable, separator.join(value.split()))
    if "UV_INDEX" in environment:
        # As pip does: the best version of all indexes, not the first index that knows the name.
        environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return environment


def _pip_configuration(interpreter: Interpreter) -> dict[str, str]:
    """Options of pip by name, from its files and from the environment, which wins; empty where there is no pip."""
    own = HOME / "uv" / "bin" / "python"
    python = str(own) if own.exists() else interpreter.path
    listing = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    options: dict[str, str] = {}
    rank = {"global": 0, "install": 1, ":env:": 2}
    lines = [line.partition("=") for line in listing.stdout.splitlines()]
    for key, _, value in sorted(lines, key=lambda line: rank.get(line[0].partition(".")[0], -1)):
        section, _, option = key.partition(".")
        if section in rank:
            options[option] = str(ast.literal_eval(value))
    return options


def _run(command: list[str], environment: dict[str, str], show: bool = True) -> bool:
    """Whether `command` ends well; if not, what it said last is printed."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        if show:
            print(error, file=sys.stderr)
        return False
    if done.returncode and show:
        print("\n".join(done.stdout.splitlines()[-25:]), flush=True)
    return done.returncode == 0
