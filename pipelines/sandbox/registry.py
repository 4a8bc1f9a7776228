"""Which CRMs can be emulated: every module or package of `crms/` whose name has no underscore before it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from pipelines.sandbox import crms
from pipelines.sandbox.crm import Crm


def names() -> list[str]:
    """Returns the names of all CRMs, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(crms.__path__) if not module.name.startswith("_"))


def load(name: str) -> type[Crm]:
    """Returns the class of one CRM. Raises LookupError where there is no such CRM, saying which there are."""
    if name not in names():
        raise LookupError(f"the sandbox knows no CRM {name!r}; it knows {', '.join(names())}")
    return cast("type[Crm]", importlib.import_module(f"pipelines.sandbox.crms.{name}").Emulator)
