"""All mistakes at once, each with its line, what was expected, and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_mapping
from pipelines.mapping.problems import MappingErrors, Problem, nearest_name
from pipelines.mapping.rules import Known

HERE = Path(__file__).resolve().parent
Problems = Callable[[str], list[Problem]]


def test_every_one_of_many_mistakes_is_told_in_its_line(problems: Problems) -> None:
    text = (HERE / "twenty_mistakes.yml").read_text()
    marked = {
        int(found[1]): i for i, line in enumerate(text.splitlines(), 1) if (found := re.search(r"# (\d+) ", line))
    }
    lines = [marked[number] for number in range(1, 20)] + [marked[19], marked[21]]
    found = problems(text)
    assert sorted(lines) == [p.line for p in found], "\n".join(map(str, found))


def test_mistakes_name_what_was_meant(problems: Problems) -> None:
    said = [str(p) for p in problems((HERE / "twenty_mistakes.yml").read_text())]
    for wanted in (
        "acme.yml:4:1 conection: unknown key; did you mean connection?",
        "acme.yml:8:11 connection.auth.type: 'baerer' is no known authentication type; expected bearer or "
        "oauth2_client_credentials; did you mean bearer?",
        "acme.yml:26:7 entities.contacts.fields.fist_name: unknown canonical field; did you mean first_name?",
        "acme.yml:28:28 entities.contacts.fields.email.wirte: unknown key; did you mean write?",
        "acme.yml:15:13 connection.timezone: 'Europe/Zurch' is no zone; did you mean Europe/Zurich?",
        "acme.yml:35:29 entities.contacts.push.fields.2: 'job_title' is not mapped",
    ):
        assert any(wanted in line for line in said), "\n".join(said)
    assert all("\n" not in line for line in said)


SMALLEST = """
crm: acme
label: Acme
connection: {{base_url: "https://acme.example"}}
entities:
  {entity}:
    extract: {{path: x}}
    id: id
    fields: {{{fields}}}
    {more}
