"""Reads `.dlt/config.toml` and `.dlt/secrets.toml`; the environment comes before both."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.connections.connection import Settings
from pipelines.connections.errors import SettingsError
from pipelines.connections.project import Project
from pipelines.mapping.problems import listed, nearest_name

# Ours, and the sections of dlt's own configuration (dlt docs, "How to set up credentials", known_sections).
_TABLES = frozenset({
    "connections", "runtime", "sources", "destination", "destinations", "pipelines", "datasets", "load", "normalize",
    "extract", "schema", "providers", "data_writer", "dbt_package_runner", "dbt_cloud", "dashboard", "workspace",
})  # fmt: skip


def connection_settings(project: Project) -> dict[str, Settings]:
    """`[connections.<name>]` of `.dlt/config.toml`, all of them.

    Raises:
        SettingsError: all that is wrong with the file, one line each.
    """
    problems = [_stray(project.config, key) for key in _toml(project.config) if key not in _TABLES]
    found: dict[str, Settings] = {}
    for name, table in _tables(project.config).items():
        try:
            found[name] = Settings.model_validate(table)
        except ValidationError as error:
            problems += [_said(project.config, name, dict(detail)) for detail in error.errors(include_url=False)]
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def secret_values(project: Project) -> dict[str, str]:
    """`.dlt/secrets.toml` as variables: `NAME = "..."`, or `name = "..."` in `[connections.<connection>]`.

    The second form gives `<CONNECTION>_<NAME>`.
    """
    data = _toml(project.secrets)
    found = {key: str(value) for key, value in data.items() if not isinstance(value, dict)}
    for connection, table in _tables(project.secrets).items():
        for key, value in table.items():
            found[f"{connection}_{key}".upper()] = str(value)
    return found


def variables(project: Project, environment: Mapping[str, str]) -> dict[str, str]:
    """All variables that mappings may name; an empty one counts as not set."""
    merged = {**secret_values(project), **environment}
    return {key: value for key, value in merged.items() if value.strip()}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        # The error quotes no line of the file, so no secret.
        raise SettingsError(f"{path.parent.name}/{path.name}: not readable as TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.parent.name}/{path.name}: cannot be read: {type(error).__name__}") from None


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    connections = _toml(path).get("connections", {})
    if not isinstance(connections, dict) or not all(isinstance(t, dict) for t in connections.values()):
        raise SettingsError(f"{path.parent.name}/{path.name}: write [connections.<name>] and its settings below it")
    return connections


def _stray(path: Path, key: str) -> str:
    near = nearest_name(key, _TABLES)
    remedy = f"did you mean {near}?" if near else f"write [connections.<name>]; dlt reads {listed(sorted(_TABLES))}"
    return f"{path.parent.name}/{path.name} {key}: nothing reads this; {remedy}"


def _said(path: Path, name: str, detail: dict[str, Any]) -> str:
    key = ".".join(str(p) for p in detail["loc"])
    near = nearest_name(key, Settings.model_fields) if detail["type"] == "extra_forbidden" else ""
    said = "unknown setting" if detail["type"] == "extra_forbidden" else detail["msg"]
    return f"{path.parent.name}/{path.name} [connections.{name}] {key}: {said}" + (
        f"; did you mean {near}?" if near else ""
    )
