"""Who may approve and who has: a pure fold over the keys that departments registered and the approvals they signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.agreement.signing import approval, is_signed, succession
from schemas.events.console import DEPARTMENTS, AgreementApproved, ApproverRegistered, Department
from schemas.ids import AgreementName, ApproverId, ContentDigest, PublicKey

OBJECTION = timedelta(days=7)
"""So long the holder of a key can object before one that was registered without his signature counts."""


@dataclass(frozen=True, slots=True)
class Approved:
    """One approval that counts."""

    department: Department
    by: ApproverId | None
    key: PublicKey
    at: datetime
    """When the log took it."""


@dataclass(slots=True)
class _Keys:
    """The keys of one department."""

    current: PublicKey
    heir: PublicKey | None = None
    heir_from: datetime | None = None

    def at(self, now: datetime) -> PublicKey:
        if self.heir is not None and self.heir_from is not None and now >= self.heir_from:
            return self.heir
        return self.current


_What = tuple[AgreementName, int, ContentDigest]


@dataclass(slots=True)
class Approvals:
    """The keys of both departments and what they have approved."""

    _keys: dict[Department, _Keys] = field(default_factory=dict)
    _given: dict[_What, dict[Department, Approved]] = field(default_factory=dict)

    def key_of(self, department: Department, at: datetime) -> PublicKey | None:
        """The key by which the department approves at `at`."""
        keys = self._keys.get(department)
        return None if keys is None else keys.at(at)

    def heir_of(self, department: Department, at: datetime) -> tuple[PublicKey, datetime] | None:
        """A key that was registered without the former one's signature and does not count yet, with the time from which it does."""
        keys = self._keys.get(department)
        if keys is None or keys.heir is None or keys.heir_from is None or at >= keys.heir_from:
            return None
        return keys.heir, keys.heir_from

    # ------------------------------------------------------------------ keys

    def why_no_key(self, event: ApproverRegistered, at: datetime) -> str | None:
        """Why this registration would be void; None if it counts."""
        others = [d for d in DEPARTMENTS if d != event.department]
        if any(event.key in self._all_of(other) for other in others):
            return f"this key is the other department's: {event.department} signs with its own"
        former = self.key_of(event.department, at)
        if former is None or is_signed(succession(event.department, former, event.key), former, event.signature):
            return None
        if event.signature is not None:
            return f"it is not signed by the key that {event.department} has registered"
        if event.because is None:
            return f"{event.department} has a key already: another needs the former key's signature, or a sentence that says why there is none"
        return f"{event.department} has this key already" if event.key == former else None

    def register(self, event: ApproverRegistered, at: datetime) -> str | None:
        """Fold a registration in. Returns why it is void, if it is."""
        why = self.why_no_key(event, at)
        if why is not None:
            return why
        former = self.key_of(event.department, at)
        if former is None or event.signature is not None:
            self._keys[event.department] = _Keys(event.key)
        else:
            self._keys[event.department] = _Keys(former, event.key, at + OBJECTION)
        return None

    def _all_of(self, department: Department) -> tuple[PublicKey | None, ...]:
        keys = self._keys.get(department)
        return () if keys is None else (keys.current, keys.heir)

    # ------------------------------------------------------------------ approvals

    def why_no_approval(self, event: AgreementApproved, at: datetime) -> str | None:
        """Why this approval would be void; None if it counts."""
        department = event.department
        key = self.key_of(department, at)
        if key is None:
            return f"{department} has no key: make one with `leadloop agreement keys new {department}`"
        if event.key is not None and event.key != key:
            return f"it is signed by a key that is not {department}'s"
        if not is_signed(
            approval(department, event.name, event.agreement_version, event.content), key, event.signature
        ):
            return f"the signature is not {department}'s for exactly this content as version {event.agreement_version}"
        return None

    def approve(self, event: AgreementApproved, at: datetime) -> str | None:
        """Fold an approval in. Returns why it is void, if it is."""
        why = self.why_no_approval(event, at)
        if why is not None:
            return why
        key = self.key_of(event.department, at)
        assert key is not None
        what = (event.name, event.agreement_version, event.content)
        self._given.setdefault(what, {}).setdefault(
            event.department, Approved(event.department, event.approved_by, key, at)
        )
        if self._given[what][event.department].key != key:  # of a key that counts no longer: this one is newer
            self._given[what][event.department] = Approved(event.department, event.approved_by, key, at)
        return None

    def of(
        self, name: AgreementName, version: int, content: ContentDigest, at: datetime
    ) -> Mapping[Department, Approved]:
        """Who approves exactly this content as this version, by the keys that count at `at`."""
        given = self._given.get((name, version, content), {})
        return {d: a for d, a in given.items() if a.key == self.key_of(d, at)}

    def missing(
        self, name: AgreementName, version: int, content: ContentDigest, at: datetime
    ) -> tuple[Department, ...]:
        """The departments whose approval of exactly this is missing at `at`."""
        given = self.of(name, version, content, at)
        return tuple(d for d in DEPARTMENTS if d not in given)
