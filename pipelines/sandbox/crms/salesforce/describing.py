"""What `describe` tells of an object and its fields; a part of what the service tells."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox.crms.salesforce.schema import Field, SObject


def basics(kind: SObject, version: str) -> dict[str, Any]:
    """Returns an object in short."""
    base = f"/services/data/{version}/sobjects/{kind.name}"
    return {
        "name": kind.name, "label": _label(kind.name), "labelPlural": f"{_label(kind.name)}s",
        "keyPrefix": kind.prefix, "custom": kind.name.endswith("__c"), "queryable": True, "retrieveable": True,
        "createable": True, "updateable": True, "deletable": kind.is_made,
        "replicateable": True, "searchable": True, "layoutable": True, "undeletable": kind.is_made,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }  # fmt: skip


def described(kind: SObject, version: str) -> dict[str, Any]:
    """Returns an object with its fields and child relationships."""
    children = [
        {"relationshipName": name, "childSObject": child, "field": back, "cascadeDelete": False}
        for name, child, back in kind.children
    ]
    fields = [_field(each) for each in kind.fields.values()]
    return basics(kind, version) | {"fields": fields, "childRelationships": children, "recordTypeInfos": []}


def _field(known: Field) -> dict[str, Any]:
    return {
        "name": known.name, "label": _label(known.name), "type": known.kind, "length": known.length,
        "custom": known.name.endswith("__c"), "nillable": not known.is_required and known.kind != "boolean",
        "createable": known.is_written, "updateable": known.is_written, "calculated": False,
        "filterable": known.kind != "textarea", "sortable": known.kind != "textarea",
        "externalId": known.is_key, "unique": known.is_unique,
        "idLookup": known.is_key or known.kind in ("id", "email"),
        "nameField": known.name == "Name", "defaultedOnCreate": known.kind == "boolean",
        "restrictedPicklist": known.is_restricted,
        "referenceTo": [known.to] if known.to else [], "relationshipName": known.relation or None,
        "picklistValues": [
            {"value": value, "label": value, "active": True, "defaultValue": False} for value in known.options
        ],
    }  # fmt: skip


def _label(name: str) -> str:
    return name.removesuffix("__c").replace("_", " ")
