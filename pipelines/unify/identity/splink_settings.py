"""Splink's published settings for people: what a reader of its documentation would run, to measure ours beside it; and
settings tuned for contacts, on columns that are normalised already.

Source: Splink documentation, "Tutorial", "Deduplicate 50k rows historical persons" and "Data Prerequisites"
(moj-analytical-services.github.io/splink). The last asks that what stands for nothing is NULL: among a million contacts
thousands share one placeholder, and every pair of them would be compared.
"""

from __future__ import annotations

import logging
from typing import Any

import duckdb

from pipelines.unify.identity.cleaning import make_macros
from pipelines.unify.identity.records import columns_of

THRESHOLD = 0.95
"""Match probability from which the published examples cluster."""

SMALL = 10_000
"""Up to so many records the tutorial's wide blocking rules are affordable."""


def as_splink_asks(con: duckdb.DuckDBPyConnection, people: str, table: str) -> None:
    """Make `table` from `people` with mailboxes and telephones in one writing, placeholders as NULL."""
    make_macros(con)
    cleaned = ", ".join(
        f"clean_{name}({name}) as {name}" for name in ("email", "phone") if name in columns_of(con, people)
    )
    con.execute(
        f"create or replace table {table} as select * {f'replace ({cleaned})' if cleaned else ''} from {people}"
    )


def published_clusters(con: duckdb.DuckDBPyConnection, people: str, clusters: str) -> None:
    """Make `clusters` (record_key, cluster) with Splink as published, from whichever columns `people` has.

    Args:
        people: records as Splink asks for them (`as_splink_asks`).
    """
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    from splink import comparison_library as cl

    logging.getLogger("splink").setLevel(logging.ERROR)
    columns = columns_of(con, people)
    offered = {
        "first_name": cl.NameComparison("first_name"),
        "last_name": cl.NameComparison("last_name"),
        "birth_date": cl.DateOfBirthComparison("birth_date", input_is_string=True),
        "email": cl.EmailComparison("email"),
        "phone": cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
        "city": cl.ExactMatch("city").configure(term_frequency_adjustments=True),
        "postal_code": cl.ExactMatch("postal_code").configure(term_frequency_adjustments=True),
        "national_id": cl.LevenshteinAtThresholds("national_id", 2),
        "street": cl.JaroWinklerAtThresholds("street", [0.9, 0.8]),
    }
    keys = [["first_name", "last_name"], ["last_name", "birth_date"], ["email"], ["phone"],
            ["first_name", "birth_date"], ["last_name", "postal_code"], ["national_id"]]  # fmt: skip
    if con.execute(f"select count(*) from {people}").fetchall()[0][0] <= SMALL:
        keys = [["last_name"], ["first_name", "city"], *keys]  # as in the tutorial
    keys = [key for key in keys if set(key) <= columns]
    api = DuckDBAPI(con)
    linker = Linker(
        api.register(people),
        SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="record_key",
            comparisons=[comparison for column, comparison in offered.items() if column in columns],
            blocking_rules_to_generate_predictions=[block_on(*key) for key in keys],
        ),
        log_level=logging.ERROR,
    )
    sure = [block_on(*key) for key in keys if len(key) > 1 or key == ["email"]]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
    _train_and_cluster(con, linker, keys[:3], clusters)


def tuned_clusters(con: duckdb.DuckDBPyConnection, people: str, clusters: str) -> None:
    """Make `clusters` (record_key, cluster) with Splink tuned for contacts: what one reaches who knows such data.

    Exact mailbox and exact telephone with term frequencies, given and family name compared apart, an address as one;
    trained on pairs that share a mailbox, a telephone or an address, never on names.

    Args:
        people: comparable records (`identity_records`).
    """
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    from splink import comparison_library as cl

    logging.getLogger("splink").setLevel(logging.ERROR)
    exact = [
        cl.ExactMatch(column).configure(term_frequency_adjustments=True)
        for column in ("email", "phone", "address", "postal", "company", "birth", "national_id")
        if con.execute(f"select count({column}) from {people}").fetchall()[0][0]
    ]
    names = [
        cl.JaroWinklerAtThresholds(column, [0.92, 0.8]).configure(term_frequency_adjustments=True)
        for column in ("given", "family")
    ]
    keys = [["email"], ["phone"], ["address"], ["given", "family", "postal"], ["full_name"]]
    linker = Linker(
        DuckDBAPI(con).register(people),
        SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="record_key",
            comparisons=[*names, *exact],
            blocking_rules_to_generate_predictions=[block_on(*key) for key in keys],
        ),
        log_level=logging.ERROR,
    )
    linker.training.estimate_probability_two_random_records_match([block_on("email", "given")], recall=0.5)
    _train_and_cluster(con, linker, keys[:3], clusters)


def _train_and_cluster(con: duckdb.DuckDBPyConnection, linker: Any, keys: list[list[str]], clusters: str) -> None:
    """Trains on pairs that share each of the keys, and makes the table of clusters."""
    from splink import block_on

    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for key in keys:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*key))
    pairs = linker.inference.predict(threshold_match_probability=THRESHOLD)
    found = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold_match_probability=THRESHOLD)
    con.execute(
        f"create or replace table {clusters} as select record_key, cluster_id as cluster from {found.physical_name}"
    )
