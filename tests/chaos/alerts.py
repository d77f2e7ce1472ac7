"""What people were told: every breach once, every message delivered once, and no mail that nobody ordered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.chaos.evidence import Evidence, Raw
from tests.chaos.findings import Findings
from tests.chaos.histories import Story

POINT = "alerts"


def check(evidence: Evidence, lives: Mapping[str, Story], told: Mapping[str, list[Raw]], findings: Findings) -> None:
    """From the breach to the mail."""
    _check_breaches(lives, told, findings)
    sent: Counter[str] = Counter()
    for recipient, log in told.items():
        sent += _check_recipient(recipient, log, findings)
    _check_mails(evidence, sent, findings)


def _check_breaches(lives: Mapping[str, Story], told: Mapping[str, list[Raw]], findings: Findings) -> None:
    """A breach of an assignment that is in effect there is one request, and there is no other request."""
    requested = Counter(
        (raw.content["lead_id"], raw.content["assignment_id"], raw.content["clock"])
        for log in told.values()
        for raw in log
        if raw.name == "AlertRequested"
    )
    breached = Counter(
        (key, raw.content["assignment_id"], raw.content["clock"])
        for key, story in lives.items()
        for raw in story.log
        if raw.name == "ClockBreached" and story.at(raw.record.offset).assignment_id == raw.content["assignment_id"]
    )
    for what in requested.keys() | breached.keys():
        lead, assignment, clock = what
        findings.expect(
            POINT,
            requested[what] == breached[what],
            f"lead {lead}: the clock {clock} of {assignment} breached {breached[what]} times, and alerts were requested "
            f"{requested[what]} times",
        )


def _check_recipient(recipient: str, log: list[Raw], findings: Findings) -> Counter[str]:
    """Every message that was released was delivered or given up exactly once; requests are carried once, in their order.

    A storm goes out in digests of limited length: what a recipient is still to be told must be the newest requests.
    Answers the messages that were reported as sent.
    """
    released: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    carried: Counter[str] = Counter()
    requested: list[str] = []
    withdrawn: set[str] = set()
    for raw in log:
        findings.counts[raw.name] += 1
        alert = raw.content.get("alert_id", "")
        match raw.name:
            case "AlertRequested":
                requested.append(alert)
            case "AlertReleased":
                released[alert] += 1
                carried.update(line["alert_id"] for line in raw.content["lines"])
            case "AlertWithdrawn":
                withdrawn.add(alert)
            case "AlertSent":
                sent[alert] += 1
            case "AlertFailed":
                failed[alert] += 1
    for alert in released.keys() | sent.keys() | failed.keys():
        findings.expect(POINT, released[alert] == 1, f"message {alert} to {recipient} was released {released[alert]} times")
        ended = sent[alert] + failed[alert]
        findings.expect(POINT, ended == 1, f"message {alert} was reported {ended} times as sent or failed, not once")
    findings.expect(POINT, not failed, f"{len(failed)} messages were given up, and the mail server was always there")
    findings.expect(POINT, len(set(requested)) == len(requested), f"an alert to {recipient} was requested twice")
    findings.expect(POINT, not withdrawn & carried.keys(), f"an alert to {recipient} was withdrawn and told")
    requested = [alert for alert in requested if alert not in withdrawn]
    findings.expect(
        POINT,
        set(carried.values()) <= {1} and set(carried) == set(requested[: len(carried)]),
        f"the {len(carried)} alerts that {recipient} was told are not the first {len(carried)} of {len(requested)}, each once",
    )
    findings.counts["alerts that wait for a digest"] += len(requested) - len(carried)
    return sent


def _check_mails(evidence: Evidence, sent: Counter[str], findings: Findings) -> None:
    """The mails that came are the messages reported as sent; one may come again for each interruption of its sender."""
    came = Counter(evidence.promised.mails)
    for alert in sent:
        findings.expect(POINT, came[f"<{alert}@leadloop>"] > 0, f"message {alert} was reported as sent and never came")
    strangers = came.keys() - {f"<{alert}@leadloop>" for alert in sent}
    findings.expect(POINT, not strangers, f"{len(strangers)} mails came that nobody reported as sent: {sorted(strangers)[:3]}")
    again = came.total() - len(came)
    findings.expect(
        POINT,
        again <= evidence.promised.interruptions,
        f"{again} mails came again, and their sender was interrupted {evidence.promised.interruptions} times: "
        f"{[m for m, times in came.items() if times > 1][:3]}",
    )
    findings.counts["mails"] = came.total()
    findings.counts["mails that came again"] = again
