"""Secrets: what is struck out, and what is left as it is."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.runs import codec
from opto.runs.events import Event
from opto.runs.lines import LineWriter, plain_event
from opto.secrets import (
    REDACTED,
    holds_secret,
    known_secrets,
    redact,
    redact_json,
    redact_message,
    redact_text,
    remember_secrets,
    variable_of,
)

RANDOM = "a1B2c3D4e5F6g7H8i9J0"
PEM = f"-----BEGIN PRIVATE KEY-----\n{'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC' * 4}\n-----END PRIVATE KEY-----"
KEYS = [
    f"sk-{RANDOM * 2}",
    f"sk-proj-{RANDOM}_{RANDOM}-{RANDOM}",
    f"sk-ant-api03-{RANDOM * 4}-AA",
    f"sk_live_{RANDOM}",
    f"ghp_{RANDOM * 2}",
    f"github_pat_{RANDOM * 3}",
    f"glpat-{RANDOM}",
    f"hf_{RANDOM * 2}",
    f"gsk_{RANDOM * 3}",
    f"xai-{RANDOM * 4}",
    "xoxb-1234567890-abcdefghij1234",
    "AKIA1234567890ABCDEF",
    f"AIza{(RANDOM * 2)[:35]}",
    f"eyJ{RANDOM}.eyJ{RANDOM}.{RANDOM}",
    PEM,
]
ORDINARY = [
    "sk-learn-pipeline-with-2-many-steps-and-more-words",
    "a task-force of disk-12345678901234567890 risk-takers",
    "ghp_short hf_dataset gsk_ AKIA eyJ",
    "ASIAGOVERNMENTPROGRAMS",
    "the password: must be longer; api_key=... ; Authorization: Bearer YOUR-TOKEN",
    "https://user@host/path?token=abc",
    "d41d8cd98f00b204e9800998ecf8427e",
    "-----BEGIN PUBLIC KEY-----",
]


@pytest.mark.parametrize("key", KEYS)
def test_the_shape_of_a_key_is_struck_out(key):
    """Alone, in a sentence, and in JSON, whatever stands around it."""
    for text in (key, f"use {key}, please", f'{{"key": "{key}"}}', f"({key})\n"):
        assert redact_text(text) == text.replace(key, REDACTED)
        assert holds_secret(text)
        assert redact_text(text, shapes=False) == text
    assert json.loads(redact_json(json.dumps({"a": [key, 1]}).encode())) == {"a": [REDACTED, 1]}


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text):
    """What only resembles a key is left as it is, to the byte."""
    assert redact_text(text) == text
    line = json.dumps({"a": text}).encode()
    assert redact_json(line) is line


@given(st.text())
def test_any_text_stays_without_keys(text):
    """Arbitrary text comes back the same object."""
    assert redact_text(text) is text


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "HF_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MY_SECRET"])
def test_variables_are_known_by_name(monkeypatch, name):
    """The value of a variable that is called like a secret is struck out while it is set, also its JSON form."""
    value = 'pa"ss\\w0rd-é'
    assert redact_text(value) == value
    monkeypatch.setenv(name, value)
    assert redact({"a": (f"x{value}y", 1.5), value: None}) == {"a": (f"x{REDACTED}y", 1.5), REDACTED: None}
    for ascii_only in (True, False):
        line = json.dumps({"a": value}, ensure_ascii=ascii_only).encode()
        assert json.loads(redact_json(line)) == {"a": REDACTED}
    assert variable_of(value) == name
    monkeypatch.delenv(name)
    assert redact_text(value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "none"),
        ("MAX_TOKEN", "12345678.5"),
        ("SECRET_BACKEND", "keychain"),
        ("AWS_CREDENTIALS", "/home/me/credentials.json"),
        ("TOKEN_URL", "https://example.org/token"),
        ("HOME_DIR", "something-else-1"),
        ("PUBLIC_KEY", "something-public-1"),
    ],
)
def test_ordinary_values_are_no_secrets(monkeypatch, name, value):
    """Short values, words, numbers, paths and addresses would be found everywhere."""
    monkeypatch.setenv(name, value)
    assert value not in known_secrets()
    assert redact_text(f"a {value} b") == f"a {value} b"


def test_a_key_of_several_lines_is_found_by_each(monkeypatch):
    """A program may keep the lines of a key apart."""
    lines = ["-----BEGIN OWN FORMAT-----", "q7w8e9r0t1y2u3i4o5p6", "-----END-----"]
    monkeypatch.setenv("SIGNING_KEY", "\n".join(lines))
    assert redact(lines) == [lines[0], REDACTED, lines[2]]


def test_options_are_remembered():
    """Keys, passwords and headers of authorization that a model is given, at any depth; other headers are not."""
    remember_secrets(
        {
            "api_key": "option-key-123",
            "temperature": 0.5,
            "extra_headers": {"Authorization": "Bearer option-header-123", "X-Trace": "option-trace-123"},
            "extra_body": {"password": "option-password-1"},
        }
    )
    text = "option-key-123 option-header-123 option-trace-123 option-password-1"
    assert redact_text(text) == f"{REDACTED} {REDACTED} option-trace-123 {REDACTED}"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abcdefgh12345", f"Authorization: Bearer {REDACTED}"),
        ("{'api_key': 'zzzzzzzzzz'}", f"{{'api_key': '{REDACTED}'}}"),
        ("postgres://me:hunter2@host/db", f"postgres://me:{REDACTED}@host/db"),
        ("api_key='none'", "api_key='none'"),
        ("a basic understanding", "a basic understanding"),
    ],
)
def test_messages_lose_headers_and_passwords(text, clean):
    """What no program reads again is cleaned more thoroughly, and cleaning it twice changes nothing."""
    assert redact_message(text) == redact_message(clean) == clean


def test_texts_made_to_be_slow_are_not():
    """Striking out takes time that grows with the length alone."""
    parts = ["sk-", "sk-a", "sk-a1", "a1-", "eyJ", "eyJa.", "xoxb-1", "-----BEGIN PRIVATE KEY-----", "://a:", "bearer "]
    start = time.process_time()
    for part in parts:
        redact_message(part * (60_000 // len(part)))
        redact_message(part + "a" * 60_000)
    assert time.process_time() - start < 10


def test_lines_of_a_record_and_their_comparison_agree(monkeypatch):
    """An event is cleaned when it is written and when it is compared; texts that repeat are too."""
    monkeypatch.setenv("A_TOKEN", "known-token-1")
    long = "known-token-1 " + "word " * 100
    data = {"optimizer": "O", "messages": [{"role": "user", "content": long}], "number": 1}
    writer = LineWriter()
    lines = [writer.event(Event("request", data, 0.0)) for _ in range(2)]
    assert b"known-token-1" not in b"".join(lines)
    assert json.loads(lines[0])["data"]["messages"][0]["content"]["is"] == long.replace("known-token-1", REDACTED)
    assert plain_event(data)["messages"][0]["content"] == long.replace("known-token-1", REDACTED)


def test_saved_values_lose_what_is_known(monkeypatch, tmp_path):
    """A known secret is left out of a saved value, with a warning; what only looks like a key comes back."""
    monkeypatch.setenv("A_TOKEN", "known-token-1")
    from opto.errors import SecretWarning

    value = {"a": ["known-token-1", KEYS[0]], "b": ("x\nknown-token-1",)}
    with pytest.warns(SecretWarning, match="environment variables"):
        codec.save(tmp_path / "x.json", value, kind="value")
    back = codec.load(tmp_path / "x.json", kind="value")
    assert back == {"a": [REDACTED, KEYS[0]], "b": (f"x\n{REDACTED}",)}
