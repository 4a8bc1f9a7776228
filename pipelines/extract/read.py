"""Reads one entity: full or from its bookmark, page by page, then what was deleted, then what that means."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

import duckdb

from pipelines.extract import bookmark as bookmarks
from pipelines.extract import deletions, files, tables
from pipelines.extract.beside import BesideRead
from pipelines.extract.job import EntityRead, Job, Outcome
from pipelines.extract.load import Versions
from pipelines.extract.own_fields import with_own_fields
from pipelines.extract.pages import Current, Intake, Layout, Tally
from pipelines.extract.request import is_filtered
from pipelines.extract.rising import read_of
from pipelines.extract.source import Page
from pipelines.mapping.fingerprint import extract_fingerprint
from pipelines.wire.errors import CrmError, CrmUnreachable, shortened


def read_entity(job: Job) -> Outcome:
    """Reads one entity. A CRM's refusal is in the outcome, so that other entities go on; a guard is raised."""
    started = time.monotonic()
    reader = _Reader(job)
    try:
        outcome = reader.read()
    except (CrmError, duckdb.Error) as caught:
        if isinstance(caught, duckdb.Error) and job.connection.wire.kind != "file":
            raise
        label = job.connection.mapping.label
        problem = (
            caught if isinstance(caught, CrmError) else CrmUnreachable(label, f"Failed to read {job.name}: {caught}")
        )
        logging.getLogger("crosswalk").error("[%s] %s", label, problem)
        nothing = EntityRead(job.name, 0, 0, 0, 0, 0, 0, False, 0, time.monotonic() - started, None)
        return Outcome(nothing, error=problem)
    finally:
        reader.close()
    return outcome


