"""Staging: the JSON of a CRM to typed canonical columns."""
