"""What an operator does about identity: looks at pairs, answers, pins, asks why."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.commands.reading import read_warehouse
from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity

if TYPE_CHECKING:
    import duckdb

    from pipelines.commands.weights import Weights
    from pipelines.state.database import State
    from pipelines.unify.identity.evaluate import Quality
    from pipelines.unify.identity.explain import Evidence
    from pipelines.unify.identity.review import ReviewPair
    from pipelines.unify.show import Shown

SHEET = ("record_a", "record_b", "probability", "evidence", "answer")
LOOKED_AT = ("first_name", "last_name", "email", "phone", "company", "street", "city", "postal_code", "birth_date")


@dataclass(frozen=True)
class Operator:
    """One owner's warehouse (only read) and state."""

    con: duckdb.DuckDBPyConnection
    state: State
    schemas: Mapping[str, CanonicalEntity]

    def undecided(self, number: int, entity: str = "contacts") -> list[ReviewPair]:
        """The pairs whose answers teach most, without those answered already."""
        from pipelines.state import answers
        from pipelines.unify.identity.review import review_pairs

        self.con.execute(
            "create or replace temp table given_answers (record_key_a varchar, record_key_b varchar, answer varchar)"
        )
        for batch in answers.load(self.state, entity):
            self.con.register("answer_batch", batch)
            self.con.execute("insert into given_answers select a, b, answer from answer_batch")
            self.con.unregister("answer_batch")
        matches = f"unified.{self.schemas[entity].singular}_matches"
        return review_pairs(self.con, number, matches=matches, answers="given_answers")

    def side_by_side(self, pair: ReviewPair, entity: str = "contacts") -> str:
        """The two records, field by field, and what speaks for and against."""
        records = [self._record(key, entity) for key in (pair.record_key_a, pair.record_key_b)]
        lines = [f"\n{pair.record_key_a}  |  {pair.record_key_b}   {pair.probability:.0%} likely the same"]
        for name in LOOKED_AT if entity == "contacts" else self.schemas[entity].fields:
            left, right = (record.get(name) for record in records)
            if left or right:
                mark = "=" if left == right else " "
                lines.append(f"  {name:<12} {mark} {str(left or '-')[:38]:<38} {str(right or '-')[:38]}")
        return "\n".join([*lines, f"  {pair.evidence}"])

    def _record(self, key: str, entity: str) -> dict[str, Any]:
        found = self.con.execute(f"select * from staging.{entity} where record_key = $1", [key])
        names = [column[0] for column in found.description or []]
        rows = found.fetchall()
        return dict(zip(names, rows[0], strict=True)) if rows else {}

    def write_sheet(self, path: Path, number: int, entity: str = "contacts") -> int:
        """Writes undecided pairs for a spreadsheet; `answer` is to be filled with same or different."""
        pairs = self.undecided(number, entity)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(SHEET)
            for pair in pairs:
                writer.writerow([pair.record_key_a, pair.record_key_b, f"{pair.probability:.3f}", pair.evidence, ""])
        return len(pairs)

    def take_sheet(self, path: Path, who: str, entity: str = "contacts") -> int:
        """Takes the answers of a sheet, all of them or, where one is wrong, none.

        Raises:
            ValueError: names every line with another answer than same, different or nothing, or with an unknown record.
        """
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(number, row) for number, row in enumerate(csv.DictReader(file), start=2)]
        said = [(n, row, (row.get("answer") or "").strip().lower()) for n, row in rows]
        if wrong := [f"line {n}: {why}" for n, row, word in said if (why := self._wrong(row, word, entity))]:
            raise ValueError(f"{path.name}: {'; '.join(wrong)}: nothing was taken")
        answered = [(row, word) for _, row, word in said if word]
        for row, word in answered:
            keys = (row["record_a"], row["record_b"])
            self.answer(entity, keys, "same" if word == "same" else "different", who)
        return len(answered)

    def _wrong(self, row: Mapping[str, str | None], word: str, entity: str) -> str:
        """What is wrong with a line of a sheet; an empty answer is none, whatever else the line says."""
        if word not in ("", "same", "different"):
            return f"{word!r} is neither same nor different nor nothing"
        try:
            keys = {self._key(entity, row.get(column) or "") for column in SHEET[:2]} if word else set("ab")
        except KeyError as problem:
            return str(problem.args[0])
        return "" if len(keys) > 1 else "one record twice"

    def answer(self, entity: str, records: tuple[str, str], answer: Literal["same", "different"], who: str) -> None:
        """Keeps an answer about two source records; of a golden id its first source record stands for it.

        Raises:
            KeyError: there is no such record.
        """
        from pipelines.state import answers

        keys = (self._key(entity, records[0]), self._key(entity, records[1]))
        answers.put(self.state, entity, keys, answer, who)

    def _key(self, entity: str, record: str) -> str:
        singular = self.schemas[entity].singular
        found = self.con.execute(
            f"select min(record_key) from unified.{singular}_sources where record_key = $1 or {singular}_id = $1",
            [record],
        ).fetchall()
        if found[0][0] is None:
            raise KeyError(f"there is no {singular} {record}")
        return str(found[0][0])

    def explain(self, a: str, b: str, entity: str = "contacts") -> list[Evidence]:
        """Every comparison's evidence about two records, what operators said, and how the two stand now.

        Raises:
            KeyError: there is no such record.
        """
        from pipelines.commands.standing import by_rules, standing

        schema, keys = self.schemas[entity], (self._key(entity, a), self._key(entity, b))
        if (schema.identity or {}).get("kind") == "rules":
            steps = by_rules(self.con, schema, *keys)
            would_join = steps[-1].outcome.startswith("joined")
        else:
            steps = self._weights().explain(*keys)
            would_join = steps[-1].outcome.startswith("one person")
        return [*steps, *standing(self.con, self.state, schema, *keys, would_join=would_join)]

    def waterfall(self, a: str, b: str) -> str:
        """The same as Splink's waterfall chart: an HTML page that loads nothing.

        Raises:
            KeyError: there is no such record.
        """
        return self._weights().waterfall(self._key("contacts", a), self._key("contacts", b))

    def train(self, path: Path) -> int:
        """Writes the weights that Splink estimates on the contacts; returns how many records it had."""
        return self._weights().train(path).population or 0

    def _weights(self) -> Weights:
        from pipelines.commands.weights import weights_of

        return weights_of(self.con, self.schemas["contacts"])

    def show(self, golden_id: str) -> Shown:
        """A golden record, field by field; of a source record's key the golden record it belongs to.

        Raises:
            KeyError: there is none such.
        """
        from pipelines.unify.show import show

        found = show(self.con, self.schemas, self._golden_id(golden_id))
        if found is None:
            raise KeyError(f"there is no golden record, and no source record, {golden_id}")
        return found

    def _golden_id(self, record: str) -> str:
        """Of a source record's key the golden id; anything else is taken for one."""
        for schema in self.schemas.values():
            found = self.con.execute(
                f"select {schema.singular}_id from unified.{schema.singular}_sources where record_key = $1", [record]
            ).fetchall()
            if found:
                return str(found[0][0])
        return record

    def pin(self, golden_id: str, field: str, value: str, who: str) -> None:
        """Sets a field until it is unpinned; the value is JSON or plain text.

        Raises:
            KeyError: there is no such record or field.
            ValueError: the value is not of the field's type.
        """
        from pipelines.state import pins

        entity, golden_id = self._pinnable(golden_id, field)
        canonical = self.schemas[entity].fields[field]
        parsed = _parsed(value)
        kind = canonical.duckdb_type
        if self.con.execute(f"select try_cast($1 as {kind}) is null", [parsed]).fetchall()[0][0]:
            hint = f"; a list is written as {json.dumps([value])}" if canonical.type == "list" else ""
            raise ValueError(f"{value!r} is no {canonical.type}{hint}")
        if canonical.values and parsed not in canonical.values:
            raise ValueError(f"{value!r} is none of {', '.join(canonical.values)}")
        pins.pin(self.state, entity, golden_id, field, value=parsed, who=who)

    def unpin(self, golden_id: str, field: str) -> None:
        """Gives the field back to the sources.

        Raises:
            KeyError: there is no such record or field, or it is not pinned.
        """
        from pipelines.state import pins

        entity, golden_id = self._pinnable(golden_id, field)
        rows = [row for batch in pins.load(self.state, entity) for row in batch.to_pylist()]
        pinned = {str(row["golden_id"]) for row in rows if row["field"] == field}
        held = pinned & {golden_id, *self._merged_into(entity, golden_id)}
        if not held:
            raise KeyError(f"{field} of {golden_id} is not pinned")
        for one in sorted(held):
            pins.unpin(self.state, entity, one, field)

    def _merged_into(self, entity: str, golden_id: str) -> list[str]:
        """The ids that were merged into this one: what was pinned there holds here."""
        query = f"select from_id from unified.{self.schemas[entity].singular}_redirects where to_id = $1"
        return [str(one) for (one,) in self.con.execute(query, [golden_id]).fetchall()]

    def _pinnable(self, golden_id: str, field: str) -> tuple[str, str]:
        found = self.show(golden_id)
        if field not in self.schemas[found.entity].fields:
            raise KeyError(f"{found.entity} have no field {field}")
        return found.entity, found.golden_id


