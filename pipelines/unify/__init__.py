"""Staging to golden records: who is who, which value of each field holds, who said it and since when.

from pipelines.unify.run import unify
from pipelines.unify.sources import source_of

counts = unify(con, state, schemas, [source_of(connection) for connection in connections])
"""
