"""Models are ordered by their SQL, built only when an input changed, and swapped in whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from jinja2 import UndefinedError

from pipelines.connections.owner import Owner
from pipelines.warehouse.build import build, record_build
from pipelines.warehouse.connect import open_warehouse
from pipelines.warehouse.models import ModelError, read_models


def write(folder: Path, **models: str) -> None:
    for name, text in models.items():
        (folder / f"{name}.sql").write_text(f"-- One row is one thing.\n{text}")


def what_was_built(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, str]:
    return {b.table: b.reason for b in build(con, read_models({}, folder)) if b.rebuilt}


def test_the_order_is_read_from_the_sql(folder: Path) -> None:
    write(
        folder,
        unified__a="with c as (select x from unified.b) select x from c",
        unified__b="select x from unified.z join sync.echoes using (x)",
        unified__z="select 1 as x",
    )
    assert [m.table for m in read_models({}, folder)] == ["unified.z", "unified.b", "unified.a"]


def test_only_what_an_input_changed_is_rebuilt(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    con.execute("create table staging.contacts as select 1 as x")
    con.execute("create table sync.echoes as select 1 as x")
    write(
        folder,
        unified__one="select x from staging.contacts",
        unified__two="select x from unified.one",
        unified__other="select x from sync.echoes",
    )
    assert what_was_built(con, folder) == dict.fromkeys(["unified.one", "unified.two", "unified.other"], "new")
    assert what_was_built(con, folder) == {}
    con.execute("insert into staging.contacts values (2)")
    assert what_was_built(con, folder) == {
        "unified.one": "staging.contacts changed",
        "unified.two": "unified.one changed",
    }
    write(folder, unified__other="select x + 1 as x from sync.echoes")
    assert what_was_built(con, folder) == {"unified.other": "its text changed"}
    con.execute("drop table unified.two")
    assert what_was_built(con, folder) == {"unified.two": "its table is gone"}


def test_a_recorded_version_stands_for_the_content(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    con.execute("create table staging.contacts as select 1 as x")
    record_build(con, "staging.contacts", "v1", 1)
    write(folder, unified__one="select x from staging.contacts")
    assert what_was_built(con, folder) == {"unified.one": "new"}
    record_build(con, "staging.contacts", "v2", 1)
    assert what_was_built(con, folder) == {"unified.one": "staging.contacts changed"}


def test_a_file_may_stand_for_each_entity(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "sources.sql").write_text(
        "-- One row is one source record of a {{ entity.singular }}.\n"
        "-- model: unified.{{ entity.singular }}_sources\n"
        "select {{ entity.entity | literal }} as {{ entity.singular | ident }}\n"
    )
    entities = [
        SimpleNamespace(entity="contacts", singular="contact"),
        SimpleNamespace(entity="deals", singular="deal"),
    ]
    models = read_models({"entities": entities}, folder)
    assert {m.table: m.says for m in models} == {
        "unified.contact_sources": "One row is one source record of a contact.",
        "unified.deal_sources": "One row is one source record of a deal.",
    }
    build(con, models)
    assert con.execute("select deal from unified.deal_sources").fetchall() == [("deals",)]


def test_a_failed_model_leaves_the_old_table(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    write(folder, unified__one="select 1 as x")
    what_was_built(con, folder)
    write(folder, unified__one="select error('broken') as x")
    with pytest.raises(duckdb.Error, match="broken"):
        what_was_built(con, folder)
    assert con.execute("select x from unified.one").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ({"unified__a": "select 1 as x; select 2 as x"}, "one SELECT"),
        ({"unified__a": "create table x as select 1 as x"}, "one SELECT"),
        ({"unified__a": "select x from unified.b", "unified__b": "select x from unified.a"}, "circle"),
        ({"unified__a": "-- model: unified.b\nselect 1", "unified__b": "select 1"}, "more than one model: unified.b"),
    ],
)
def test_a_broken_convention_is_refused(folder: Path, models: dict[str, str], says: str) -> None:
    write(folder, **models)
    with pytest.raises(ModelError, match=says):
        read_models({}, folder)


def test_a_part_that_names_no_table_is_left_to_its_stage(folder: Path) -> None:
    write(folder, identity_pairs="select {{ anything }}", unified__a="select 1 as x", unified__b="select 2 as x")
    assert [m.table for m in read_models({}, folder)] == ["unified.a", "unified.b"]
    assert [m.table for m in read_models({}, folder, "*__b.sql")] == ["unified.b"]


def test_a_model_without_its_first_line_is_refused(folder: Path) -> None:
    (folder / "unified__a.sql").write_text("select 1 as x")
    with pytest.raises(ModelError, match="One row is"):
        read_models({}, folder)


def test_an_unknown_name_is_an_error(folder: Path) -> None:
    write(folder, unified__a="select {{ nobody }} as x")
    with pytest.raises(UndefinedError, match="nobody"):
        read_models({}, folder)


SLOW_BUILD = """
import sys
from pathlib import Path
from pipelines.connections.owner import Owner
from pipelines.warehouse.build import build
from pipelines.warehouse.connect import open_warehouse
from pipelines.warehouse.models import Model
con = open_warehouse(Owner("test", Path(sys.argv[1])))
print("building", flush=True)
endless = "select 2 as x, sum(hash(i)) as y from range(100000000000) r(i)"
build(con, [Model("unified.one", "One row is one number.", endless)])
"""


def test_a_kill_in_mid_build_leaves_the_old_table(owner: Owner) -> None:
    with open_warehouse(owner) as con:
        con.execute("create table unified.one as select 1 as x")
    child = subprocess.Popen([sys.executable, "-c", SLOW_BUILD, str(owner.data_dir)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "building\n"
    time.sleep(0.5)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    with open_warehouse(owner) as con:
        assert con.execute("select x from unified.one").fetchall() == [(1,)]
