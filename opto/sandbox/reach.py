"""Which files code in a sandbox may read: the interpreter, the installed packages, and what a person adds."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Iterable
from types import ModuleType

from opto.errors import SandboxUnavailableError

__all__ = ["Reach"]

_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
)
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Reach:
    """What can be read, and so what can be imported, inside.

    Args:
        readable: files and folders to add.
        needed: packages without which no worker starts.

    Attributes:
        paths: everything that can be read, without symbolic links.
        named: the same, by the names that it goes by.
        search: the parts of this process's `sys.path` that can.
        start: where a worker finds opto and its packages before the walls stand.
    """

    def __init__(self, readable: Iterable[str] = (), *, needed: Iterable[str] = ("msgpack", "sandlock")) -> None:
        packages = _package_folders(needed)
        library = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
        own = [os.path.join(_PACKAGE, "__init__.py"), *_folders_of_own()]
        wanted = [*library, *packages, *own, *_SYSTEM, *readable]
        self.named = [os.path.abspath(each) for each in wanted if each and os.path.exists(each)]
        self.paths = list(dict.fromkeys(os.path.realpath(each) for each in self.named))
        self._prefixes = tuple(each.rstrip("/") + "/" for each in self.paths if each != "/")
        shown = [os.path.abspath(each) for each in sys.path if each]
        self.search = [each for each in dict.fromkeys(shown) if self.covers(each)]
        self.start = [os.path.dirname(_PACKAGE), *packages]

    def covers(self, path: str) -> bool:
        """Whether a path can be read inside."""
        if not path or path.startswith("<"):
            return False
        real = os.path.realpath(path)
        return real in self.paths or f"{real}/".startswith(self._prefixes)

    def has(self, module: ModuleType) -> bool:
        """Whether a module can be imported inside."""
        spec = getattr(module, "__spec__", None)
        if spec is None:
            return False
        if spec.origin in ("built-in", "frozen"):
            return True
        return bool(spec.origin) and self._covers_known(spec.origin)

    @functools.cached_property
    def _known(self) -> dict[str, bool]:
        return {}

    def _covers_known(self, path: str) -> bool:
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self.covers(path)
        return known


def _package_folders(needed: Iterable[str]) -> list[str]:
    """The folders of installed packages on the path of this process."""
    names = ("site-packages", "dist-packages")
    found = [os.path.abspath(each) for each in sys.path if os.path.basename(each.rstrip("/")) in names]
    for module in needed:  # where they were installed in another way
        folder = _folder_of(module)
        if folder not in found:
            found.append(folder)
    return found


def _folder_of(name: str) -> str:
    import importlib.util

    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise SandboxUnavailableError(
            f"Subprocess needs the package {name!r}: pip install 'opto-trace[sandbox]'", missing=name
        )
    return os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))


def _folders_of_own() -> list[str]:
    """The folders of opto itself, so that code may import it inside; without what a person keeps beside it."""
    with os.scandir(_PACKAGE) as entries:
        folders = [each.path for each in entries if each.is_dir()]
    return folders + [os.path.join(_PACKAGE, name) for name in ("errors.py", "secrets.py")]
