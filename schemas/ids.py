"""Identifiers as real types: a LeadId is never taken for a RepId, and neither can hold a sentence or an address."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from schemas.personal import refuse_personal, spells_phone_number


class Identifier(str):
    """A string of one fixed shape. Constructing it does not validate; pydantic and `parse` do."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[a-z0-9][a-z0-9._-]{0,63}$"
    SHAPE: ClassVar[str] = "lower-case letters, digits, dots, dashes and underscores, at most 64"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check `text`'s shape. Raises ValueError with a sentence that tells the shape."""
        if not re.fullmatch(cls.PATTERN, text):
            raise ValueError(f"{text!r} is no {cls.__name__}: it takes {cls.SHAPE}")
        return cls._vetted(text)

    @classmethod
    def _vetted(cls, text: str) -> Self:
        """What the pattern cannot say is checked here. Raises ValueError, never quoting `text`."""
        return cls(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        # Most kinds have nothing to vet beyond the pattern: then the class is called without a frame of Python around it,
        # for every event that is read holds half a dozen.
        nothing_to_vet = cls._vetted.__func__ is Identifier._vetted.__func__  # type: ignore[attr-defined]
        return core_schema.no_info_after_validator_function(
            cls if nothing_to_vet else cls._vetted,
            core_schema.str_schema(pattern=cls.PATTERN),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )


class _Uuid(Identifier):
    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    SHAPE: ClassVar[str] = "a UUID in lower case"


class _Opaque(Identifier):
    """An id derived from a cause: readable, and the same at every replay."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[A-Za-z0-9][A-Za-z0-9._:/|-]{0,199}$"
    SHAPE: ClassVar[str] = "letters, digits and . _ : / | -, at most 200"


class LeadId(_Uuid):
    """UUIDv5 of the installation's secret namespace and the normalised e-mail address, else the phone number."""

    __slots__ = ()


class SubmissionId(_Uuid):
    """One form post, webhook delivery or imported row."""

    __slots__ = ()


class EventId(_Opaque):
    """`ce_id`: unique with the source; derived from the cause, or made at the edge."""

    __slots__ = ()


class RequestId(_Opaque):
    """An offer of a lead: first a request to a team, and the assignment's id once it is assigned."""

    __slots__ = ()


AssignmentId = RequestId


class ClockId(_Opaque):
    """One running of one clock for one lead."""

    __slots__ = ()


class AlertId(_Opaque):
    """One alert to one recipient; also the stable part of a Message-ID or webhook id."""

    __slots__ = ()


class CrmRecordId(_Opaque):
    """A CRM's own id of one of its records."""

    __slots__ = ()


class RepId(Identifier):
    __slots__ = ()


class TeamId(Identifier):
    __slots__ = ()


class PoolId(Identifier):
    __slots__ = ()


class RoleId(Identifier):
    __slots__ = ()


class RuleId(Identifier):
    __slots__ = ()


class ClockName(Identifier):
    __slots__ = ()


class CalendarId(Identifier):
    __slots__ = ()


class RecipientId(Identifier):
    """Whom an alert goes to: a named channel of the agreement."""

    __slots__ = ()


class CampaignId(Identifier):
    """A campaign as the sender names it; advertisers' plain numbers included."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[^@\x00-\x1f]{1,120}$"
    SHAPE: ClassVar[str] = "at most 120 characters, no @ and no telephone number"

    @classmethod
    def _vetted(cls, text: str) -> Self:
        return cls(refuse_personal(text, cls.__name__, spells_phone_number))


class FormId(Identifier):
    __slots__ = ()


class AgreementName(Identifier):
    __slots__ = ()


class LogKey(_Opaque):
    """The key of a log that TimerDue goes to: a lead's, team's or recipient's id."""

    __slots__ = ()


class TopicName(Identifier):
    """A topic as Kafka names it, with the installation's namespace."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[A-Za-z0-9._-]{1,249}$"
    SHAPE: ClassVar[str] = "letters, digits, dots, dashes and underscores, at most 249"


class TypeName(Identifier):
    """What a `ce_type` header may say: `leadloop.LeadScored.v1`."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[A-Za-z][A-Za-z0-9._-]{0,199}$"
    SHAPE: ClassVar[str] = "a letter, then letters, digits, dots, dashes and underscores, at most 200"


class ErrorName(Identifier):
    """The class name of an error; its text may quote a record and is never said."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[A-Za-z_][A-Za-z0-9_.]{0,199}$"
    SHAPE: ClassVar[str] = "a class name of at most 200 letters, digits, dots and underscores"


class ServiceName(Identifier):
    __slots__ = ()


class ProcessorName(Identifier):
    """A processor of a service: `scoring`, `routing.lead`."""

    __slots__ = ()


class ContentDigest(Identifier):
    """SHA-256 of a canonical content, in hex."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[0-9a-f]{64}$"
    SHAPE: ClassVar[str] = "64 hexadecimal digits"


class AccountId(_Opaque):
    """A company as the CRM names it."""

    __slots__ = ()


class OpportunityId(_Opaque):
    """An open opportunity as the CRM names it."""

    __slots__ = ()


class DomainName(Identifier):
    """A company's domain: lower case, its last part letters, so that neither address nor number fits."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z](?:[a-z0-9-]{0,22}[a-z0-9])$"
    SHAPE: ClassVar[str] = "a domain in lower case, such as example.com"


class ZoneName(Identifier):
    """A time zone of the IANA database."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z][A-Za-z0-9_+-]{0,31}){0,3}$"
    SHAPE: ClassVar[str] = "a time zone, such as Europe/Berlin"


class ApproverId(Identifier):
    """Who approved, as the department calls that person in its own list: a short word, never an address."""

    __slots__ = ()


class PublicKey(Identifier):
    """An Ed25519 public key, in hex."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[0-9a-f]{64}$"
    SHAPE: ClassVar[str] = "64 hexadecimal digits"


class Signature(Identifier):
    """An Ed25519 signature, in hex."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^[0-9a-f]{128}$"
    SHAPE: ClassVar[str] = "128 hexadecimal digits"


def lead_id(namespace: uuid.UUID, normalised_contact: str) -> LeadId:
    """The lead of a normalised e-mail address or E.164 phone number (RFC 4122 version 5)."""
    return LeadId(str(uuid.uuid5(namespace, normalised_contact)))


def request_id(lead: LeadId, epoch: int) -> RequestId:
    """The offer that answers the lead's becoming unrouted at position `epoch` of its log."""
    return RequestId(f"{lead}.{epoch}")


def digest(content: bytes) -> ContentDigest:
    """SHA-256 of `content`."""
    return ContentDigest(hashlib.sha256(content).hexdigest())


def to_plain(value: Any) -> str:
    """msgspec's `enc_hook`: an identifier as the string that it is. Raises NotImplementedError for anything else."""
    if isinstance(value, Identifier):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is no identifier")


def from_plain(type_: type[Any], value: Any) -> Any:
    """msgspec's `dec_hook`: the identifier of a string that we wrote. Raises NotImplementedError for other types."""
    if issubclass(type_, Identifier):
        return type_(value)
    raise NotImplementedError(f"{type_.__name__} is no identifier")
