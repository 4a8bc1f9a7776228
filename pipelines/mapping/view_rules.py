"""Rules about a mapping's views: whether what they name is there."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.document import Document, Parts
from pipelines.mapping.language import Mapping, View
from pipelines.mapping.problems import Problem, listed, nearest_name
from pipelines.mapping.view import RECORD_COLUMNS

Schemas = Dict[str, CanonicalEntity]


def check_views(document: Document, mapping: Mapping, schemas: Schemas | None) -> Iterator[Problem]:
    """All that is wrong with the mapping's `views`."""
    for name, view in mapping.views.items():
        at: Parts = ("views", name)
        if name in (schemas or mapping.entities):
            yield document.problem(at, f"{name} is an entity", remedy="give the view another name")
        if view.of not in mapping.entities:
            yield _unknown(document, (*at, "of"), f"{view.of!r} is no entity of this mapping", view.of, mapping)
        else:
            yield from _beside(document, at, mapping, view, schemas)
            for column, meant in view.columns.items():
                yield from _column(document, (*at, "columns", column), mapping, view, meant.value)


def _beside(document: Document, at: Parts, mapping: Mapping, view: View, schemas: Schemas | None) -> Iterator[Problem]:
    for entity, reference in view.beside.items():
        where = (*at, "beside", entity)
        if entity not in mapping.entities or entity == view.of:
            yield _unknown(document, where, f"{entity!r} is no other entity of this mapping", entity, mapping)
        elif reference not in mapping.entities[entity].fields:
            said = f"{entity} maps no {reference!r}"
            near = nearest_name(reference, mapping.entities[entity].fields)
            yield document.problem(where, said, of_value=True, nearest=near)
        elif schemas and entity in schemas:
            field = schemas[entity].fields.get(reference)
            if field is not None and field.to != view.of:
                yield document.problem(where, f"{reference} does not point to {view.of}", of_value=True)


def _column(document: Document, at: Parts, mapping: Mapping, view: View, value: str) -> Iterator[Problem]:
    entity, field, extra = (*value.split(".", 2), "")[:3]
    if entity not in (view.of, *view.beside):
        remedy = f"write {view.of}.{field}, or name {entity} in beside"
        yield document.problem(at, f"{entity!r} is not in this view", of_value=True, remedy=remedy)
        return
    block = mapping.entities.get(entity)
    if block is None:
        return
    names = block.custom if field == "custom" else {**block.fields, **dict.fromkeys(RECORD_COLUMNS)}
    wanted = extra if field == "custom" else field
    if wanted not in names:
        said = f"{entity} has no {wanted!r} in custom" if field == "custom" else f"{entity} maps no {wanted!r}"
        near = nearest_name(wanted, names)
        yield document.problem(at, said, of_value=True, nearest=near, expected="" if near else listed(names))
    elif extra and field != "custom":
        yield document.problem(at, f"{field} has no parts", of_value=True, remedy=f"write {entity}.{field}")


def _unknown(document: Document, at: Parts, said: str, name: str, mapping: Mapping) -> Problem:
    near = nearest_name(name, mapping.entities)
    return document.problem(at, said, of_value=True, nearest=near, expected="" if near else listed(mapping.entities))