class _Reader:
    """The state of one read."""

    def __init__(self, job: Job) -> None:
        self.started = time.monotonic()
        job.wire.purpose.name = job.name
        job.entity, unasked = with_own_fields(job)
        self.job, self.entity = job, job.entity
        self.shape = extract_fingerprint(job.connection.mapping, job.name)
        old = job.last.get("bookmark") if job.last.get("shape") == self.shape else None
        self.old_bookmark: str | None = old
        self.bookmark = None if job.full_refresh or self._is_reconcile_due() else old
        extract = job.entity.extract
        self.is_filtered = is_filtered(extract, self.bookmark)
        whole = not self.is_filtered or (extract.incremental is not None and not extract.incremental.honoured)
        self.current = Current(job.table(), job.name, whole=whole)
        zone = job.connection.wire.timezone
        selector = job.entity.get.data_selector if job.only and job.entity.get else extract.data_selector
        layout = Layout(selector, job.entity.key, job.entity.modified, zone, job.entity.only_with, job.left_out)
        self.intake = Intake(job.con, job.name, layout, job.folder, current=self.current, floor=job.floor)
        self.intake.limit = job.limit
        beside = extract.beside if job.only is None else None
        self.beside = BesideRead(job, beside) if beside is not None else None
        self.intake.completed = self.beside.complete if self.beside is not None else None
        self.list = read_of(job, self.bookmark, self._take_page, self.intake.served)
        self.rejected: list[tuple[str, str]] = []
        self.warnings: list[str] = [unasked] if unasked else []
        self.pages = self.taken = 0

    def close(self) -> None:
        """Ends what runs beside."""
        self.intake.close()

    def read(self) -> Outcome:
        """Pages, then deletions, then the account of it."""
        is_whole = self._take_pages()
        if self.beside is not None and self.is_filtered and not self.job.is_pilot:
            self.intake.take_moved(self.beside.moved)
        tally = self.intake.finish()
        self._refuse_if_nothing_could_be_read()
        complete = is_whole and not self.rejected and not self.list.broken_off
        full = complete and not self.job.is_pilot and (not self.is_filtered or self._was_filter_ignored(tally))
        found = deletions.Found()
        if not self.job.is_pilot:
            found = deletions.find(self.job, self.current, self.intake, full=full, bookmark=self.bookmark)
            complete = complete and found.is_whole
        self.warnings += found.warnings
        return self._outcome(tally, found, complete=complete and not self.job.is_pilot, full=full)

    def _take_pages(self) -> bool:
        """True if the read came to its own end."""
        job = self.job
        if job.only is not None:
            if not deletions.take_one(job, self.intake, job.only):
                self.warnings.append(f"{job.name}: no record {job.only} could be asked for or found")
            return True
        if job.connection.wire.kind == "file":
            self._take_files(job.connection.wire.path or "")
            return job.limit is None
        if job.connection.wire.kind == "table":
            self._take_table(self.entity.extract.path)
            return job.limit is None
        self.list.expected = job.last.get("records") if not self.is_filtered else None
        return self.list.read()

    def _take_page(self, page: Page, total: int | None) -> bool:
        """True: that is as many as were asked for."""
        self.pages += 1
        self.taken += page.records
        self._take(page)
        self.job.progress(self.job.name, self.taken, total)
        return self.job.limit is not None and self.taken >= self.job.limit

    def _take_files(self, path: str) -> None:
        job = self.job
        rejects = f"rejects_{job.name}"
        for file in files.found_files(job.connection.mapping.label, path, self.entity.extract.path):
            seen = max(time.time_ns() // 1000, job.floor)
            rows = files.rows_sql(file, seen, rejects)
            self.intake.take_query(rows)
            self.pages += 1
        self.intake.flush()
        self.rejected += files.rejected_lines(job.con, rejects)

    def _take_table(self, name: str) -> None:
        job, copy = self.job, f"kept_{self.job.name}"
        for batch in tables.batches(job.connection, job.state, name, job.name):
            seen = max(time.time_ns() // 1000, job.floor)
            job.con.register("batch", batch)
            job.con.execute(f"create or replace table {copy} as {tables.TABLES[name].record}")
            job.con.unregister("batch")
            self.intake.take_query(f"select record, make_timestamptz({seen}) as seen from {copy}")
            self.intake.flush()  # waits: the next batch takes this one's place
            self.pages += 1

    def _take(self, page: Page) -> None:
        if page.problem is not None:
            text = shortened(self.job.wire.redact, page.content[:8000].decode("utf-8", "replace"), 2000)
            self.rejected.append((page.problem, text))
        elif page.set_aside is not None:
            self.rejected.append((page.set_aside.reason, page.set_aside.text))
        elif page.records:
            self.intake.add(page.content, page.received_at, page.records)

    def _refuse_if_nothing_could_be_read(self) -> None:
        if self.rejected and len(self.rejected) == self.pages and self.job.connection.wire.kind == "http":
            reason, text = self.rejected[0]
            label = self.job.connection.mapping.label
            raise CrmUnreachable(label, f"Failed to fetch {self.job.name}", details=f"{reason}: {text[:300]}")

    def _is_reconcile_due(self) -> bool:
        deleted = self.entity.deleted
        full_at = self.job.last.get("full_at")
        if deleted is None or deleted.reconcile is None or full_at is None:
            return False
        number, unit = int(deleted.reconcile[:-1]), deleted.reconcile[-1]
        every = timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[unit]: number})
        if datetime.now(UTC) - full_at >= every:
            return True
        return bool(self.job.log.missing_before(self.job.con, self.job.name))

    def _was_filter_ignored(self, tally: Tally) -> bool:
        """A record from before the time asked for shows that the CRM served everything."""
        incremental = self.entity.extract.incremental
        if incremental is None or incremental.honoured or self.bookmark is None or tally.oldest is None:
            return False
        asked_from = bookmarks.parse(self.bookmark) - timedelta(seconds=incremental.lag + 1)
        return tally.oldest < asked_from

    def _next_bookmark(self, tally: Tally, *, complete: bool, full: bool) -> str | None:
        if not complete or self.entity.extract.incremental is None:
            return self.old_bookmark
        has_moved = self.list.shows_movement(tally)
        if (has_moved or self.list.may_have_moved(tally)) and self.entity.extract.incremental.honoured:
            if has_moved:
                self.warnings.append(f"{self.job.name} moved while they were read; the next run reads them again")
            return self.old_bookmark
        started = self.job.wire.started_at or datetime.now(UTC)
        # a CRM that can filter by time, but shows none in its records, has shown all that changed before the read began
        newest = tally.newest or (started if tally.records else None)
        return bookmarks.advanced(self.old_bookmark if not full else None, started, newest) or self.old_bookmark

    def _outcome(self, tally: Tally, found: deletions.Found, *, complete: bool, full: bool) -> Outcome:
        job = self.job
        if self.rejected:
            self.warnings.append(f"{len(self.rejected)} pages of {job.name} could not be read: {self.rejected[0][0]}")
        if tally.problems:
            self.warnings.append(f"{tally.problems} records of {job.name} cannot be keyed")
        read = EntityRead(
            job.name, tally.records, tally.new, tally.changed, tally.unchanged, found.deleted, tally.problems,
            complete, job.wire.calls[job.name], time.monotonic() - self.started,
            self._next_bookmark(tally, complete=complete, full=full), self.warnings, full,
            self.list.windows,
        )  # fmt: skip
        files = [*self.intake.files, *found.files]
        rows = self.intake.rows + found.rows
        versions = Versions(job.name, files, rows, may_repeat=bool(tally.repeated)) if files else None
        return Outcome(read, versions, None, self.rejected, found.missing if full else None, found.named, self.shape)
