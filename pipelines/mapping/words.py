"""What all parts of the mapping language are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Path = Annotated[str, Field(min_length=1, description="Dotted path in the CRM's record; a number is a list position")]
Seconds = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """Base of every block: a key that is not named here is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FirstOf(Strict):
    """Several places for one thing: the first that holds something counts."""

    first_of: list[Path] = Field(min_length=1)


Choice = Path | FirstOf


def places(choice: str | FirstOf) -> list[str]:
    """The paths of a choice, the first that counts first."""
    return [choice] if isinstance(choice, str) else choice.first_of


def as_text(value: str | bool | int) -> str:
    """A canonical value as it stands in a key: booleans as true and false."""
    return str(value).lower() if isinstance(value, bool) else str(value)
