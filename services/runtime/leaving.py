"""Leaving at once: what the engine does when it cannot be sure that what it would write next is right."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import NoReturn

import structlog
from aiokafka.errors import KafkaError

log = structlog.get_logger(__name__)

START_AGAIN = 70
"""EX_SOFTWARE: a new start mends it; the supervisor starts the process again."""
NEEDS_A_PERSON = 78
"""EX_CONFIG: a new start would end the same way; the supervisor leaves the process down and says so."""


def die(because: str, error: BaseException | None = None, *, code: int = START_AGAIN, **ids: object) -> NoReturn:
    """End the process now, without flushing a record or running a `finally`: nothing unfinished may reach the broker.

    error: what made us leave, if anything did.
    """
    log.error("leaving_at_once", because=because, exit_code=code, **ids, **(what_failed(error) if error else {}))
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def what_failed(error: BaseException | None) -> dict[str, object]:
    """An error for a log line: classes and places. Its text may quote a record, so only a client's text is shown."""
    if isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    chain: list[str] = []
    places: list[str] = []
    while error is not None and len(chain) < 5:
        quotable = isinstance(error, (KafkaError, OSError, TimeoutError))
        chain.append(f"{type(error).__name__}: {error}" if quotable else type(error).__name__)
        places += [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-4:]]
        error = error.__cause__ or error.__context__
    return {"error": " < ".join(chain), "at": places}
