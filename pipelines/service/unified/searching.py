"""Search within the service: keeps an owner's index current without holding anybody up."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from pipelines.connections.owner import Owner
from pipelines.service.search import build
from pipelines.service.search.find import Hit, folded
from pipelines.service.unified import local
from pipelines.state import local_records

if TYPE_CHECKING:
    from pipelines.service.context import Context

logger = logging.getLogger("crosswalk.service")
BIG_BYTES = 100_000_000
"""A published file beyond this is indexed in a process of its own, so that requests keep the interpreter."""
_at_work: set[str] = set()
_lock = threading.Lock()


def find(context: Context, owner: Owner, query: str, entity: str, limit: int) -> list[Hit]:
    """The records that fit best; an index that is missing is made now, one that is behind is brought up beside."""
    bring_up(context, owner)
    found = context.searcher.find(owner, query, entity, limit=limit)
    return _plainly(context, owner, query, entity, limit) if found is None else found


def bring_up(context: Context, owner: Owner) -> None:
    """Brings the index up to what is published: a small one now, a big one beside the requests."""
    if owner.crm.exists() and context.searcher.made_from(owner) != owner.crm.resolve().name:
        if owner.crm.stat().st_size < BIG_BYTES:
            _bring_up(context, owner)
        else:
            _bring_up_beside(context, owner)


def _plainly(context: Context, owner: Owner, query: str, entity: str, limit: int) -> list[Hit]:
    """Without an index, what is entered here is looked through word by word."""
    records = local_records.load(context.state_of(owner), entity)
    words = folded(query).split()
    found = [one for one in records if all(word in folded(str(one.record)) for word in words)]
    return [Hit(*row) for row in local.rows(context, owner, entity, found[:limit])]


def _bring_up(context: Context, owner: Owner) -> None:
    if build.refresh(owner) == "whole":
        local.put_all_into_index(context, owner)


def _bring_up_beside(context: Context, owner: Owner) -> None:
    key = str(owner.root)
    with _lock:
        if key in _at_work:
            return
        _at_work.add(key)

    def work() -> None:
        try:
            if owner.crm.stat().st_size >= BIG_BYTES:
                words = [sys.executable, "-m", "pipelines.service.search.build", str(owner.data_dir), owner.name]
                subprocess.run(words, check=True, capture_output=True)
                local.put_all_into_index(context, owner)
            else:
                _bring_up(context, owner)
        except Exception:
            logger.exception("the search index of %s could not be brought up to date", owner.name)
        finally:
            with _lock:
                _at_work.discard(key)

    threading.Thread(target=work, name="search-index", daemon=True).start()
