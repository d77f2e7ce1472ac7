"""What a hosted processor is called on the cluster: everything about it that is known before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.runtime.protocol import Processor
from services.runtime.settings import Settings
from services.runtime.versions import writer_version


@dataclass(frozen=True, slots=True)
class Plan:
    """One processor of one installation."""

    processor: Processor[Any]
    settings: Settings
    incarnation: str
    """Which making of the input topic its positions are in (topics.py)."""
    log_topic: str
    """The input, by its name on the cluster."""
    log_name: str
    """The input, by its name in the registry."""
    group: str
    table: str
    """Faust's name of the table; the changelog's is made from it."""
    changelog: str
    source: str
    """`ce_source` of what the processor says."""
    runtime_source: str
    """`ce_source` of what the runtime says for it: timers and dead letters."""
    writer: str

    @classmethod
    def of(cls, processor: Processor[Any], settings: Settings, incarnation: str) -> Plan:
        """The names. A topic that was made anew gets new changelogs, for positions in the old one mean nothing in
        it."""
        group = settings.group(processor.name)
        return cls(
            processor=processor,
            settings=settings,
            incarnation=incarnation,
            log_topic=settings.topic(processor.log),
            log_name=processor.log.name,
            group=group,
            table=incarnation,
            changelog=f"{group}-{incarnation}-changelog",
            source=f"/leadloop/{settings.namespace}/{processor.service}",
            runtime_source=f"/leadloop/{settings.namespace}/runtime/{processor.name}",
            writer=writer_version(processor.service),
        )
