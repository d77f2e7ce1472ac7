"""The tables of the queue: what was imported, and its rows until they are taken in.

A row's text is personal data; it stands here from the upload until the row is taken in, cancelled or erased.
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

METADATA = sa.MetaData()


class Outcome(StrEnum):
    """What has become of a row."""

    WAITING = "waiting"
    UNDER_WAY = "under_way"
    TAKEN_IN = "taken_in"
    REPEATED = "repeated"
    """The same row was taken in before."""
    REFUSED = "refused"
    FAILED = "failed"
    """Something went wrong here, not in the row; its text is kept."""
    CANCELLED = "cancelled"
    ERASED = "erased"


OPEN = (Outcome.WAITING, Outcome.UNDER_WAY)
"""Something is still to be done."""

IMPORTS = sa.Table(
    "imports",
    METADATA,
    sa.Column("import_id", sa.String(36), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("meaning", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("finished_ms", sa.BigInteger),
    sa.Column("cancelled", sa.Boolean, nullable=False),
)
"""`digest`: of the file and of how it is to be read; `number`: 1, and one more each time it is sent again after a cancel."""

ROWS = sa.Table(
    "import_rows",
    METADATA,
    sa.Column("import_id", sa.String(36), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("outcome", sa.String(12), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), index=True),
    sa.Column("lead_id", sa.String(36), index=True),
    sa.Column("submission_id", sa.String(36)),
    sa.Column("body", sa.Text),
    sa.Column("message", sa.Text),
    sa.Index("import_rows_in_order", "import_id", "outcome", "place"),
)
"""`place`: its turn; `digest`: what makes two rows equal, keyed with the installation's secret."""

WORKER = sa.Table(
    "import_worker",
    METADATA,
    sa.Column("one", sa.Integer, primary_key=True),
    sa.Column("holder", sa.String(36), nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
)
"""One row: which process works the queue; `beat` counts up for as long as it lives."""
