"""A CRM in memory: it answers the project's HTTP session without a network, and can misbehave as real ones do."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.exceptions import ConnectionError as NoConnection

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.extract.load import Folder, Versions
from pipelines.extract.run import extract
from pipelines.mapping.language import Mapping

BASE = "http://crm.test/v1"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryCrm(BaseAdapter):
    """Records of one entity, served by `GET /contacts` in pages.

    Attributes:
        records: id and body, in the order of the list.
        now: the CRM's clock; every edit moves it a second.
        filters: whether `updated_since` is honoured.
        ends: how `updated_before`, `id_after` and `id_before` are honoured: "open" and "closed" say whether a filter
            leaves out the end that is named, "ignored" that it filters nothing.
        order: "id" or "updated_at", how lists are sorted.
        paging: "offset", "page", "token" (after the id that is named), "cursor" (a position that looks opaque) or
            "place" (after the place in the order that is named).
        most: how many records a list shows by tokens that follow each other; None: all.
        hooks: called with the number of each list call before it is answered: what happens meanwhile.
        faults: number of a list call: what is sent instead.
    """

    page_size: int = 3
    filters: bool = True
    ends: str = "closed"
    order: str = "id"
    paging: str = "offset"
    most: int | None = None
    has_total: bool = True
    skew: timedelta = timedelta()
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    now: datetime = START
    calls: Counter[str] = field(default_factory=Counter)
    hooks: list[Callable[[int], None]] = field(default_factory=list)
    faults: dict[int, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._one_at_a_time = threading.Lock()

    # what a user of the CRM does

    def put(self, key: str, *, at: datetime | None = None, **fields: Any) -> None:
        """Creates or edits a record; `at` backdates it."""
        self.now += timedelta(seconds=1)
        stamp = (at or self.now) + self.skew
        self.records[key] = {**self.records.get(key, {}), "id": key, **fields, "updated_at": iso(stamp)}
        self.deleted.pop(key, None)

    def remove(self, key: str) -> None:
        """Deletes a record."""
        self.now += timedelta(seconds=1)
        if self.records.pop(key, None) is not None:
            self.deleted[key] = iso(self.now + self.skew)

    # what the program sees

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        """Answers one call."""
        with self._one_at_a_time:
            return self._answered(request)

    def _answered(self, request: PreparedRequest) -> Response:
        parts = urlsplit(request.url or "")
        path, query = parts.path.removeprefix("/v1/"), {k: v[0] for k, v in parse_qs(parts.query).items()}
        self.log.append(f"{request.method} {path}?{parts.query}")
        if path == "contacts":
            return self._list(request, query)
        if path == "deleted":
            self.calls["deleted"] += 1
            return self._json(request, {"contacts": [{"id": k, "at": v} for k, v in self.deleted.items()]})
        self.calls["get"] += 1
        found = self.records.get(path.removeprefix("contacts/"))
        return self._json(request, found) if found else self.answer(request, 404, b'{"error": "not found"}')

    def close(self) -> None:
        """Nothing is open."""

    def _list(self, request: PreparedRequest, query: dict[str, str]) -> Response:
        self.calls["list"] += 1
        number = self.calls["list"]
        for hook in self.hooks:
            hook(number)
        fault = self.faults.get(number)
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            status, body = fault if isinstance(fault, tuple) else (200, fault)
            return self.answer(request, status, body, **{"Retry-After": "0"})
        chosen = sorted(self.records.values(), key=lambda r: (r.get(self.order, ""), r["id"]))
        since = query.get("updated_since")
        if since and self.filters:
            reach = timedelta(microseconds=self.ends == "open")
            chosen = [r for r in chosen if "updated_at" in r and moment(r["updated_at"]) >= moment(since) + reach]
        if self.ends != "ignored":
            chosen = [r for r in chosen if self._is_within(r, query)]
        if self.most and int(query.get("after", "0").partition("|")[0]) + self.page_size > self.most:
            return self.answer(request, 400, b'{"error": "no more by tokens"}')
        return self._json(request, self._page(chosen, query))

    def _is_within(self, record: dict[str, Any], query: dict[str, str]) -> bool:
        """Whether the filters of a window let a record through; one without a time has no place in a window of time."""
        if before := query.get("updated_before"):
            at, end = record.get("updated_at"), moment(before)
            if at is None or moment(at) > end or (self.ends == "open" and moment(at) == end):
                return False
        number, closed = int(record.get("number", 0)), self.ends == "closed"
        after, until = query.get("id_after"), query.get("id_before")
        return not ((after and number < int(after) + (not closed)) or (until and number > int(until) - (not closed)))

    def _page(self, chosen: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        size = int(query.get("limit", self.page_size))
        if self.paging == "page":
            start = (int(query.get("page", "1")) - 1) * self.page_size
            size = self.page_size
        elif self.paging == "token":
            after = query.get("after", "")
            start = len([r for r in chosen if r["id"] <= after]) if after else 0
        elif self.paging == "cursor":
            start = int(query.get("after", "0").partition("|")[0])
        elif self.paging == "place":
            after = tuple(query.get("after", "0||").split("|")[1:])
            start = len([r for r in chosen if (r.get(self.order, ""), r["id"]) <= after]) if after[1] else 0
        else:
            start = int(query.get("offset", "0"))
        rows = chosen[start : start + size]
        body: dict[str, Any] = {"contacts": rows}
        if self.has_total:
            body["total"] = len(chosen)
        if self.paging == "token" and start + size < len(chosen):
            body["next"] = rows[-1]["id"]
        if self.paging == "cursor" and start + size < len(chosen):
            body["next"] = str(start + size)
        if self.paging == "place" and start + size < len(chosen):
            served = int(query.get("after", "0").partition("|")[0]) + size
            body["next"] = f"{served}|{rows[-1].get(self.order, '')}|{rows[-1]['id']}"
        return body

    def _json(self, request: PreparedRequest, body: Any) -> Response:
        return self.answer(request, 200, json.dumps(body, ensure_ascii=False).encode())

    def answer(self, request: PreparedRequest, status: int, body: bytes, **headers: str) -> Response:
        """A response as requests makes it; its Date is the CRM's clock."""
        response = Response()
        response.status_code, response.request, response.url = status, request, request.url or ""
        response._content = body
        date = (self.now + self.skew).strftime("%a, %d %b %Y %H:%M:%S GMT")
        response.headers.update({"Content-Type": "application/json", "Date": date, **headers})
        response.encoding = "utf-8"
        return response


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def connection(data_dir: Path, *, extract: dict[str, Any] | None = None, **more: Any) -> Connection:
    """A connection to the CRM in memory; `extract` and the other entity keys replace the usual ones."""
    settings = more.pop("settings", {})
    wire = more.pop("wire", {})
    entity: dict[str, Any] = {
        "extract": {
            "path": "contacts",
            "data_selector": "contacts",
            "paginator": {"type": "offset", "limit": 3},
            **(extract or {}),
        },
        "get": {"path": "contacts/{id}"},
        "id": "id",
        "modified": "updated_at",
        "fields": {"name": "name"},
        **more,
    }
    entity = {k: v for k, v in entity.items() if v is not None}
    block = {"kind": "http", "base_url": BASE, **wire}
    mapping = Mapping.model_validate(
        {"crm": "memory", "label": "Memory", "connection": block, "entities": {"contacts": entity}}
    )
    return Connection(
        "memory", Owner("tester", data_dir), mapping, Settings.model_validate(settings), True, mapping.connection
    )


