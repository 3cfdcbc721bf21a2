"""A file is the old one or the new one, whatever fails: each system call in turn, or the process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastnn.errors import FileWriteError
from fastnn.files import durable, write_durably

if os.name != "posix":
    pytest.skip("signals and locks of POSIX", allow_module_level=True)

OLD, NEW = b"old" * 1000, [b"new" * 1000, b"", memoryview(b"more")]


class Failing:
    """The system, whose call number ``at`` fails; the calls made are kept in ``made``."""

    CALLS = ("open", "write", "fsync", "close", "replace", "unlink")

    def __init__(self, monkeypatch, at, code=errno.EIO, short=False):
        self.made, self.at, self.code, self.short = [], at, code, short
        for name in self.CALLS:
            monkeypatch.setattr(durable.os, name, self.call(name, getattr(os, name)))

    def call(self, name, real):
        def failing(*arguments, **options):
            self.made.append(name)
            if len(self.made) - 1 == self.at:
                if name == "close":
                    real(*arguments)
                raise OSError(self.code, os.strerror(self.code))
            if name == "write" and self.short:
                return real(arguments[0], arguments[1][:700])
            return real(*arguments, **options)

        return failing


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(OLD)
    return file


def calls(monkeypatch, path):
    with monkeypatch.context() as patch:
        system = Failing(patch, None)
        write_durably(path, NEW)
    path.write_bytes(OLD)
    return system.made


def test_what_is_written_and_in_which_order(monkeypatch, path):
    made = calls(monkeypatch, path)
    assert made == ["open", "write", "write", "fsync", "close", "replace", "open", "fsync", "close"]
    write_durably(path, NEW)
    assert path.read_bytes() == b"".join(bytes(part) for part in NEW)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EINTR, errno.EACCES], ids=errno.errorcode.get)
@pytest.mark.parametrize("at", range(9))
def test_every_call_fails_in_turn(monkeypatch, path, at, code):
    made = calls(monkeypatch, path)
    assert len(made) == 9
    with monkeypatch.context() as patch:
        Failing(patch, at, code)
        with pytest.raises(FileWriteError) as caught:
            write_durably(path, NEW)
    error = caught.value
    assert error.errno == code and error.filename == str(path) and os.strerror(code) in str(error)
    replaced = at > made.index("replace")
    assert path.read_bytes() == (b"".join(bytes(part) for part in NEW) if replaced else OLD)
    assert ("nothing is changed" in str(error)) != replaced
    assert list(path.parent.iterdir()) == [path], "a temporary file is left"
    write_durably(path, [b"again"])
    assert path.read_bytes() == b"again"


def test_writes_that_the_system_cuts_short(monkeypatch, path):
    with monkeypatch.context() as patch:
        system = Failing(patch, None, short=True)
        write_durably(path, NEW)
    assert system.made.count("write") > 5
    assert path.read_bytes() == b"".join(bytes(part) for part in NEW)
    path.write_bytes(OLD)
    for at in range(1, 6):
        with monkeypatch.context() as patch:
            Failing(patch, at, errno.ENOSPC, short=True)
            with pytest.raises(FileWriteError, match="No space left"):
                write_durably(path, NEW)
        assert path.read_bytes() == OLD and list(path.parent.iterdir()) == [path]


def test_a_failure_of_what_is_to_be_written(path):
    def parts():
        yield b"first"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_durably(path, parts())
    assert path.read_bytes() == OLD and list(path.parent.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(FileWriteError, match="No such file or directory"):
        write_durably(tmp_path / "none" / "file", NEW)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileWriteError):
        write_durably(tmp_path / "folder", NEW)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_link_is_followed_and_a_relative_path_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_durably("file", [OLD])
    (tmp_path / "link").symlink_to("file")
    write_durably("link", [b"new"])
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"


def test_what_killed_writers_left_is_removed_and_what_others_write_is_not(tmp_path):
    path = tmp_path / "file[1]"  # a name that patterns would read otherwise
    (tmp_path / ".file[1].0123456789ab.tmp").write_bytes(b"left")
    (tmp_path / ".other.0123456789ab.tmp").write_bytes(b"not ours")
    temporary, descriptor = durable._new_file(str(tmp_path), path.name)  # a writer that lives
    write_durably(path, [b"new"])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [Path(temporary).name, ".other.0123456789ab.tmp", path.name]
    )
    os.close(descriptor)
    write_durably(path, [b"newer"])
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.0123456789ab.tmp", path.name]


def test_a_temporary_file_that_is_taken_away_before_it_is_locked(tmp_path, monkeypatch):
    real, taken = durable.fcntl.flock, []

    def flock(descriptor, how):
        if not taken:  # as if another process had taken it for a leftover
            taken.append(next(tmp_path.iterdir()))
            taken[0].unlink()
        return real(descriptor, how)

    monkeypatch.setattr(durable.fcntl, "flock", flock)
    write_durably(tmp_path / "file", [b"new"])
    assert taken and [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(descriptor, how):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(durable.fcntl, "flock", flock)
    (tmp_path / ".file.0123456789ab.tmp").write_bytes(b"somebody's, perhaps")
    write_durably(tmp_path / "file", [b"new"])
    assert (tmp_path / "file").read_bytes() == b"new" and len(list(tmp_path.iterdir())) == 2


def test_a_hundred_kills(tmp_path):
    """``kill -9`` at random moments of a training that saves after every step: see the script."""
    script = Path(__file__).with_name("killed_training.py")
    done = subprocess.run([sys.executable, str(script), str(tmp_path), "100"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    kills, trainings, steps = (int(n) for n in done.stdout.split()[-3:])
    assert kills >= 100 and trainings >= 2
    assert steps >= 5, "files must be of many moments"
