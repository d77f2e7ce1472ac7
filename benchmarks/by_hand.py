"""The 60 rules of scoring_rules.yaml as somebody would write them by hand: Python ifs that explain nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DAY = 86_400_000

Entry = tuple[str, float, str]


def by_hand(
    a: Mapping[str, Any], done: Mapping[str, Sequence[tuple[int, int, int]]], now: int
) -> tuple[float, str, list[Entry]]:
    """Score, verdict and contributions. done: by kind, newest first, (ms, position, quantity); now: in ms."""
    out: list[Entry] = []
    fit = engagement = 0.0

    def seen(kind: str, times: int, days: int) -> bool:
        count, oldest = 0, now - days * DAY
        for at, _, quantity in done.get(kind, ()):
            if at <= oldest:
                return False
            count += quantity
            if count >= times:
                return True
        return False

    def faded(kind: str, points: float, days: int, further: float, most: int) -> float:
        total, worth, times, half = 0.0, points, 0, days * DAY
        for at, _, quantity in done.get(kind, ()):
            for _ in range(quantity):
                if times == most:
                    return total
                total += worth * 0.5 ** ((now - at) / half)
                worth *= further
                times += 1
        return total

    if (v := a.get("employees")) is not None and v >= 10:
        fit += 5
        out.append(("fit", 5, "employees counts"))
    if (v := a.get("employees")) is not None and v >= 50:
        fit += 10
        out.append(("fit", 10, "employees counts"))
    if (v := a.get("employees")) is not None and v >= 200:
        fit += 5
        out.append(("fit", 5, "employees counts"))
    if (v := a.get("employees")) is not None and v >= 1000:
        fit += 5
        out.append(("fit", 5, "employees counts"))
    if (v := a.get("employees")) is not None and v <= 4:
        fit += -15
        out.append(("fit", -15, "employees counts"))
    if (v := a.get("revenue")) is not None and v >= 1000000:
        fit += 5
        out.append(("fit", 5, "revenue counts"))
    if (v := a.get("revenue")) is not None and v >= 10000000:
        fit += 5
        out.append(("fit", 5, "revenue counts"))
    if (v := a.get("revenue")) is not None and v >= 100000000:
        fit += 5
        out.append(("fit", 5, "revenue counts"))
    if (v := a.get("budget")) is not None and v >= 5000:
        fit += 5
        out.append(("fit", 5, "budget counts"))
    if (v := a.get("budget")) is not None and v >= 20000:
        fit += 5
        out.append(("fit", 5, "budget counts"))
    if (v := a.get("budget")) is not None and v >= 100000:
        fit += 5
        out.append(("fit", 5, "budget counts"))
    if a.get("industry") in ("manufacturing", "logistics", "retail"):
        fit += 10
        out.append(("fit", 10, "industry counts"))
    if a.get("industry") in ("finance", "health"):
        fit += 5
        out.append(("fit", 5, "industry counts"))
    if a.get("industry") == "education":
        fit += -5
        out.append(("fit", -5, "industry counts"))
    if a.get("seniority") in ("c_level", "vp", "director"):
        fit += 15
        out.append(("fit", 15, "seniority counts"))
    if a.get("seniority") == "manager":
        fit += 5
        out.append(("fit", 5, "seniority counts"))
    if a.get("seniority") == "student":
        fit += -30
        out.append(("fit", -30, "seniority counts"))
    if a.get("department") in ("sales", "marketing"):
        fit += 8
        out.append(("fit", 8, "department counts"))
    if a.get("department") == "it":
        fit += 4
        out.append(("fit", 4, "department counts"))
    if "spreadsheet" in a.get("tool", "").casefold():
        fit += 5
        out.append(("fit", 5, "tool counts"))
    if "mail" in a.get("tool", "").casefold():
        fit += 3
        out.append(("fit", 3, "tool counts"))
    if "crm" in a.get("tool", "").casefold():
        fit += -3
        out.append(("fit", -3, "tool counts"))
    if (v := a.get("growth")) is not None and v >= 10:
        fit += 3
        out.append(("fit", 3, "growth counts"))
    if (v := a.get("growth")) is not None and v >= 50:
        fit += 3
        out.append(("fit", 3, "growth counts"))
    if (v := a.get("growth")) is not None and v <= 0:
        fit += -4
        out.append(("fit", -4, "growth counts"))
    if (v := a.get("founded")) is not None and v >= 2010:
        fit += 2
        out.append(("fit", 2, "founded counts"))
    if a.get("partner") is True:
        fit += 6
        out.append(("fit", 6, "partner counts"))
    if a.get("customer") is True:
        fit += 4
        out.append(("fit", 4, "customer counts"))
    if (v := a.get("sites")) is not None and v >= 2:
        fit += 2
        out.append(("fit", 2, "sites counts"))
    if (v := a.get("sites")) is not None and v >= 10:
        fit += 3
        out.append(("fit", 3, "sites counts"))
    if seen("page_viewed", 1, 30):
        engagement += 3
        out.append(("engagement", 3, "page_viewed lately"))
    if seen("pricing_viewed", 1, 30):
        engagement += 4
        out.append(("engagement", 4, "pricing_viewed lately"))
    if seen("mail_opened", 1, 30):
        engagement += 5
        out.append(("engagement", 5, "mail_opened lately"))
    if seen("mail_clicked", 1, 30):
        engagement += 6
        out.append(("engagement", 6, "mail_clicked lately"))
    if seen("content_downloaded", 1, 30):
        engagement += 3
        out.append(("engagement", 3, "content_downloaded lately"))
    if seen("webinar_attended", 1, 30):
        engagement += 4
        out.append(("engagement", 4, "webinar_attended lately"))
    if seen("trial_started", 1, 30):
        engagement += 5
        out.append(("engagement", 5, "trial_started lately"))
    if seen("docs_viewed", 1, 30):
        engagement += 6
        out.append(("engagement", 6, "docs_viewed lately"))
    if seen("video_watched", 1, 30):
        engagement += 3
        out.append(("engagement", 3, "video_watched lately"))
    if seen("event_visited", 1, 30):
        engagement += 4
        out.append(("engagement", 4, "event_visited lately"))
    if seen("page_viewed", 3, 90):
        engagement += 5
        out.append(("engagement", 5, "page_viewed lately"))
    if seen("pricing_viewed", 3, 90):
        engagement += 6
        out.append(("engagement", 6, "pricing_viewed lately"))
    if seen("mail_opened", 3, 90):
        engagement += 3
        out.append(("engagement", 3, "mail_opened lately"))
    if seen("mail_clicked", 3, 90):
        engagement += 4
        out.append(("engagement", 4, "mail_clicked lately"))
    if seen("content_downloaded", 3, 90):
        engagement += 5
        out.append(("engagement", 5, "content_downloaded lately"))
    if seen("webinar_attended", 3, 90):
        engagement += 6
        out.append(("engagement", 6, "webinar_attended lately"))
    if seen("trial_started", 3, 90):
        engagement += 3
        out.append(("engagement", 3, "trial_started lately"))
    if seen("docs_viewed", 3, 90):
        engagement += 4
        out.append(("engagement", 4, "docs_viewed lately"))
    if seen("video_watched", 3, 90):
        engagement += 5
        out.append(("engagement", 5, "video_watched lately"))
    if seen("event_visited", 3, 90):
        engagement += 6
        out.append(("engagement", 6, "event_visited lately"))
    reading = 0.0
    points = faded("page_viewed", 2, 7, 0.5, 5)
    if points:
        reading += points
        out.append(("engagement", points, "page_viewed counts each time"))
    points = faded("pricing_viewed", 3, 14, 1, 5)
    if points:
        reading += points
        out.append(("engagement", points, "pricing_viewed counts each time"))
    points = faded("mail_opened", 4, 30, 0.5, 5)
    if points:
        reading += points
        out.append(("engagement", points, "mail_opened counts each time"))
    points = faded("mail_clicked", 2, 7, 1, 5)
    if points:
        reading += points
        out.append(("engagement", points, "mail_clicked counts each time"))
    points = faded("content_downloaded", 3, 14, 0.5, 5)
    if points:
        reading += points
        out.append(("engagement", points, "content_downloaded counts each time"))
    if reading > 20:
        out.append(("engagement", 20 - reading, "reading counts at most 20 points"))
        reading = 20.0
    engagement += reading
    doing = 0.0
    points = faded("webinar_attended", 4, 30, 1, 5)
    if points:
        doing += points
        out.append(("engagement", points, "webinar_attended counts each time"))
    points = faded("trial_started", 2, 7, 0.5, 5)
    if points:
        doing += points
        out.append(("engagement", points, "trial_started counts each time"))
    points = faded("docs_viewed", 3, 14, 1, 5)
    if points:
        doing += points
        out.append(("engagement", points, "docs_viewed counts each time"))
    points = faded("video_watched", 4, 30, 0.5, 5)
    if points:
        doing += points
        out.append(("engagement", points, "video_watched counts each time"))
    points = faded("event_visited", 2, 7, 1, 5)
    if points:
        doing += points
        out.append(("engagement", points, "event_visited counts each time"))
    if doing > 30:
        out.append(("engagement", 30 - doing, "doing counts at most 30 points"))
        doing = 30.0
    engagement += doing
    score = fit + engagement
    if a.get("seniority") == "student":
        return score, "disqualified", out
    return score, "qualified" if score >= 60 else "nurtured", out