"""


def small(fields: str = "name: Name", more: str = "", entity: str = "contacts") -> str:
    return SMALLEST.format(fields=fields, more=more, entity=entity)


def one(problems: Problems, text: str) -> str:
    found = problems(text)
    assert len(found) == 1, "\n".join(map(str, found))
    return str(found[0])


def test_a_small_mapping_is_right(problems: Problems) -> None:
    assert problems(small()) == []


def test_single_mistakes(problems: Problems) -> None:
    update = 'update_request: {method: PUT, path: "c/{id}"}'
    cases = {
        "contacts.id.0: found nothing; expected string": small().replace("id: id", "id: [~]"),
        "unknown entity; expected": small(entity="invoices"),
        "did you mean contacts?": small(entity="contact"),
        "a list for a field of type email; take: first": small("email: {each: Emails}"),
        "the first member alone for a list": small("emails: {each: Emails, take: first}"),
        "unit for a field of type text; only for": small("name: {path: a, unit: 0.01}"),
        "time_format for a field of type email": small("email: {path: a, time_format: '%Y'}"),
        "found 'x'; expected true or false": small("do_not_call: {path: a, values: {a: x}}"),
        "refers to users, which this mapping does not have": small("owner_id: Owner"),
        "write: never; remove one": small("name: {path: n, write: never}", f"push: {{fields: [name], {update}}}"),
        "has no inverse; add write_to": small(
            "name: {sql: record->>'a', write: always}", f"push: {{fields: [name], {update}}}"
        ),
        "only a part of their field is written; push the field with part: rest": small(
            "first_name: {split: Name, part: first, write: always}", f"push: {{fields: [first_name], {update}}}"
        ),
        "A and B are all lead: which is written?; add write_values: {lead: A}": small(
            "status: {path: s, values: {A: lead, B: lead}}", f"push: {{fields: [status], {update}}}"
        ),
        "does not read as lead": small(
            "status: {path: s, values: {A: lead, B: lead, C: new}, write_values: {lead: C}}",
            f"push: {{fields: [status], {update}}}",
        ),
        "a new one is not described": small("phones: {each: P, path: n}", f"push: {{fields: [phones], {update}}}"),
        "nothing can write them": small(more="push: {fields: [name]}"),
        "names no {id}": small(more="push: {fields: [name], update_request: {method: PUT, path: c}}"),
        "GET writes nothing": small(more='push: {fields: [name], update_request: {path: "c/{id}"}}'),
        "'linkd' is no known column": small(more="push: {create: linkd, create_request: {method: POST, path: c}}"),
        "nothing can create": small(more="push: {create: linked}"),
        "'email' is not mapped": small(more="push: {find: {by: [email], request: {path: c}}}"),
        "has no call; add request or batch": small(more="push: {find: {by: [name]}}"),
        "no known batch-answer reader": small(
            more="push: {find: {by: [name], batch: {request: {path: c}, size: 2, items: i, reader: by_postion}}}"
        ),
        "name is no reference": small(more="push: {links: [{field: name, add: {method: POST, path: l}}]}"),
        "says nothing; expected when, feed or reconcile": small(more="deleted: {}"),
        "has the wrong form": small(more="deleted: {reconcile: daily}"),
        "the mapping has no get": small(more="deleted: {reconcile: 24h, merged: merged_ids}"),
        "without split": small("name: {path: a, part: first}"),
        "no list tells what changed": small(more=f"push: {{fields: [name], freshness: list, {update}}}"),
        "join has no inverse; add write_to, or write: never, or write: if_empty where two are joined": small(
            "name: {join: [a, b], write: always}", f"push: {{fields: [name], {update}}}"
        ),
        "at least 2": small("name: {join: [a]}"),
        "found nothing; expected": small("name: "),
        "found 3; expected string": small("name: {path: 3}"),
        "say exactly one of": small("name: {}"),
        "more than one expression": small(more='where: "name = 1; drop table x"'),
        "reads more than its own record": small(more="where: name in (select 1)"),
        "only filled in under connection": small(more="get: {path: 'c/{id}/${ACCOUNT}'}"),
    }
    wrong = {wanted: said for wanted, text in cases.items() if wanted not in (said := one(problems, text))}
    assert not wrong


def test_an_upsert_goes_by_what_is_searched_by_and_written(problems: Problems) -> None:
    find, create = "find: {by: [email], request: {path: c}}", "create_request: {method: POST, path: c}"
    upsert = "size: 2, reader: by_position, items: r, request: {method: POST, path: c}"
    update = 'update_request: {method: PUT, path: "c/{id}"}'

    def pushed(said: str) -> str:
        return small("name: n, email: e", f"push: {{{said}, {update}, fields: [name, email]}}")

    assert problems(pushed(f"{find}, {create}, upsert_batch: {{by: email, {upsert}}}")) == []
    assert "name is not both searched by and written; expected email or external_id" in one(
        problems, pushed(f"{find}, {create}, upsert_batch: {{by: name, {upsert}}}")
    )
    assert "says not how a record without a key is created" in one(
        problems, pushed(f"{find}, upsert_batch: {{by: email, {upsert}}}")
    )
    ours = upsert.replace("path: c", "path: 'c/{external_id}'")
    assert "no member has the key" in one(problems, pushed(f"{create}, upsert_batch: {{by: external_id, {ours}}}"))
    keyed = f"{ours}, item: {{'{{external_id}}': $key}}"
    assert problems(pushed(f"{create}, upsert_batch: {{by: external_id, {keyed}}}")) == []


def test_behind_a_wrong_entity_the_rest_is_told_too(problems: Problems) -> None:
    said = [str(p) for p in problems(small("fist_name: F", "where: nmae = 'x'", entity="contact"))]
    assert len(said) == 3
    assert any("unknown canonical field; did you mean first_name?" in line for line in said)
    assert len(problems(small("status: {path: s, values: {}}", "deleted: {}", entity="invoices"))) >= 2


def test_an_address_says_where_the_crm_begins(problems: Problems) -> None:
    """Without it, paths would be asked of the wrong place."""
    given = 'connection: {base_url: "https://acme.example"'
    for address, lines in (("(?P<base>https://b)/c", 0), ("https://b/c", 1), ("(?P<base>https://b/c", 1)):
        rule = f"{{address: '{address}', mapping: b, auth: {{type: bearer, token: '${{T}}'}}}}"
        found = problems(small().replace(given, f"{given}, instead: [{rule}]"))
        assert len(found) == lines, "\n".join(map(str, found))


def test_choices_that_are_made_are_accepted(problems: Problems) -> None:
    update = 'update_request: {method: PUT, path: "c/{id}"}'
    status = "status: {path: s, values: {A: lead, B: lead, C: new}, write_values: {lead: B}}"
    halves = "first_name: {split: N, part: first, write: always}, last_name: {split: N, part: rest, write: always}"
    assert problems(small(status, f"push: {{fields: [status], {update}}}")) == []
    assert problems(small(halves, f"push: {{fields: [first_name, last_name], {update}}}")) == []
    assert problems(small("status: {path: s, values: {A: lead, B: lead}}")) == []
    assert problems(small("name: {join: [a, b], write: if_empty}", f"push: {{fields: [name], {update}}}")) == []
    assert problems(small("phones: {each: P, path: n, new: {}}", f"push: {{fields: [phones], {update}}}")) == []
    assert problems(small(more="push: {create: \"status = 'lead' and source_count > 1\", create_request: "
                               "{method: POST, path: c}}")) == []  # fmt: skip


def test_an_expression_is_about_one_record(problems: Problems) -> None:
    for where in ("max(name) = 'x'", "row_number() over () = 1", "count(*) > 1", "name = (from secrets)"):
        assert "reads more than its own record" in one(problems, small(more=f'where: "{where}"')), where
    for where in ("name ilike 'a%' and not is_deleted", "name is not null or modified_at > now()", "len(name) > 3"):
        assert problems(small(more=f'where: "{where}"')) == [], where
    assert problems(small("tags: {sql: \"list_transform(record->'$.t', lambda t: t->>'$.n')\"}")) == []


def test_yaml_that_cannot_be_read_is_told_where(problems: Problems) -> None:
    for text, wanted in (
        ("crm: acme\n\tlabel: x\n", "acme.yml:2:1: YAML syntax: .*tab is no indentation"),
        ("crm: [a\nlabel: b\n", "acme.yml:2:6: YAML syntax"),
        ("a: &x [*x]\n", "too deep or too large|YAML syntax"),
        ("", "found nothing; expected"),
        ("- a\n- b\n", "found a list; expected"),
    ):
        assert re.search(wanted, one(problems, text)), one(problems, text)


def test_yaml_1_2_keeps_words_and_dates(problems: Problems) -> None:
    said = one(problems, small("do_not_call: {path: a, values: {no: no, yes: true}}"))
    assert "do_not_call.values.no: found 'no'; expected true or false" in said


def test_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    try:
        load_mapping(tmp_path / "none.yml")
    except MappingErrors as error:
        assert "cannot be read: No such file" in str(error)  # noqa: PT017
    else:
        raise AssertionError("read a file that is not there")


def test_registered_types_say_what_they_take(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    def bearer(token: str) -> str:
        return token

    def offset(*, limit: int, total_path: str = "total") -> str:
        return f"{limit}{total_path}"

    path = tmp_path / "acme.yml"
    text = small().replace('example"}', 'example", auth: {type: bearer, tokn: "${T}"}}')
    path.write_text(text.replace("path: x", "path: x, paginator: {type: offset, totl_path: n}"))
    with pytest.raises(MappingErrors) as refused:
        load_mapping(path, schemas, Known.of({"bearer": bearer}, {"offset": offset}))
    said = [p.found + "; " + (p.nearest or p.remedy) for p in refused.value.problems]
    assert sorted(said) == [
        "bearer lacks token; add token",
        "offset lacks limit; add limit",
        "unknown key for bearer; token",
        "unknown key for offset; total_path",
    ]


NAMES = st.sampled_from(["path", "extract", "modified", "deleted", "where", "fields", "custom", "push", "get"])


@given(st.integers(0, 30), NAMES, st.integers(0, 9))
def test_the_line_is_right_wherever_the_mistake_stands(lines: int, name: str, place: int) -> None:
    """Comments and blank lines before it move the mistake, and the problem moves with it."""
    import tempfile

    wrong = name[:place] + "q" + name[place:]
    head = "crm: acme\nlabel: Acme\nconnection: {base_url: https://a.example}\nentities:\n  contacts:\n    id: id\n"
    body = "    extract: {path: x}\n    fields: {name: n}\n" + "\n    # a note\n" * lines
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acme.yml"
        path.write_text(head + body + f"    {wrong}: 1\n")
        try:
            load_mapping(path)
        except MappingErrors as error:
            told = [(p.line, p.column, p.path) for p in error.problems]
    assert told == [((head + body).count("\n") + 1, 5, f"entities.contacts.{wrong}")]


@given(st.sampled_from(["first_name", "last_name", "email", "phones"]), st.integers(0, 7))
def test_the_nearest_name_is_the_one_a_letter_away(name: str, place: int) -> None:
    known = ["first_name", "last_name", "email", "phones"]
    assert nearest_name(name[:place] + name[place + 1 :], known) == name
    assert nearest_name("zzzz", known) == ""
