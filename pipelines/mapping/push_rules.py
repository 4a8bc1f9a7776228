"""Rules about what is written back: one way to go for every value, and a stated choice where there are two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipelines.mapping.document import Parts
from pipelines.mapping.language import EXTERNAL_ID, Batch, FieldMapping, Push, Request, as_text
from pipelines.mapping.problems import Problem
from pipelines.mapping.scope import Scope
from pipelines.mapping.sql_text import Complaint, complaints

_CREATE_WORDS = ("none", "linked", "all")
# Columns of every golden table that a `create` condition may name beside the canonical fields.
_GOLDEN = ("source_count", "connections", "created_at", "updated_at")
_OTHER_PARTS = {"first": "rest", "rest": "first", "last": "before_last", "before_last": "last"}


def check_push(scope: Scope) -> Iterator[Problem]:
    """All that is wrong with the entity's `push`."""
    push = scope.entity.push
    if push is None:
        return
    yield from _fields(scope, push)
    yield from _requires(scope, push)
    yield from _freshness(scope, push)
    yield from _create(scope, push)
    yield from _upsert(scope, push)
    yield from _find(scope, push)
    yield from _requests(scope, push)
    yield from _links(scope, push)
    yield from _look_ups(scope, push)


def _fields(scope: Scope, push: Push) -> Iterator[Problem]:
    mapped = scope.entity.fields
    for i, name in enumerate(push.fields):
        at: Parts = ("push", "fields", i)
        if name in push.fields[:i]:
            yield scope.problem(at, f"{name} stands twice", of_value=True, remedy="keep one of them")
        elif name not in mapped:
            yield scope.unknown(at, f"{name!r} is not mapped", name, mapped)
        elif mapped[name].writes == "never":
            yield _never_written(scope, at, name, mapped[name])
        else:
            yield from _inverse(scope, name, mapped[name])


def _requires(scope: Scope, push: Push) -> Iterator[Problem]:
    for i, name in enumerate(push.requires):
        if name not in push.fields:
            yield scope.unknown(("push", "requires", i), f"{name!r} is not written", name, push.fields)


def _freshness(scope: Scope, push: Push) -> Iterator[Problem]:
    incremental = scope.entity.extract.incremental
    is_told = incremental is not None and incremental.honoured and incremental.start_param is not None
    if push.freshness == "list" and not (is_told and scope.entity.modified and scope.entity.extract.method == "GET"):
        remedy = "give the entity modified, and its list incremental with start_param; or remove it"
        yield scope.problem(("push", "freshness"), "no list tells what changed", of_value=True, remedy=remedy)


def _never_written(scope: Scope, at: Parts, name: str, field: FieldMapping) -> Problem:
    if field.write == "never":
        return scope.problem(at, f"{name} has write: never", of_value=True, remedy="remove one of the two")
    said = {key: getattr(field, key) for key in ("join", "split", "sql", "const")} | {
        "computed": field.computed or None
    }
    way = next(key for key, value in said.items() if value is not None)
    remedy = f"give {name} write and write_to, or remove it here"
    return scope.problem(at, f"{name} is made by {way}, which has no inverse", of_value=True, remedy=remedy)


def _inverse(scope: Scope, name: str, field: FieldMapping) -> Iterator[Problem]:
    """What is written must follow from the mapping alone."""
    at: Parts = ("fields", name)
    if field.const is not None:
        yield scope.problem((*at, "const"), "a constant is not written back", remedy="write: never")
    if field.sql is not None and field.write_to is None:
        yield scope.problem((*at, "sql"), "sql has no inverse", remedy="add write_to, or write: never")
    is_taken_apart = field.write == "if_empty" and len(field.join or []) == 2
    if field.join is not None and field.write_to is None and not is_taken_apart:
        remedy = "add write_to, or write: never, or write: if_empty where two are joined"
        yield scope.problem((*at, "join"), "join has no inverse", remedy=remedy)
    if field.split is not None and field.write_to is None and not _has_other_part(scope, field):
        other = _OTHER_PARTS[field.part or "first"]
        remedy = f"push the field with part: {other} as well, or add write_to"
        yield scope.problem((*at, "split"), "only a part of their field is written", remedy=remedy)
    if field.each is not None and field.path is not None and "new" not in field.model_fields_set:
        remedy = "add new: what a member that we add also carries ({} for nothing), or write: never"
        yield scope.problem((*at, "each"), "the members are objects, and a new one is not described", remedy=remedy)
    choices: dict[str, list[str]] = {}
    for theirs, ours in (field.values or {}).items():
        choices.setdefault(as_text(ours), []).append(theirs)
    for ours_text, several in choices.items():
        if len(several) > 1 and ours_text not in (field.write_values or {}):
            said = f"{' and '.join(several)} are all {ours_text}: which is written?"
            remedy = f"add write_values: {{{ours_text}: {several[0]}}}"
            yield scope.problem((*at, "values", several[1]), said, remedy=remedy)


def _has_other_part(scope: Scope, field: FieldMapping) -> bool:
    push = scope.entity.push
    pushed = [scope.entity.fields[n] for n in (push.fields if push else []) if n in scope.entity.fields]
    return any(o.split == field.split and o.part == _OTHER_PARTS[field.part or "first"] for o in pushed)


