"""The pen for what people say about an agreement: it refuses what would be void, and reads keys without keeping them.

The console's commands and the page of feedback both write with it, in the name of the console (decision 0160).
"""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from schemas.agreement.life import Course, Proposed
from schemas.agreement.signing import approval, public_key_of, sign
from schemas.base import Event
from schemas.events.console import AgreementApproved, Department
from schemas.ids import ApproverId
from services.runtime.appending import Appended, Appender
from services.runtime.health import Health
from services.runtime.settings import Settings

KEY_FILE_AT_MOST = 10_000
"""Bytes: a key file is a few hundred."""


class WouldBeVoid(ValueError):
    """The event would count for nobody; the message says why."""


class KeyRefused(ValueError):
    """What was given is no key that one can sign with; the message never quotes it."""


class PassphraseMissing(KeyRefused):
    """The key file is encrypted, and no passphrase was given."""


def new_key() -> Ed25519PrivateKey:
    """A key pair that nobody has."""
    return Ed25519PrivateKey.generate()


def key_file_of(key: Ed25519PrivateKey, passphrase: str | None) -> bytes:
    """The content of a key file (PKCS #8, PEM), encrypted if there is a passphrase."""
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def read_key(pem: bytes, passphrase: str | None) -> Ed25519PrivateKey:
    """The key that a key file holds. Raises KeyRefused, or PassphraseMissing."""
    if len(pem) > KEY_FILE_AT_MOST:
        raise KeyRefused("this is too long for a key file: give the file that `leadloop agreement keys new` has made")
    try:
        key = load_pem_private_key(pem.strip() + b"\n", passphrase.encode() if passphrase else None)
    except TypeError as error:
        if passphrase:
            raise KeyRefused("the key file is not encrypted: leave the passphrase empty") from error
        raise PassphraseMissing("the key file is encrypted: give its passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        why = "or the passphrase is not its own" if passphrase else "which begins with -----BEGIN"
        raise KeyRefused(f"this is no key file that `leadloop agreement keys new` has made, {why}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused("this is a key of another kind: make one with `leadloop agreement keys new`")
    return key


def approval_of(
    proposed: Proposed, department: Department, key: Ed25519PrivateKey, by: ApproverId | None
) -> AgreementApproved:
    """The department's word for a proposal, signed."""
    return AgreementApproved(
        name=proposed.name,
        agreement_version=proposed.version,
        content=proposed.content,
        department=department,
        approved_by=by,
        key=public_key_of(key),
        signature=sign(approval(department, proposed.name, proposed.version, proposed.content), key),
    )


async def say(settings: Settings, course: Course, event: Event) -> Appended:
    """Append `event` in the name of the console. Raises WouldBeVoid by what `course` knows, BrokerAway, KafkaError."""
    why = course.why_void(event, datetime.now(UTC))
    if why is not None:
        raise WouldBeVoid(why)
    appender = Appender(settings, "console", Health())
    try:
        await appender.start()
        return await appender.append(event)
    finally:
        await appender.stop()
