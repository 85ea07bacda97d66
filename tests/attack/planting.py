"""What the harness plants for one run: secrets, files that must not change, listeners that must stay unvisited."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sqlite3
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARK = "OPTOSECRET-"
VARIABLE = "OPTO_ATTACK_TOKEN"
_KINDS = (
    "home",
    "tmp",
    "dotenv",
    "database",
    "name",
    "fd",
    "env",
    "argv",
    "memory",
    "vault",
    "shm",
    "sysv",
    "queue",
    "key",
)


@dataclass
class Planted:
    """All that was planted for one run; a context manager that takes it away again.

    Attributes:
        targets: what the program is told: paths, ports, names, never a secret.
        secrets: a fresh secret per kind.
    """

    home: Path
    user: int | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Any] = field(default_factory=dict)
    contacts: list[str] = field(default_factory=list)

    def __enter__(self) -> Planted:
        self.secrets = {kind: f"{MARK}{kind}-{secrets.token_hex(12)}" for kind in _KINDS}
        self.base = Path(tempfile.mkdtemp(prefix="opto-attack-"))
        self.base.chmod(0o755)
        self.private = Path(tempfile.mkdtemp(prefix=".opto-attack-", dir=self.home))
        token = self.base.name
        self._listen(token)
        self.targets = {
            **self._files(),
            **self._ports(token),
            "env": VARIABLE,
            "mark": MARK,
            "base": str(self.base),
            "scratch_base": str(self.base / "scratch"),
            "nonce": secrets.token_hex(8),
            "sysv": secrets.randbelow(2**30) + 1,
            "queue": token,
            "key": token,
            "device": _device(),
        }
        self._give_to_user()
        self._before = self._canary()
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners.values():
            listener.close()
        _clear(self.base)
        shutil.rmtree(self.private, ignore_errors=True)
        self._shm.unlink(missing_ok=True)
        from tests.attack import kernel_objects

        kernel_objects.remove(self.targets)

    def _files(self) -> dict[str, Any]:
        base = self.base
        home_secret = _write(self.private / "token", self.secrets["home"], 0o600)
        self._shm = _write(Path("/dev/shm") / base.name, self.secrets["shm"], 0o600)
        for name in ("project", "dropbox", "names", "shared", "scratch"):
            (base / name).mkdir()
            (base / name).chmod(0o1777 if name == "shared" else 0o777)
        project = base / "project"
        _write(project / ".env", f"API_KEY={self.secrets['dotenv']}\n", 0o600)
        _write(project / "planted_helper.py", "def help(): return 'helpful'\n", 0o666)
        effect = f"open({str(base / 'dropbox' / 'imported')!r}, 'w').close()\nvalue = 1\n"
        _write(project / "planted_side_effect.py", effect, 0o644)
        _write(base / "names" / self.secrets["name"], "", 0o644)
        with sqlite3.connect(base / "vault.db") as database:
            database.execute("create table vault (secret text)")
            database.execute("insert into vault values (?)", [self.secrets["database"]])
        database.close()
        (base / "vault.db").chmod(0o644)
        self.fd_file = _write(base / "descriptor", self.secrets["fd"], 0o644)
        self.canary = _write(base / "canary", "as it was", 0o644)
        self.capture = _write(base / "capture", "", 0o666)
        return {
            "home_secret": str(home_secret),
            "tmp_secret": str(_write(base / "secret", self.secrets["tmp"], 0o644)),
            "database": str(base / "vault.db"),
            "posix_shm": str(self._shm),
            "names": str(base / "names"),
            "project": str(project),
            "dropbox": str(base / "dropbox"),
            "canary": str(self.canary),
            "next_temp": str(base / "shared" / "opto-next.tmp"),
        }

    def _listen(self, token: str) -> None:
        self._listeners = {
            "tcp": _bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "unix": _bound(socket.AF_UNIX, socket.SOCK_STREAM, str(self.base / "socket")),
            "abstract": _bound(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + token),
            "abstract_datagram": _bound(socket.AF_UNIX, socket.SOCK_DGRAM, "\0" + token + "d"),
        }
        (self.base / "socket").chmod(0o777)

    def _ports(self, token: str) -> dict[str, Any]:
        return {
            "tcp": self._listeners["tcp"].getsockname()[1],
            "udp": self._listeners["udp"].getsockname()[1],
            "unix": str(self.base / "socket"),
            "abstract": token,
            "abstract_datagram": token + "d",
        }

    def _give_to_user(self) -> None:
        """The files belong to whoever runs the program, so that only the wall is in its way."""
        if self.user is None:
            return
        for root in (self.base, self.private, self._shm):
            for path in [root, *(root.rglob("*") if root.is_dir() else [])]:
                os.chown(path, self.user, self.user)

    def _canary(self) -> Any:
        found = self.canary.lstat()
        attributes = os.listxattr(self.canary)
        state = (
            stat.S_ISREG(found.st_mode),
            found.st_mode,
            found.st_uid,
            found.st_gid,
            found.st_mtime_ns,
            found.st_ino,
        )
        return state, attributes, self.canary.read_bytes()

    def kept_in_scratch(self) -> list[str]:
        """What the runner has left where it keeps its folders."""
        return [path.name for path in (self.base / "scratch").iterdir()]

    def effects(self) -> dict[str, str]:
        """What was done to what was planted."""
        found = {}
        try:
            if self._canary() != self._before:
                found["canary"] = "the file was changed"
        except OSError as error:
            found["canary"] = f"the file is gone: {error}"
        dropped = [str(path.relative_to(self.base)) for path in (self.base / "dropbox").rglob("*")]
        names = {".env", "planted_helper.py", "planted_side_effect.py"}
        changed = [path.name for path in (self.base / "project").rglob("*") if path.name not in names]
        changed = [
            name for name in changed if name != "__pycache__" and not name.startswith("planted_side_effect.cpython")
        ]
        if "raise" in (self.base / "project" / "planted_helper.py").read_text():
            changed.append("planted_helper.py")
        if dropped or changed:
            found["dropped"] = f"files appeared or changed: {', '.join(dropped + changed)}"
        contacts = [name for name, listener in self._listeners.items() if _visited(listener)]
        if contacts:
            found["contact"] = f"reached by {', '.join(contacts)}"
        return found


def _write(path: Path, text: str, mode: int) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def _clear(folder: Path) -> None:
    """Remove a folder however deep it is."""
    subprocess.run(["rm", "-rf", str(folder)], check=False, stderr=subprocess.DEVNULL)


def _bound(family: int, kind: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(address)
    made.setblocking(False)
    if kind == socket.SOCK_STREAM:
        made.listen(8)
    return made


def _visited(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(10)
    except BlockingIOError:
        return False
    return True


def _device() -> str:
    """The device that holds the root folder, where it has a name."""
    number = os.stat("/").st_dev
    for path in Path("/dev").iterdir():
        try:
            found = path.stat()
        except OSError:
            continue
        if stat.S_ISBLK(found.st_mode) and found.st_rdev == number:
            return str(path)
    return "/dev/no-such-device"
