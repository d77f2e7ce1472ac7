"""What a person at the terminal says about an agreement, written so that it counts, or refused."""

from __future__ import annotations

import asyncio
import getpass
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from schemas.agreement.life import Course
from schemas.base import Event
from schemas.ids import ApproverId
from services.console import first_agreement
from services.console.terminal import Refused
from services.runtime.appending import BrokerAway
from services.runtime.approving import WouldBeVoid, say
from services.runtime.settings import Settings

By = Annotated[str | None, typer.Option("--by", help="Who says so, as a short word; this machine's user otherwise.")]


def person(by: str | None) -> ApproverId:
    """Who says it. Raises Refused if that is no short word."""
    try:
        return ApproverId.parse(by if by is not None else getpass.getuser().lower())
    except (ValueError, OSError, KeyError) as error:
        raise Refused(f"who says so must be a short word, no name or address ({error}); give --by") from error


def speak(settings: Settings, course: Course, event: Event) -> Course:
    """Append an event that counts, and read the log back. Raises Refused when it would be void, or became so."""
    try:
        asyncio.run(say(settings, course, event))
    except WouldBeVoid as void:
        raise Refused(str(void)) from void
    except (BrokerAway, KafkaError, OSError) as away:
        raise Refused(f"it could not be written ({away}); see: leadloop status, then say it again") from away
    after = asyncio.run(first_agreement.read(settings)).course
    if len(after.void) > len(course.void) and after.void[-1].said == type(event).__name__:
        raise Refused(
            f"it is written, but void where it stands in the log: {after.void[-1].because}; look, and say it again"
        )
    return after
