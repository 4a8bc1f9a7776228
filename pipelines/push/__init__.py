"""The way back to the CRMs: a plan first (SQL), then its execution through a ledger that survives kill -9."""
