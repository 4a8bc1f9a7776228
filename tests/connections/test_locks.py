"""Locks tell the truth about who holds them, also after kill -9."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.connections.locks import Holder, LockHeld, holder, lock
from pipelines.connections.owner import Owner

HOLD = """
import sys, time
from pathlib import Path
from pipelines.connections.locks import lock
from pipelines.connections.owner import Owner
with lock(Owner("ann", Path(sys.argv[1])), "extract-north", "crosswalk run north"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("ann", tmp_path)


def start_holder(owner: Owner) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(owner.data_dir)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_held_lock_says_by_whom_and_since_when(owner: Owner) -> None:
    process = start_holder(owner)
    try:
        with pytest.raises(LockHeld) as refused, lock(owner, "extract-north", "me"):
            pass
        said = str(refused.value)
        assert f"crosswalk run north (process {process.pid}) since 20" in said
        assert refused.value.exit_code == 4
        with lock(owner, "extract-south", "another lock"):
            assert (owner.locks_dir / "extract-south.json").exists()
    finally:
        process.kill()
        process.communicate()


def test_a_killed_holder_holds_nothing(owner: Owner) -> None:
    process = start_holder(owner)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert (owner.locks_dir / "extract-north.json").exists()
    assert holder(owner, "extract-north") is None
    with lock(owner, "extract-north", "next", wait_seconds=5):
        now = holder(owner, "extract-north")
        assert now is not None
        assert now.pid == os.getpid()


def test_a_note_left_behind_tells_no_lies(owner: Owner) -> None:
    """The next holder has the lock but has not written its note yet."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for pid, started in ((dead.pid, "1"), (os.getpid(), "1")):  # gone; and its number given to another process
        with lock(owner, "push-north", "now"):
            stale = Holder(pid, socket.gethostname(), "long ago", "2020-01-01T00:00:00Z", started)
            (owner.locks_dir / "push-north.json").write_text(json.dumps(vars(stale)))
            with pytest.raises(LockHeld, match="only just taken it"), lock(owner, "push-north", "me"):
                pass


def test_a_torn_note_is_no_error(owner: Owner) -> None:
    with lock(owner, "x", "now"):
        (owner.locks_dir / "x.json").write_text('{"pid": 1')
        with pytest.raises(LockHeld, match="only just"), lock(owner, "x", "me"):
            pass


def test_the_lock_is_free_after_an_error(owner: Owner) -> None:
    with pytest.raises(ZeroDivisionError), lock(owner, "x", "now"):
        print(1 / 0)
    assert holder(owner, "x") is None
    assert not (owner.locks_dir / "x.json").exists()


def test_another_owner_has_locks_of_its_own(owner: Owner, tmp_path: Path) -> None:
    bob = Owner("bob", tmp_path)
    with lock(owner, "x", "ann"), lock(bob, "x", "bob"):
        assert [str(holder(who, "x"))[:3] for who in (owner, bob)] == ["ann", "bob"]
        assert holder(owner, "y") is None


def test_a_lock_never_leaves_its_folder(owner: Owner) -> None:
    with pytest.raises(ValueError, match="use letters"), lock(owner, "../x", "now"):
        pass
