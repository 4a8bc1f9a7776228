"""Metadata of the organisation, its modules and fields: what Zoho's own SDK reads before anything else.

Source: the type map of that SDK (fact sheet 3.7), for the keys; of each only those that say something here. UNVERIFIED:
that metadata which never changes is 304 to `If-Modified-Since`.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.zoho import errors, schema
from pipelines.sandbox.crms.zoho.org import Org
from pipelines.sandbox.crms.zoho.schema import Field, Module
from pipelines.sandbox.wire import Call, Route, answer

JSON_TYPES = {
    "integer": "integer", "bigint": "string", "currency": "double", "double": "double", "boolean": "boolean",
    "lookup": "jsonobject", "ownerlookup": "jsonobject",
}  # fmt: skip


class Settings:
    """The metadata of one organisation."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", "/crm/{version}/org", self.about),
            Route("GET", "/crm/{version}/settings/modules", self.modules),
            Route("GET", "/crm/{version}/settings/modules/{name}", self.module),
            Route("GET", "/crm/{version}/settings/fields", self.fields),
        ]

    def about(self, call: Call) -> Response:
        """Answers the organisation."""
        self.org.version(call)
        names = {"company_name": "Northgate Homes", "country_code": "US", "currency": "US Dollar", "iso_code": "USD"}
        ids = {"id": str(schema.ORG), "zgid": str(schema.ORG % 10**9), "domain_name": "org783"}
        return answer({"org": [names | ids | {"time_zone": "Etc/GMT+8", "currency_symbol": "$"}]})

    def modules(self, call: Call) -> Response:
        """Answers every module."""
        self.org.version(call)
        if "if-modified-since" in call.headers:
            return answer(None, 304)
        return answer({"modules": [_module(module) for module in schema.MODULES.values()]})

    def module(self, call: Call) -> Response:
        """Answers one module."""
        return answer({"modules": [_module(self._named(call.params["name"]))]})

    def fields(self, call: Call) -> Response:
        """Answers the fields of one module."""
        self.org.version(call)
        name = call.query.get("module")
        if not name:
            raise errors.refuse("REQUIRED_PARAM_MISSING", param_name="module")
        module = self._named(name)
        first = _id(module) * 1000
        return answer({"fields": [_field(field, first + place) for place, field in enumerate(module.fields)]})

    def _named(self, name: str) -> Module:
        if name not in schema.MODULES:
            raise errors.refuse("INVALID_MODULE", param_name="module")
        return schema.MODULES[name]


def _id(module: Module) -> int:
    return schema.ORG // 1_000_000 * 1000 + list(schema.MODULES).index(module.name) + 1


def _module(module: Module) -> dict[str, Any]:
    able = ("api_supported", "creatable", "editable", "deletable", "viewable", "visible", "quick_create")
    return {
        "id": str(_id(module)), "api_name": module.name, "module_name": module.name, "plural_label": module.name,
        "singular_label": module.name.removesuffix("s"), "status": "visible", "modified_time": None,
        "generated_type": "custom" if module.is_custom else "default",
    } | dict.fromkeys(able, True)  # fmt: skip


def _field(field: Field, id: int) -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": str(id), "api_name": field.name, "field_label": field.name.replace("_", " "), "data_type": field.kind,
        "json_type": JSON_TYPES.get(field.kind, "string"), "length": field.length, "read_only": field.is_read_only,
        "field_read_only": field.is_read_only, "system_mandatory": field.is_mandatory, "custom_field": field.is_custom,
        "visible": True, "searchable": True, "unique": {"casesensitive": "false"} if field.is_unique else {},
        "pick_list_values": [
            {"display_value": word, "actual_value": word, "sequence_number": place}
            for place, word in enumerate(field.choices, 1)
        ],
    }  # fmt: skip
    if field.module:
        target = schema.MODULES[field.module]
        about["lookup"] = {"module": {"api_name": target.name, "id": str(_id(target))}, "api_name": field.name}
    return about
