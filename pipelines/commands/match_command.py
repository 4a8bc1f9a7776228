"""`crosswalk match ...`: who is who; an operator's answers, explanations, pins, and how good the matching is."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.options import DataDir, Json
from pipelines.commands.owners import owner_with_data
from pipelines.connections.project import find_project
from pipelines.mapping.load import load_schemas

if TYPE_CHECKING:
    from pipelines.commands.operator import Operator
    from pipelines.unify.identity.review import ReviewPair

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
OwnerName = Annotated[str | None, typer.Option("--owner", help="Whose data; default: the owner that has some")]
Entity = Annotated[str, typer.Option(help="contacts, deals, properties or users")]
Record = Annotated[str, typer.Argument(help="A source record, as north:123, or a golden id")]


@contextmanager
def _operator(owner: str | None, data_dir: Path | None) -> Iterator[Operator]:
    from pipelines.commands.operator import open_operator

    project = find_project(data_dir=data_dir)
    try:
        with open_operator(owner_with_data(project, owner), load_schemas(project.schemas)) as operator:
            yield operator
    except Stop as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(stopped.code) from None
    except (KeyError, ValueError) as problem:
        print(problem.args[0] if problem.args else problem, file=sys.stderr)
        raise typer.Exit(Exit.WRONG_SETTINGS) from None


@app.command()
def review(
    pairs: Annotated[int, typer.Option(help="At most so many")] = 20,
    csv: Annotated[Path | None, typer.Option(help="A sheet: written, or, where it is there already, read")] = None,
    csv_out: Annotated[Path | None, typer.Option("--csv-out", help="Write the pairs for a sheet instead")] = None,
    csv_in: Annotated[Path | None, typer.Option("--csv-in", help="Take answers from a sheet", exists=True)] = None,
    entity: Entity = "contacts",
    owner: OwnerName = None,
    data_dir: DataDir = None,
) -> None:
    """Answer the undecided pairs whose answers teach most: s same, d different, k skip, q quit."""
    if csv:
        csv_in, csv_out = (csv, csv_out) if csv.exists() else (csv_in, csv)
    with _operator(owner, data_dir) as operator:
        if csv_in:
            print(f"{operator.take_sheet(csv_in, getpass.getuser(), entity)} answers taken; the next run uses them")
        elif csv_out:
            print(f"{operator.write_sheet(csv_out, pairs, entity)} pairs written to {csv_out}")
        else:
            shown = [(pair, operator.side_by_side(pair, entity)) for pair in operator.undecided(pairs, entity)]
    if not csv_in and not csv_out and not shown:
        print("no pair is undecided")
    elif not csv_in and not csv_out:
        print(f"{_ask(shown, entity, owner, data_dir)} answers taken; the next run uses them")


def _ask(shown: list[tuple[ReviewPair, str]], entity: str, owner: str | None, data_dir: Path | None) -> int:
    """Asks without holding the warehouse, so that a run goes on while a person thinks."""
    taken: list[tuple[ReviewPair, Literal["same", "different"]]] = []
    for pair, text in shown:
        print(text)
        said = _key()
        if said == "q":
            break
        if said in ("s", "d"):
            taken.append((pair, "same" if said == "s" else "different"))
    with _operator(owner, data_dir) as operator:
        for pair, word in taken:
            operator.answer(entity, (pair.record_key_a, pair.record_key_b), word, getpass.getuser())
    return len(taken)


def _key() -> str:
    """One key in a terminal, a line where the answers come from elsewhere; q at their end."""
    asked = "[s]ame / [d]ifferent / s[k]ip / [q]uit"
    try:
        if sys.stdin.isatty():
            print(asked, flush=True)
            return typer.getchar().lower()
        return str(typer.prompt(asked, default="k")).strip().lower()[:1]
    except (typer.Abort, KeyboardInterrupt, EOFError):
        return "q"


@app.command()
def same(a: Record, b: Record, entity: Entity = "contacts", owner: OwnerName = None, data_dir: DataDir = None) -> None:
    """Say that two records are one; it holds until you say otherwise."""
    with _operator(owner, data_dir) as operator:
        operator.answer(entity, (a, b), "same", getpass.getuser())
    print(f"{a} and {b} are the same from the next run on")


@app.command()
def different(
    a: Record, b: Record, entity: Entity = "contacts", owner: OwnerName = None, data_dir: DataDir = None
) -> None:
    """Say that two records are not one; it holds until you say otherwise."""
    with _operator(owner, data_dir) as operator:
        operator.answer(entity, (a, b), "different", getpass.getuser())
    print(f"{a} and {b} are different from the next run on")


@app.command()
def explain(
    a: Record,
    b: Record,
    html: Annotated[Path | None, typer.Option(help="Write Splink's waterfall chart; it needs no network")] = None,
    entity: Entity = "contacts",
    owner: OwnerName = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Why two records are together or apart: each comparison's evidence, in bits, and what operators said."""
    with _operator(owner, data_dir) as operator:
        steps = operator.explain(a, b, entity)
        if html and entity == "contacts":
            html.write_text(operator.waterfall(a, b), encoding="utf-8")
    if as_json:
        print(json.dumps([asdict(step) for step in steps]))
        return
    for step in steps:
        values = f"{step.value_a} | {step.value_b}" if step.value_a or step.value_b else ""
        print(f"{step.what:<14} {step.bits:>7.2f}  {step.outcome}  {values}".rstrip())


