"""Files: the old content or the new, never half of either, and for their owner alone."""

from __future__ import annotations

import os
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from opto.errors import FileFormatError
from opto.runs.files import open_appending, read_file, write_atomic


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


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_folders_that_are_made_are_the_users_alone(tmp_path):
    """Folders on the way are made with mode 0700; those that exist stay as they are."""
    tmp_path.chmod(0o755)
    write_atomic(tmp_path / "a" / "b" / "file", "x")
    assert [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in (".", "a", "a/b")] == [0o755, 0o700, 0o700]
    os.close(open_appending(tmp_path / "c" / "file"))
    assert [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("c", "c/file")] == [0o700, 0o600]


def left_over(folder, name, *, seconds):
    """A temporary file as a killed process leaves it, so many seconds old."""
    path = folder / f".{name}.{'0a' * 16}.tmp"
    path.write_text("half")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX's")
def test_what_killed_writers_left_is_removed(tmp_path):
    """A write removes old temporary files of the same file; fresh ones, held ones and those of others stay."""
    import fcntl

    old, other = left_over(tmp_path, "file", seconds=3600), left_over(tmp_path, "files", seconds=3600)
    write_atomic(tmp_path / "file", "x")
    assert not old.exists()
    assert other.exists()
    fresh = left_over(tmp_path, "file", seconds=1)
    write_atomic(tmp_path / "file", "x")
    assert fresh.exists()
    os.utime(fresh, (0, 0))
    with fresh.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_atomic(tmp_path / "file", "x")
        assert fresh.exists()
    write_atomic(tmp_path / "file", "x")
    assert sorted(os.listdir(tmp_path)) == sorted(["file", other.name])


def test_a_writer_whose_temporary_file_was_removed_writes_again(tmp_path, monkeypatch):
    """A process that stood still for long is not hurt by the removal."""
    replace, calls = os.replace, []

    def stand_still(source, target):
        calls.append(source)
        if len(calls) == 1:
            os.unlink(source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", stand_still)
    write_atomic(tmp_path / "file", "x")
    assert (tmp_path / "file").read_text() == "x"
    assert len(calls) == 2


def test_a_file_that_must_be_new(tmp_path):
    """With replace=False a file that is there stays, and the write is refused."""
    path = tmp_path / "file"
    write_atomic(path, "first", replace=False)
    with pytest.raises(FileExistsError):
        write_atomic(path, "second", replace=False)
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX's")
def test_pipes_devices_and_folders_are_refused(tmp_path):
    """Reading one does not wait for ever, and writing does not replace it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, "/dev/null"):
        with pytest.raises(FileFormatError, match="a pipe or a device"):
            read_file(place)
        for write in (lambda place=place: write_atomic(place, "x"), lambda place=place: open_appending(place)):
            with pytest.raises(OSError, match="pipe or a device"):
                write()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    for use in (read_file, lambda path: write_atomic(path, "x")):
        with pytest.raises(IsADirectoryError):
            use(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        write_atomic(tmp_path / "file" / "inside", "x")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can make links of others")
def test_a_link_of_another_user_in_a_common_folder_is_refused(tmp_path):
    """Nobody can lead the writing elsewhere from a folder that everybody may write to; one's own link is followed."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    common = tmp_path / "common"
    common.mkdir()
    common.chmod(0o1777)
    link = common / "file"
    link.symlink_to(victim)
    write_atomic(link, "own")
    os.lchown(link, 65534, 65534)
    for write in (lambda: write_atomic(link, "x"), lambda: open_appending(link)):
        with pytest.raises(PermissionError, match="symbolic link of another user"):
            write()
    assert victim.read_text() == "own"


def test_links_that_lead_nowhere(tmp_path):
    """A link to a file that is missing is written through; a link to itself is an OSError."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later")
    with pytest.raises(FileNotFoundError):
        read_file(link)
    write_atomic(link, "x")
    assert (tmp_path / "later").read_text() == "x"
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        read_file(loop)


def test_writers_at_once(tmp_path):
    """Of many threads that write one file, the content is one of theirs, whole, and nothing else is left."""
    path = tmp_path / "file"
    texts = [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_atomic(path, text), texts * 3))
    assert path.read_text() in texts
    assert os.listdir(tmp_path) == ["file"]
