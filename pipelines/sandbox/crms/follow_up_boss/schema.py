"""What an account of Follow Up Boss is set up with: stages, pipelines, custom fields, and the fields a write may name.

Source: fact sheet 4.2 and 4.3. The stages, pipelines and custom fields are this account's own, made up here.
"""

from __future__ import annotations

from dataclasses import dataclass

PEOPLE_STAGES = {
    "": (1, "Unsorted"), "new": (2, "Lead"), "hot": (3, "Hot Prospect"), "nurture": (4, "Nurture"),
    "watch": (5, "Watch"),     "active": (6, "Active Client"), "past": (7, "Past Client"), "inactive": (8, "Inactive"),
    "unqualified": (9, "Unqualified"),
}  # fmt: skip
TRASH = (99, "Trash")
STAGE_IDS = {name: id for id, name in (*PEOPLE_STAGES.values(), TRASH)}
STAGE_NAMES = {id: name for name, id in STAGE_IDS.items()}

PIPELINES = {1: "Buyers", 2: "Sellers"}
DEAL_STAGES = {
    "lead": "Lead", "appointment": "Appointment", "showing": "Showing", "offer": "Offer",
    "under_contract": "Pending", "closed": "Closed", "lost": "Lost",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DealStage:
    """One step of one pipeline."""

    id: int
    name: str
    pipeline: int


DEAL_STAGE_LIST = tuple(
    DealStage(10 * pipeline + place, name, pipeline)
    for pipeline in PIPELINES
    for place, name in enumerate(DEAL_STAGES.values(), 1)
)
DEAL_STAGES_BY_ID = {stage.id: stage for stage in DEAL_STAGE_LIST}
DEAL_STATUS = ("Active", "Archived", "Deleted")


@dataclass(frozen=True, slots=True)
class Custom:
    """One custom field; `kind` is text, date, number or dropdown."""

    name: str
    label: str
    kind: str
    choices: tuple[str, ...] = ()


PEOPLE_CUSTOM = (
    Custom("customBirthday", "Birthday", "date"),
    Custom("customCompany", "Company", "text"),
    Custom("customJobTitle", "Job Title", "text"),
    Custom("customLookingFor", "Looking For", "dropdown", ("buyer", "seller", "seller/buyer", "tenant")),
    Custom("customRating", "Rating", "number"),
)
DEAL_CUSTOM = (Custom("customMLSNumber", "MLS Number", "text"),)
CUSTOM = {"people": PEOPLE_CUSTOM, "deals": DEAL_CUSTOM}

PERSON_WRITE = (
    "firstName", "lastName", "name", "stage", "stageId", "source", "sourceUrl", "contacted", "price", "assignedTo",
    "assignedUserId", "assignedLenderId", "tags", "emails", "phones", "addresses",
    *(custom.name for custom in PEOPLE_CUSTOM),
)  # fmt: skip
DEAL_DATES = (
    "projectedCloseDate", "mutualAcceptanceDate", "dueDiligenceDate", "earnestMoneyDueDate", "finalWalkThroughDate",
    "possessionDate",
)  # fmt: skip
DEAL_NUMBERS = ("price", "commissionValue", "agentCommission", "teamCommission", "orderWeight")
DEAL_WRITE = (
    "name", "stageId", "peopleIds", "userIds", "description", "status", *DEAL_NUMBERS, *DEAL_DATES,
    *(custom.name for custom in DEAL_CUSTOM),
)  # fmt: skip
EVENT_TYPES = (
    "Registration", "Inquiry", "Seller Inquiry", "Property Inquiry", "General Inquiry", "Viewed Property",
    "Saved Property", "Visited Website", "Incoming Call", "Unsubscribed", "Property Search", "Saved Property Search",
    "Visited Open House", "Viewed Page",
)  # fmt: skip
EVENT_WRITE = (
    "source", "system", "type", "message", "description", "person", "property", "propertySearch", "campaign",
    "occurredAt",
)  # fmt: skip
PROPERTY_WRITE = (
    "street", "city", "state", "code", "mlsNumber", "price", "forRent", "url", "type", "bedrooms", "bathrooms", "area",
    "lot",
)  # fmt: skip
