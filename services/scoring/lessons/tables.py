"""The tables of the learner: what is remembered of each lead, its lessons, and the learner itself."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

LEADS = sa.Table(
    "leads",
    METADATA,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("memory", sa.LargeBinary, nullable=False),
)

LESSONS = sa.Table(
    "lessons",
    METADATA,
    sa.Column("lesson_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False, index=True),
    sa.Column("traits", sa.LargeBinary, nullable=False),
    sa.Column("rules_score", sa.Float, nullable=False),
    sa.Column("scored_at_ms", sa.BigInteger, nullable=False),
    sa.Column("scored", sa.Boolean, nullable=False),
    sa.Column("won", sa.Boolean),
    sa.Column("ended_at_ms", sa.BigInteger),
    sa.Column("learned", sa.Boolean, nullable=False),
    sa.Column("features", sa.LargeBinary),
    sa.Column("contributions", sa.LargeBinary),
    sa.Column("log_odds", sa.Float),
    sa.Column("recent_rate", sa.Float),
    sa.Index("lessons_to_score", "scored", "scored_at_ms"),
    sa.Index("lessons_to_learn", "learned", "ended_at_ms"),
)
"""`scored`: the learner has answered, and `features` are the lead as it was then. `learned`: its outcome has been learned."""

LEARNER = sa.Table(
    "learner",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("left_out", sa.Text, nullable=False),
    sa.Column("announced", sa.Boolean, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
)
"""One row: how often it was written, the attributes that know the future with why, whether anything was published since it began
(anew), and its state."""