@app.command()
def train(
    file: Annotated[Path, typer.Argument(help="Where the weights go: YAML, as the ones shipped")],
    owner: OwnerName = None,
    data_dir: DataDir = None,
) -> None:
    """Let Splink estimate the weights on your contacts, to be read beside those in use; nothing else changes."""
    with _operator(owner, data_dir) as operator:
        records = operator.train(file)
    print(f"weights of {records} contacts written to {file}")


@app.command()
def show(golden_id: Record, owner: OwnerName = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """A golden record, field by field: value, source, since when, by which rule, what was rejected."""
    with _operator(owner, data_dir) as operator:
        found = operator.show(golden_id)
    if as_json:
        print(json.dumps(asdict(found), default=str))
        return
    came = f" (was {found.redirected_from})" if found.redirected_from else ""
    print(f"{found.entity} {found.golden_id}{came}: {', '.join(key for key, _, _ in found.sources)}")
    for field in found.fields:
        print(f"{field.field:<18} {_value(field)}  [{_source(field)}since {_moment(field.since)}, {field.rule}]")
        for other in field.rejected:
            print(f"{'':<18}   not {_value(other)}  [{other.connection}:{other.source_id}: {other.because}]")


def _value(one: Any) -> str:
    return f"{one.called} ({one.value})" if one.called else str(one.value)


def _source(field: Any) -> str:
    return f"{field.connection}:{field.source_id}, " if field.connection else ""


def _moment(since: datetime | None) -> str:
    return f"{since.astimezone(UTC):%Y-%m-%d %H:%M}" if since else "unknown"


@app.command()
def pin(
    golden_id: Record,
    field: Annotated[str, typer.Argument(help="A canonical field, as in schemas/")],
    value: Annotated[str, typer.Argument(help="Plain text, or JSON for a list")],
    owner: OwnerName = None,
    data_dir: DataDir = None,
) -> None:
    """Set a field of a golden record yourself; it outranks every source until it is unpinned."""
    with _operator(owner, data_dir) as operator:
        operator.pin(golden_id, field, value, getpass.getuser())
    print(f"{field} of {golden_id} is {value} from the next run on")


@app.command()
def unpin(golden_id: Record, field: str, owner: OwnerName = None, data_dir: DataDir = None) -> None:
    """Give a pinned field back to the sources."""
    with _operator(owner, data_dir) as operator:
        operator.unpin(golden_id, field)
    print(f"{field} of {golden_id} is the sources' again from the next run on")


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet", exists=True)],
    truth: Annotated[str, typer.Option(help="Column that says who a record is about")],
    names: Annotated[list[str] | None, typer.Option("--map", help="theirs=ours; may be given several times")] = None,
    region: Annotated[str, typer.Option(help="Of telephone numbers without a country code")] = "US",
    as_json: Json = False,
) -> None:
    """Measure the matching on a labelled file: precision, recall and F1, over pairs and B-cubed."""
    from pipelines.commands.operator import measure
    from pipelines.unify.identity.labelled import FileProblem

    pairs = dict(one.partition("=")[::2] for one in names or [])
    try:
        quality = measure(file, load_schemas(find_project().schemas)["contacts"], truth, pairs, region)
    except FileProblem as problem:
        print(problem, file=sys.stderr)
        raise typer.Exit(Exit.WRONG_SETTINGS) from None
    if as_json:
        print(json.dumps(asdict(quality)))
        return
    print(f"records   {quality.records}")
    print(f"pairs     precision {quality.precision:.4f}  recall {quality.recall:.4f}  F1 {quality.f1:.4f}")
    print(f"B-cubed   precision {quality.b3_precision:.4f}  recall {quality.b3_recall:.4f}  F1 {quality.b3_f1:.4f}")
    print(f"over-merged clusters {quality.over_merged}, most people in one {quality.most_people}")