def current(connection: Connection, table: str = "contacts") -> dict[str, Any]:
    """The log's current records that are not deleted: id and record."""
    with duckdb.connect(str(connection.owner.raw(connection.name)), read_only=True) as con:
        rows = con.execute(f"select id, record from raw.{table}_current where not deleted").fetchall()
    return {key: json.loads(record) for key, record in rows}


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """A query on the raw file."""
    with duckdb.connect(str(connection.owner.raw(connection.name)), read_only=True) as con:
        return con.execute(query).fetchall()


__all__ = ["BASE", "START", "MemoryCrm", "NoConnection", "connection", "current", "iso", "rows"]


def append(connection: Connection, folder: Folder, versions: list[Versions]) -> str:
    """Appends as dlt does, in one go."""
    assert folder.spool.is_dir()
    path = connection.owner.raw(connection.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create schema if not exists raw")
        for one in versions:
            once = "qualify row_number() over (partition by id, hash order by seen) = 1" if one.may_repeat else ""
            rows = f"select *, 'test' as _dlt_load_id from read_parquet({[str(f) for f in one.files]}) {once}"
            con.execute(f"create table if not exists raw.{one.entity} as {rows} limit 0")
            con.execute(f"insert into raw.{one.entity} {rows}")
    return "test"


SINCE = {"incremental": {"start_param": "updated_since", "lag": 5, "convert": "iso_ms"}}


def filled(count: int = 7, **settings: Any) -> MemoryCrm:
    """A CRM with some contacts."""
    crm = MemoryCrm(**settings)
    for i in range(count):
        crm.put(f"c{i}", name=f"Ada {i}")
    return crm


def run(crm: MemoryCrm, connection: Any, **more: Any) -> Any:
    """Reads its contacts; the calls are counted afresh."""
    crm.calls.clear()
    return extract(connection, adapter=crm, **more)[0]
