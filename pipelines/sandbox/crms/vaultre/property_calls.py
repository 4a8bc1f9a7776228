"""Calls for properties, their lives, and commercial deals."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.vaultre import assets, people, suburbs
from pipelines.sandbox.crms.vaultre.contact_calls import ContactCalls
from pipelines.sandbox.crms.vaultre.envelope import Where, filtered, invalid, listed, missing, page
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

SORTABLE = ("inserted", "modified", "searchPrice")
LISTS = {
    "sale": "body ->> '$.saleLifeId' is not null",
    "lease": "body ->> '$.leaseLifeId' is not null",
    "sale/available": "body ->> '$.status' in ('listing', 'conditional')",
    "lease/available": "body ->> '$.leaseLifeId' is not null",
    "sale/sold": "body ->> '$.status' in ('unconditional', 'settled')",
}
ROLES = {"owners": "_owners", "purchasers": "_purchasers"}


class PropertyCalls:
    """The part of the API that is about properties."""

    def __init__(self, crm: Crm, contacts: ContactCalls) -> None:
        self.crm = crm
        self.contacts = contacts

    def routes(self) -> list[Route]:
        """Returns the routes: lists first, for `/properties/sale` is no property."""
        routes = [
            Route("GET", "/properties", partial(self.listing, "", "")),
            Route("GET", "/properties/sale/fallenSaleWithdrawn", self.withdrawn),
            Route("GET", "/properties/deals/sale", self.deals),
            Route("GET", "/search/properties/address", self.search),
            Route("GET", "/properties/{id}", self.read),
            Route("GET", "/properties/{id}/deals/sale", self.deals),
        ]
        for kind in ("", *assets.CLASSES):
            base = "/properties" + (f"/{kind}" if kind else "")
            routes = [Route("GET", f"{base}/{name}", partial(self.listing, kind, name)) for name in LISTS] + routes
        for kind in assets.CLASSES:
            for episode in ("sale", "lease"):
                base = f"/properties/{kind}/{episode}"
                routes += [
                    Route("POST", base, partial(self.create, kind, episode)),
                    Route("GET", f"{base}/{{id}}", self.read),
                    Route("PUT", f"{base}/{{id}}", partial(self.update, kind)),
                    Route("GET", f"{base}/{{id}}/{{life}}", self.read_life),
                ]
        for role in ROLES:
            base = f"/properties/{{id}}/sale/{{life}}/{role}"
            routes += [Route("GET", base, partial(self.people, role)), Route("POST", base, partial(self.attach, role))]
            routes.append(Route("DELETE", f"{base}/{{person}}", partial(self.detach, role)))
        return routes

    def listing(self, kind: str, name: str, call: Call) -> Response:
        """3.2: lists per class and episode; only those of what is sold carry saleDetails (3.4)."""
        where, values = filtered(call, self.crm.switches["modified_since_inclusive"])
        where += [LISTS[name]] if name else []
        if kind:
            where.append("body ->> '$.class.id' = ?")
            values.append(assets.CLASSES[kind])
        if states := listed(call.query.get("status", "")):
            where.append(f"body ->> '$.status' in ({', '.join('?' * len(states))})")
            values += states
        if name == "sale/sold":
            _dates(call, "body ->> '$.saleDetails.{}'", (where, values))
        shown = _with_sale if name == "sale/sold" else _plain
        return page(self.crm, call, "properties", (where, values), shown, sortable=SORTABLE)

    def withdrawn(self, call: Call) -> Response:
        """3.2: the list of fallen and withdrawn sales."""
        where, values = filtered(call, self.crm.switches["modified_since_inclusive"])
        where.append("body ->> '$.status' = 'withdrawn'")
        return page(self.crm, call, "properties", (where, values), _with_sale, sortable=SORTABLE)

    def search(self, call: Call) -> Response:
        """Spec: properties by a part of the address; term is required."""
        if not (term := call.query.get("term", "").strip()):
            return invalid("term is required")
        where = ["not deleted", "instr(lower(body ->> '$.displayAddress'), lower(?)) > 0"]
        return page(self.crm, call, "properties", (where, [term]), _plain)

    def read(self, call: Call) -> Response:
        """Answers one property."""
        return answer(_plain(self._record(call)))

    def read_life(self, call: Call) -> Response:
        """Answers one property joined with one life."""
        record = self._record(call)
        if call.params["life"] not in (str(record.body["saleLifeId"]), str(record.body["leaseLifeId"])):
            return missing("life")
        return answer(_with_sale(record))

    def create(self, kind: str, episode: str, call: Call) -> Response:
        """3.5: writes are per class; 201 with the property, which has begun a life."""
        given = assets.accepted(call.object(invalid), True, self.contacts.user_of)
        id = self.crm.new_id("properties")
        begun = {f"{episode}LifeId": assets.life(int(id)) + (episode == "lease")}
        type_name = {"residential": "House", "commercial": "Offices", "land": "Land"}[kind]
        return answer(_plain(self.crm.new("properties", id, assets.empty(kind, type_name) | begun | given)), 201)

    def update(self, kind: str, call: Call) -> Response:
        """3.5: PUT changes what it names, or empties the rest with the switch `put_replaces`.

        UNVERIFIED: that a property of another class is not found.
        """
        record = self._record(call)
        if record.body["class"]["id"] != assets.CLASSES[kind]:
            raise Refused(missing("property"))
        given = assets.accepted(call.object(invalid), False, self.contacts.user_of)
        emptied = dict.fromkeys((*assets.TEXTS, *assets.NUMBERS, "landArea", "floorArea", "address"))
        return answer(_plain(self.crm.edit(record, (emptied if self.crm.switches["put_replaces"] else {}) | given)))

    def people(self, role: str, call: Call) -> Response:
        """Answers the owners or purchasers of a life."""
        ids = [str(id) for id in self._record(call).body[ROLES[role]]]
        where = [f"id in ({', '.join('?' * len(ids))})", "not deleted"]
        return page(self.crm, call, "contacts", (where, list(ids)), lambda r: people.minimal(r.body))

    def attach(self, role: str, call: Call) -> Response:
        """Spec: POST {id} of a contact attaches it to a life."""
        record, person = self._record(call), self.contacts.record(str(call.object(invalid).get("id")))
        self.crm.edit(record, {ROLES[role]: sorted({*record.body[ROLES[role]], int(person.id)})})
        return answer({"success": True, "msg": "Attached", "code": None})

    def detach(self, role: str, call: Call) -> Response:
        """Spec: DELETE takes a contact off a life."""
        record = self._record(call)
        kept = [id for id in record.body[ROLES[role]] if str(id) != call.params["person"]]
        self.crm.edit(record, {ROLES[role]: kept})
        return answer(None, 204)

    def deals(self, call: Call) -> Response:
        """3.2, 3.4: commercial deals, filtered by their dates and status alone; without totals, without times."""
        where, values = ["not deleted"], list[object]()
        _dates(call, "body ->> '$.{}'", (where, values))
        if status := call.query.get("status"):
            where.append("body ->> '$.status' = ?")
            values.append(status)
        if "id" in call.params:
            where.append("body ->> '$._property' = ?")
            values.append(int(call.params["id"]) if call.params["id"].isdigit() else -1)
        return page(self.crm, call, "deals", (where, values), self._deal, has_totals="id" in call.params)

    def _deal(self, record: Record) -> Body:
        contacts = {
            role: [people.minimal(found.body) for id in record.body[kept] if (found := self._contact(id))]
            for role, kept in ROLES.items()
        }
        return {name: value for name, value in record.body.items() if name[0] != "_"} | contacts

    def _contact(self, id: int) -> Record | None:
        found = self.crm.store.get("contacts", id)
        return found if found and not found.deleted else None

    def _record(self, call: Call) -> Record:
        record = self.crm.store.get("properties", call.params["id"])
        if record is None or record.deleted:
            raise Refused(missing("property"))
        return record


def displayed(body: Body) -> str:
    """Returns an address in one line, for `stamp`."""
    return suburbs.line(body["address"])


def _dates(call: Call, path: str, where: Where) -> None:
    for field in ("unconditional", "settlement"):
        for suffix, compared in (("Since", ">="), ("Before", "<")):
            if given := call.query.get(field + suffix):
                where[0].append(f"substr({path.format(field)}, 1, 10) {compared} ?")
                where[1].append(given[:10])


def _with_sale(record: Record) -> Body:
    return {name: value for name, value in record.body.items() if name[0] != "_"}


def _plain(record: Record) -> Body:
    return {name: value for name, value in _with_sale(record).items() if name != "saleDetails"}
