"""Which tools of reps hear of leads, of what, and with how much of the person: signed, for data leaves the house here.

Addresses and secrets are not in the agreement: `${NAME}` is taken from the environment, and what is secret or changes
from day to day (each rep's address, a CRM's users) is in the operations' tools file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from schemas.agreement.conditions import Part
from schemas.agreement.durations import PositiveLength
from schemas.events.alerting import NewsKind
from schemas.ids import Identifier, TeamId
from schemas.vocabulary import Because


class ToolName(Identifier):
    """A tool of the agreement: short enough that a recipient's id can be made of it."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[a-z0-9][a-z0-9._-]{0,47}$"
    SHAPE: ClassVar[str] = "lower-case letters, digits, dots, dashes and underscores, at most 48"


class PersonalField(StrEnum):
    """What of a person a tool may be told."""

    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"
    COMPANY = "company"
    COUNTRY = "country"
    MESSAGE = "message"
    EXTERNAL_IDS = "external_ids"


class Hears(Part):
    """What a tool hears of: these events, with `teams` only of leads of those; and which personal data go with them."""

    events: Annotated[tuple[NewsKind, ...], Field(min_length=1)]
    teams: tuple[TeamId, ...] = ()
    personal: tuple[PersonalField, ...] = ()
    title: Because = Because("")


class Webhook(Hears):
    """An endpoint that gets signed messages by Standard Webhooks. `secret`: `whsec_…`; during a change of secrets several,
    with blanks between them."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    secret: Annotated[str, Field(min_length=1, max_length=2000)]


class Crm(Hears):
    """A CRM that is told of leads. Where it is and who is who there is in the tools file, under the same name."""

    events: Annotated[tuple[NewsKind, ...], Field(min_length=1)] = (NewsKind.ASSIGNED, NewsKind.STATUS_CHANGED)


class Notices(Part):
    """A rep is told of what concerns him, at his address in the tools file. `answer_within`: so long the links of a
    notice can be used to accept or reject."""

    events: Annotated[tuple[NewsKind, ...], Field(min_length=1)] = (NewsKind.ASSIGNED,)
    teams: tuple[TeamId, ...] = ()
    answer_within: PositiveLength = timedelta(hours=24)


class Tools(Part):
    """The tools of reps."""

    webhooks: Mapping[ToolName, Webhook] = {}
    crms: Mapping[ToolName, Crm] = {}
    notices: Notices | None = None

    @property
    def hear(self) -> bool:
        """Whether there are any."""
        return bool(self.webhooks or self.crms or self.notices)
