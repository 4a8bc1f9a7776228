"""SQL models: files that each make one table, rendered with Jinja2, their inputs read from the SQL by sqlglot.

A file is one SELECT below header lines:

    -- One row is one person.                       what one row is: always the first line
    -- model: unified.{{ entity.entity }}           the table; default: the file's name, unified__contacts.sql
    select ...

A file that names no table in either way is a part of a stage that renders it itself (`environment`).

Where the `model` line names `entity`, the file is rendered once for each of the context's `entities`
(`CanonicalEntity`). A table a model reads that no model makes is a source. A model that reads its own table sees the
one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import TopologicalSorter
from hashlib import md5
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

MODELS = Path(__file__).resolve().parent.parent / "models"
ROW = re.compile(r"^-- (One row is .+)$")
NAME = re.compile(r"^-- model: (.+)$", re.MULTILINE)
STEM = re.compile(r"^([a-z][a-z0-9]*)__([a-z][a-z0-9_]*)$")


class ModelError(Exception):
    """A model file that breaks the convention: the message names the file and says what was expected."""


@dataclass(frozen=True)
class Model:
    """One table and the SELECT that makes it."""

    table: str
    says: str
    sql: str

    @property
    def fingerprint(self) -> str:
        """Hash of the rendered text, header included."""
        return md5(f"{self.says}\n{self.sql}".encode(), usedforsecurity=False).hexdigest()

    @cached_property
    def inputs(self) -> frozenset[str]:
        """The tables it reads, as schema.table, without itself."""
        return inputs_of(self.sql) - {self.table}


def environment(folder: Path) -> Environment:
    """Jinja2 as all models see it: an unknown name is an error; filters `ident` and `literal` quote for SQL."""
    env = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    env.filters["ident"] = ident
    env.filters["literal"] = literal
    return env


def ident(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A value as an SQL literal: text, number, boolean or NULL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


@lru_cache(maxsize=1024)
def inputs_of(sql: str) -> frozenset[str]:
    """The tables with a schema that a statement reads; a name without one is a CTE.

    Raises:
        ModelError: the text is not exactly one SELECT.
    """
    import sqlglot
    from sqlglot import exp

    try:
        statements = [s for s in sqlglot.parse(sql, dialect="duckdb") if s is not None]
    except sqlglot.errors.ParseError as error:
        raise ModelError(f"cannot be read as SQL: {error}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ModelError("expected one SELECT and nothing else")
    tables = statements[0].find_all(exp.Table)
    return frozenset(f"{t.db}.{t.name}" for t in tables if t.db and t.db != "recurring")


def read_models(context: Mapping[str, Any], folder: Path = MODELS, files: str = "*.sql") -> list[Model]:
    """Render the models of a folder, in the order in which they need each other.

    Args:
        context: names the templates may use; `entities` (list of CanonicalEntity) where a file is for each entity.
        folder: where the .sql files are.
        files: only those whose name matches, such as `deal_*.sql`.

    Raises:
        ModelError: a file breaks the convention, two make one table, or they need each other in a circle.
        jinja2.UndefinedError: a template uses a name that the context lacks.
    """
    env = environment(folder)
    models = [m for path in sorted(folder.glob(files)) for m in _render(env, path, context)]
    return in_order(models)


def _render(env: Environment, path: Path, context: Mapping[str, Any]) -> Iterator[Model]:
    text = path.read_text(encoding="utf-8")
    row = ROW.match(text.partition("\n")[0])
    if row is None:
        raise ModelError(f"{path.name}: the first line must be '-- One row is ...'")
    named = NAME.search(text)
    stem = STEM.match(path.stem)
    if named is None and stem is None:
        return
    name = named.group(1).strip() if named else path.stem.replace("__", ".", 1)
    for names in [{**context, "entity": e} for e in context["entities"]] if "entity" in name else [dict(context)]:
        table = env.from_string(name).render(names)
        says = env.from_string(row.group(1)).render(names)
        yield Model(table, says, env.get_template(path.name).render({**names, "this": table}))


def in_order(models: Sequence[Model]) -> list[Model]:
    """Models sorted so that each stands after those it reads.

    Raises:
        ModelError: two make one table, they form a circle, or one is no single SELECT.
    """
    by_table = {m.table: m for m in models}
    if len(by_table) < len(models):
        twice = sorted({m.table for m in models if sum(n.table == m.table for n in models) > 1})
        raise ModelError(f"made by more than one model: {', '.join(twice)}")
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for model in models:
        sorter.add(model.table, *sorted(_inputs(model) & by_table.keys()))
    return [by_table[table] for table in _static_order(sorter)]


def _inputs(model: Model) -> frozenset[str]:
    try:
        return model.inputs
    except ModelError as error:
        raise ModelError(f"{model.table}: {error}") from error


def _static_order(sorter: TopologicalSorter[str]) -> Iterable[str]:
    from graphlib import CycleError

    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise ModelError(f"models need each other in a circle: {' <- '.join(error.args[1])}") from error
