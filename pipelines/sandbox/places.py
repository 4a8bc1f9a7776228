"""Where people of the world live: cities with their area codes, and streets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class City:
    """A city with its state, the first three digits of its postal codes and its telephone area code."""

    name: str
    state: str
    postal_prefix: str
    area_code: str


def _words(text: str, between: str = ",") -> tuple[str, ...]:
    return tuple(text.split(between))


CITIES: tuple[City, ...] = tuple(
    City(*line.split(","))
    for line in _words(
        "Tacoma,WA,984,253;Seattle,WA,981,206;Portland,OR,972,503;Austin,TX,787,512;Denver,CO,802,303;Phoenix,AZ,850,602;"
        "Columbus,OH,432,614;Raleigh,NC,276,919;Tampa,FL,336,813;Boise,ID,837,208;Madison,WI,537,608;Tucson,AZ,857,520;"
        "Omaha,NE,681,402;Reno,NV,895,775;Tulsa,OK,741,918;Fresno,CA,937,559;Albany,NY,122,518;Dayton,OH,454,937;"
        "Macon,GA,312,478;Laredo,TX,780,956;Ogden,UT,844,801;Toledo,OH,436,419;Mobile,AL,366,251;Irvine,CA,926,949;"
        "Nashua,NH,030,603;Saint Paul,MN,551,651;Coeur d'Alene,ID,838,986;Honolulu,HI,968,808;Brooklyn,NY,112,718;"
        "San Antonio,TX,782,210",
        ";",
    )
)

STREETS: tuple[str, ...] = _words(
    "Elm,Oak,Maple,Cedar,Pine,Walnut,Washington,Lake,Hill,Park,Main,Church,Spring,Ridge,River,Sunset,Highland,Jefferson,"
    "Franklin,Madison,Lincoln,Meadow,Forest,Chestnut,Willow,Cherry,Dogwood,Birch,Mill,Valley,Prospect,"
    "Martin Luther King,Old County,Camino Real,St. Charles,1st,2nd,3rd,42nd,N 7th"
)

SUFFIXES: tuple[tuple[str, str], ...] = (
    ("Street", "St"),
    ("Avenue", "Ave"),
    ("Drive", "Dr"),
    ("Road", "Rd"),
    ("Lane", "Ln"),
    ("Court", "Ct"),
    ("Boulevard", "Blvd"),
    ("Place", "Pl"),
)

COMPANY_KINDS: tuple[str, ...] = ("LLC", "Inc.", "Realty", "Group", "& Sons", "Partners", "Design Studio", "Dental")

JOB_TITLES: tuple[str, ...] = _words(
    "Teacher,Nurse,Software Engineer,Account Manager,Electrician,Owner,Project Manager,Attorney,Chef,Physician,"
    "Office Manager,Sales Associate,Retired,Architect,Director of Operations,CFO"
)

MAIL_HOSTS: tuple[str, ...] = (
    "gmail.com",
    "gmail.com",
    "yahoo.com",
    "outlook.com",
    "icloud.com",
    "hotmail.com",
    "aol.com",
)
