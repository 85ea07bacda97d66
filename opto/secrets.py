"""Keys and tokens: how they are known, and how they are struck out of what is written, logged or raised.

Two kinds of text are struck out and replaced by `[redacted]`:

- what this process knows to be a secret: the value of an environment variable whose name says so (`OPENAI_API_KEY`,
  `HF_TOKEN`, `DB_PASSWORD`...), and every key, password or authorization header that a model was given as an option;
- what has the unmistakable shape of a key: the prefix of a provider followed by many random characters, a signed web
  token, a private key in PEM.

Short values, plain words and numbers, paths and addresses are not taken for secrets, whatever their variable is called:
they stand in ordinary text. In messages of exceptions and in logs, which no program reads again, authorization headers,
`api_key=...` and passwords in addresses go as well.
"""

from __future__ import annotations

import functools
import json
import os
import re
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = [
    "REDACTED",
    "holds_secret",
    "is_secret_name",
    "known_secrets",
    "redact",
    "redact_json",
    "redact_message",
    "redact_text",
    "remember_secrets",
    "variable_of",
]

REDACTED = "[redacted]"

_SHORTEST = 8
_SHORTEST_WORD = 16
_SCHEME = re.compile(r"^(?:bearer|basic|token)\s+", re.IGNORECASE)
_NUMBER = re.compile(r"[\d\s.,:+eE/-]*")
_PLACE = re.compile(r"[/~.]|[A-Za-z]:[\\/]|[a-z+]+://[^@]*$")
_OPTION = re.compile(
    r"(^|_)(api_?key|apikey|access_key(_id)?|headers?|authorization|passw(or)?d|secret|credentials?|"
    r"(access|auth|ad|bearer|session|web_identity)_?token)(_|$)",
    re.IGNORECASE,
)
_HEADER = re.compile(r"auth|(^|_)(api_?)?key$|token|secret|cookie|passw", re.IGNORECASE)
_VARIABLE = re.compile(
    r"(^|_)((API_?KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|CREDENTIALS?|AUTHORIZATION)(_|$)"
    r"|((?<!PUBLIC_)KEY|KEY_ID|PASS|(?<=_)PWD|COOKIE)$)",
    re.IGNORECASE,
)


class _Shape(NamedTuple):
    """A kind of key: a text that is in each of them and can be looked for fast, and its pattern."""

    mark: str
    expression: str

    @property
    def pattern(self) -> re.Pattern[str]:
        return _compiled(self.expression)


@functools.cache
def _compiled(expression: str, flags: int = 0) -> re.Pattern[str]:
    """Compiled when first needed: most processes never meet a key."""
    return re.compile(expression, flags)


def _shape(mark: str, rest: str) -> _Shape:
    # The mark comes first, and that it begins a word is asked afterwards: so the search leaps from mark to mark.
    return _Shape(mark, rf"{re.escape(mark)}(?<![\w-]{re.escape(mark)}){rest}")


# Long runs of letters and digits mixed: `sk-learn-pipeline-2` is no key. Every repetition is bounded, so that a text
# made for it cannot make the search slow.
_RANDOM = r"(?=[\w-]{0,60}?(?<![A-Za-z0-9])(?=[A-Za-z]{0,30}\d[A-Za-z]{0,30}\d)[A-Za-z0-9]{16})"
_SHAPES = (
    _shape("sk-", rf"{_RANDOM}[\w-]{{17,300}}"),
    *(_shape(mark, r"[A-Za-z0-9]{16,200}") for mark in ("sk_live_", "sk_test_", "rk_live_", "rk_test_")),
    *(_shape(f"gh{kind}_", r"[A-Za-z0-9]{36,255}") for kind in "pousr"),
    _shape("github_pat_", r"\w{50,255}"),
    _shape("glpat-", r"[\w-]{20,200}"),
    _shape("hf_", r"[A-Za-z0-9]{30,100}"),
    _shape("gsk_", r"[A-Za-z0-9]{40,100}"),
    _shape("xai-", r"[A-Za-z0-9]{60,200}"),
    _shape("pplx-", r"[A-Za-z0-9]{40,100}"),
    _shape("nvapi-", r"[\w-]{60,200}"),
    _shape("xox", r"[abeoprs]-(?=[A-Za-z-]{0,20}\d)[A-Za-z0-9-]{20,200}"),
    _shape("AKIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("ASIA", r"(?=[A-Z]{0,15}\d)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("AIza", r"[\w-]{35}"),
    _shape("ya29.", r"[\w-]{30,300}"),
    _shape("eyJ", r"[\w-]{17,4000}\.eyJ[\w-]{17,8000}\.[\w-]{17,2000}"),
    _Shape(
        "PRIVATE KEY-----",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]{40,8000}-----END [A-Z ]{0,20}PRIVATE KEY-----",
    ),
)
_IN_MESSAGES = (
    r"(\b(?:bearer|basic)\s{1,4})(?=[A-Za-z._~+/-]{0,200}[\d=])[\w.~+/=-]{8,4000}",
    r"""((?:api[_-]?key|authorization|access[_-]?token|auth[_-]?token|client[_-]?secret|password)["']?\s{0,4}"""
    r"""[:=]\s{0,4}["']?(?:b?["'])?)(?!\[redacted)[\w.~+/=@!$%^&*-]{8,4000}""",
    r"(://[^\s:/@]{1,100}:)[^\s/@]{1,200}(?=@)",
)


