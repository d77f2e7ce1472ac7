"""A recorded log under a proposed agreement: scoring's own `decide` through the engine's own `step`, beside what was said.

What came from outside (submissions, engagements, what reps did) is taken as recorded. What scoring said is not: its
words under the proposed agreement take their place, its deadlines come when that agreement makes them due, and the rules
of a lead's life say which recorded actions are still possible. So a lead that is no longer qualified is not worked, and
one that is newly qualified waits, for nobody knows what a rep would have done with it.
"""

from __future__ import annotations

from dataclasses import replace as with_
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas import topics
from schemas.agreement.knowledge import Knowledge, facts
from schemas.base import Event
from schemas.events.intake import LeadSubmitted
from schemas.events.routing import FromPool, LeadRouted
from schemas.events.runtime import TimerDue
from schemas.events.scoring import LeadDisqualified, LeadNurtured, LeadQualified, LeadScored, Verdict
from schemas.ids import EventId
from schemas.lifecycle import Effect, State, fold
from schemas.topics import LEADS
from schemas.wire import Envelope, Record, UndecodableRecord, decode, encode, new_trace
from services.console.backtest.shelf import AT_HAND, Shelf
from services.console.backtest.tally import Tally
from services.console.backtest.trial import Qualified, Trial
from services.runtime.lead_log import changes_lives, read_lead
from services.runtime.protocol import Parts, Processor
from services.runtime.replay import AgreementsInMemory
from services.runtime.step import DecideFailed, KeyRecord, interesting, step

_TIMER = TimerDue.type_name()
_WORDS: dict[type[Event], str] = {
    LeadQualified: "qualified",
    LeadNurtured: "nurtured",
    LeadDisqualified: "disqualified",
}
_DECODED = frozenset({LeadScored.type_name(), LeadSubmitted.type_name()})
_TIMERS_AT_ONCE = 10_000
"""More deadlines than this one after the other without a record between them are no agreement that anybody meant."""


