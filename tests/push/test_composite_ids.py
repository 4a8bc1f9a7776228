"""Ids of several parts in the calls of a mapping, and calls to the connection's own address."""

from __future__ import annotations

import pytest

from pipelines.mapping.language import Entity, Request
from pipelines.push.sending import id_values
from pipelines.push.template import filled

KEY = [{"first_of": ["phone", "whatsapp_id"]}, "event_name"]


@pytest.mark.parametrize(
    ("key", "source_id", "values"),
    [
        ("id", "a|b", {"id": "a|b"}),
        (KEY, "1@c.us|Expo", {"id": "1@c.us|Expo", "id.0": "1@c.us", "id.1": "Expo"}),
        (KEY, "1@c.us|Expo | Night", {"id": "1@c.us|Expo | Night", "id.0": "1@c.us", "id.1": "Expo | Night"}),
        (KEY, None, {"id": None, "id.0": ""}),
    ],
)
def test_the_parts_of_an_id(key: object, source_id: str | None, values: dict[str, str | None]) -> None:
    entity = Entity.model_validate({"extract": {"path": ""}, "id": key, "fields": {}})
    assert id_values(entity, source_id) == values


def test_a_call_names_them() -> None:
    request = Request.model_validate(
        {"method": "POST", "path": "", "json": {"phone": "{id.0}", "event_name": "{id.1}"}}
    )
    call = filled(request, {"id": "1|Expo", "id.0": "1", "id.1": "Expo"})
    assert (call.path, call.body) == ("", {"phone": "1", "event_name": "Expo"})
