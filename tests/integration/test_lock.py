"""One holder per folder, for as long as it lives."""

import os
import subprocess
import sys

import pytest

from core.errors import ServerError
from service.lock import Lock, holder


def test_the_second_is_refused_and_told_by_whom(tmp_path):
    with Lock(tmp_path):
        assert holder(tmp_path) == os.getpid()
        with pytest.raises(ServerError, match=str(os.getpid())), Lock(tmp_path):
            pass
    assert holder(tmp_path) == 0
    with Lock(tmp_path):
        pass


def test_the_lock_goes_with_its_holder(tmp_path):
    code = "import sys; from pathlib import Path; from service.lock import Lock; Lock(Path(sys.argv[1])).__enter__(); print(1, flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"1\n"
    assert holder(tmp_path) == other.pid
    other.kill()
    other.communicate()
    assert holder(tmp_path) == 0


def test_a_child_does_not_keep_it(tmp_path):
    with Lock(tmp_path):
        child = subprocess.Popen(["sleep", "30"], close_fds=False)
    try:
        assert holder(tmp_path) == 0
    finally:
        child.kill()
        child.wait()


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match="another folder"), Lock(tmp_path / "file" / "data"):
        pass


def test_nobody_holds_what_is_not_there(tmp_path):
    assert holder(tmp_path / "absent") == 0
