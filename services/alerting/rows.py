"""Alerting's tables: every message to a tool, how each recipient fares, and the people that tools may be told of."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

METADATA = sa.MetaData()

MESSAGES = sa.Table(
    "alerting_messages",
    METADATA,
    sa.Column("recipient", sa.String(64), primary_key=True),
    sa.Column("message_id", sa.String(200), primary_key=True),
    sa.Column("tool", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("news", sa.Text, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("replay", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_ms", sa.BigInteger),
    sa.Column("settled_ms", sa.BigInteger, index=True),
    sa.Column("status", sa.Integer),
    sa.Column("because", sa.Text),
    sa.Index("alerting_messages_time", "recipient", "at_ms"),
)
"""`state`: owed, sent or failed. `attempts`, `status` and `because` are of the newest delivery of the message."""

RECIPIENTS = sa.Table(
    "alerting_recipients",
    METADATA,
    sa.Column("recipient", sa.String(64), primary_key=True),
    sa.Column("tool", sa.String(16)),
    sa.Column("sent_ms", sa.BigInteger),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failing_ms", sa.BigInteger),
    sa.Column("disabled_ms", sa.BigInteger),
    sa.Column("because", sa.Text),
    sa.Column("read_ms", sa.BigInteger),
)
"""`failures`: attempts that failed since the last success, the first of them at `failing_ms`. `because`: why it failed
last, or was disabled. `read_ms`: up to where a CRM's changes have been seen to."""

ALERTS = sa.Table(
    "alerting_alerts",
    METADATA,
    sa.Column("recipient", sa.String(64), primary_key=True),
    sa.Column("alert_id", sa.String(200), primary_key=True),
    sa.Column("message_id", sa.String(200), index=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("rep_id", sa.String(64)),
    sa.Column("clock", sa.String(64)),
    sa.Column("deadline_ms", sa.BigInteger),
    sa.Column("asked_ms", sa.BigInteger, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("via", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("settled_ms", sa.BigInteger, index=True),
    sa.Column("because", sa.Text),
)
"""Each alert for each recipient. `state`: held (or on its way), released, sent, failed or withdrawn; `because`: why it was not
delivered. `message_id`: the message that it came in."""

MUTES = sa.Table(
    "alerting_mutes",
    METADATA,
    sa.Column("recipient", sa.String(64), primary_key=True),
    sa.Column("muted_ms", sa.BigInteger, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
    sa.Column("muted_by", sa.Text),
    sa.Column("because", sa.Text, nullable=False),
)
"""The newest mute of each recipient; one whose end has passed is over."""

PEOPLE = sa.Table(
    "alerting_people",
    METADATA,
    sa.Column("lead_id", sa.String(36), primary_key=True),
    sa.Column("profile", sa.Text, nullable=False),
)

RECORDS = sa.Table(
    "alerting_crm_records",
    METADATA,
    sa.Column("recipient", sa.String(64), primary_key=True),
    sa.Column("record", sa.String(200), primary_key=True),
    sa.Column("lead_id", sa.String(36), nullable=False, index=True),
    sa.Column("stage", sa.String(200)),
    sa.Column("owner", sa.String(64)),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.Text),
)
"""What a CRM was last known to say of a lead: as it was heard there, or told it from here. `owner`: the rep."""


def milliseconds(at: datetime) -> int:
    """Times in the tables: ms since 1970."""
    return round(at.timestamp() * 1000)