def create_complaints(create: str, fields: Iterable[str]) -> Iterator[Complaint]:
    """What is wrong with a create policy: none, linked, all, or a condition over the golden record."""
    if create not in _CREATE_WORDS:
        yield from complaints(create, [*_CREATE_WORDS, *fields, *_GOLDEN])


def _create(scope: Scope, push: Push) -> Iterator[Problem]:
    fields = scope.schema.fields if scope.schema else scope.entity.fields
    for found, expected, near in create_complaints(push.create, fields):
        yield scope.problem(("push", "create"), found, of_value=True, expected=expected, nearest=near)
    if push.create != "none" and push.create_request is None and push.create_batch is None:
        yield scope.problem(("push", "create"), "nothing can create", remedy="add create_request or create_batch")


def _upsert(scope: Scope, push: Push) -> Iterator[Problem]:
    """What a record is matched by is written, and searched by before (law L8)."""
    one, at = push.upsert_batch, ("push", "upsert_batch")
    if one is None:
        return
    if push.create_request is None and push.create_batch is None:
        yield scope.problem(at, "says not how a record without a key is created", remedy="add create_batch")
    if "$key" not in str(one.item.values()) and f"{{{EXTERNAL_ID}}}" in str(one.request):
        yield scope.problem((*at, "item"), "no member has the key", remedy=f'add "{{{EXTERNAL_ID}}}": $key')
    searched = push.find.by if push.find else []
    if not one.is_ours and one.by not in set(searched) & set(push.fields):
        said = f"{one.by} is not both searched by and written"
        options = [name for name in searched if name in push.fields]
        yield scope.unknown((*at, "by"), said, one.by, [*options, EXTERNAL_ID])


def _find(scope: Scope, push: Push) -> Iterator[Problem]:
    find = push.find
    if find is None:
        return
    for i, name in enumerate(find.by):
        if name not in scope.entity.fields:
            yield scope.unknown(("push", "find", "by", i), f"{name!r} is not mapped", name, scope.entity.fields)
        elif scope.entity.fields[name].owner == "there" and push.create != "none":
            said = f"{name} is owned there, so that no record that is created has it"
            yield scope.problem(
                ("push", "find", "by", i), said, of_value=True, remedy="find by a field that is written"
            )
    if find.request is None and find.batch is None:
        yield scope.problem(("push", "find"), "has no call", remedy="add request or batch")


def _requests(scope: Scope, push: Push) -> Iterator[Problem]:
    if push.fields and push.update_request is None and push.update_batch is None and push.create == "none":
        yield scope.problem(("push", "fields"), "nothing can write them", remedy="add update_request or update_batch")
    for key in ("update_request", "delete_request"):
        request: Request | None = getattr(push, key)
        if request is not None:
            yield from _writing(scope, ("push", key), request)
            if "{id" not in str(request.model_dump()):
                yield scope.problem(("push", key), "names no {id}", remedy="put {id} into its path, params or json")
    if push.create_request is not None:
        yield from _writing(scope, ("push", "create_request"), push.create_request)
    batches: list[tuple[Parts, Batch | None]] = [
        (("push", "create_batch"), push.create_batch),
        (("push", "upsert_batch"), push.upsert_batch),
        (("push", "update_batch"), push.update_batch),
        (("push", "delete_batch"), push.delete_batch),
    ]
    batches.append((("push", "find", "batch"), push.find.batch if push.find else None))
    batches += [(("push", "links", i, "batch"), link.batch) for i, link in enumerate(push.links)]
    for at, batch in batches:
        if batch is not None:
            yield from _batch(scope, at, batch)


def _writing(scope: Scope, at: Parts, request: Request) -> Iterator[Problem]:
    if request.method == "GET":
        yield scope.problem((*at, "method"), "GET writes nothing", of_value=True, expected="POST, PUT, PATCH or DELETE")


def _batch(scope: Scope, at: Parts, batch: Batch) -> Iterator[Problem]:
    readers = scope.known.readers
    if readers is not None and batch.reader not in readers:
        said = f"{batch.reader!r} is no known batch-answer reader"
        yield scope.unknown((*at, "reader"), said, batch.reader, sorted(readers))


def _look_ups(scope: Scope, push: Push) -> Iterator[Problem]:
    for name, one in push.look_ups.items():
        at: Parts = ("push", "look_ups", name)
        for field in [*one.fields, *one.match]:
            if field not in scope.entity.fields:
                where = "fields" if field in one.fields else "match"
                yield scope.unknown(
                    (*at, where), f"{field!r} is not mapped", field, scope.entity.fields, of_value=False
                )
        if one.fields and one.into is None:
            yield scope.problem(at, "says not where the result is written", remedy="add into")


def _links(scope: Scope, push: Push) -> Iterator[Problem]:
    for i, link in enumerate(push.links):
        at: Parts = ("push", "links", i, "field")
        canonical = scope.canonical(link.field)
        if link.field not in scope.entity.fields:
            yield scope.unknown(at, f"{link.field!r} is not mapped", link.field, scope.entity.fields)
        elif canonical is not None and canonical.to is None:
            yield scope.problem(
                at, f"{link.field} is no reference", of_value=True, expected="a field that points to others"
            )
