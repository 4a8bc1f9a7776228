"""The published file is read while it is swapped, and nobody waits."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb

from pipelines.connections.owner import Owner
from pipelines.publish.swap import publish
from pipelines.service.published import Published


def publish_number(owner: Owner, number: int) -> None:
    owner.candidate.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(owner.candidate)) as con:
        con.execute(f"create table t as select {number} as n")
        con.execute("checkpoint")
    publish(owner, owner.candidate, f"20260101T0000{number:02}-abcdef", keep=1)


def test_nothing_published_is_nothing_read(tmp_path: Path) -> None:
    published = Published()
    assert published.rows(Owner("a", tmp_path), "select 1") == []


def test_a_swap_is_seen_and_an_older_reader_goes_on(tmp_path: Path) -> None:
    owner, published = Owner("a", tmp_path), Published()
    publish_number(owner, 1)
    with published.cursor(owner) as before:
        assert before is not None
        publish_number(owner, 2)
        assert published.rows(owner, "select n from t") == [(2,)]
        assert before.execute("select n from t").fetchall() == [(1,)]
    assert published.rows(owner, "select n from no_such_table") == []
    published.close()


def test_owners_have_files_of_their_own_and_only_a_few_stay_open(tmp_path: Path) -> None:
    published = Published(at_most_open=2)
    owners = [Owner(f"o{i}", tmp_path) for i in range(5)]
    for i, owner in enumerate(owners):
        publish_number(owner, i)
    assert [published.rows(o, "select n from t") for o in owners] == [[(i,)] for i in range(5)]
    assert len(published._files) == 2
    published.close()


def test_many_threads_read_through_many_swaps(tmp_path: Path) -> None:
    owner, published = Owner("a", tmp_path), Published()
    publish_number(owner, 0)
    seen: list[int] = []
    broken: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                seen.append(published.rows(owner, "select n from t")[0][0])
        except Exception as problem:  # noqa: BLE001 - whatever it is, the test tells it
            broken.append(problem)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 8):
        publish_number(owner, number)
    done.set()
    for thread in threads:
        thread.join()
    assert not broken
    assert set(seen) <= set(range(8))
    assert published.rows(owner, "select n from t") == [(7,)]
    published.close()