def _parsed(value: str) -> Any:
    """JSON where it looks like a list or a quoted text, else the text itself."""
    if not value:
        raise ValueError("a pin needs a value; unpin gives the field back to the sources")
    if value[0] not in '["':
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as problem:
        raise ValueError(f"{value!r} begins as JSON and is none: {problem.msg}") from None


@contextmanager
def open_operator(owner: Owner, schemas: Mapping[str, CanonicalEntity]) -> Iterator[Operator]:
    """Opens an owner's warehouse for reading, and their state.

    Raises:
        Stop: nothing was unified yet, or a run holds the warehouse for too long.
    """
    from pipelines.state.database import open_state

    with read_warehouse(owner, "an operator's look") as con, open_state(owner) as state:
        yield Operator(con, state, schemas)


def measure(file: Path, schema: CanonicalEntity, truth: str, names: Mapping[str, str], region: str) -> Quality:
    """How good the matching is on a labelled file.

    Raises:
        FileProblem: the columns do not do.
    """
    import duckdb

    from pipelines.unify.identity.declaration import declaration_of
    from pipelines.unify.identity.evaluate import evaluate
    from pipelines.unify.identity.labelled import read_people
    from pipelines.unify.identity.match import match

    with duckdb.connect() as con:
        read_people(con, file, schema, truth=truth, names=names, region=region)
        declaration = declaration_of(schema.model_dump(include={"singular", "identity"}))
        summary = match(con, "people", declaration)
        return evaluate(con, summary.tables.clusters, "people")
