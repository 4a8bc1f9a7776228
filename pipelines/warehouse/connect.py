"""Open an owner's warehouse with bounded memory and its schemas in place."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from pipelines.connections.owner import Owner

SCHEMAS = ("staging", "unified", "quality", "sync", "meta")
MEMORY_CAP_MB = 2048
CHECKPOINT = "256MB"
"""What a run writes goes into the file once, at its end, and not at each commit of more than DuckDB's 16 MB."""


def memory_limit() -> str:
    """CROSSWALK_MEMORY (such as 1500MB), or 2 GB, or half of the machine where that is less."""
    stated = os.environ.get("CROSSWALK_MEMORY")
    if stated:
        return stated
    machine_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return f"{min(MEMORY_CAP_MB, machine_mb // 2)}MB"


def configuration(spill: Path) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's settings: capped memory and disk, and no extension fetched from anywhere.

    Args:
        spill: folder for what does not fit in memory (CROSSWALK_SPILL bounds it; default 50GB).
    """
    return {
        "memory_limit": memory_limit(),
        "temp_directory": str(spill),
        "max_temp_directory_size": os.environ.get("CROSSWALK_SPILL", "50GB"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
        "checkpoint_threshold": CHECKPOINT,
    }


def open_warehouse(owner: Owner, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open `warehouse.duckdb` of an owner; a writer makes the folder and the schemas where they are absent.

    Raises:
        duckdb.IOException: another process has it open for writing, or read_only and there is no such file.
    """
    if not read_only:
        owner.root.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(str(owner.warehouse), read_only=read_only, config=configuration(owner.root / "spill"))
    con.execute("set TimeZone = 'UTC'")
    if not read_only:
        for schema in SCHEMAS:
            con.execute(f"create schema if not exists {schema}")
    return con
