"""What looks like a person's address or telephone number: the words that leave the profile refuse it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_NOT_A_PHONE_NUMBER = re.compile(
    r"""
      [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}         # a UUID
    | (?<!\d)\d{4}-\d\d-\d\d(?!\d) (?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?    # a date, with or without a time
    | (?<![\d.,])[1-9]\d{0,2}(?:[.,]\d{3})+(?![\d.,])                      # 1,000,000
    | (?<![\d.,+])\d+[.,]\d+(?![\d.,])                                     # 12.500000
    """,
    re.VERBOSE,
)
_DIGITS = re.compile(r"\+?[(]?\d(?:(?:[ ./-]|[ ]?[(]|[)][ ]?|[)]?[ ]?[/-][ ]?)?\d)+")
_AREA_AND_NUMBER = re.compile(r"[(]?\d{3}[)]?[ ./-]{1,2}\d{3}[ .-]\d{4}")


@lru_cache(maxsize=16_384)
def spells_phone_number(text: str) -> bool:
    """Whether `text` holds digits written as telephone numbers are: +49 170 1234567, 0170/1234567, (212) 555-1234.

    Dates, times, decimals, UUIDs and plain numbers (an offset, a campaign's number) are none.
    """
    for found in _DIGITS.finditer(_NOT_A_PHONE_NUMBER.sub(" _ ", text)):
        run = found.group()
        count = sum(c.isdigit() for c in run)
        if not 7 <= count <= 17:
            continue
        if run.startswith(("+", "0", "(0")) or _AREA_AND_NUMBER.fullmatch(run) or (not run.isdigit() and count >= 9):
            return True
    return False


def looks_personal(text: str) -> bool:
    """Whether a sender's text holds what looks like an e-mail address or a telephone number.

    Stricter than `spells_phone_number`: nine or more plain digits count, too, for a sender may leave out the +.
    """
    return "@" in text or spells_phone_number(text) or bool(re.search(r"(?<![\d.,])\d{9,15}(?![\d.,])", text))


def refuse_personal(text: str, kind: str, looks: Callable[[str], bool]) -> str:
    """`text`, if it does not look personal. Raises ValueError that names the `kind` and never quotes the text."""
    if looks(text):
        raise ValueError(
            f"a {kind} names no person; this looks like an e-mail address or telephone number: it belongs into the profile"
        )
    return text
