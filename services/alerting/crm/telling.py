"""Telling CRMs of leads: whose a lead is and how far, in the CRM's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx

from schemas.agreement.tools import ToolName
from schemas.events.alerting import CrmRecordWritten, News, NewsKind
from schemas.ids import CrmRecordId, RecipientId
from schemas.topics import ALERTS
from schemas.vocabulary import LeadStatus, NonPersonalText
from services.alerting import shelf
from services.alerting.crm.adapter import Crm, Written
from services.alerting.crm.suitecrm import SuiteCrm
from services.alerting.crm.terms import CrmTerms
from services.alerting.faults import ChannelUnusable, NotDelivered
from services.alerting.tools_file import ToolsFileReader
from services.runtime.appending import Appender, BrokerAway
from services.runtime.projection import Behind, ProjectionRunner

_HELD = frozenset({LeadStatus.ASSIGNED, LeadStatus.ACCEPTED, LeadStatus.WORKING})


class Crms:
    """The CRMs of the tools file. One of each for the process, so that a token is asked for once."""

    def __init__(
        self,
        appender: Appender,
        tables: ProjectionRunner,
        tools: ToolsFileReader,
        environment: Mapping[str, str],
        client: httpx.AsyncClient,
    ) -> None:
        self._appender, self._tables, self._tools = appender, tables, tools
        self._environment, self._client = environment, client
        self._known: dict[str, tuple[CrmTerms, Crm]] = {}
        self.busy: dict[str, asyncio.Lock] = {}
        """By name: what is written there is not read at the same time, for the answer would be neither old nor new."""

    def of(self, name: str) -> tuple[CrmTerms, Crm]:
        """The CRM of that name, and its terms as the tools file has them now. Raises ChannelUnusable."""
        terms = self._tools.now().crms.get(ToolName(name))
        if terms is None:
            raise ChannelUnusable(f"the tools file has no CRM {name}: add it under crms")
        known = self._known.get(name)
        if known is None or known[0] != terms:
            self._known[name] = (terms, SuiteCrm(self._client, terms, self._environment))
        return self._known[name]

    def lock(self, name: str) -> asyncio.Lock:
        """To be held while the CRM is written to or read."""
        return self.busy.setdefault(name, asyncio.Lock())

    async def tell(
        self, recipient: RecipientId, name: str, news: News, person: Mapping[str, Any], named: Mapping[str, str]
    ) -> None:
        """Write the lead's record. named: its ids in other systems. Raises NotDelivered and ChannelUnusable."""
        terms, crm = self.of(name)
        async with self.lock(name):
            try:
                await self._tables.read_to_end(recipient, ALERTS)
                known = await self._tables.read(partial(shelf.record_of, recipient=recipient, lead_id=news.lead_id))
            except Behind as behind:
                raise NotDelivered("what the CRM was told before could not be read in time") from behind
            record = named.get(terms.system) or known or news.lead_id
            if news.kind is NewsKind.ERASED:
                await crm.erase(record)
                return
            lead = written(news, terms, record, person)
            await crm.write(lead)
            await self._remember(recipient, news, lead, terms)

    async def _remember(self, recipient: RecipientId, news: News, lead: Written, terms: CrmTerms) -> None:
        """So that what it says later is told from what it was told."""
        said = CrmRecordWritten(
            recipient=recipient,
            record=CrmRecordId(lead.record),
            lead_id=news.lead_id,
            stage=None if lead.stage is None else NonPersonalText(lead.stage),
            owner=terms.rep_of(lead.owner),
        )
        try:
            done = await self._appender.append(said)
            await self._tables.wait_for(done.topic, done.partition, done.offset)
        except (BrokerAway, Behind) as error:  # written again then, which changes nothing there
            raise NotDelivered("that the CRM was told could not be recorded") from error


def written(news: News, terms: CrmTerms, record: str, person: Mapping[str, Any]) -> Written:
    """The news in the CRM's words. Raises ChannelUnusable for a rep whom it has no user for."""
    owner = terms.nobody
    if news.lead_status in _HELD and news.rep_id is not None:
        owner = terms.owners.get(news.rep_id)
        if owner is None:
            raise ChannelUnusable(f"the tools file names no user of the CRM for {news.rep_id}: add it under owners")
    elif news.lead_status in (LeadStatus.WON, LeadStatus.LOST):
        owner = None  # who has won or lost it stays its owner there
    said = news.model_dump(mode="json")
    return Written(
        record=record,
        lead_id=news.lead_id,
        stage=terms.stages.get(news.lead_status),
        owner=owner,
        person=person,
        fields={field: said[name] for name, field in terms.fields.items() if said[name] is not None},
    )
