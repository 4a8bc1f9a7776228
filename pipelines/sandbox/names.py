"""Names of people in many scripts: each name as it is written at home and in ASCII Latin letters.

A CRM may hold either form of one person ("Wei Wang", "伟 王"), so both travel together as (native, latin).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Culture:
    """The names one community draws from; `weight` is its share of a thousand people."""

    label: str
    weight: int
    female: tuple[Name, ...]
    male: tuple[Name, ...]
    family: tuple[Name, ...]


def latin(text: str) -> str:
    """Returns `text` with accents taken off, e.g. "José" -> "Jose"."""
    plain = text.replace("ø", "o").replace("Ø", "O").replace("ł", "l").replace("Ł", "L").replace("ß", "ss")
    plain = plain.replace("đ", "d").replace("Đ", "D").replace("ı", "i")
    return "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))


def _names(words: str) -> tuple[Name, ...]:
    """Reads "Wei=伟 Anna": a word with "=" states both forms, a word without is its own native form."""
    pairs = (word.replace("_", " ").partition("=") for word in words.split())
    return tuple((native or ascii_, ascii_ if native else latin(ascii_)) for ascii_, _, native in pairs)


def _culture(label: str, weight: int, female: str, male: str, family: str) -> Culture:
    return Culture(label, weight, _names(female), _names(male), _names(family))


_ENGLISH_WOMEN = """
Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Lisa Nancy Betty Margaret Sandra Ashley
Kimberly Emily Donna Michelle Carol Amanda Dorothy Melissa Deborah Stephanie Rebecca Sharon Laura Cynthia Kathleen Amy
Angela Shirley Anna Brenda Pamela Emma Nicole Helen Samantha Katherine Christine Rachel Carolyn Janet Catherine
Heather Diane Ruth Julie Olivia Joyce Virginia Victoria Lauren Christina Joan Judith Megan Grace
"""
_ENGLISH_MEN = """
James Robert John Michael David William Richard Joseph Thomas Charles Christopher Daniel Matthew Anthony Mark Donald
Steven Andrew Paul Joshua Kenneth Kevin Brian George Timothy Ronald Edward Jason Jeffrey Ryan Jacob Gary Nicholas Eric
Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick Frank Raymond Jack Dennis Jerry
Tyler Aaron Henry Peter Douglas Adam Nathan Zachary Walter Kyle Harold Carl
"""
_ENGLISH_FAMILIES = """
Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Thompson White
Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams Nelson Baker Hall Campbell Mitchell
Carter Roberts Phillips Evans Turner Parker Collins Edwards Stewart Morris Murphy Cook Rogers Morgan Peterson Cooper
Reed Bailey Bell Kelly Howard Ward Cox Richardson Wood Watson Brooks Bennett Gray Hughes Price Myers Long Foster
Sanders Ross Powell Sullivan Russell Jenkins Perry Butler Barnes Fisher Henderson Coleman Simmons Patterson Jordan
Reynolds Hamilton Graham O'Brien O'Connor McDonald MacLeod Smith-Jones Van_Dyke Fitzgerald Wallace Woods Cole West
Owens Burns Marshall Ellis Stevens Hunt Mason Dixon Okoro Mensah
"""

CULTURES: tuple[Culture, ...] = (
    _culture("english", 640, _ENGLISH_WOMEN, _ENGLISH_MEN, _ENGLISH_FAMILIES),
    _culture(
        "hispanic",
        120,
        "María Guadalupe Sofía Valentina Camila Lucía Verónica Mónica Rocío Begoña",
        "José Luis Jesús Andrés Ramón Ángel Iñigo Martín Raúl Sebastián",
        "García Rodríguez Hernández López González Pérez Sánchez Ramírez Núñez Muñoz Peña Ibáñez De_la_Cruz",
    ),
    _culture(
        "portuguese", 20, "Inês Conceição Beatriz Luísa", "João Estêvão Gonçalo Simão", "Araújo Gonçalves Magalhães"
    ),
    _culture(
        "french", 20, "Chloé Zoé Françoise Maëlle", "François Jérôme Benoît Loïc", "Lefèvre Bénard D'Aubigné Noël"
    ),
    _culture("german", 15, "Jürgen-Anna Käthe Zoë Grete", "Jürgen Björn Günther Jörg", "Müller Schröder Weiß Köhler"),
    _culture(
        "nordic", 10, "Åsa Sølvi Märta Thora=Þóra", "Håkan Øystein Jörgen Søren", "Sjögren Ødegård Lindström Bjørnsen"
    ),
    _culture("polish", 10, "Małgorzata Agnieszka Żaneta", "Łukasz Wojciech Michał", "Wójcik Kowalczyk Zieliński Łęcki"),
    _culture("turkish", 10, "Ayşe Gülşen Çiğdem", "Işık Oğuz Çağlar", "Yılmaz Şahin Öztürk"),
    _culture(
        "vietnamese",
        25,
        "Thị_Hương Lan Ngọc Thảo",
        "Minh Đức Tuấn Hùng",
        "Nguyễn Trần Phạm Đặng Hoàng",
    ),
    _culture(
        "chinese",
        35,
        "Li=丽 Fang=芳 Xiuying=秀英 Na=娜 Jing=静 Min=敏",
        "Wei=伟 Qiang=强 Lei=磊 Jun=军 Yang=洋 David=大卫",
        "Wang=王 Li=李 Zhang=张 Liu=刘 Chen=陈 Yang=杨 Ouyang=欧阳",
    ),
    _culture(
        "korean",
        20,
        "Seo-yeon=서연 Ji-woo=지우 Min-ji=민지",
        "Min-jun=민준 Seo-jun=서준 Ji-hoon=지훈",
        "Kim=김 Lee=이 Park=박 Choi=최",
    ),
    _culture(
        "japanese",
        15,
        "Yuko=裕子 Sakura=さくら Misaki=美咲",
        "Hiroshi=浩 Kenji=健二 Takashi=隆",
        "Sato=佐藤 Suzuki=鈴木 Takahashi=高橋 Watanabe=渡辺",
    ),
    _culture(
        "arabic",
        20,
        "Fatima=فاطمة Layla=ليلى Noor=نور",
        "Mohammed=محمد Ahmad=أحمد Khalid=خالد Omar=عمر",
        "Al-Masri=المصري Haddad=حداد Khoury=خوري Mansour=منصور",
    ),
    _culture(
        "hebrew",
        8,
        "Noa=נועה Tamar=תמר Yael=יעל",
        "Avraham=אברהם Yosef=יוסף Eitan=איתן",
        "Cohen=כהן Levi=לוי Mizrahi=מזרחי",
    ),
    _culture(
        "russian",
        12,
        "Olga=Ольга Svetlana=Светлана Natalya=Наталья",
        "Dmitri=Дмитрий Sergei=Сергей Aleksei=Алексей",
        "Ivanenko=Иваненко Shevchenko=Шевченко Kuznets=Кузнец",
    ),
    _culture("greek", 6, "Eleni=Ελένη Sofia=Σοφία", "Giorgos=Γιώργος Nikos=Νίκος", "Pappas=Παππάς Economou=Οικονόμου"),
    _culture("hindi", 10, "Priya=प्रिया Ananya=अनन्या", "Rahul=राहुल Arjun=अर्जुन", "Sharma=शर्मा Patel=पटेल Singh=सिंह"),
    _culture("thai", 4, "Malee=มาลี Siriporn=ศิริพร", "Somchai=สมชาย Anan=อนันต์", "Saetang=แซ่ตั้ง Srisuk=ศรีสุข"),
)

_SHORT_FORMS = """
Robert:Bob,Rob,Bobby William:Bill,Will,Billy James:Jim,Jimmy John:Jack,Johnny Richard:Rick,Dick Michael:Mike,Mick
Joseph:Joe,Joey Thomas:Tom,Tommy Charles:Charlie,Chuck Christopher:Chris Daniel:Dan,Danny Matthew:Matt Anthony:Tony
Steven:Steve Stephen:Steve Edward:Ed,Ted Kenneth:Ken Ronald:Ron Timothy:Tim Jeffrey:Jeff Gregory:Greg Nicholas:Nick
Samuel:Sam Benjamin:Ben Patrick:Pat Alexander:Alex Andrew:Andy,Drew David:Dave Donald:Don Raymond:Ray Henry:Hank
Douglas:Doug Elizabeth:Liz,Beth,Betty Margaret:Maggie,Peggy Katherine:Kate,Kathy Patricia:Pat,Patty,Tricia
Jennifer:Jen,Jenny Barbara:Barb Susan:Sue Deborah:Deb,Debbie Rebecca:Becky Christine:Chris,Tina Christina:Tina
Cynthia:Cindy Sandra:Sandy Pamela:Pam Victoria:Vicky Kimberly:Kim Jessica:Jess Amanda:Mandy Samantha:Sam Dorothy:Dot
Judith:Judy Catherine:Cathy Virginia:Ginny José:Pepe Guadalupe:Lupe
"""
NICKNAMES: dict[str, tuple[str, ...]] = {
    full: tuple(short.split(",")) for full, _, short in (entry.partition(":") for entry in _SHORT_FORMS.split())
}
