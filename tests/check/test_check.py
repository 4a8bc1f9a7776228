"""A broken rule is told with its rows; a warning does not stop, an error does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.check.evaluate import EXAMPLES
from pipelines.check.process import CheckProcessError, Worker, start_worker
from pipelines.check.report import CheckReport, CheckResult
from pipelines.check.run import check
from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity

Checked = Callable[..., CheckReport]


@pytest.fixture
def checked(owner: Owner, schemas: dict[str, CanonicalEntity], make: Callable[..., Path], worker: Worker) -> Checked:
    """Checks a good candidate after the SQL given was run on it."""
    return lambda sql="", **options: check(owner, make(sql, **options), schemas, worker=worker, run_id="r1")


def failure(report: CheckReport, entity_field: str | None, words: str) -> CheckResult:
    [found] = [r for r in report.errors + report.warnings if r.field == entity_field and words in r.expectation]
    return found


def test_a_good_candidate_passes(checked: Checked) -> None:
    report = checked()
    assert report.ok
    assert not report.warnings
    assert {r.entity for r in report.results} == {"contacts", "users"}


def test_an_error_stops_and_tells_its_rows(checked: Checked) -> None:
    report = checked("update unified.contacts set amount = -2.5 where contact_id in ('c3', 'c4', 'c5')")
    assert not report.ok
    broken = failure(report, "amount", "at least 0")
    assert (broken.severity, broken.failed, broken.checked, broken.says) == ("error", 3, 100, "Negative")
    assert broken.examples == ("c3 (amount -2.50)", "c4 (amount -2.50)", "c5 (amount -2.50)")
    assert broken.detail.startswith("3 of 100 rows; such as c3")


def test_a_warning_is_told_and_does_not_stop(checked: Checked) -> None:
    report = checked("update unified.contacts set owner_id = 'gone' where contact_id = 'c7'")
    assert report.ok
    broken = failure(report, "owner_id", "one of the users")
    assert (broken.severity, broken.failed, broken.examples) == ("warning", 1, ("c7 (owner_id gone)",))


def test_a_share_may_fail_and_personal_data_is_not_shown(checked: Checked) -> None:
    assert not checked("update unified.contacts set email = 'odd' where contact_id < 'c15'").warnings
    report = checked("update unified.contacts set email = 'ann secret' where contact_id < 'c3'")
    broken = failure(report, "email", "has the form")
    assert broken.failed == 23
    assert broken.examples[0].startswith("c")
    assert "secret" not in str(report)


@pytest.mark.parametrize(
    ("sql", "field", "words", "failed"),
    [
        ("insert into unified.contacts from unified.contacts where contact_id = 'c1'", "contact_id", "twice", 2),
        ("insert into unified.contact_sources from unified.contact_sources limit 1", "record_key", "twice", 2),
        ("delete from unified.contacts where contact_id in ('c1', 'c2')", None, "source records are of golden", 2),
        ("delete from unified.contact_sources where contact_id = 'c9'", None, "has a source record behind it", 1),
        ("update unified.contacts set status = 'odd' where contact_id < 'c2'", "status", "it's", 12),
        ("alter table unified.contacts alter born type varchar", None, "its type", 1),
        ("update unified.contacts set tags = [repeat('x', 60)] where contact_id = 'c8'", "tags", "has not the form", 1),
        ("update unified.contacts set born = '1812-02-07' where contact_id = 'c8'", "born", "between 1900", 1),
        (
            "create or replace view staging.contacts as "
            "from (values ('k:lost', true), ('k:gone', true), ('k:skipped', false), ('k:c1', true)) "
            "as staged(record_key, is_in_scope)",
            None,
            "belongs to a golden contact",
            2,
        ),
        (
            "create table unified.contact_redirects as select 'c1' as from_id, 'c2' as to_id",
            None,
            "an id that was given up",
            1,
        ),
    ],
)
def test_each_broken_rule_is_found(checked: Checked, sql: str, field: str | None, words: str, failed: int) -> None:
    assert failure(checked(sql), field, words).failed == failed


WORDS = [
    ({"expect": "not_be_null"}, "x = null"),
    ({"expect": "be_unique"}, "x = 'same'"),
    ({"expect": "match_regex", "value": r"^\p{L}{1,3}:?\d+$"}, "x = '??'"),
    ({"expect": "not_match_regex", "value": "%"}, "x = '100%'"),
    ({"expect": "have_length_between", "min": 2, "max": 9}, "x = 'x'"),
    ({"expect": "sql", "value": "x not in ('a:b{c}', ':x', '{batch}')"}, "x = 'a:b{c}'"),
    ({"expect": "have_length_between", "max": 2}, "many = ['a', 'b', 'c']"),
    ({"expect": "be_in_set", "value": ["it's", "a"]}, "many = ['b']"),
    ({"expect": "match_regex", "value": "^.{1}$"}, "many = ['it', 'a']"),
    ({"expect": "not_be_null"}, "many = null"),
]


def test_every_word_holds_and_breaks(owner: Owner, make: Callable[..., Path], worker: Worker) -> None:
    def checks(column: str) -> list[dict[str, object]]:
        return [check | {"says": change} for check, change in WORDS if change.startswith(column)]

    fields = {
        "x": {"type": "text", "description": "X", "checks": checks("x")},
        "many": {"type": "list", "of": "text", "description": "Many", "checks": checks("many")},
    }
    table = [{"expect": "be_between", "value": "row_count", "max": 10}, {"expect": "be_unique", "value": ["x", "many"]}]
    one = {"entity": "tests", "singular": "test", "description": "T", "fields": fields, "checks": table}
    schemas = {"tests": CanonicalEntity.model_validate(one)}
    create = (
        "create table unified.tests as select 't' || i as test_id, 'é:' || i as x, ['a'] as many from range(10) t(i)"
    )
    good = check(owner, make(create), schemas, worker=worker)
    assert [str(r) for r in good.results if not r.passed] == []
    for _, change in WORDS:
        broken = check(
            owner, make(f"{create}; update unified.tests set {change} where test_id < 't2'"), schemas, worker=worker
        )
        assert {r.failed for r in broken.warnings if r.says == change} == {2}, change
    twice = check(owner, make(f"{create}; insert into unified.tests from unified.tests"), schemas, worker=worker)
    assert {r.expectation for r in twice.warnings} >= {"at most 10 tests", "no two tests with the same x and many"}


def test_what_cannot_be_evaluated_has_failed(checked: Checked) -> None:
    report = checked("alter table unified.contacts drop amount")
    assert not report.ok
    assert "not evaluated" in failure(report, "amount", "at least 0").observed


def test_golden_records_that_double_without_sources_are_an_error(
    owner: Owner, schemas: dict[str, CanonicalEntity], make: Callable[..., Path], worker: Worker
) -> None:
    owner.published_dir.mkdir(parents=True)
    make(rows=100).rename(owner.published_dir / "crm-r0.duckdb")
    owner.crm.symlink_to("published/crm-r0.duckdb")
    twice = "select c.* replace (c.contact_id || '-' || i as contact_id) from unified.contacts as c, range(2) as t(i)"
    doubled = make(f"insert into unified.contacts {twice}")
    report = check(owner, doubled, schemas, worker=worker)
    assert failure(report, None, "times as many golden contacts").examples == ("300 (sources 100)",)
    allowed = check(owner, doubled, schemas, worker=worker, check_growth=False)
    assert not [r for r in allowed.results if "times as many" in r.expectation]
    assert check(owner, make(rows=300), schemas, worker=worker).ok, "as many source records came in"
    halved = check(owner, make("delete from unified.contacts where contact_id > 'c4'"), schemas, worker=worker)
    assert failure(halved, None, "no fewer than half").severity == "error"


def test_results_are_in_the_file_and_no_one_holds_it(checked: Checked, owner: Owner) -> None:
    report = checked("update unified.contacts set amount = -1 where contact_id = 'c3'")
    for _ in range(2):
        report.write_into(owner.candidate)
    with duckdb.connect(str(owner.candidate)) as con:
        found = con.execute("select count(*), count_if(not passed), min(run_id) from quality.check_results").fetchall()
    assert found == [(len(report.results), 1, "r1")]
    assert len(report.for_state()) == len(report.results)


def test_of_a_hundred_thousand_rows_few_are_fetched(checked: Checked) -> None:
    report = checked("update unified.contacts set amount = -1", rows=100_000)
    assert failure(report, "amount", "at least 0").failed == 100_000
    assert len(failure(report, "amount", "at least 0").examples) <= EXAMPLES, "the others never leave the file"


def test_a_file_that_is_none_is_told(worker: Worker, owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "no.duckdb").write_text("this is no database")
    with pytest.raises(duckdb.Error):
        check(owner, tmp_path / "no.duckdb", {}, worker=worker)


def test_a_process_that_died_is_told_and_ends_with_its_owner(owner: Owner, make: Callable[..., Path]) -> None:
    with start_worker() as died:
        os.kill(died.pid, 9)
        with pytest.raises(CheckProcessError, match="exit code -9"):
            check(owner, make(), {"x": schema_of_nothing()}, worker=died)
    with pytest.raises(ProcessLookupError):
        os.kill(died.pid, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_process_ends_when_its_parent_is_killed(project_root: Path) -> None:
    code = "from pipelines.check.process import start_worker as s; w = s(); print(w.pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=project_root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        return "(python" in (text := Path(f"/proc/{pid}/stat").read_text()) and ") Z" not in text
    except OSError:
        return False


def schema_of_nothing() -> CanonicalEntity:
    return CanonicalEntity.model_validate({"entity": "x", "singular": "x", "description": "X", "fields": {}})
