"""By lead: whom to tell of what happened to it."""

from services.alerting.by_lead.decide import decide
from services.alerting.by_lead.state import Told

__all__ = ["Told", "decide"]
