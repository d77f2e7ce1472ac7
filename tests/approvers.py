"""Both departments with their keys, and what they say about an agreement: for every test that publishes a second version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.agreement.signing import approval, public_key_of, sign, succession
from schemas.base import Event
from schemas.events.console import (
    DEPARTMENTS,
    AgreementApproved,
    AgreementProposed,
    AgreementPublished,
    ApproverRegistered,
    Department,
)
from schemas.ids import AgreementName, ApproverId, PublicKey, digest


def key_of(word: str) -> Ed25519PrivateKey:
    """A key that is the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(digest(word.encode())))


@dataclass(frozen=True)
class Signer:
    """A department with a key."""

    department: Department
    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        return public_key_of(self.private)

    def registers(self) -> ApproverRegistered:
        return ApproverRegistered(department=self.department, key=self.public, registered_by=ApproverId("tom"))

    def hands_over_to(self, other: Signer) -> ApproverRegistered:
        signature = sign(succession(self.department, self.public, other.public), self.private)
        return ApproverRegistered(department=self.department, key=other.public, signature=signature)

    def approves(self, text: str, version: int, name: str = "default") -> AgreementApproved:
        content = digest(text.encode())
        return AgreementApproved(
            name=AgreementName(name),
            agreement_version=version,
            content=content,
            department=self.department,
            approved_by=ApproverId("mira"),
            key=self.public,
            signature=sign(approval(self.department, AgreementName(name), version, content), self.private),
        )


MARKETING = Signer("marketing", key_of("marketing"))
SALES = Signer("sales", key_of("sales"))
SIGNERS = tuple(Signer(department, key_of(department)) for department in DEPARTMENTS)


def proposes(text: str, version: int, name: str = "default") -> AgreementProposed:
    return AgreementProposed(
        name=AgreementName(name), agreement_version=version, content=digest(text.encode()), text=text
    )


def publishes(text: str, version: int, effective_at: datetime | None, name: str = "default") -> AgreementPublished:
    return AgreementPublished(
        name=AgreementName(name),
        agreement_version=version,
        content=digest(text.encode()),
        text=text,
        effective_at=effective_at,
    )


def agreed(text: str, version: int, effective_at: datetime | None, name: str = "default") -> list[Event]:
    """All that has to be in the log for a version to count, in order: a later registration of the same keys is void."""
    if effective_at is None:
        return [publishes(text, version, None, name)]
    return [
        *(s.registers() for s in SIGNERS),
        *(s.approves(text, version, name) for s in SIGNERS),
        publishes(text, version, effective_at, name),
    ]
