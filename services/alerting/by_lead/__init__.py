"""By lead: whom to tell of what happened to it."""

from services.alerting.by_lead.decide import decide
from services.alerting.by_lead.escalating import CALMS
from services.alerting.by_lead.state import Told, due

__all__ = ["CALMS", "Told", "decide", "due"]
