"""Records in the words of the unified-CRM contract, made in SQL from the source records and their golden ids.

Each query gives (key, source, row): the record key, its connection, and the record as JSON text. What the CRM itself
sent is put into `metadata` afterwards (`with_original`), since the published file does not hold it.
"""

from __future__ import annotations

CONTACTS, DEALS = "contacts", "deals"
SINGULAR = {CONTACTS: "contact", DEALS: "deal"}

_TIME = "strftime(timezone('UTC', {0}), '%Y-%m-%dT%H:%M:%S.%gZ')"
_COMMON = f"""'updated_at', {_TIME.format("coalesce(s.modified_at, s.seen_at)")}"""
_CONTACT = f"""json_object('id', g.golden_id, 'source', s.connection, 'source_id', s.source_id,
    'first_name', s.first_name, 'last_name', s.last_name,
    'name', coalesce(s.name, nullif(concat_ws(' ', s.first_name, s.last_name), '')),
    'email', s.email, 'phone', s.phone, 'company', s.company, 'status', s.status, 'rating', s.rating, {_COMMON})"""
_DEAL = f"""json_object('id', g.golden_id, 'source', s.connection, 'source_id', s.source_id,
    'name', s.name, 'amount', s.amount, 'currency', s.currency, 'stage', s.stage, 'probability', s.probability,
    'close_date', s.close_date, 'property_address', s.property_address, 'sales_price', s.close_price,
    'status', s.status, 'contact_ids', coalesce(to_json(people.ids), '[]'::json), {_COMMON})"""
_PEOPLE = """left join (select named.record_key, list(distinct c.contact_id order by c.contact_id) as ids
        from (select record_key, unnest(contact_ids) as contact from {of}) as named
        join {golden} as c on c.record_key = named.contact group by named.record_key) as people
    on people.record_key = s.record_key"""


def rows_sql(
    entity: str,
    *,
    of: str | None = None,
    golden: str | None = None,
    people: str = "unified.contact_sources",
    more: str = "",
) -> str:
    """The query of (key, source, row).

    Args:
        entity: contacts or deals.
        of: the source records, shaped as `staging.<entity>`; default: the published ones.
        golden: (record_key, golden_id) of them; default: the published ones.
        people: (record_key, contact_id) of the contacts that deals name; default: the published ones.
        more: further columns, over `s` (the source record) and `g`, each with a comma before it.
    """
    singular = SINGULAR[entity]
    of = of or f"staging.{entity}"
    golden = golden or f"(select record_key, {singular}_id as golden_id from unified.{singular}_sources)"
    row, named = (_CONTACT, "") if entity == CONTACTS else (_DEAL, _PEOPLE.format(of=of, golden=people))
    return f"""select s.record_key as key, s.connection as source, {row}::varchar as row{more}
        from {of} as s left join {golden} as g on g.record_key = s.record_key {named}
        where not s.is_deleted"""


def with_original(row: str, source_id_json: str, original: str | None) -> str:
    """The row with its `metadata`: the CRM's own id, and the whole record as the CRM sent it (null where it is gone).

    Args:
        row: a JSON object as text.
        source_id_json: the CRM's id, as JSON.
        original: the record as JSON text.
    """
    return f'{row[:-1]},"metadata":{{"id":{source_id_json},"record":{original or "null"}}}}}'
