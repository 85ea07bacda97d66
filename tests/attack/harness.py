"""Runs one hostile program by one runner, in a process of its own, and judges it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opto
from tests.attack.effects import SLACK, Run, judged
from tests.attack.planting import VARIABLE, Planted
from tests.attack.programs import Attack

ROOT = Path(opto.__file__).parents[1]
NOBODY = 65534


@dataclass(frozen=True)
class Place:
    """Where and as whom the stage runs.

    Attributes:
        python: the interpreter.
        packages: the folder that holds opto.
        home: a folder to plant a secret in.
        user: the user to become, None for the present one.
    """

    python: Path
    packages: Path
    home: Path
    user: int | None = None


def here() -> Place:
    """The present interpreter and user."""
    return Place(Path(sys.executable), ROOT, Path.home())


@contextmanager
def snapshot() -> Iterator[Place]:
    """The present interpreter and user, with a copy of opto, so that a long run sees one state of it."""
    from tests.attack.runtime import copy_packages

    with tempfile.TemporaryDirectory(prefix="opto-runtime-") as folder:
        yield Place(Path(sys.executable), copy_packages(Path(folder), Path(sys.executable)), Path.home())


@contextmanager
def as_ordinary_user() -> Iterator[Place]:
    """A place for a user without rights: a copy of the interpreter and of opto that everyone may read."""
    from tests.attack.runtime import readable_copy

    with tempfile.TemporaryDirectory(prefix="opto-runtime-") as folder:
        base = Path(folder)
        base.chmod(0o755)
        home = base / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        python, packages = readable_copy(base)
        yield Place(python, packages, home, NOBODY)


def run(attack: Attack, runner: str, place: Place) -> Run:
    """Run a program by a runner, or without a wall.

    Args:
        attack: the program.
        runner: `subprocess`; `bubblewrap`, which is the same without Landlock; `monty`; or, without a wall, `plain` and
            `in-process`.
        place: where, and as whom.
    """
    control = runner in ("plain", "in-process")
    with Planted(place.home, place.user) as planted:
        targets = dict(planted.targets, opto=str(place.packages / "opto"))
        deadline = attack.seconds + SLACK + (0.7 if control else 15 + attack.variants)
        spec: dict[str, Any] = {
            "runner": runner,
            "source": attack.source,
            "seconds": attack.seconds,
            "limits": {name: int(value) for name, value in attack.limits.items()},
            "slack": SLACK,
            "after": attack.after,
            "variants": attack.variants,
            "deadline": deadline,
            "targets": targets,
            "secrets": planted.secrets,
            "fd_file": str(planted.fd_file),
            "capture": str(planted.capture),
        }
        lines = _stage(spec, planted, place, deadline)
        with open(planted.capture, "rb") as file:
            captured = file.read(4 << 20)
        return judged(lines, planted, captured, spec)


def _stage(spec: dict[str, Any], planted: Planted, place: Place, deadline: float) -> list[dict[str, Any]]:
    project = planted.targets["project"]
    environment = {
        VARIABLE: planted.secrets["env"],
        "HOME": str(place.home),
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join([str(place.packages), project]),
        "TMPDIR": str(planted.base / "scratch"),
    }
    identity: dict[str, Any] = (
        {} if place.user is None else {"user": place.user, "group": place.user, "extra_groups": []}
    )
    script = place.packages / "tests" / "attack" / "stage.py"
    process = subprocess.Popen(
        [str(place.python), str(script), "--token", planted.secrets["argv"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=project,
        start_new_session=True,
        **identity,
    )
    try:
        output, _ = process.communicate(json.dumps(spec).encode(), deadline + 20)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return [json.loads(line) for line in output.splitlines()]
