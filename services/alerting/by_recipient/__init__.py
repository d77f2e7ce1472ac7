"""By recipient: when to tell, and how often."""

from services.alerting.by_recipient.decide import decide, due
from services.alerting.by_recipient.state import HELD, UNDER_WAY, Held, Pace, UnderWay

__all__ = ["HELD", "UNDER_WAY", "Held", "Pace", "UnderWay", "decide", "due"]
