"""What a department signs, and whether a signature is its own: Ed25519 over a line that names all that it is for."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.events.console import Department
from schemas.ids import AgreementName, ContentDigest, PublicKey, Signature


def approval(department: Department, name: AgreementName, version: int, content: ContentDigest) -> bytes:
    """What is signed to approve: a signature for one version, content or department is none for another."""
    return f"leadloop agreement approval 1\n{department}\n{name}\n{version}\n{content}\n".encode()


def succession(department: Department, former: PublicKey, key: PublicKey) -> bytes:
    """What the former key signs to hand over to another."""
    return f"leadloop approver succession 1\n{department}\n{former}\n{key}\n".encode()


def is_signed(statement: bytes, key: PublicKey, signature: Signature | None) -> bool:
    """Whether the holder of `key` has signed `statement`."""
    if signature is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign(statement: bytes, key: Ed25519PrivateKey) -> Signature:
    """The signature of `statement`; the same every time."""
    return Signature(key.sign(statement).hex())


def public_key_of(key: Ed25519PrivateKey) -> PublicKey:
    """What others check its signatures by."""
    return PublicKey(key.public_key().public_bytes_raw().hex())
