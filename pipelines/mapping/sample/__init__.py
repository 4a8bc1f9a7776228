"""`crosswalk new CRM sample.json`: a first mapping, drafted from a sample of the CRM's records."""

from __future__ import annotations

from pipelines.mapping.sample.draft import first_mapping

__all__ = ["first_mapping"]