class Rehearsal:
    """The leads of one partition."""

    def __init__(
        self,
        scoring: Processor[Any],
        agreements: AgreementsInMemory,
        *,
        since: datetime | None,
        tally: Tally,
        at_hand: int = AT_HAND,
    ) -> None:
        """scoring: the processor; agreements: those of the past up to `since`, and the proposed one from there on."""
        self._scoring, self._agreements, self._tally = scoring, agreements, tally
        self._since_ms = _ms(since) if since is not None else 0
        self._changes = [
            (_ms(at), agreement.version) for at, agreement in agreements.published if at > datetime(1970, 1, 2, tzinfo=UTC)
        ]
        self._wanted = interesting(scoring)
        self._ours = frozenset(
            name for name, entry in topics.by_type_name().items() if entry.writer == scoring.service and LEADS in entry.topics
        )
        self._trials: Shelf[Trial] = Shelf(Trial, at_hand)
        self._keys: Shelf[KeyRecord[Any]] = Shelf(KeyRecord[scoring.state], at_hand)  # type: ignore[name-defined]

    def take(self, record: Record) -> None:
        """Read one record on both sides."""
        self._tally.events += 1
        type_name = record.type_name()
        if type_name == _TIMER or type_name is None or record.key is None:
            return
        key = record.key.decode()
        trial = self._trials.get(key) or Trial()
        trial = self._time_passes(key, trial, _ms(record.at) - 1)
        try:
            envelope = Envelope.parse(record.headers)
            told = changes_lives(type_name) or type_name in _DECODED
            event = decode(type_name, record.value) if told else None
        except UndecodableRecord:
            self._tally.undecodable += 1
            return
        memory, effect = read_lead(trial.memory, record, envelope, event)
        trial = msgspec.structs.replace(trial, memory=memory)
        if effect is not None and event is not None:
            trial = self._recorded(trial, event, envelope, effect)
        if type_name in self._ours:
            self._handed_over(key, event, effect, record.offset)
        elif type_name in self._wanted:
            trial = self._work(key, trial, record)
        self._trials[key] = trial

    def end(self, until: datetime) -> Tally:
        """Let time pass up to `until` for every lead, and count them all."""
        for key, trial in self._trials.items():
            if self._due_by(key, _ms(until)):
                self._tally.count(key, self._time_passes(key, trial, _ms(until)))
            else:
                self._tally.count(key, trial)
        self._trials.close()
        self._keys.close()
        return self._tally

    # ------------------------------------------------------------------ as recorded

    def _recorded(self, trial: Trial, event: Event, envelope: Envelope, effect: Effect) -> Trial:
        cause = envelope.cause.offset if envelope.cause is not None else -1
        if isinstance(event, LeadScored):
            return _answered(msgspec.structs.replace(trial, recorded=trial.recorded.scored(event)), cause)
        if isinstance(event, Verdict):
            if effect is not Effect.EFFECT:
                return trial
            word = _WORDS[type(event)]
            side = trial.recorded.judged(word, event, trial.memory.now_ms)
            trial = _answered(msgspec.structs.replace(trial, recorded=side), cause)
            if side.at_ms >= self._since_ms:
                self._tally.then_verdicts[word] += 1
                if word == "qualified" and trial.then is None:
                    trial = msgspec.structs.replace(trial, then=Qualified(side, trial.proposed, position=event.judged_at))
            return trial
        if isinstance(event, LeadRouted) and trial.then is not None and not trial.then.team and effect is Effect.EFFECT:
            pool = str(event.ask.pool_id) if isinstance(event.ask, FromPool) else ""
            then = msgspec.structs.replace(trial.then, pool=pool, team=str(event.team_id))
            return msgspec.structs.replace(trial, then=then)
        if isinstance(event, LeadSubmitted) and effect is Effect.EFFECT:
            self._tally.submissions += 1
            self._tally.attributes.update(map(str, event.attributes))
            if event.source.campaign is not None:
                return msgspec.structs.replace(trial, campaign=str(event.source.campaign))
        return trial

    def _handed_over(self, key: str, event: Event | None, effect: Effect | None, position: int) -> None:
        """Sales got the lead here. If the proposed agreement has called it qualified by now, it waited until here, and
        what sales did with it then follows."""
        if not isinstance(event, LeadQualified) or effect is not Effect.EFFECT:
            return
        state = self._keys.get(key)
        if state is not None and state.life.state is State.UNROUTED:
            self._keys[key] = msgspec.structs.replace(state, life=msgspec.structs.replace(state.life, epoch=position))

    # ------------------------------------------------------------------ as proposed

    def _work(self, key: str, trial: Trial, record: Record) -> Trial:
        try:
            done = step(
                self._scoring,
                self._keys.get(key),
                Parts(),
                record,
                self._agreements,
                incarnation="backtest",
                source="backtest",
                writer="backtest",
            )
        except DecideFailed as failed:
            self._keys[key] = failed.after
            self._tally.not_judged += 1
            return trial
        except UndecodableRecord:
            return trial
        after = done.after
        for said in done.said:
            event = said.event
            if isinstance(event, LeadScored):
                trial = msgspec.structs.replace(trial, proposed=trial.proposed.scored(event))
            elif isinstance(event, Verdict):
                now = datetime.fromtimestamp(after.now_ms / 1000, UTC)
                life, effect = fold(
                    after.life, event, position=record.offset, now=now, event_id=said.envelope.event_id
                )
                after = msgspec.structs.replace(after, life=life)
                if effect is Effect.EFFECT:
                    trial = self._proposed(trial, event, after, now)
        self._keys[key] = after
        return trial

    def _proposed(self, trial: Trial, event: Verdict, after: KeyRecord[Any], now: datetime) -> Trial:
        word = _WORDS[type(event)]
        trial = msgspec.structs.replace(trial, proposed=trial.proposed.judged(word, event, after.now_ms))
        if after.now_ms < self._since_ms:
            return trial
        self._tally.now_verdicts[word] += 1
        if word != "qualified" or trial.now is not None:
            return trial
        agreement, known = self._agreements.in_force(now), after.own
        assert isinstance(known, Knowledge)
        asked = with_(facts(known, after.life, now), score=event.score, grade=event.grade, stage=event.stage, lead=str(event.lead_id))
        chosen = agreement.choose_pool(after.life.role, asked)
        team = str(agreement.pools[chosen.pool].team)
        return msgspec.structs.replace(
            trial, now=Qualified(trial.proposed, trial.recorded, str(chosen.pool), team, position=after.position)
        )

    # ------------------------------------------------------------------ time

    def _due_by(self, key: str, until_ms: int) -> bool:
        state = self._keys.get(key)
        return state is not None and self._next(state, state.now_ms, until_ms) is not None

    def _time_passes(self, key: str, trial: Trial, until_ms: int) -> Trial:
        """Everything that comes due for the lead up to and including `until_ms`, in its order."""
        looked_ms = -1
        for _ in range(_TIMERS_AT_ONCE):
            state = self._keys.get(key)
            if state is None:
                return trial
            looked_ms = max(looked_ms, state.now_ms)
            found = self._next(state, looked_ms, until_ms)
            if found is None:
                return trial
            looked_ms, version = found
            if version is None or self._scoring.touched_by_agreement(state.own):
                trial = self._ring(key, trial, state, looked_ms, version)
        self._tally.not_judged += 1
        return trial

    def _next(self, state: KeyRecord[Any], after_ms: int, until_ms: int) -> tuple[int, int | None] | None:
        """When the lead is looked at next because of time alone, and for which version if it is a new agreement."""
        change = next(((at, version) for at, version in self._changes if after_ms < at <= until_ms), None)
        due = self._scoring.due(state.own)
        due_ms = max(_ms(due), after_ms) if due is not None else None
        if due_ms is None or due_ms > until_ms or (change is not None and change[0] <= due_ms):
            return change
        return due_ms, None

    def _ring(self, key: str, trial: Trial, state: KeyRecord[Any], at_ms: int, version: int | None) -> Trial:
        """A deadline, where the last record stands: positions between two records there are none."""
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        due = TimerDue(key=key, processor=self._scoring.name, due_at=at, agreement_version=version)
        event_id = EventId(f"timer.{key}.{at_ms}.{version}")
        envelope = Envelope(
            event_id, _TIMER, "backtest", at, key, event_id, new_trace(event_id), "backtest", addressed_to=self._scoring.name
        )  # fmt: skip
        position = max(state.position, 0)
        self._keys[key] = msgspec.structs.replace(state, position=position - 1)
        record = Record(LEADS.name, 0, position, at, key.encode(), encode(due), tuple(envelope.headers()))
        return self._work(key, trial, record)


def _answered(trial: Trial, cause: int) -> Trial:
    """What scoring said of the record at which the proposed agreement first called the lead qualified is the other side
    of it, though it stands a little later in the log."""
    if trial.now is None or cause < 0 or cause > trial.now.position:
        return trial
    return msgspec.structs.replace(trial, now=msgspec.structs.replace(trial.now, other=trial.recorded))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
