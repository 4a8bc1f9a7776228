"""The swap: what analysts open is always a whole file, whatever happens when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from pipelines.connections.owner import Owner
from pipelines.publish.swap import last_candidate, publish

# Publishes in a process of its own, which kills itself with SIGKILL before the n-th thing it does to its files.
KILLED = """
import sys
from pathlib import Path
from dying import arm
from pipelines.connections.owner import Owner
from pipelines.publish.swap import publish
owner = Owner("test", Path(sys.argv[1]))
arm(sys.argv[1], int(sys.argv[2]))
publish(owner, owner.candidate, sys.argv[3], keep=2)
"""


def write(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create table t as select ? as says, range as i from range(5000)", [says])
    return path


def read(owner: Owner) -> str:
    with duckdb.connect(str(owner.crm.resolve()), read_only=True) as con:
        return str(con.execute("select min(says), count(distinct i) from t").fetchall()[0])


def publish_one(owner: Owner, run_id: str, keep: int = 3) -> Path:
    return publish(owner, write(owner.candidate, run_id), run_id, keep=keep)


def test_publishes_and_leaves_no_candidate(owner: Owner) -> None:
    assert last_candidate(owner) is None
    path = publish_one(owner, "r1")
    assert path == owner.published_dir / "crm-r1.duckdb"
    assert read(owner) == "('r1', 5000)"
    assert not owner.candidate.exists()
    assert last_candidate(owner) == path
    assert not os.path.isabs(os.readlink(owner.crm)), "the folder can be moved"


def test_a_failed_candidate_is_the_last_one(owner: Owner) -> None:
    publish_one(owner, "r1")
    write(owner.candidate, "r2")
    assert last_candidate(owner) == owner.candidate
    assert read(owner) == "('r1', 5000)"


def test_keeps_the_last_few(owner: Owner) -> None:
    for run in range(5):
        publish_one(owner, f"r{run}", keep=2)
    assert sorted(f.name for f in owner.published_dir.iterdir()) == ["crm-r3.duckdb", "crm-r4.duckdb"]


def test_a_reader_of_the_old_file_goes_on(owner: Owner) -> None:
    publish_one(owner, "r0", keep=1)
    with duckdb.connect(str(owner.crm.resolve()), read_only=True) as reader:
        for run in range(1, 4):
            publish_one(owner, f"r{run}", keep=1)
        assert reader.execute("select min(says), count(distinct i) from t").fetchall() == [("r0", 5000)]
    assert read(owner) == "('r3', 5000)"
    assert len(list(owner.published_dir.iterdir())) == 1


def test_a_candidate_that_was_not_closed_is_refused(owner: Owner) -> None:
    path = write(owner.candidate, "r1")
    path.with_name("crm.duckdb.wal").write_bytes(b"x")
    with pytest.raises(ValueError, match="write-ahead log"):
        publish(owner, path, "r1")
    assert not owner.crm.exists()


def test_without_symbolic_links_a_copy_is_swapped(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no symbolic links here")

    monkeypatch.setattr(os, "symlink", refuse)
    for run in ("r1", "r2"):
        publish_one(owner, run)
        assert read(owner) == f"('{run}', 5000)"
    assert not owner.crm.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_kill_at_every_step_leaves_the_old_or_the_new_file(owner: Owner, project_root: Path) -> None:
    publish_one(owner, "r0", keep=2)
    shown = []
    for step in range(100):
        run_id = f"r{step + 1}"
        write(owner.candidate, run_id)
        before = read(owner)
        arguments = [sys.executable, "-c", KILLED, str(owner.data_dir), str(step), run_id]
        code = subprocess.run(arguments, cwd=project_root, check=False, timeout=250).returncode
        after = read(owner)
        assert after in (before, f"('{run_id}', 5000)")
        shown.append((code, after != before))
        if code == 0:
            break
    assert shown[-1] == (0, True)
    assert {code for code, _ in shown[:-1]} == {-signal.SIGKILL}
    swapped = [new for _, new in shown]
    assert swapped == sorted(swapped), "once it is swapped, it stays so"
    assert len(shown) > 6, "there were several instants to die at"
    assert len(list(owner.published_dir.iterdir())) == 2, "what the killed ones left was cleared away"
    assert [f.name for f in owner.root.iterdir() if f.name.startswith(".")] == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_kill_while_the_candidate_is_written_then_again(owner: Owner, project_root: Path) -> None:
    publish_one(owner, "r0")
    code = (
        "import sys; sys.path.insert(0, 'tests/publish'); from pathlib import Path; "
        "from conftest import fill_warehouse; from pipelines.connections.owner import Owner; "
        "from pipelines.mapping.load import load_schemas; from pipelines.warehouse.connect import open_warehouse; "
        "from pipelines.publish.candidate import build_candidate; "
        "owner = Owner('test', Path(sys.argv[1])); schemas = load_schemas('schemas'); con = open_warehouse(owner); "
        "fill_warehouse(con, schemas, 3000); print('go', flush=True); "
        "[build_candidate(con, owner, schemas, None, 'r1') for _ in range(int(sys.argv[2]))]"
    )
    for milliseconds in (30, 120, 250):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(owner.data_dir), "99"], cwd=project_root, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(milliseconds / 1000)
        child.kill()
        child.wait()
        child.stdout.close()
        assert read(owner) == "('r0', 5000)"
    subprocess.run([sys.executable, "-c", code, str(owner.data_dir), "1"], cwd=project_root, check=True, timeout=250)
    with duckdb.connect(str(owner.candidate), read_only=True) as con:
        assert con.execute("select count(*) from contacts").fetchall() == [(3000,)]
