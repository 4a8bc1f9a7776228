"""Search as one types: an index beside the published file, over the source records of every connection.

from pipelines.service.search.build import refresh
from pipelines.service.search.find import Searcher

refresh(owner)                                   # the step after publish; cheap where nothing changed
Searcher().find(owner, "jonh smi", "contacts")   # rows by source, with golden ids
"""
