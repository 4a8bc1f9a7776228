"""Check: Great Expectations on the candidate, in a process of its own. An error stops publishing and pushing.

Start the process early (`process.start_worker`), check when the candidate is built (`run.check`), save
`report.for_state()`, and `report.write_into(candidate)` before it is published.
"""
