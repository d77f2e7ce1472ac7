"""Links by which a rep answers an offer out of a mail or chat: signed, good for a time, and each notice answered once.

Whoever holds the link may answer in the rep's name, as whoever reads his mail may; so a link opens nothing else, shows
nothing personal, and ends. That it is used once is the log's to know: the answer is recorded under the notice's id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from schemas.ids import AlertId, AssignmentId, LeadId, RepId
from services.runtime.settings import Settings

PATH = "/answer"
_SIGNATURE_BYTES = 16


class NoLink(ValueError):
    """It is none of our links, or was changed on its way."""


class Choice(StrEnum):
    """What a link leads to."""

    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Offered:
    """The offer that a link answers."""

    notice: AlertId
    lead_id: LeadId
    assignment_id: AssignmentId
    rep_id: RepId
    until: datetime

    @property
    def key(self) -> str:
        """Under which the answer is recorded: one for all links of a notice."""
        return f"notice {self.notice}"


def link(settings: Settings, offered: Offered, choice: Choice) -> str:
    """The address of the page; the same for the same offer."""
    return f"{settings.desk_url.rstrip('/')}{PATH}/{_token(settings, offered)}/{choice.value}"


def _token(settings: Settings, offered: Offered) -> str:
    said = msgspec.msgpack.encode(
        (
            str(offered.notice),
            str(offered.lead_id),
            str(offered.assignment_id),
            str(offered.rep_id),
            int(offered.until.timestamp()),
        )
    )
    return base64.urlsafe_b64encode(_signature(settings, said) + said).decode().rstrip("=")


def read_token(settings: Settings, token: str) -> Offered:
    """What the token says, whether or not its time is over. Raises NoLink."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise NoLink("the link is not whole") from None
    signature, said = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(settings, said)):
        raise NoLink("the link is not whole, or none of ours")
    notice, lead, assignment, rep, until = _DECODER.decode(said)
    return Offered(
        AlertId(notice), LeadId(lead), AssignmentId(assignment), RepId(rep), datetime.fromtimestamp(until, UTC)
    )


_DECODER = msgspec.msgpack.Decoder(tuple[str, str, str, str, int])


def _signature(settings: Settings, said: bytes) -> bytes:
    key = hashlib.sha256(b"leadloop answer links" + settings.secret).digest()
    return hmac.digest(key, said, "sha256")[:_SIGNATURE_BYTES]
