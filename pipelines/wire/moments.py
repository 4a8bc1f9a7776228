"""Moments as CRMs want them in a filter."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime


def written(moment: datetime, convert: str) -> str:
    """A moment in one of the ways of `convert`; finer parts are cut off, so that it is never later."""
    if convert == "epoch_seconds":
        return str(int(moment.timestamp()))
    if convert == "epoch_ms":
        return str(int(moment.timestamp() * 1000))
    whole = moment.replace(microsecond=0)
    if convert == "http_date":
        return format_datetime(whole, usegmt=True)
    if convert == "iso_ms":
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    offset = whole.isoformat()
    return offset if convert == "iso_offset" else offset.replace("+00:00", "Z")
