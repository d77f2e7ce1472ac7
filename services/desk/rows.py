"""The desk's tables: every lead, assignment, rep, clock and note, and what each rep has to be told."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from services.desk.attempts import Attempt

METADATA = sa.MetaData()

LEADS_TABLE = sa.Table(
    "desk_leads",
    METADATA,
    sa.Column("lead_id", sa.String(36), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("rep_id", sa.String(64), index=True),
    sa.Column("team_id", sa.String(64)),
    sa.Column("pool_id", sa.String(64)),
    sa.Column("offer", sa.String(200)),
    sa.Column("queued", sa.String(32), index=True),
    sa.Column("memory", sa.LargeBinary, nullable=False),
    sa.Column("card", sa.LargeBinary, nullable=False),
)

ASSIGNMENTS = sa.Table(
    "desk_assignments",
    METADATA,
    sa.Column("assignment_id", sa.String(200), primary_key=True),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("rep_id", sa.String(64), nullable=False),
    sa.Column("team_id", sa.String(64), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("accepted_by", sa.String(200)),
    sa.Column("ended_by", sa.String(200)),
    sa.Column("ended_as", sa.String(40)),
    sa.Column("ended_because", sa.Text),
)
"""Every assignment that ever took effect. `ended_by` is the event that ended it, `ended_as` the kind of that event."""

ACTIONS = sa.Table(
    "desk_actions",
    METADATA,
    sa.Column("action_id", sa.String(200), primary_key=True),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("rep_id", sa.String(64)),
    sa.Column("assignment_id", sa.String(200)),
    sa.Column("effect", sa.String(8)),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
)

CLOCKS = sa.Table(
    "desk_clocks",
    METADATA,
    sa.Column("clock_id", sa.String(200), primary_key=True),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("assignment_id", sa.String(200), nullable=False),
    sa.Column("clock", sa.String(64), nullable=False),
    sa.Column("started_at", sa.String(40), nullable=False),
    sa.Column("deadline_at", sa.String(40), nullable=False),
    sa.Column("phase", sa.String(8), nullable=False),
)
"""Clocks that run or were breached; those that were met or cancelled are gone."""

PEOPLE = sa.Table(
    "desk_people",
    METADATA,
    sa.Column("lead_id", sa.String(36), primary_key=True),
    sa.Column("email", sa.String(320), index=True),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)

EXTERNAL = sa.Table(
    "desk_external_ids",
    METADATA,
    sa.Column("lead_id", sa.String(36), primary_key=True),
    sa.Column("system", sa.String(64), primary_key=True),
    sa.Column("external_id", sa.String(200), nullable=False, index=True),
)

NOTES = sa.Table(
    "desk_notes",
    METADATA,
    sa.Column("note_key", sa.String(300), primary_key=True),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("erased", sa.Boolean, nullable=False, index=True),
)
"""`erased`: the text is gone here, and the record's tombstone is to be written."""

REPS = sa.Table(
    "desk_reps",
    METADATA,
    sa.Column("rep_id", sa.String(64), primary_key=True),
    sa.Column("team_id", sa.String(64), nullable=False),
    sa.Column("role", sa.String(64), nullable=False),
    sa.Column("pools", sa.Text, nullable=False),
    sa.Column("open_leads_cap", sa.Integer),
    sa.Column("calendar", sa.String(64)),
    sa.Column("available", sa.Boolean, nullable=False),
    sa.Column("until", sa.String(40)),
    sa.Column("terms", sa.Text, nullable=False, server_default="{}"),
)
"""The roster as the teams' logs have it."""

ACCOUNTS = sa.Table(
    "desk_accounts",
    METADATA,
    sa.Column("account_id", sa.String(200), primary_key=True),
    sa.Column("team_id", sa.String(64), primary_key=True),
    sa.Column("said", sa.Text, nullable=False),
)
"""Companies as each team was told of them."""

NOTICES = sa.Table(
    "desk_notices",
    METADATA,
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True),
    sa.Column("rep_id", sa.String(80), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("desk_notices_rep", "rep_id", "at_ms"),
)
"""What each rep (or every rep of a pool) was told, by the record of `leads` that told it."""


class Line(msgspec.Struct, frozen=True):
    """One line of a lead's story."""

    at_ms: int
    text: str


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rep is shown of a lead besides its life. Nothing personal: that is in the profile."""

    submitted_ms: int = 0
    submissions: int = 0
    source: dict[str, str] = {}
    country: str | None = None
    attributes: dict[str, str | int | float | bool] = {}
    form: str | None = None
    score: str | None = None
    grade: str | None = None
    contributions: tuple[dict[str, str], ...] = ()
    verdict: str | None = None
    routed: str | None = None
    assigned: str | None = None
    queued: str | None = None
    waiting_ms: int = 0
    held_ms: int = 0
    next_step: str | None = None
    engagements: tuple[Line, ...] = ()
    story: tuple[Line, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    """Of this cycle."""
    began_ms: int = 0
    """When this life of the lead began, as far as it is told: nothing was done with the lead before."""


CARD = msgspec.msgpack.Decoder(Card)
NEW_CARD = Card()
