"""What is dropped changes nothing that can be told from what stays; a backup comes back as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.commands.tidying import Keep, tidy, tidy_store
from pipelines.connections.locks import lock
from pipelines.connections.owner import Owner
from pipelines.extract.folding import fold
from pipelines.state.database import now_us, open_state
from pipelines.state.service_tables import jobs

DAY = 86_400_000_000
Version = dict[str, Any]


def make_log(path: Path, histories: dict[str, list[Version | None]], age_days: int) -> None:
    """A raw log in which each record has these versions, a second apart; None: it is deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create schema raw")
        con.execute("""create table raw.contacts (id varchar, hash varchar, modified varchar, deleted boolean,
            seen timestamptz, record json, problem varchar, _dlt_load_id varchar)""")
        con.execute("create view raw.contacts_current as select * from raw.contacts")
        for key, versions in histories.items():
            for number, version in enumerate(versions):
                seen = now_us() - age_days * DAY + number * 1_000_000
                con.execute(
                    "insert into raw.contacts values (?, md5(?), ?, ?, make_timestamptz(?), ?, null, 'x')",
                    [key, f"{number}", f"{number:04d}", version is None, seen, json.dumps(version or {})],
                )  # fmt: skip


def told(path: Path) -> dict[Any, Any]:
    """First, current, and of every value of each record when it last changed: what edit times are made of."""
    with duckdb.connect(str(path), read_only=True) as con:
        rows = con.execute("select id, modified, deleted, record from raw.contacts order by id, modified").fetchall()
    found: dict[Any, Any] = {}
    former: dict[str, Version] = {}
    for key, modified, deleted, text in rows:
        now = {**json.loads(text), "$deleted": deleted}
        found.setdefault((key, "first"), (modified, text))
        found[key, "current"] = (modified, text)
        for name in {*now, *former.get(key, now)}:
            if key in former and now.get(name, "absent") != former[key].get(name, "absent"):
                found[key, "edited", name] = modified
        former[key] = now
    return found


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as con:
        return int(con.execute("select count(*) from raw.contacts").fetchall()[0][0])


values = st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, "", "x", 1, True]), max_size=3)


@settings(max_examples=8)
@given(st.dictionaries(st.sampled_from("12"), st.lists(st.none() | values, min_size=1, max_size=12), min_size=1))
def test_folding_changes_no_edit_time(tmp_path_factory: pytest.TempPathFactory, histories: dict[str, Any]) -> None:
    owner = Owner("default", tmp_path_factory.mktemp("fold"))
    path = owner.raw("north")
    make_log(path, histories, age_days=100)
    before, rows = told(path), count(path)
    dropped = fold(owner, "north", 30)
    assert told(path) == before
    assert count(path) == rows - dropped
    assert fold(owner, "north", 30) == 0


def test_folding_drops_what_nothing_depends_on_and_keeps_what_is_young(tmp_path: Path) -> None:
    owner = Owner("default", tmp_path)
    restless = [{"name": "Ann", "visits": number} for number in range(50)]
    make_log(owner.raw("north"), {"1": restless, "2": [{"name": "Bob"}]}, age_days=100)
    assert tidy(owner, Keep(raw_days=365)).versions == 0
    assert tidy(owner, Keep(raw_days=0)).versions == 0
    assert tidy(owner, Keep(raw_days=30)).versions == 47
    with duckdb.connect(str(owner.raw("north")), read_only=True) as con:
        assert con.execute("select count(*) from raw.contacts_current").fetchall() == [(4,)]
    make_log(owner.raw("north"), {"1": restless}, age_days=1)
    assert tidy(owner, Keep(raw_days=30)).versions == 0


def test_a_connection_at_work_is_left_alone(tmp_path: Path) -> None:
    owner = Owner("default", tmp_path)
    make_log(owner.raw("north"), {"1": [{"a": n} for n in range(9)]}, age_days=100)
    with lock(owner, "extract-north", "reading the CRM"):
        done = tidy(owner, Keep(raw_days=30))
    assert done.versions == 0
    assert "reading the CRM" in done.busy[0]


def test_old_history_goes_and_young_stays(tmp_path: Path) -> None:
    service = Owner("_service", tmp_path)
    with open_state(service) as store, store.write() as connection:
        for number, age in enumerate((1, 100)):
            at = now_us() - age * DAY
            connection.execute(sa.insert(jobs).values(
                job_id=str(number), owner="ann", kind="sync", status="done", params="{}", created_at=at,
                finished_at=at, attempts=1,
            ))  # fmt: skip
    assert tidy_store(service, Keep(history_days=90)) == 1
    assert tidy_store(service, Keep(history_days=0)) == 0
    with open_state(service) as store, store.read() as connection:
        assert connection.execute(sa.select(jobs.c.job_id)).scalars().all() == ["0"]


def test_published_files_and_what_loads_left_behind_go(tmp_path: Path) -> None:
    """The newest stay, and the one that is open to analysts, however old."""
    owner = Owner("default", tmp_path)
    make_log(owner.raw("north"), {"1": [{"a": 1}]}, age_days=1)
    owner.published_dir.mkdir(parents=True)
    for number in range(6):
        path = owner.published_dir / f"crm-{number}.duckdb"
        path.touch()
        os.utime(path, (number, number))
    owner.crm.symlink_to("published/crm-0.duckdb")
    loaded, fresh = owner.dlt_dir / "raw_north" / "load" / "loaded", owner.dlt_dir / "north.spool"
    for folder in (loaded, fresh):
        folder.mkdir(parents=True)
    os.utime(loaded, (0, 0))
    assert tidy(owner, Keep(published=3)).files == 3
    assert sorted(path.name for path in owner.published_dir.iterdir()) == [
        "crm-0.duckdb", "crm-3.duckdb", "crm-4.duckdb", "crm-5.duckdb",
    ]  # fmt: skip
    assert not loaded.exists()
    assert fresh.exists(), "a load may be at work there"
    assert tidy(owner, Keep(published=3)).files == 0
