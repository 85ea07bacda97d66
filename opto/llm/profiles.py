"""Models by name: what a name stands for, from a TOML file, the environment, or the program.

The file is `opto.toml` in the working folder, or the one that `OPTO_CONFIG` names:

    [models.judge]
    model = "openai/gpt-4o-mini"
    temperature = 0
    max_tokens = 500
    requests_per_minute = 60
    fallbacks = ["cheap", "anthropic/claude-haiku-4-5"]

    [models.cheap]
    model = "qwen2.5:7b"
    api_base = "http://localhost:11434/v1"

| key | meaning |
|---|---|
| `model` | its LiteLLM name, or with `api_base` the name that the server knows it by |
| `api_base` | the address of a server that speaks the OpenAI protocol |
| `api_key_env` | the environment variable that holds the key; the key itself has no place in the file |
| `temperature`, `max_tokens`, `timeout`, `top_p`, `seed` | options of every request |
| `options` | a table of further ones |
| `requests_per_minute`, `tokens_per_minute` | see `opto.llm.RateLimited` |
| `fallbacks` | names of profiles or models to go on with, see `opto.llm.Failover` |
| `backend` | "LiteLLM", "CustomLLM" or "AutoGen" |

The variable `OPTO_MODEL_<NAME>` takes the place of `model`, and makes a profile by itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opto.errors import FileFormatError
from opto.forking import forkable_lock
from opto.runs.files import read_file

__all__ = ["Profile", "find_profile", "profile_names", "register_profile", "variable_of"]

_FILE = "opto.toml"
_OPTIONS = ("temperature", "max_tokens", "timeout", "top_p", "seed")
_NUMBERS = (*_OPTIONS, "requests_per_minute", "tokens_per_minute")
_TEXTS = ("model", "api_base", "api_key_env", "backend")

_registered: dict[str, Profile] = {}
"""The profiles that the program has registered, for all of its threads; guarded by the lock."""
_registering = forkable_lock()


@dataclass(frozen=True)
class Profile:
    """What a name stands for; the keys are those of the table of this module."""

    name: str
    model: str | None = None
    api_base: str | None = None
    api_key_env: str | None = None
    backend: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    fallbacks: tuple[str, ...] = ()

    def key(self) -> str | None:
        """The key in the variable that the profile names.

        Raises:
            ValueError: the variable is not set.
        """
        if self.api_key_env is None:
            return None
        if not (key := os.environ.get(self.api_key_env)):
            raise ValueError(f"the profile {self.name!r} takes its key from the variable {self.api_key_env}: set it")
        return key


def register_profile(name: str, **settings: Any) -> None:
    """Make a profile for this process, in the place of one that a file has.

    Args:
        name: its name.
        **settings: the keys of a profile; others are options of every request.

    Raises:
        ValueError: a setting cannot be used.
    """
    known = {key: settings.pop(key) for key in list(settings) if key in Profile.__dataclass_fields__ or key in _NUMBERS}
    known["options"] = {**known.get("options", {}), **settings}
    profile = _checked(name, known, "the profile")
    with _registering:
        _registered[name] = profile


def find_profile(name: str) -> Profile | None:
    """The profile of this name, None when there is none.

    Raises:
        FileFormatError: the file cannot be read.
    """
    with _registering:
        found = _registered.get(name)
    found = found or _from_file().get(name)
    model = os.environ.get(variable_of(name)) if _is_plain(name) else None
    if not model:
        return found
    return Profile(name, model=model) if found is None else replace(found, model=model)


def profile_names() -> list[str]:
    """The names of the profiles that were registered or that the file has, sorted."""
    with _registering:
        return sorted({*_registered, *_from_file()})


def variable_of(name: str) -> str:
    """The environment variable that names the model of a profile."""
    return f"OPTO_MODEL_{re.sub('[^A-Z0-9]', '_', name.upper())}"


def _is_plain(name: str) -> bool:
    return re.fullmatch(r"[\w.-]+", name) is not None


def _from_file() -> dict[str, Profile]:
    named = os.environ.get("OPTO_CONFIG")
    path = Path(named or _FILE)
    if not path.is_file():
        if named:
            raise FileFormatError(f"OPTO_CONFIG names the file {named}, which does not exist")
        return {}
    tables = _read(path).get("models", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise FileFormatError(f"{path}: `models` must be a table of tables: [models.judge]")
    try:
        return {name: _checked(name, table, f"{path}: the profile") for name, table in tables.items()}
    except ValueError as error:
        raise FileFormatError(str(error)) from None


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(read_file(path).decode("utf-8").replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, UnicodeDecodeError
        raise FileFormatError(f"{path} is not TOML: {error}") from error


def _checked(name: str, settings: Mapping[str, Any], where: str) -> Profile:
    """The profile with these settings.

    Raises:
        ValueError: one has another type, or there is no such setting.
    """
    about = f"{where} {name!r}"
    known = (*_NUMBERS, *_TEXTS, "options", "fallbacks")
    for key, value in settings.items():
        if key in ("api_key", "key"):
            raise ValueError(f'{about}: keys have no place in a file; name their variable: api_key_env = "..."')
        if key not in known:
            raise ValueError(f"{about} has no setting {key!r}; there are {', '.join(known)}")
        if not _fits(key, value):
            raise ValueError(f"{about}: {key} must be {_kind(key)}, got {value!r}")
    options = {key: settings[key] for key in _OPTIONS if settings.get(key) is not None}
    kept = {key: value for key, value in settings.items() if key not in _OPTIONS}
    kept["options"] = {**options, **settings.get("options", {})}
    kept["fallbacks"] = tuple(settings.get("fallbacks", ()))
    return Profile(name, **kept)


def _fits(key: str, value: Any) -> bool:
    if value is None:
        return True
    if key in _NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if key == "options":
        return isinstance(value, Mapping)
    if key == "fallbacks":
        return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
    return isinstance(value, str)


def _kind(key: str) -> str:
    if key in _NUMBERS:
        return "a number"
    return {"options": "a table", "fallbacks": "a list of names"}.get(key, "a text")
