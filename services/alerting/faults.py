"""Why a delivery did not succeed, in the words that decide what happens next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ChannelUnusable(ValueError):
    """No attempt can succeed: the receiver's address is missing or wrong. The text names the remedy and no secret."""


class NotDelivered(ConnectionError):
    """This attempt failed; the next one may succeed."""

    def __init__(self, because: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        """status: of the HTTP answer. retry_after: for how many seconds the receiver asks to be left alone."""
        super().__init__(because)
        self.status, self.retry_after = status, retry_after


class Gone(ConnectionError):
    """The receiver says that it is no more and wants nothing any more."""


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`text` with every ${NAME} from the environment. Raises ChannelUnusable naming the variable that is not set."""

    def value(found: re.Match[str]) -> str:
        if not environment.get(found[1]):
            raise ChannelUnusable(f"the environment variable {found[1]} is not set: set it for the alerting service")
        return environment[found[1]]

    return _VARIABLE.sub(value, text)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); None if it says nothing readable."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 0.0)
