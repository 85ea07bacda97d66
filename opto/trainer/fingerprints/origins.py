"""Where code comes from: the user's own project, or an installed package, the standard library or opto itself."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["file_of_import", "hash_of_file", "library_at", "library_of"]

_INSTALLED = ("site-packages", "dist-packages")
_STANDARD = tuple(
    os.path.normcase(os.path.realpath(path)) + os.sep
    for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    if path
)


def library_of(module: str, variables: Mapping[str, Any] | None = None) -> str | None:
    """The library that a module belongs to, with its version; None where it is the user's own.

    Installed packages, the standard library and opto are libraries; a package that is installed in place, so that it
    can be edited, is not.

    Args:
        module: its full name.
        variables: those of the module; None to look for it among the loaded ones.
    """
    if variables is None:
        variables = vars(sys.modules[module]) if module in sys.modules else {}
    file = variables.get("__file__")
    return library_at(module, file if isinstance(file, str) else None)


@lru_cache(maxsize=4096)
def library_at(module: str, file: str | None, *, loaded: bool = True) -> str | None:
    """The same of a module whose file is known.

    Args:
        module: its full name.
        file: None where it has none.
        loaded: whether the package may be asked for its version, where no distribution is called like it.
    """
    top = module.partition(".")[0]
    python = f"python {sys.version_info[0]}.{sys.version_info[1]}"
    if top == "opto":
        return f"opto {_version_of('opto', loaded=True)}"
    if top == "__main__":
        return None
    if file is None or file.startswith("<frozen "):
        return python if top in sys.stdlib_module_names else None
    path = os.path.normcase(os.path.realpath(file))
    if any(folder in path.split(os.sep) for folder in _INSTALLED):
        return f"{top} {_version_of(top, loaded=loaded)}"
    return python if path.startswith(_STANDARD) else None


def _version_of(top: str, *, loaded: bool) -> str:
    """The version of the distribution that is called like a package, or what the package calls its own; else ""."""
    own = vars(sys.modules[top]).get("__version__", "") if loaded and top in sys.modules else ""
    if top == "opto":
        return str(own)
    installed = _installed_version(top)
    return installed if installed is not None else own if isinstance(own, str) else ""


@lru_cache(maxsize=1024)
def _installed_version(top: str) -> str | None:
    """The version of a distribution; None where there is none. Reading it takes milliseconds, and modules are many."""
    try:
        return importlib.metadata.version(top)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def file_of_import(name: str, level: int, package: str | None) -> tuple[str, str | None]:
    """The full name of a module, as an import in a function names it, and its file; nothing is imported.

    Args:
        name: as it is written, without the dots before it.
        level: how many dots there are before it.
        package: the package that the function belongs to.
    """
    try:
        full = importlib.util.resolve_name("." * level + name, package) if level else name
    except ImportError:
        return name, None
    loaded = sys.modules.get(full)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return full, file if isinstance(file, str) else None
    folders = None
    spec = None
    try:
        parts = full.split(".")
        for count in range(1, len(parts) + 1):
            spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:count]), folders)
            if spec is None:
                return full, None
            folders = spec.submodule_search_locations or []
    except (ImportError, ValueError):
        return full, None
    return full, spec.origin if spec is not None and spec.has_location else None


def hash_of_file(path: str) -> str:
    """A hash of what a file holds; "" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""
