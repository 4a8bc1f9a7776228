"""Publish: the candidate file, its comments, and the atomic swap that makes it what analysts open.

The order is: `build_candidate`, the checks, `publish`. Where no record changed (`content_version` equals
`published_version`) `refresh_candidate` renews only the run history and the ledger, and no check is needed.
"""
