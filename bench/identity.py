"""How good our matching is beside Splink's published settings, on labelled files of your own.

    python bench/identity.py --data DIR [--answers 100] [--no-splink]

Every CSV or Parquet file in DIR with a column `truth` (the person behind a record) is matched with the one shipped
configuration, without labels; then an operator's answers to `review` are taken from `truth`. Columns are named as in
schemas/contacts.yml, or as in NAMES below; several of theirs that are one of ours are joined in the order given.

Configurations tried while it was made, each one for all sets (F1 on CRM contacts with households, 50,000 / people with
typing errors, 1,000 / Australians with a personal number, 5,000), and what each taught:

    shipped weights as they are, no calibration                      0.948 / 0.71 / 0.988  dirt differs between sets
    + prior and dirt of columns fitted on certain pairs              0.925 / 0.88 / 0.997  "shared" mailboxes misjudged
    + people counted by initial, nicknames undone                    0.935 / 0.88 / 0.996
    + what strangers look like, from random pairs                    0.961 / 0.89 / 0.998
    + a record's own twins do not make its values common             0.962 / 0.91 / 0.998
    + given name in the other's family name, with the rest silent    0.964 / 0.94 / 0.999  match from 0.8
    match from 0.5 / 0.65 / 0.9 instead                              0.970, 0.967, 0.958  0.65 kept: errs to precision
    + place compared by what both records have                       0.967 / 0.94 / 0.999  kept
    chances for one person trained by Splink, the rest as kept       0.962 / 0.94 / 0.999
    + a digit in a name is no typing error, pairs bounded            0.967 / 0.94 / 0.999  kept, for other data

That is twelve, the three thresholds counted each. They were chosen while looking at these sets.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.mapping.load import load_schemas
from pipelines.unify.identity.declaration import load_declaration
from pipelines.unify.identity.evaluate import Quality, evaluate
from pipelines.unify.identity.labelled import read_people
from pipelines.unify.identity.learn import learn
from pipelines.unify.identity.match import match
from pipelines.unify.identity.review import review_pairs
from pipelines.unify.identity.splink_settings import as_splink_asks, published_clusters

NAMES = {
    "first_name": ["first_name", "given_name"],
    "last_name": ["last_name", "surname"],
    "email": ["email"],
    "phone": ["phone"],
    "street": ["street", "street_number", "address_1"],
    "city": ["city", "suburb"],
    "postal_code": ["postal_code", "zip", "postcode"],
    "birth_date": ["birth_date", "dob", "date_of_birth"],
    "national_id": ["national_id", "soc_sec_id"],
    "company": ["company"],
}


def load(con: duckdb.DuckDBPyConnection, file: Path, region: str) -> None:
    """Fill `people` (record_key, truth and canonical columns) from one file."""
    reader = f"read_csv('{file}', all_varchar = true)" if file.suffix == ".csv" else f"'{file}'"
    theirs = {row[0] for row in con.execute(f"describe select * from {reader}").fetchall()}
    names = {name: ours for ours, candidates in NAMES.items() for name in candidates if name in theirs}
    schema = load_schemas(Path(__file__).resolve().parents[1] / "schemas")["contacts"]
    read_people(con, file, schema, truth="truth", names=names, region=region)


def answer(con: duckdb.DuckDBPyConnection, asked: int) -> None:
    """Answer up to so many pairs of the review from `truth`, in table `said`."""
    truth = dict(con.execute("select record_key, truth from people").fetchall())
    pairs = review_pairs(con, asked, answers="said")
    rows = [
        [p.record_key_a, p.record_key_b, "same" if truth[p.record_key_a] == truth[p.record_key_b] else "different"]
        for p in pairs
    ]
    if rows:
        con.executemany("insert into said values (?, ?, ?)", rows)


def ours(con: duckdb.DuckDBPyConnection, answers: int) -> list[tuple[str, Quality, float]]:
    """Our default, and what a hundred answers in five sittings make of it."""
    declaration = load_declaration("contacts")
    started = time.perf_counter()
    summary = match(con, "people", declaration)
    lines = [("default", evaluate(con, summary.tables.clusters, "people"), time.perf_counter() - started)]
    con.execute("create or replace table said (record_key_a varchar, record_key_b varchar, answer varchar)")
    model = summary.model
    started = time.perf_counter()
    for _ in range(5 if answers else 0):
        answer(con, answers // 5)
        model = learn(con, "said", declaration, model, summary.tables)
        summary = match(con, "people", declaration, model=model, answers="said")
    if answers:
        quality = evaluate(con, summary.tables.clusters, "people")
        lines.append((f"after {answers} answers", quality, time.perf_counter() - started))
    return lines


def splink(con: duckdb.DuckDBPyConnection) -> tuple[str, Quality, float]:
    """Splink's published settings for people, at the threshold of its examples."""
    as_splink_asks(con, "people", "splink_people")
    started = time.perf_counter()
    published_clusters(con, "splink_people", "splink_clusters")
    return "Splink, published", evaluate(con, "splink_clusters", "people"), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with labelled CSV or Parquet files")
    parser.add_argument("--answers", type=int, default=100)
    parser.add_argument("--region", default="US", help="region of telephone numbers without a country code")
    parser.add_argument("--no-splink", action="store_true")
    options = parser.parse_args()
    print(
        f"{'file':22} {'who':20} {'F1':>7} {'prec.':>7} {'recall':>7} {'B3 F1':>7} {'mixed':>6} {'most':>5} {'sec.':>7}"
    )
    for file in sorted(path for path in options.data.iterdir() if path.suffix in (".csv", ".parquet")):
        con = duckdb.connect()
        con.execute("set threads = 2")
        load(con, file, options.region)
        lines = ours(con, options.answers)
        if not options.no_splink:
            lines.append(splink(con))
        for who, quality, seconds in lines:
            print(
                f"{file.name:22} {who:20} {quality.f1:7.4f} {quality.precision:7.4f} {quality.recall:7.4f} "
                f"{quality.b3_f1:7.4f} {quality.over_merged:6} {quality.most_people:5} {seconds:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
