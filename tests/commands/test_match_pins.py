"""An operator's pins: values that outrank every source."""

from __future__ import annotations

from typing import Any

import pytest
from match_desk import ids, loners, next_run

from pipelines.commands.operator import Operator
from pipelines.connections.owner import Owner


def value_of(operator: Operator, golden_id: str, field: str) -> tuple[str, str]:
    """A field's value, and the rule by which it holds."""
    return next((f.value, f.rule) for f in operator.show(golden_id).fields if f.field == field)


def test_a_pin_outranks_the_sources_until_it_is_taken_out(opened: Any, owner: Owner) -> None:
    golden_id = ids(opened)[loners(opened, 1)[0]]
    with opened() as operator:
        before = value_of(operator, golden_id, "last_name")
        operator.pin(golden_id, "last_name", "Pinned-Smith", "ann")
    next_run(owner)
    with opened() as operator:
        assert value_of(operator, golden_id, "last_name")[0] == "Pinned-Smith"
        operator.unpin(golden_id, "last_name")
    next_run(owner)
    with opened() as operator:
        assert value_of(operator, golden_id, "last_name") == before


def test_a_pin_of_before_a_merge_is_taken_out_under_the_id_of_today(opened: Any, owner: Owner) -> None:
    one, other = loners(opened, 2)
    before = ids(opened)
    with opened() as operator:
        for key in (one, other):
            operator.pin(before[key], "rating", "Z", "ann")
        operator.answer("contacts", (one, other), "same", "ann")
    next_run(owner)
    golden_id = ids(opened)[one]
    with opened() as operator:
        assert value_of(operator, golden_id, "rating")[0] == "Z"
        operator.unpin(golden_id, "rating")
        with pytest.raises(KeyError, match="not pinned"):
            operator.unpin(golden_id, "rating")
    next_run(owner)
    with opened() as operator:
        assert "Z" not in [field.value for field in operator.show(golden_id).fields if field.field == "rating"]


def test_only_a_value_of_the_fields_type_is_pinned(opened: Any) -> None:
    golden_id = ids(opened)[loners(opened, 1)[0]]
    with opened() as operator:
        with pytest.raises(ValueError, match=r'is no list; a list is written as \["\+12025550100"\]'):
            operator.pin(golden_id, "phones", "+12025550100", "ann")
        for wrong, why in (("", "a pin needs a value"), ("[broken", "begins as JSON and is none")):
            with pytest.raises(ValueError, match=why):
                operator.pin(golden_id, "last_name", wrong, "ann")
        with pytest.raises(ValueError, match="is no date"):
            operator.pin(golden_id, "birth_date", "soon", "ann")
        with pytest.raises(KeyError, match="no field shoe_size"):
            operator.pin(golden_id, "shoe_size", "44", "ann")
