"""How a CRM is reached and what its words mean here: a section of the tools file.

```yaml
crms:
  suite:                                     # the name under tools, crms in the agreement
    kind: suitecrm
    url: https://crm.example.com/legacy      # what /Api stands behind
    client_id: ${SUITECRM_CLIENT_ID}
    client_secret: ${SUITECRM_CLIENT_SECRET}
    owners: {anna: 7c1a…, ben: 91b0…}        # rep: the CRM's user id
    nobody: 1                                # whose a lead is that nobody has; optional
    stages: {assigned: Assigned, accepted: In Process, won: Converted, lost: Dead, recycled: Recycled}
    meanings:                                # what a stage that somebody sets there means here
      Converted: {type: won}
      Dead: {type: lost, reason: no_budget}
      Qualified: {type: stage_changed, stage: opportunity}
    fields: {score: leadloop_score_c}        # further fields, by name of the news
    poll_every: 1m
```
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.agreement.durations import PositiveLength
from schemas.ids import RepId
from schemas.vocabulary import CurrencyCode, LeadStatus, Reason, Slug

Secret = Annotated[str, Field(min_length=1, max_length=2000)]
NewsField = Literal["score", "grade", "buying_stage", "cycle", "stream", "reason", "because", "lead_status", "lead_id"]


class Meaning(BaseModel):
    """What is said at `POST /v1/outcomes`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["won", "lost", "stage_changed"]
    reason: Reason | None = None
    stage: Slug | None = None

    @model_validator(mode="after")
    def _complete(self) -> Meaning:
        if (self.type == "stage_changed") != (self.stage is not None):
            raise ValueError("a stage belongs to stage_changed, and to nothing else")
        return self


class CrmTerms(BaseModel):
    """One CRM."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["suitecrm"]
    url: Secret
    client_id: Secret
    client_secret: Secret
    module: str = "Leads"
    system: Slug = Slug("suitecrm")
    """Under which submissions name the record in `external_ids`."""
    owners: dict[RepId, str] = {}
    nobody: str | None = None
    stages: dict[LeadStatus, str] = {}
    meanings: dict[str, Meaning] = {}
    fields: dict[NewsField, str] = {}
    amount_field: str | None = None
    currency: CurrencyCode = "EUR"
    """Of `amount_field`."""
    poll_every: PositiveLength = timedelta(minutes=1)
    page_size: Annotated[int, Field(ge=1, le=200)] = 50

    @model_validator(mode="after")
    def _each_user_is_one_rep(self) -> CrmTerms:
        if len(set(self.owners.values())) != len(self.owners):
            raise ValueError("owners names one user for two reps: what changes there could be either's")
        return self

    def rep_of(self, user: str | None) -> RepId | None:
        """The rep whom a user of the CRM is; none if he is no rep here."""
        return next((rep for rep, known in self.owners.items() if known == user), None)
