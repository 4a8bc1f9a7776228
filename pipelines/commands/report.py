"""What a run did: one row per stage, connection and entity; shown as a table, plain lines, or one JSON object."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from pipelines.commands.exits import Exit

WIDE = 130
"""Columns of a terminal from which a table can be read; a narrower one gets plain lines."""
COUNTS = (
    "came_in",
    "new",
    "changed",
    "unchanged",
    "deleted",
    "rejected",
    "unified",
    "published",
    "planned",
    "pushed",
    "failed",
)


@dataclass
class Row:
    """Counts of one stage for one entity; None where the stage has no such count. `seconds` is wall time."""

    stage: str
    entity: str
    connection: str = ""
    came_in: int | None = None
    new: int | None = None
    changed: int | None = None
    unchanged: int | None = None
    deleted: int | None = None
    rejected: int | None = None
    unified: int | None = None
    published: int | None = None
    planned: int | None = None
    pushed: int | None = None
    failed: int | None = None
    seconds: float = 0.0


@dataclass
class Report:
    """One run over one owner."""

    run_id: str
    owner: str
    sandbox: bool
    rows: list[Row] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    exit_codes: list[Exit] = field(default_factory=list)
    seconds: float = 0.0
    published: str | None = None

    def stop(self, code: Exit, message: str) -> None:
        """Notes that part of the run did not come through; the rest goes on."""
        self.exit_codes.append(code)
        self.messages.append(message)

    def as_json(self, exit_code: Exit) -> str:
        """The same facts as one JSON object."""
        body: dict[str, Any] = {
            "run_id": self.run_id,
            "owner": self.owner,
            "sandbox": self.sandbox,
            "exit_code": int(exit_code),
            "seconds": round(self.seconds, 3),
            "published": self.published,
            "messages": self.messages,
            "rows": [{k: v for k, v in asdict(row).items() if v is not None and v != ""} for row in self.rows],
        }
        return json.dumps(body)

    def counts(self) -> list[tuple[str, str, str, str, int]]:
        """(connection, stage, entity, metric, value) for every count: what state keeps of a run (law L1)."""
        found = []
        for row in self.rows:
            values = asdict(row)
            found += [
                (row.connection, row.stage, row.entity, c, int(values[c])) for c in COUNTS if values[c] is not None
            ]
        return found


def show(report: Report, *, as_json: bool, exit_code: Exit) -> None:
    """Prints the report: JSON, a Rich table on a terminal, or plain lines elsewhere."""
    if as_json:
        print(report.as_json(exit_code))
        return
    if sys.stdout.isatty() and shutil.get_terminal_size().columns >= WIDE:
        _show_table(report)
    else:
        _show_lines(report)
    for message in dict.fromkeys(report.messages):
        print(message)


def _used_counts(report: Report) -> list[str]:
    return [c for c in COUNTS if any(getattr(row, c) is not None for row in report.rows)]


def _show_table(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    used = _used_counts(report)
    table = Table(
        title=f"run {report.run_id}, owner {report.owner}, {report.seconds:.1f} s",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in ("stage", "connection", "entity"):
        table.add_column(name)
    for name in [*used, "seconds"]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in report.rows:
        cells = ["" if getattr(row, c) is None else f"{getattr(row, c):,}" for c in used]
        table.add_row(row.stage, row.connection, row.entity, *cells, f"{row.seconds:.2f}")
    Console().print(table)


def _show_lines(report: Report) -> None:
    for row in report.rows:
        counts = " ".join(f"{c}={getattr(row, c)}" for c in COUNTS if getattr(row, c) is not None)
        where = f"{row.connection} " if row.connection else ""
        print(f"{row.stage:<8} {where}{row.entity}: {counts} seconds={row.seconds:.2f}".replace(":  ", ": "))
    print(f"run {report.run_id} owner={report.owner} seconds={report.seconds:.1f}")
