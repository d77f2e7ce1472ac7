"""What the words of CRMs mean: statuses, kinds of activities, job titles, sizes. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import IntEnum, StrEnum
from functools import lru_cache

from schemas.agreement.terms import Attribute, AttributeType
from services.intake.imports.columns import plain_name


@lru_cache(maxsize=4096)
def plain_word(text: str) -> str:
    """`Open - Not Contacted` and `OPEN_NOT_CONTACTED` are one word."""
    return plain_name(text)


class Standing(IntEnum):
    """How far a lead came, by what its status says; of several the furthest counts."""

    UNKNOWN = 0
    UNTOUCHED = 1
    WORKING = 2
    REJECTED = 3
    ACCEPTED = 4
    LOST = 5
    CONVERTED = 6
    WON = 7


_STATUSES = (
    (Standing.REJECTED, r"not_(interested|converted|a_fit|qualified|viable)|no_(fit|interest)|un_?qualified|dis_?qualified"
                        r"|reject|junk|dead|\bbad|invalid|spam|duplicate|recycl|do_not|archiv|ungeeignet"),
    (Standing.UNTOUCHED, r"not_(contacted|started|attempted)|un(touched|assigned|worked|contacted|read)|marketing_qualified|mql"),
    (Standing.LOST, r"lost|verloren"),
    (Standing.WON, r"\bwon|customer|evangelist|gewonnen"),
    (Standing.CONVERTED, r"convert|opportunit|\bsql|sales_qualified|open_deal|proposal|negotiat|quote_sent|demo_scheduled"),
    (Standing.ACCEPTED, r"accept|qualified|\bsal\b|qualifiziert"),
    (Standing.WORKING, r"work|contact|attempt|in_pro(gress|cess)|connected|engaged|nurtur|follow|meeting|called|in_bearbeitung"),
    (Standing.UNTOUCHED, r"^(new|open|lead|subscriber|assigned|raw|inbound|neu|offen|other)\b|_new$|^new_"),
)  # fmt: skip


@lru_cache(maxsize=4096)
def standing_of(status: str) -> Standing:
    """What a status says: `Open - Not Contacted` is untouched, `Closed - Converted` converted."""
    plain = plain_name(status)
    spaced = plain.replace("_", " _")  # so that a word's beginning is a beginning
    for standing, pattern in _STATUSES:
        if re.search(pattern, plain) or re.search(pattern, spaced.replace(" _", " ")):
            return standing
    return Standing.UNKNOWN


class Activity(StrEnum):
    """What an activity is, if it is no engagement that the agreement knows."""

    TOUCH = "touch"
    """Somebody of sales turned to the lead."""
    NEITHER = "neither"


_ENGAGEMENTS = (
    ("demo_requested", r"(demo|meeting).*request|request.*demo"),
    ("trial_started", r"trial"),
    ("webinar_attended", r"webinar"),
    ("pricing_viewed", r"pric.*(view|visit|page)|(view|visit).*pric"),
    ("page_viewed", r"page_?view|web_?(visit|activity)|site_visit|visited"),
    ("mail_clicked", r"mail.*click|click.*mail|link_click"),
    ("mail_opened", r"mail.*open|open.*mail"),
    ("content_downloaded", r"download|white_?paper|ebook"),
    ("unsubscribed", r"unsubscri"),
)
_NO_TOUCH = re.compile(
    r"note|form|import|created|status_change|received|incoming|inbound|repl(y|ied)|list|bounce|automat|marketing_e?mail|newsletter"
)
_TOUCH = re.compile(
    r"call|phone|mail|meeting|sms|text|linked_?in|whatsapp|visit|demo|task|conversation|touch|outreach|sequence|chat|anruf|termin"
    r"|brief|lunch|event"
)
_NOT_DONE = re.compile(r"plan|not_|open|to_?do|pending|schedul|cancel|defer|wait|^no$|^false$|^0$")


@lru_cache(maxsize=4096)
def activity_of(kind: str, engagements: frozenset[str]) -> str:
    """`touch`, `neither`, or the engagement that it is. engagements: those that the agreement knows."""
    plain = plain_name(kind)
    if plain in engagements:
        return plain
    for engagement, pattern in _ENGAGEMENTS:
        if re.search(pattern, plain):
            return engagement if engagement in engagements else Activity.NEITHER
    return Activity.TOUCH if _TOUCH.search(plain) and not _NO_TOUCH.search(plain) else Activity.NEITHER


@lru_cache(maxsize=4096)
def not_done(status: str, direction: str) -> bool:
    """Whether an activity is only planned, or came from the prospect."""
    return bool(_NOT_DONE.search(plain_name(status))) or plain_name(direction).startswith(("in", "received"))


_YES = frozenset({"1", "yes", "y", "true", "x", "ja", "won", "converted"})
_NO = frozenset({"", "0", "no", "n", "false", "nein", "-", "lost", "open", "null", "none"})


def happened(cell: str) -> bool | None:
    """Whether a cell of yes and no, or of a date, says that it happened; None if it says neither."""
    plain = cell.strip().lower()
    if plain in _NO:
        return False
    return True if plain in _YES or any(c.isdigit() for c in plain) else None


_SENIORITY = (
    ("student", r"student|intern\b|trainee|praktikant|apprentice"),
    ("vp", r"\bvp\b|vice president|\bsvp\b|\bevp\b"),
    ("c_level", r"\bc[efimort]o\b|\bcmo\b|\bcpo\b|\bciso\b|chief|founder|owner|president|managing director|geschäftsführer|inhaber|vorstand"),
    ("director", r"director|head of|direktor|leiter"),
    ("manager", r"manager|lead\b|supervisor"),
    ("staff", r"."),
)
_CHOICES = {
    "pricing": r"pric|quote|offer|angebot",
    "whitepaper": r"white ?paper|e-?book|guide|download",
    "contact": r"contact",
    "newsletter": r"newsletter|subscri",
    "demo": r"\bdemo",
}
_DIGITS = re.compile(r"\d[\d.,' ]*")


def attribute_value(name: str, attribute: Attribute, cell: str) -> object | None:
    """What a cell says of an attribute, as its own reading takes it; None if it says nothing. Raises ValueError."""
    if attribute.type is AttributeType.CHOICE:
        chosen = _choice(name, attribute.choices, cell)
        return None if chosen is None else attribute.read(chosen)
    if attribute.type in (AttributeType.INTEGER, AttributeType.DECIMAL):
        return attribute.read(_number(cell, whole=attribute.type is AttributeType.INTEGER))
    return attribute.read(cell)


def _choice(name: str, choices: Collection[str], cell: str) -> str | None:
    plain, lower = plain_name(cell), cell.lower()
    for choice in choices:
        if plain_name(choice) == plain:
            return choice
    patterns = _SENIORITY if name == "seniority" else [(c, _CHOICES.get(c, rf"\b{re.escape(c.replace('_', ' '))}")) for c in choices]
    for choice, pattern in patterns:
        if choice in choices and choice != "other" and re.search(pattern, lower):
            return choice
    return "other" if "other" in choices else None


def _number(cell: str, *, whole: bool) -> str:
    """`51-200` is 51, `10,000+` is 10000, `€ 12.000,50` is 12000.50. Raises ValueError."""
    match = _DIGITS.search(cell)
    if match is None:
        raise ValueError("this is no number")
    digits = match[0].rstrip(" .,'").replace("'", "").replace(" ", "")
    grouped = re.fullmatch(r"(\d{1,3}(?:[.,]\d{3})+)(?:[.,](\d{1,2}))?", digits)
    if grouped:
        digits = re.sub(r"[.,]", "", grouped[1]) + (f".{grouped[2]}" if grouped[2] else "")
    digits = digits.replace(",", ".")
    return digits.partition(".")[0] if whole else digits
