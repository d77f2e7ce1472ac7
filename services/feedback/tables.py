"""The ledger's tables: where every lead is, its timeline, what changed when, and what reports count."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()


def _table(name: str, *parts: sa.Column[object] | sa.Index) -> sa.Table:
    return sa.Table(name, METADATA, *parts)


LEADS = _table(
    "leads",
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, index=True),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("cycle_ms", sa.BigInteger, nullable=False),
    sa.Column("grade", sa.Text),
    sa.Column("score", sa.Text),
    sa.Column("owner", sa.Text, index=True),
    sa.Column("team_id", sa.Text),
    sa.Column("assignment_id", sa.Text),
    sa.Column("memory", sa.LargeBinary, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("status_ms", sa.BigInteger, nullable=False),
    sa.Column("owed", sa.Text),
    sa.Column("owed_since_ms", sa.BigInteger, index=True),
    sa.Column("submissions", sa.Integer, nullable=False),
    sa.Column("submitted_ms", sa.BigInteger),
    sa.Column("campaign", sa.Text, index=True),
    sa.Column("channel", sa.Text),
    sa.Column("mql_ms", sa.BigInteger),
    sa.Column("sal_ms", sa.BigInteger),
    sa.Column("sql_ms", sa.BigInteger),
    sa.Column("customer_ms", sa.BigInteger),
    sa.Index("leads_by_time", "at_ms", "lead_id"),
)
"""One row a lead. `memory` is what reading on needs; `owed` what a service still owes it; `campaign` that of its last submission."""

TIMELINE = _table(
    "timeline",
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("effect", sa.Text, nullable=False),
    sa.Column("caused_by", sa.Text),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""Every event of a lead's log but timers and repetitions, as it was written."""

CHANGES = _table(
    "changes",
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""Every LeadStatusChanged that was said: where the stream is resumed from."""

REJECTIONS = _table(
    "rejections",
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, index=True),
    sa.Column("rep_id", sa.Text),
    sa.Column("campaign", sa.Text),
    sa.Column("undone", sa.Boolean, nullable=False),
)
"""Turned down: rejected or returned by a rep, lost, or disqualified by the definition."""

ASSIGNMENTS = _table(
    "assignments",
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("from_position", sa.BigInteger, primary_key=True),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("rep_id", sa.Text),
    sa.Column("team_id", sa.Text),
    sa.Column("from_ms", sa.BigInteger, nullable=False),
    sa.Column("until_position", sa.BigInteger),
    sa.Column("answered_ms", sa.BigInteger),
    sa.Column("accepted", sa.Boolean, nullable=False),
)
"""Each time an assignment came into effect (also by an undo), until it ended; `answered_ms` is the first action on it."""

CLOCKS = _table(
    "clocks",
    sa.Column("clock_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("clock", sa.Text, nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("rep_id", sa.Text, nullable=False),
    sa.Column("grade", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("campaign", sa.Text),
    sa.Column("calendar", sa.Text, nullable=False),
    sa.Column("started_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("deadline_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Column("warned_ms", sa.BigInteger),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("grace", sa.Boolean, nullable=False),
    sa.Index("clocks_by_deadline", "state", "deadline_ms"),
)
"""Each clock as it is now: running, paused, met, breached, corrected or cancelled; `late`: its breach was detected late."""

ATTEMPTS = _table(
    "attempts",
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("rep_id", sa.Text),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("reached", sa.Boolean, nullable=False),
    sa.Column("undone", sa.Boolean, nullable=False),
)
"""Each time a rep tried to reach a lead, and whether he did; when it happened, as he says, and not later than it was recorded."""

WINS = _table(
    "wins",
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("campaign", sa.Text),
    sa.Column("amount", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("undone", sa.Boolean, nullable=False),
    sa.Column("life", sa.Integer),
    sa.Column("cycle", sa.Integer),
)

CYCLES = _table(
    "cycles",
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("life", sa.Integer, primary_key=True),
    sa.Column("cycle", sa.Integer, primary_key=True),
    sa.Column("began_ms", sa.BigInteger, nullable=False),
    sa.Column("woken_by", sa.Text),
    sa.Column("because", sa.Text),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text),
    sa.Column("ended_ms", sa.BigInteger, index=True),
    sa.Column("ended_as", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("stream", sa.Text, index=True),
    sa.Column("buying_stage", sa.Text),
    sa.Column("wakes_ms", sa.BigInteger),
)
"""Each pass through the loop of leads that have come back: what began it, how far it came, and what it ended in: recycled,
retired or suppressed. A lead that never came back has none."""

CONTESTS = _table(
    "contests",
    sa.Column("contest_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("action_id", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("rep_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text),
    sa.Column("contested_by", sa.Text, nullable=False),
    sa.Column("because", sa.Text),
    sa.Column("verdict", sa.Text),
    sa.Column("decided_ms", sa.BigInteger),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_because", sa.Text),
)
"""Rejections that marketing contested, and what a manager decided; without a verdict it is open."""

CONSENTS = _table(
    "consents",
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("purpose", sa.Text, primary_key=True),
    sa.Column("granted", sa.Boolean, nullable=False),
)
"""What each person allows or forbids, as last said."""

TOUCHES = _table(
    "touches",
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("campaign", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("collateral", sa.Text),
)
"""Each submission in effect and each engagement: when and by what marketing reached the lead."""

COSTS = _table(
    "costs",
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("campaign", sa.Text),
    sa.Column("amount", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
)
"""What a submission's sender said that it cost."""

ALERTS = _table(
    "alerts",
    sa.Column("recipient", sa.Text, primary_key=True),
    sa.Column("alert_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("lead_id", sa.Text, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)
"""What was requested (one lead) and what was delivered (a message: released, sent or failed)."""

LETTERS = _table(
    "letters",
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("processor", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("event_type", sa.Text),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("closed", sa.Text),
)
"""Dead letters; `closed` is how a person dealt with it."""