@functools.lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether an option of a model of this name holds a key, headers or another secret."""
    return _OPTION.search(name.replace("-", "_")) is not None


# ---- what is known


class _Known:
    """The secrets of this process, and how they look where they are searched for."""

    def __init__(self) -> None:
        self.unlock()
        self._remembered: dict[str, None] = {}
        self._environment: Any = None
        self._variables: dict[str, str] = {}
        self._searched: tuple[tuple[str, ...], tuple[str, ...], tuple[bytes, ...]] = ((), (), ())

    def unlock(self) -> None:
        """Begin with a fresh lock, as a forked process must: another thread may have held the old one."""
        self._lock = threading.Lock()

    def remember(self, value: str) -> None:
        with self._lock:
            if value not in self._remembered:
                self._remembered[value] = None
                self._environment = None

    def variables(self) -> Mapping[str, str]:
        self._look()
        return self._variables

    def searched(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[bytes, ...]]:
        """The secrets as texts, longest first; the same as they stand in JSON; and these as bytes."""
        self._look()
        return self._searched

    def _look(self) -> None:
        # Comparing with a copy of what `os.environ` keeps is many times as fast as reading it.
        data = getattr(os.environ, "_data", None)
        if data is not None and data == self._environment:
            return
        with self._lock:
            seen = None if data is None else dict(data)
            named = {name: os.environ.get(name, "") for name in os.environ if _VARIABLE.search(name)}
            self._variables = {_bare(value): name for name, value in named.items() if _is_secret(_bare(value))}
            whole = {*self._variables, *self._remembered}
            lines = {line.strip() for text in whole if "\n" in text for line in text.splitlines()}
            parts = {line for line in lines if len(line) >= _SHORTEST_WORD and not line.startswith("-----")}
            texts = tuple(sorted(whole | parts, key=len, reverse=True))
            quoted = [{text, _in_json(text, False), _in_json(text, True)} for text in texts]
            forms = tuple(dict.fromkeys(form for group in quoted for form in sorted(group, key=len)))
            self._searched = (texts, forms, tuple(form.encode("utf-8", "surrogatepass") for form in forms))
            self._environment = seen  # last, since others look without the lock


_KNOWN = _Known()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_KNOWN.unlock)


def _bare(value: str) -> str:
    return _SCHEME.sub("", value.strip())


def _in_json(text: str, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _is_secret(value: str) -> bool:
    """Whether the value of a variable or option with the name of a secret is one, and is not also ordinary text."""
    if len(value) < _SHORTEST or _NUMBER.fullmatch(value) or _PLACE.match(value):
        return False
    return len(value) >= _SHORTEST_WORD or not value.isalpha()


def remember_secrets(options: Mapping[str, Any]) -> None:
    """Strike out from now on, in this process, the keys and passwords that these options of a model hold."""
    for name, value in options.items():
        if is_secret_name(str(name)):
            _remember(value, in_headers="header" in str(name).lower())
        elif isinstance(value, Mapping):
            remember_secrets(value)


def _remember(value: Any, *, in_headers: bool) -> None:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if not in_headers or _HEADER.search(str(name).replace("-", "_")):
                _remember(part, in_headers=False)
    elif isinstance(value, str) and _is_secret(_bare(value)):
        _KNOWN.remember(_bare(value))


def known_secrets() -> tuple[str, ...]:
    """The texts that this process knows to be secrets, the longest first."""
    return _KNOWN.searched()[0]


def variable_of(secret: str) -> str | None:
    """The environment variable that holds this secret; None if there is none."""
    return _KNOWN.variables().get(_bare(secret))


# ---- striking out


# Every shape has this many characters of words in a row, which is asked first since it is asked fast.
_RUN = b"a" * 20
_WORDS = bytes(97 if (chr(code).isalnum() and code < 128) or chr(code) in "-_" else 32 for code in range(256))


def holds_secret(text: str, *, shapes: bool = True) -> bool:
    """Whether a text, or JSON, holds something to be struck out.

    Args:
        text: to look at.
        shapes: count also what only looks like a key.
    """
    if any(form in text for form in _KNOWN.searched()[1]):
        return True
    return shapes and any(shape.mark in text and shape.pattern.search(text) for shape in _SHAPES)


def redact_text(text: str, *, shapes: bool = True) -> str:
    """The text with `[redacted]` in the place of every secret; the text itself where it holds none.

    Args:
        text: any text.
        shapes: strike out also what only looks like a key.
    """
    for secret in _KNOWN.searched()[0]:
        if secret in text:
            text = text.replace(secret, REDACTED)
    if shapes:
        for shape in _SHAPES:
            if shape.mark in text:
                text = shape.pattern.sub(REDACTED, text)
    return text


def redact_message(text: str) -> str:
    """The same for messages and logs: authorization headers and passwords in addresses are struck out as well."""
    text = redact_text(text)
    for expression in _IN_MESSAGES:
        text = _compiled(expression, re.IGNORECASE).sub(rf"\1{REDACTED}", text)
    return text


def redact(value: Any, *, shapes: bool = True) -> Any:
    """Plain data with every text in it, keys too, as by `redact_text`; parts that hold no secret are kept as they are.

    Args:
        value: text, numbers, lists, tuples and dicts of any depth that JSON can have.
        shapes: strike out also what only looks like a key.
    """
    if isinstance(value, str):
        return redact_text(value, shapes=shapes)
    if isinstance(value, dict):
        return {redact(key, shapes=shapes): redact(part, shapes=shapes) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [redact(part, shapes=shapes) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def redact_json(line: bytes) -> bytes:
    """A JSON document, as UTF-8 without a line break, with the secrets in its texts struck out."""
    if not (_RUN in line.translate(_WORDS) or any(form in line for form in _KNOWN.searched()[2])):
        return line
    text = line.decode("utf-8", "surrogatepass")
    if not holds_secret(text):
        return line
    clean = json.dumps(redact(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
    return clean.encode("utf-8", "surrogatepass")
