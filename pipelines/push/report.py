"""A plan for people and programs: summary, details, JSON, CSV, and one HTML page that can be sent to a colleague."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.push.planned import WRITES, Plan

SHOWN = ("entity", "action", "record", "golden_id", "field", "old", "new", "since", "source", "why", "conflict")
TITLES = {
    "records": "records", "unchanged": "unchanged", "update": "to update", "create": "to create", "link": "to link",
    "unlink": "to unlink", "archive": "to delete", "blocked": "blocked", "left": "fields left alone",
}  # fmt: skip
HTML_ROWS = 5000
STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1c2430}
h1{font-size:1.5rem;margin-bottom:.2rem}p.sub{color:#5b6675;margin-top:0}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #dfe4ea;vertical-align:top}
th{font-weight:600;color:#5b6675}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td{overflow-wrap:anywhere}.update{color:#8a5a00}.create{color:#0a6b39}.blocked{color:#a11}.none{color:#5b6675}
.guard{border-left:4px solid #a11;background:#fdf1f1;padding:.6rem 1rem;margin:1rem 0}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#dfe4ea}th,td{border-color:#333c46}
.update{color:#e5b567}.create{color:#7bd39f}.blocked{color:#f08a8a}.guard{background:#2a1a1a}}
"""


def headline(plan: Plan) -> str:
    """The plan in one sentence."""
    what = f"Undo of run {plan.run_id} in" if plan.kind == "revert" else "Plan for"
    if plan.is_empty:
        return f"{what} {plan.connection}: nothing to write"
    parts = [f"{n} {TITLES[action]}" for action in WRITES if (n := sum(c.get(action, 0) for c in plan.counts.values()))]
    return f"{what} {plan.connection}: {', '.join(parts)}"


def summary(plan: Plan) -> list[dict[str, Any]]:
    """One row for each entity: how many records are unchanged, to update, to create, blocked, ..."""
    return [
        {"entity": entity, **{name: counts[name] for name in TITLES if name in counts}}
        for entity, counts in plan.counts.items()
    ]


