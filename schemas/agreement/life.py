"""The life of an agreement: what is proposed, who approved which content, what is in force when. A pure fold over its topic.

It is the one rule for every reader: the services that decide, the console that refuses, the page that shows.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.agreement.agreement import Agreement
from schemas.agreement.approvals import Approvals, Approved
from schemas.agreement.checking import load
from schemas.agreement.findings import AgreementRefused
from schemas.base import Event
from schemas.events.console import (
    AgreementApproved,
    AgreementProposed,
    AgreementPublished,
    ApproverRegistered,
    Department,
)
from schemas.ids import AgreementName, ApproverId, ContentDigest, digest

NOTICE = timedelta(seconds=10)
"""A publication that is effective sooner after its own append is void for every reader."""
THE_BEGINNING = datetime.min.replace(tzinfo=UTC)
COURSE_EVENTS: tuple[type[Event], ...] = (
    ApproverRegistered,
    AgreementProposed,
    AgreementApproved,
    AgreementPublished,
)
"""What the topic of agreements is made of."""


class NoAgreement(LookupError):
    """Nothing is published yet."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A text that waits for both departments, or has been published since."""

    name: AgreementName
    version: int
    content: ContentDigest
    text: str
    by: ApproverId | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """One publication that counts."""

    effective_at: datetime
    agreement: Agreement
    name: str
    text: str
    content: ContentDigest
    published_at: datetime
    by: ApproverId | None
    approvals: Mapping[Department, Approved]
    """Empty for the first agreement of an installation, which needs none."""


@dataclass(frozen=True, slots=True)
class Void:
    """What was said and does not count."""

    said: str
    version: int | None
    at: datetime
    because: str


class Course:
    """An installation's agreements from the first on."""

    def __init__(self) -> None:
        self.approvals = Approvals()
        self.proposals: list[Proposed] = []
        self.published: list[Published] = []
        self.void: list[Void] = []

    def take(self, event: Event, appended_at: datetime) -> Void | None:
        """Fold one event in. What it says if it is void, else None."""
        why = self.why_void(event, appended_at)
        if why is not None:
            version = getattr(event, "agreement_version", None)
            self.void.append(Void(type(event).__name__, version, appended_at, why))
            return self.void[-1]
        match event:
            case ApproverRegistered():
                self.approvals.register(event, appended_at)
            case AgreementApproved():
                self.approvals.approve(event, appended_at)
            case AgreementProposed():
                self.proposals.append(
                    Proposed(
                        event.name, event.agreement_version, event.content, event.text, event.proposed_by, appended_at
                    )
                )
            case AgreementPublished():
                self.published.append(self._counted(event, appended_at))
        return None

    def why_void(self, event: Event, at: datetime) -> str | None:
        """Why this event would be void if the log took it at `at`, in a sentence; None if it counts."""
        match event:
            case ApproverRegistered():
                return self.approvals.why_no_key(event, at)
            case AgreementProposed():
                return self._why_no_proposal(event)
            case AgreementApproved():
                return self.approvals.why_no_approval(event, at)
            case AgreementPublished():
                return self._why_not_published(event, at)
        return "it is no event of an agreement"

    def _why_no_proposal(self, event: AgreementProposed) -> str | None:
        if event.agreement_version < self.next_version():
            return f"version {event.agreement_version} is taken: the next is {self.next_version()}"
        return _why_other_content(event)

    def _why_not_published(self, event: AgreementPublished, at: datetime) -> str | None:
        if event.effective_at is None:
            if self.published:
                return "only the first agreement of an installation is in force from the beginning"
            return _why_no_text(event)
        if not self.published:
            return "the first agreement of an installation is in force from the beginning"
        if event.effective_at < at + NOTICE:
            return f"it was effective less than {NOTICE.total_seconds():.0f} seconds after it was published"
        last = self.published[-1]
        if event.agreement_version <= last.agreement.version:
            return f"version {last.agreement.version} is newer or the same"
        if event.effective_at <= last.effective_at:
            return f"version {last.agreement.version} comes into force at {last.effective_at.isoformat()} or later"
        missing = self.approvals.missing(event.name, event.agreement_version, event.content, at)
        if missing:
            return f"{' and '.join(missing)} {'has' if len(missing) == 1 else 'have'} not approved exactly this content"
        return _why_no_text(event)

    def _counted(self, event: AgreementPublished, at: datetime) -> Published:
        what = event.name, event.agreement_version, event.content
        since = event.effective_at or THE_BEGINNING
        return Published(
            since,
            load(event.text, event.agreement_version, since),
            event.name,
            event.text,
            event.content,
            at,
            event.published_by,
            {} if event.effective_at is None else self.approvals.of(*what, at),
        )

    # ------------------------------------------------------------------ questions

    def next_version(self) -> int:
        """The number of the next proposal."""
        taken = [p.version for p in self.proposals] + [p.agreement.version for p in self.published]
        return max(taken, default=0) + 1

    def open_proposals(self) -> list[Proposed]:
        """Proposals that can still be published: newer than everything published."""
        newest = self.published[-1].agreement.version if self.published else 0
        return [p for p in self.proposals if p.version > newest]

    def proposal(self, version: int) -> Proposed | None:
        """The proposal of this version."""
        return next((p for p in self.proposals if p.version == version), None)

    def publication(self, at: datetime) -> Published:
        """The publication in force at `at`. Raises NoAgreement before the first."""
        index = bisect.bisect_right(self.published, at, key=lambda p: p.effective_at) - 1
        if index < 0:
            raise NoAgreement("no agreement is published: `leadloop up` publishes the first")
        return self.published[index]

    def next_after(self, at: datetime) -> datetime | None:
        """When the next one that is already published comes into force."""
        return next((p.effective_at for p in self.published if p.effective_at > at), None)

    def lines(self) -> Iterator[Line]:
        """Every version that was proposed or published, in order."""
        by_version = {p.agreement.version: p for p in self.published}
        proposed = {p.version: p for p in self.proposals}
        ends = dict(zip(by_version, [p.effective_at for p in self.published[1:]], strict=False))
        for version in sorted({*by_version, *proposed}):
            publication, proposal = by_version.get(version), proposed.get(version)
            yield Line(version, proposal, publication, ends.get(version))


@dataclass(frozen=True, slots=True)
class Line:
    """One version in the history."""

    version: int
    proposed: Proposed | None
    published: Published | None
    until: datetime | None
    """When the next one takes over, as far as it is published."""


def _why_other_content(event: AgreementProposed | AgreementPublished) -> str | None:
    return "its text is not the content that it names" if digest(event.text.encode()) != event.content else None


def _why_no_text(event: AgreementPublished) -> str | None:
    if (other := _why_other_content(event)) is not None:
        return other
    try:
        load(event.text, event.agreement_version)
    except AgreementRefused as error:
        return f"its text is refused: {error}"
    return None
