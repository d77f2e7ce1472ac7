"""Companies by name: what of a name tells one company from another."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LEGAL_FORMS = frozenset({
    "ab", "ag", "aps", "as", "bv", "co", "company", "corp", "corporation", "gmbh", "group", "holding", "inc", "kg",
    "kgaa", "limited", "llc", "llp", "lp", "ltd", "mbh", "nv", "oy", "plc", "pty", "sa", "sarl", "sas", "se", "spa",
    "srl", "the", "und", "and",
})  # fmt: skip
_WORD = re.compile(r"[a-z0-9]+")


@lru_cache(maxsize=16_384)
def plain_name(name: str) -> str:
    """The words that tell companies apart: small letters without accents, dots, and legal forms."""
    folded = unicodedata.normalize("NFKD", name.replace(".", "").casefold())
    words = _WORD.findall("".join(c for c in folded if not unicodedata.combining(c)))
    return " ".join([w for w in words if w not in _LEGAL_FORMS] or words)


def name_words(name: str) -> list[str]:
    """Each word of at least three letters, once: companies whose names are alike share one of them, or its beginning."""
    return list(dict.fromkeys(word[:4] for word in plain_name(name).split() if len(word) >= 3))