def reasons(plan: Plan) -> list[tuple[str, str, str, int]]:
    """(entity, action, why, fields), the most frequent first: what is written, left alone or blocked, and why."""
    names = ("entity", "action", "why")
    found: Counter[tuple[str, str, str]] = Counter()
    for batch in plan.rows.select(names).to_batches(max_chunksize=50_000):
        found.update(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return [(*key, number) for key, number in found.most_common()]


def conflicts(plan: Plan) -> int:
    """How many fields were edited on both sides since the last sync."""
    return int(pc.sum(plan.rows["is_conflict"]).as_py() or 0)


def kept(row: Mapping[str, Any]) -> str:
    """Of a field that both sides edited, whose value holds: theirs only where the CRM owns it."""
    return "theirs" if row["keeper"] == "there" and row["action"] == "none" else "ours"


def details(plan: Plan) -> Iterator[dict[str, Any]]:
    """Field by field: SHOWN, values as text for people."""
    for batch in plan.rows.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            row["record"] = row["record_key"] or "(new)"
            row |= {name: plain(row[name]) for name in ("old", "new")}
            row["conflict"] = f"both edited, {kept(row)} kept" if row["is_conflict"] else ""
            row["since"] = "" if row["since"] is None else row["since"].strftime("%Y-%m-%d %H:%M")
            yield {name: "" if row[name] is None else row[name] for name in SHOWN}


def plain(value: str | None) -> str:
    """A JSON value as people write it; nothing for none."""
    if value is None or value == "null":
        return ""
    found = json.loads(value)
    if isinstance(found, list):
        return ", ".join(map(str, found))
    return found if isinstance(found, str) else value


def as_text(plan: Plan, *, with_details: bool = False) -> str:
    """The plan as plain lines."""
    lines = [headline(plan), *(f"! {guard}" for guard in plan.guard), *plan.notes]
    if both := conflicts(plan):
        lines.append(f"{both} fields were edited on both sides since the last sync; --details shows both values")
    for row in summary(plan):
        told = ", ".join(f"{row[name]} {title}" for name, title in TITLES.items() if row.get(name))
        lines.append(f"  {row['entity']}: {told or 'no records'}")
    lines += [f"  {n:>7} fields {_said(action)}: {why} ({entity})" for entity, action, why, n in reasons(plan)]
    if with_details:
        for row in details(plan):
            say = "; ".join(filter(None, (row["why"], row["conflict"])))
            arrow = f"{row['old'] or '(empty)'} -> {row['new'] or '(empty)'}"
            lines.append(f"{_said(row['action']):8} {row['entity']} {row['record']} {row['field']}: {arrow} [{say}]")
    return "\n".join(lines)


def _said(action: str) -> str:
    """The action as people call it."""
    return "left" if action == "none" else action


def as_json(plan: Plan, *, with_details: bool = True) -> dict[str, Any]:
    """The plan as one JSON object for programs; `Plan.save` writes the form that can be applied."""
    said = {
        "plan_id": plan.plan_id, "connection": plan.connection, "owner": plan.owner, "kind": plan.kind,
        "made_at": plan.made_at, "headline": headline(plan), "guard": list(plan.guard), "notes": list(plan.notes),
        "summary": summary(plan), "conflicts": conflicts(plan),
        "reasons": [{"entity": e, "action": a, "why": w, "fields": n} for e, a, w, n in reasons(plan)],
    }  # fmt: skip
    return {**said, "details": list(details(plan))} if with_details else said


def as_csv(plan: Plan) -> str:
    """Field by field as CSV; a value that a spreadsheet would take for a formula is quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, SHOWN, lineterminator="\n")
    writer.writeheader()
    for row in details(plan):
        writer.writerow({name: f"'{v}" if str(v)[:1] in set("=+-@\t\r") and v else v for name, v in row.items()})
    return out.getvalue()


def as_html(plan: Plan) -> str:
    """One page without scripts or outside resources; the first HTML_ROWS fields, those that are written first."""
    written = pc.is_in(plan.rows["action"], pa.array(WRITES))
    ordered = pa.concat_tables([plan.rows.filter(written), plan.rows.filter(pc.invert(written))])
    shown = details(replace(plan, rows=ordered.slice(0, HTML_ROWS)))
    more = plan.rows.num_rows - HTML_ROWS
    body = [
        f"<h1>{escape(headline(plan))}</h1>",
        f"<p class=sub>owner {escape(plan.owner)}, made {escape(plan.made_at)}, plan {plan.plan_id}</p>",
        *(f"<p class=guard>Stopped by a guard: {escape(guard)}</p>" for guard in plan.guard),
        *(f"<p>{escape(note)}</p>" for note in plan.notes),
        _table(
            ["entity", *TITLES.values()], [[r["entity"], *(r.get(name, 0) for name in TITLES)] for r in summary(plan)]
        ),
        f"<p>{both} fields were edited on both sides since the last sync</p>" if (both := conflicts(plan)) else "",
        "<h2>Why</h2>",
        _table(["entity", "action", "why", "fields"], [list(row) for row in reasons(plan)]),
        "<h2>Field by field</h2>",
        _table(list(SHOWN), [[row[name] for name in SHOWN] for row in shown]),
        f"<p>and {more} more</p>" if more > 0 else "",
    ]
    title = escape(f"{plan.connection}: plan")
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{title}</title>"
    return f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{''.join(body)}</body></html>"


def _table(titles: list[str], rows: list[list[Any]]) -> str:
    if not rows:
        return "<p>nothing</p>"
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_line, rows))}</tbody></table>"


def _line(row: list[Any]) -> str:
    kind = next((cell for cell in row if cell in {"update", "create", "blocked", "none"}), "")
    cells = "".join(f"<td class=n>{c}</td>" if isinstance(c, int) else f"<td>{escape(str(c))}</td>" for c in row)
    return f"<tr class='{kind}'>{cells}</tr>" if kind else f"<tr>{cells}</tr>"
