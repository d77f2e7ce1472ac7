"""Who writes to the demo company, what they do, and how it would end: a world of the simulator leadforge.

leadforge simulates companies, contacts, visits, touches, opportunities and outcomes. What it does not know
is added here from the same seed: names of people, campaigns, and who is a customer already.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from services.console.terminal import Refused

if TYPE_CHECKING:
    from leadforge.core.models import WorldBundle

SEED = 42
RECIPE = "b2b_saas_procurement_v1"

_FIRST_NAMES = (  # noqa: SIM905 - words are read more easily as words
    "Ada Amir Bea Carlos Chloe Daniel Dilek Elif Emma Finn Grace Hana Ivan Jana Jonas Kofi Lena Liam Maya "
    "Milan Nora Olga Omar Pia Priya Ravi Rosa Sami Sofia Tom Uma Yuki"
).split()
_LAST_NAMES = (  # noqa: SIM905
    "Adler Bauer Berg Costa Dahl Diaz Evans Fischer Garcia Haas Ito Jensen Khan Klein Kowalski Lang Lopez "
    "Meyer Moreau Nguyen Novak Okafor Patel Peters Rossi Sato Schmidt Silva Smith Weber"
).split()
_COUNTRIES = {"US": "US", "UK": "GB"}
_SENIORITY = {
    "individual_contributor": "staff",
    "manager": "manager",
    "director": "director",
    "vp": "vp",
    "c_suite": "c_level",
}
_CAMPAIGNS = {
    "inbound_marketing": ("autumn-launch", "search", "cpc"),
    "sdr_outbound": ("procurement-leaders", "mail", "outbound"),
    "partner_referral": ("partner-day", "partner", "referral"),
}
_INDUSTRIES = {"healthcare_non_clinical": "health", "professional_services": "other"}
"""The simulator's words for what the agreement has others for."""
_CUSTOMERS_SHARE = 0.06
_CLAIMED_FROM = 1000
"""Employees: larger ones in America are claimed, not dealt out (routing, in the agreement)."""
_MOST_ENGAGEMENTS = 3
_STORM_AT, _IN_STORM = 0.3, 24
_REPORTED_LATE = 2


class Fate(StrEnum):
    """How it would end, as the simulator says."""

    WIN = "win"
    LOSE = "lose"
    REJECT = "reject"
    STAY = "stay"
    """Still being worked when the day ends."""


@dataclass(frozen=True)
class Prospect:
    """Somebody who writes to the company, and what a rep will find out."""

    number: int
    name: str
    email: str
    company: str
    country: str
    topic: str
    employees: int
    industry: str
    seniority: str
    campaign: str
    channel: str
    medium: str
    engagements: tuple[str, ...]
    fate: Fate
    later: Fate
    """How it ends when he comes back after a rejection."""
    reason: str
    amount: int
    """What a deal would be worth, in US dollars."""
    by_form: bool
    """He fills in a form; else a marketing tool calls the API."""
    is_customer: bool
    """He has bought before, and says so."""
    ignored: bool
    """The first rep who gets him does nothing."""
    at: float
    """When in the day he writes: 0 is its beginning, 1 its end."""
    in_storm: bool = False
    """He writes in the moment in which all reps sit in a meeting."""
    reported_late: bool = False
    """He is called in time, and his rep says so only after the clock has run out."""

    @property
    def goes_straight_to_a_rep(self) -> bool:
        """Whether the agreement qualifies him at once, by what he asks for, and nobody has to claim him first."""
        claimed = self.country == "US" and self.employees >= _CLAIMED_FROM and not self.is_customer
        return self.topic in ("demo", "contact") and not claimed


def cast(number: int) -> list[Prospect]:
    """So many prospects, in the order in which they write; always the same ones. Raises Refused without leadforge."""
    return _with_incidents(_prospects(_world(number)))


def _with_incidents(prospects: list[Prospect]) -> list[Prospect]:
    """The same people, but some write in one moment that finds nobody at his desk, and a few early calls are reported late."""
    straight = [p for p in prospects if p.goes_straight_to_a_rep and not p.ignored and p.fate is not Fate.REJECT]
    storm = {p.number for p in [p for p in straight if p.at >= _STORM_AT][:_IN_STORM]}
    late = {p.number for p in [p for p in straight if p.fate is not Fate.LOSE and p.at < _STORM_AT][:_REPORTED_LATE]}
    changed = [
        replace(p, at=_STORM_AT, ignored=True, in_storm=True) if p.number in storm else replace(p, reported_late=p.number in late)
        for p in prospects
    ]
    return sorted(changed, key=lambda p: p.at)


