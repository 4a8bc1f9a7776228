"""What cannot be derived: runs, golden ids, operators' answers, the ledger of pushes, limits in use.

from pipelines.state.database import open_state
from pipelines.state import registry

state = open_state(owner)
for batch in registry.load(state, "contacts"): ...
"""
