"""Finds records as one types: every word may be unfinished; where nothing fits, words a slip away do, and pieces."""

from __future__ import annotations

import re
import sqlite3
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.connections.owner import Owner
from pipelines.service.search import store
from pipelines.service.search.write import variants

CANDIDATES = 120
FEW = 20
INDEXED = 3
LAST = "\U0010ffff"
ALTERNATIVES = 12
OPEN_PER_THREAD = 8
_WORDS = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\+?[\d\s().\-/\u2010-\u2015]+")
MOST_WORDS = 8


@dataclass(frozen=True)
class Hit:
    """One source record: its row as JSON text, and the record as the CRM sent it (JSON text, where it is kept)."""

    key: str
    source: str
    row: str
    original: str | None


class Searcher:
    """Reads the indexes of all owners; each thread has its own connections."""

    def __init__(self) -> None:
        self._own = threading.local()

    def find(self, owner: Owner, query: str, entity: str, *, limit: int = 50) -> list[Hit] | None:
        """The records that fit best, the best first; None where there is no index yet.

        Args:
            owner: whose records; no other's are looked at (law L13).
            query: what was typed: parts of names, an e-mail address, a telephone number, a company, an address.
            entity: contacts or deals.
            limit: at most so many.
        """
        path = store.current(owner)
        if path is None:
            return None
        looking = _Looking(self._connection(path), entity, query)
        return looking.hits(limit)

    def made_from(self, owner: Owner) -> str | None:
        """Name of the published file that the index was made from; None where there is no index."""
        path = store.current(owner)
        return None if path is None else store.meta(self._connection(path)).get("made_from")

    def originals(self, owner: Owner, entity: str, keys: Sequence[str]) -> dict[str, str]:
        """The records as the CRMs sent them, as JSON text, by key."""
        path = store.current(owner)
        if path is None:
            return {}
        con = self._connection(path)
        found: dict[str, str] = {}
        for start in range(0, len(keys), 500):
            some = list(keys[start : start + 500])
            marks = ",".join("?" * len(some))
            query = f"""select key, original from {entity}_docs join {entity}_rows using (doc)
                where original is not null and key in ({marks})"""
            found |= dict(con.execute(query, some).fetchall())
        return found

    def _connection(self, path: Path) -> sqlite3.Connection:
        if not hasattr(self._own, "open"):
            self._own.open = OrderedDict()
        opened: OrderedDict[str, sqlite3.Connection] = self._own.open
        con = opened.pop(str(path), None)
        if con is None:
            # the file of before is gone but for who has it open
            for other in [name for name in opened if Path(name).parent == path.parent]:
                opened.pop(other).close()
            con = store.open_to_read(path)
        opened[str(path)] = con
        while len(opened) > OPEN_PER_THREAD:
            opened.popitem(last=False)[1].close()
        return con


def folded(text: str) -> str:
    """Small letters without accents, as the index has them."""
    spread = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in spread if not unicodedata.combining(c))