def _world(number: int) -> WorldBundle:
    try:
        from leadforge.api import Generator
    except ImportError as missing:
        raise Refused(
            "the demo plays a world of the simulator leadforge, which is not installed; run make setup"
        ) from missing
    generator = Generator.from_recipe(
        RECIPE,
        seed=SEED,
        n_accounts=max(20, number // 3),
        n_contacts=number * 4,
        n_leads=number,
        exposure_mode="research_instructor",
    )
    return generator.generate()


def _prospects(world: WorldBundle) -> list[Prospect]:
    accounts = {account.account_id: account for account in world.population.accounts}
    contacts = {contact.contact_id: contact for contact in world.population.contacts}
    seen: dict[str, list[Any]] = defaultdict(list)
    for session in world.simulation_result.sessions:
        seen[session.lead_id].append(session)
    touched: dict[str, set[str]] = defaultdict(set)
    for touch in world.simulation_result.touches:
        touched[touch.lead_id].add(touch.touch_type)
    worth = {o.lead_id: int(o.estimated_acv) for o in world.simulation_result.opportunities}
    leads = sorted(world.simulation_result.leads, key=lambda lead: (lead.lead_created_at, lead.lead_id))
    return [
        _prospect(
            at=index / len(leads),
            lead=lead,
            contact=contacts[lead.contact_id],
            account=accounts[lead.account_id],
            sessions=seen[lead.lead_id],
            touches=touched[lead.lead_id],
            worth=worth.get(lead.lead_id, 0),
            number=index + 1,
        )
        for index, lead in enumerate(leads)
    ]


def _prospect(
    *, number: int, at: float, lead: Any, contact: Any, account: Any, sessions: list[Any], touches: set[str], worth: int
) -> Prospect:
    dice = random.Random(f"{SEED}/{lead.lead_id}")
    person = random.Random(f"{SEED}/{contact.contact_id}")
    first, last = person.choice(_FIRST_NAMES), person.choice(_LAST_NAMES)
    domain = account.account_id.replace("_", "-")
    campaign, channel, medium = _CAMPAIGNS[lead.lead_source]
    fate = _fate(lead, dice)
    return Prospect(
        number=number,
        name=f"{first} {last}",
        email=f"{first}.{last}.{contact.contact_id.removeprefix('cnt_').lstrip('0')}@{domain}.example".lower(),
        company=account.company_name.replace("acct_", "").replace("Company 0000", "Company "),
        country=_COUNTRIES.get(account.region, "US"),
        topic=_topic(lead, sessions, touches, dice),
        employees=int(account.employee_band.rstrip("+").partition("-")[0]),
        industry=_INDUSTRIES.get(account.industry, account.industry),
        seniority=_SENIORITY.get(contact.seniority, "other"),
        campaign=campaign,
        channel=channel,
        medium=medium,
        engagements=_engagements(sessions, touches),
        fate=fate,
        later=dice.choices((Fate.WIN, Fate.STAY, Fate.LOSE), (5, 3, 2))[0],
        reason=_reason(fate, lead, dice),
        amount=worth or 20_000,
        by_form=lead.lead_source == "inbound_marketing",
        is_customer=dice.random() < _CUSTOMERS_SHARE,
        ignored=dice.random() < 0.06,
        at=at,
    )


def _fate(lead: Any, dice: random.Random) -> Fate:
    """The simulator's outcome; some of whom it leaves open after 90 days first say that it is too early."""
    if lead.current_stage == "closed_won":
        return Fate.WIN
    if lead.current_stage == "closed_lost":
        return Fate.LOSE if lead.is_sql else Fate.REJECT
    return Fate.REJECT if dice.random() < 0.4 else Fate.STAY


def _reason(fate: Fate, lead: Any, dice: random.Random) -> str:
    if fate is Fate.LOSE:
        return dice.choice(("competitor", "lost_interest", "no_budget"))
    return dice.choices(("no_budget", "no_timeline", "no_answer", "not_mine", "bad_data"), (5, 3, 2, 2, 1))[0]


def _topic(lead: Any, sessions: list[Any], touches: set[str], dice: random.Random) -> str:
    """What he asks for, by the pages that he looked at."""
    kinds = {session.session_type for session in sessions}
    if "demo_page" in kinds or lead.is_sql:
        return dice.choices(("demo", "pricing", "webinar", "whitepaper"), (50, 25, 12, 13))[0]
    if "pricing_page" in kinds:
        return "pricing"
    return "webinar" if "webinar" in touches else "whitepaper"


def _engagements(sessions: list[Any], touches: set[str]) -> tuple[str, ...]:
    kinds = {"website": "page_viewed", "pricing_page": "pricing_viewed", "demo_page": "page_viewed"}
    touched = {"webinar": "webinar_attended", "content_download": "content_downloaded", "email": "mail_clicked"}
    done = [kinds[session.session_type] for session in sessions] + [
        touched[touch] for touch in sorted(touches) if touch in touched
    ]
    return tuple(dict.fromkeys(done))[:_MOST_ENGAGEMENTS]
