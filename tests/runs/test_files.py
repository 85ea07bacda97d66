"""write_atomic: the old content or the new, never half of either."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from opto.runs.files import write_atomic


def test_makes_folders_and_keeps_line_ends(tmp_path):
    """Missing folders are made, and text is written byte for byte."""
    path = tmp_path / "a" / "b" / "file.txt"
    write_atomic(path, "one\r\ntwo\n漢")
    assert path.read_bytes() == "one\r\ntwo\n漢".encode()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_only_the_owner_may_read(tmp_path):
    """The file has mode 0600, even where it replaces one that others could read."""
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_atomic(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_public_file_has_the_usual_permissions(tmp_path):
    """What is meant for others gets what the user's mask leaves."""
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        write_atomic(path, "program", private=False)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    """When the last step fails, the old content stays and the temporary file is gone."""
    path = tmp_path / "file"
    path.write_text("old")

    def fail(source, target):
        raise OSError("disk is gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk is gone"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need rights there")
def test_a_symbolic_link_stays_one(tmp_path):
    """The file that a link points to is replaced, not the link."""
    real = tmp_path / "real"
    link = tmp_path / "link"
    link.symlink_to(real)
    write_atomic(link, "content")
    assert link.is_symlink()
    assert real.read_text() == "content"


def test_a_long_name_is_no_obstacle(tmp_path):
    """The temporary name stays within the system's limit for names."""
    path = tmp_path / ("漢" * 80)
    write_atomic(path, "content")
    assert path.read_text() == "content"