class _Looking:
    """One search."""

    def __init__(self, con: sqlite3.Connection, entity: str, query: str) -> None:
        self._con, self._entity = con, entity
        self._query = query.strip().lower()
        self._is_address = "@" in self._query and " " not in self._query
        # of an address that nobody has, the host tells nothing
        told = self._query.partition("@")[0] if self._is_address else query
        self._words = _WORDS.findall(folded(told))[:MOST_WORDS]
        self._digits = re.sub(r"\D", "", query) if _NUMBER.fullmatch(query.strip()) else ""

    def hits(self, limit: int) -> list[Hit]:
        """The best `limit` records."""
        found = [*self._by_phone(limit), *self._by_email(limit)]
        if self._words and not (found and self._is_address):
            self._add(found, self._exact())
            if len(found) < CANDIDATES:
                self._add_begun(found)
        if self._words and not found:
            found = self._by_alternatives()
        return self._ranked(found, limit)

    def _add(self, found: list[int], match: str) -> None:
        known = set(found)
        found += [doc for doc in self._by_words(match) if doc not in known]

    def _exact(self) -> str:
        return " AND ".join(f'"{word}"' for word in self._words)

    def _add_begun(self, found: list[int]) -> None:
        """Words may be unfinished. A long beginning is first looked up among the words that names and places have.

        FTS5 has its own index for beginnings of up to three letters; it gathers all records of a longer one before the
        first is answered, which takes long where there are many.
        """
        known = [self._meant(word) for word in self._words]
        if any(known):
            parts = (self._any(word, others) for word, others in zip(self._words, known, strict=True))
            self._add(found, " AND ".join(parts))
        if not found or (len(found) < FEW and any(not others and len(w) > INDEXED for w, others in self._pairs(known))):
            self._add(found, " AND ".join(f'"{word}" *' for word in self._words))

    def _pairs(self, known: list[list[str]]) -> list[tuple[str, list[str]]]:
        return list(zip(self._words, known, strict=True))

    def _any(self, word: str, others: list[str]) -> str:
        if not others:
            return f'"{word}" *'
        return "(" + " OR ".join(f'"{one}"' for one in dict.fromkeys([word, *others])) + ")"

    def _meant(self, word: str) -> list[str]:
        """Known words that begin so; none for what FTS5 has an index for."""
        if len(word) <= INDEXED:
            return []
        query = (
            f"select spelt from {self._entity}_words where spelt >= ? and spelt < ? order by spelt limit {ALTERNATIVES}"
        )
        return [spelt for (spelt,) in self._con.execute(query, [word, word + LAST])]

    def _by_words(self, match: str) -> list[int]:
        query = f"select rowid from {self._entity}_hay where {self._entity}_hay match ? limit {CANDIDATES}"
        return [doc for (doc,) in self._con.execute(query, [match])]

    def _by_phone(self, limit: int) -> list[int]:
        """Numbers that begin so, with or without the country's code or a trunk zero, or end so."""
        digits = self._digits
        if len(digits) < 3:
            return []
        begins = {digits, digits.removeprefix("00"), digits.removeprefix("011"), digits.removeprefix("0")}
        ends = [f"r{begun[::-1]}" for begun in begins] if len(digits) > 3 else []
        found: dict[int, None] = {}
        for start in [*sorted(begins, key=len, reverse=True), *ends]:
            if len(start.removeprefix("r")) > 2:
                found |= dict.fromkeys(self._started(start, limit))
        return list(found)

    def _by_email(self, limit: int) -> list[int]:
        return self._started(f"e{self._query}", limit) if self._is_address else []

    def _started(self, start: str, limit: int) -> list[int]:
        query = f"select doc from {self._entity}_starts where start >= ? and start < ? limit {limit}"
        return [doc for (doc,) in self._con.execute(query, [start, start + LAST])]

    def _by_alternatives(self) -> list[int]:
        """Words that are one slip away, or hold the typed piece, stand in for those that fit nothing."""
        parts = []
        for word in self._words:
            others = self._near(word)
            parts.append("(" + " OR ".join([f'"{word}" *', *(f'"{other}"' for other in others)]) + ")")
        return self._by_words(" AND ".join(parts))

    def _near(self, word: str) -> list[str]:
        if len(word) < 3 or any(c.isdigit() for c in word):
            return []
        pieces = self._spelt(f'"{word}"', 1)
        if len(word) < 4:
            return pieces
        forms = sorted(variants(word))
        marks = ",".join("?" * len(forms))
        slips = f"""select distinct w.spelt from {self._entity}_typos as t join {self._entity}_words as w using (word)
            where t.variant in ({marks}) limit 200"""
        near = [spelt for (spelt,) in self._con.execute(slips, forms) if _is_slip(word, spelt)]
        alike = [] if near or pieces or len(word) < 6 else self._alike(word)
        return list(dict.fromkeys([*near[:ALTERNATIVES], *pieces, *alike]))

    def _alike(self, word: str) -> list[str]:
        """Words that share many of its trigrams, or are two slips away."""
        grams = {word[i : i + 3] for i in range(len(word) - 2)}
        found = self._spelt(" OR ".join(f'"{gram}"' for gram in sorted(grams)), 10)

        def shared(other: str) -> float:
            theirs = {other[i : i + 3] for i in range(len(other) - 2)}
            return len(grams & theirs) / len(grams | theirs)

        shares = sorted(((shared(other), other) for other in found), reverse=True)
        return [other for share, other in shares if share >= 0.4 or _are_two_slips(word, other)][:ALTERNATIVES]

    def _spelt(self, match: str, times: int) -> list[str]:
        order = "order by rank" if times > 1 else ""
        query = f"""select spelt from {self._entity}_grams where {self._entity}_grams match ? {order}
            limit {ALTERNATIVES * times}"""
        return [spelt for (spelt,) in self._con.execute(query, [match])]

    def _ranked(self, docs: list[int], limit: int) -> list[Hit]:
        """Records with more whole words, and earlier ones, come first; among equals the order found."""
        if not docs:
            return []
        docs = docs[:CANDIDATES]
        wanted = set(self._words)
        marks = ",".join("?" * len(docs))
        texts = dict(self._con.execute(f"select doc, words from {self._entity}_docs where doc in ({marks})", docs))

        def score(doc: int) -> tuple[int, int]:
            words = _WORDS.findall(folded(texts.get(doc, "")))
            places = [i for i, word in enumerate(words) if word in wanted]
            return -len({words[i] for i in places}), places[0] if places else 999

        best = sorted((doc for doc in docs if doc in texts), key=score)[:limit]
        marks = ",".join("?" * len(best))
        query = f"""select doc, key, source, row, original from {self._entity}_docs join {self._entity}_rows using (doc)
            where doc in ({marks})"""
        rows = {doc: Hit(*rest) for doc, *rest in self._con.execute(query, best)}
        return [rows[doc] for doc in best if doc in rows]


def _is_slip(a: str, b: str) -> bool:
    """Whether one letter wrong, left out, too many, or two exchanged make `b` of `a`."""
    if a == b or abs(len(a) - len(b)) > 1:
        return a == b
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    x, y = a[start:], b[start:]
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (x[:2] == y[1::-1] and x[2:] == y[2:])


def _are_two_slips(a: str, b: str) -> bool:
    """Whether two letters wrong, left out or too many make `b` of `a`."""
    if abs(len(a) - len(b)) > 2:
        return False
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
        if min(row) > 2:
            return False
        before = row
    return before[-1] <= 2
