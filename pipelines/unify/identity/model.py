"""The trained model: what each outcome of each comparison weighs. A file one can read."""

from __future__ import annotations

from math import log2
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from pipelines.mapping.document import read_document

DEFAULT = Path(__file__).with_name("weights.yml")
PERSON_TERMS = ("given", "family", "company", "postal", "city", "birth", "national_id")
"""Values whose frequency counts: the rarer what is shared, the more it says."""

_TERM_OF = {
    "given_name": "given",
    "family_name": "family",
    "company": "company",
    "birth_date": "birth",
    "national_id": "national_id",
}
AREAS = {"postal": "postal", "area": "postal", "city": "city", "area_city": "city", "town": "city"}
"""Outcomes of `place` whose frequency is that of a postal code or a city."""
CROWDED = 20
"""People at an address that more have than a household or an office."""


class Level(BaseModel):
    """Chances of one outcome: for one person, for two of one household or office, for two strangers.

    Attributes:
        most_bits: with `frequency`, no rarity counts for more.
        fit: false where the outcome depends on how people write, not on who they are; calibration leaves it alone.
        group: which outcomes are alternatives of this one, where a comparison has several sets of them.
        like: the outcome with which this one shares its chance for one person.
        learned_bits: what operators' answers added.
    """

    model_config = ConfigDict(extra="forbid")
    same: float
    household: float
    stranger: float | Literal["frequency"]
    most_bits: float = 30
    fit: bool = True
    like: str | None = None
    group: str = ""
    learned_bits: float = 0.0


class Prior(BaseModel):
    """How many pairs of one person, and of one household, there are per record."""

    model_config = ConfigDict(extra="forbid")
    same_pairs_per_record: float
    household_pairs_per_record: float


class Model(BaseModel):
    """Weights, and the size of the set they were calibrated on (None: not yet).

    Attributes:
        caps: how many records may share a key of each candidate rule (None: not measured yet).
    """

    model_config = ConfigDict(extra="forbid")
    prior: Prior
    comparisons: dict[str, dict[str, Level]]
    namesake_bits: float
    nameless_bits: float = 3.5
    population: int | None = None
    match_bits: float | None = None
    review_bits: float | None = None
    learned_bits: float = 0.0
    answers: int = 0
    caps: dict[str, int] | None = None

    def prior_bits(self) -> dict[str, float]:
        """Log odds before any comparison, against two strangers."""
        pairs = (self.population or 1) / 2
        return {
            "same": log2(self.prior.same_pairs_per_record / pairs) + self.learned_bits,
            "household": log2(self.prior.household_pairs_per_record / pairs),
        }

    def twins(self) -> float:
        """How many other records of its own person a record has, on average."""
        return round(2 * self.prior.same_pairs_per_record, 3)

    def sql(self, comparisons: list[str]) -> dict[str, dict[str, dict[str, str]]]:
        """Per comparison and level, the SQL expressions of its weight for one person and for one household."""
        return {
            name: {
                level: {who: _bits(name, level, chances, who, self.population or 1) for who in ("same", "household")}
                for level, chances in self.comparisons[name].items()
            }
            for name in comparisons
        }


def _bits(name: str, level: str, chances: Level, who: str, population: int) -> str:
    own = log2(getattr(chances, who)) + (chances.learned_bits if who == "same" else 0)
    if chances.stranger != "frequency":
        return f"{own - log2(chances.stranger):.4f}"
    return f"{own:.4f} + least({chances.most_bits}, {_rarity(name, level, population)})"


def _rarity(name: str, level: str, population: int) -> str:
    if name in _TERM_OF:
        return f"{_TERM_OF[name]}_bits"
    if name == "place" and level in AREAS:
        return f"{AREAS[level]}_bits"
    people = f"coalesce(address_people, {CROWDED})" if name == "place" else f"{name}_people"
    return f"log2({float(population)} / {people})"


def load_model(path: Path = DEFAULT) -> Model:
    """Read a model; the default is the one shipped."""
    return Model.model_validate(read_document(path).data)


def save_model(model: Model, path: Path) -> None:
    """Write a model so that a person can read it."""
    plain = model.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    path.write_text(yaml.safe_dump(plain, sort_keys=False, width=160, allow_unicode=True), encoding="utf-8")
