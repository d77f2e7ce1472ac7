"""By recipient: when to tell, and how often."""

from services.alerting.by_recipient.decide import decide, due
from services.alerting.by_recipient.state import HELD, Held, Pace

__all__ = ["HELD", "Held", "Pace", "decide", "due"]
