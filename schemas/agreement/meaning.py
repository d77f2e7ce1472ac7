"""What an agreement's pieces must be to each other: names that exist, rules that end, thresholds within reach."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from schemas.agreement.alert_check import AlertTerms
from schemas.agreement.clock_check import ClockTerms
from schemas.agreement.conditions import CUSTOMER_ATTRIBUTE
from schemas.agreement.explaining import suggestion
from schemas.agreement.facts import as_number
from schemas.agreement.findings import Finding
from schemas.agreement.pool_terms import PoolTerms
from schemas.agreement.questions import Questions
from schemas.agreement.reading import Document, Path, at
from schemas.agreement.reason_check import ReasonTerms
from schemas.agreement.sheet import Sheet

_ONLY_VARIABLES = re.compile(r"\s*(?:\$\{[A-Za-z_][A-Za-z0-9_]*\}\s*)+")

MOST_POINTS = 999_999
"""What the published language holds of points: six digits before the point."""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _has_hours_or_days(calendar: dict[str, Any]) -> bool:
    """Whether the calendar says anything that begins or ends by a wall clock."""
    week = calendar.get("open")
    hours = isinstance(week, dict) and any(week.values())
    return hours or bool(calendar.get("holidays")) or bool(calendar.get("closed"))


class Meaning:
    """Goes through an agreement section by section."""

    def __init__(self, document: Document) -> None:
        self.sheet = Sheet(document)
        self.questions = Questions(self.sheet)
        self.pools = PoolTerms(self.sheet)

    def findings(self) -> list[Finding]:
        """All findings."""
        self._ids()
        self._scoring()
        self._groups()
        self._definition()
        self._stages_and_content()
        self._customers()
        self._pools_and_routing()
        self._calendars()
        self._clocks()
        ReasonTerms(self.sheet).check()
        self._learning()
        AlertTerms(self.sheet).check()
        self._tools()
        self._forms()
        return self.sheet.found

    def _ids(self) -> None:
        lists: list[tuple[Path, str]] = [
            (("definition",), "id"),
            (("routing",), "id"),
            (("clocks",), "id"),
            (("reasons",), "id"),
            (("stages",), "id"),
            (("content",), "id"),
        ]
        for path, key in lists:
            self.sheet.unique([((*p, key), e.get(key)) for p, e in self.sheet.entries(*path)])
        self.sheet.unique(
            [
                ((*p, "id"), e.get("id"))
                for part in ("fit", "engagement", "groups")
                for p, e in self.sheet.entries("scoring", part)
            ]
        )
        kinds = self.sheet.data.get("engagements")
        self.sheet.unique([(("engagements", i), k) for i, k in enumerate(kinds)] if isinstance(kinds, list) else [])

    def _scoring(self) -> None:
        for part in ("fit", "engagement"):
            for path, rule in self.sheet.entries("scoring", part):
                self.questions.ask(rule.get("when"), (*path, "when"), "scoring")
                self.sheet.refer("engagements", "engagement", (*path, "each"), rule.get("each"))
        for key, part in (("letters", "fit"), ("numbers", "engagement")):
            self._grade_steps(key, part)

    def _grade_steps(self, key: str, part: str) -> None:
        steps = at(self.sheet.data, ("scoring", "grades", key))
        before: Decimal | None = None
        for name in sorted(steps, key=str) if isinstance(steps, dict) else ():
            number = as_number(steps[name])
            path: Path = ("scoring", "grades", key, name)
            if number is None:
                continue
            if before is not None and number >= before:
                self.sheet.say(
                    "bad_order",
                    path,
                    f"grade {name} needs as much as a better one.",
                    "Let each grade need less than the one before.",
                )
            before = number
            if number > self.sheet.most((part,)):
                self.sheet.say(
                    "grade_out_of_reach",
                    path,
                    f"no lead can earn {name}: the rules of {part} give at most {self.sheet.most((part,))}.",
                    "Lower it, or add rules.",
                    severity="warning",
                )

    def _groups(self) -> None:
        """Groups that exist, of the rule's own part, with rules; and no more points than a score can hold."""
        parts = {str(g.get("id")): g.get("part") for _, g in self.sheet.entries("scoring", "groups")}
        used = set()
        for part in ("fit", "engagement"):
            for path, rule in self.sheet.entries("scoring", part):
                group = rule.get("group")
                used.add(group)
                self._refer_group(group, part, parts, (*path, "group"))
        for path, group in self.sheet.entries("scoring", "groups"):
            if isinstance(group.get("id"), str) and group["id"] not in used:
                self.sheet.say(
                    "group_without_rules",
                    (*path, "id"),
                    f"no rule is in the group {group['id']}.",
                    f"Write group: {group['id']} at its rules, or remove it.",
                    severity="warning",
                )
        both = ("fit", "engagement")
        if max(self.sheet.most(both), -self.sheet.least(both)) > MOST_POINTS:
            self.sheet.say(
                "too_many_points",
                ("scoring",),
                f"the rules can give more than {MOST_POINTS} points together, which no score can hold.",
                "Use smaller points, or caps.",
            )

    def _refer_group(self, group: Any, part: str, parts: dict[str, Any], path: Path) -> None:
        if not isinstance(group, str):
            return
        if group not in parts:
            meant = suggestion(group, list(parts))
            remedy = f"Did you mean {meant}?" if meant else "Define it in scoring.groups."
            example = f"groups: [{{id: {group}, part: {part}, at_most: 40, because: it counts at most 40 points}}]"
            self.sheet.say("unknown_group", path, f"there is no group {group!r}.", remedy, meant or example)
        elif parts[group] in ("fit", "engagement") and parts[group] != part:
            self.sheet.say(
                "wrong_group",
                path,
                f"the group {group} is of {parts[group]}, and this rule gives points for {part}.",
                "Make a group for each part.",
            )

    def _stages_and_content(self) -> None:
        """Stages whose conditions fit, the last of them at most without `when`; content for stages that exist."""
        stages = list(self.sheet.entries("stages"))
        for path, stage in stages:
            self.questions.ask(stage.get("when"), (*path, "when"), "stages")
        for path, stage in stages[:-1]:
            if stage.get("when") in (None, "always"):
                self.sheet.say(
                    "never_reached",
                    path,
                    "every lead is in this stage, so no stage after it is ever asked.",
                    "Move it to the end, or give it a when.",
                    severity="warning",
                )
        for path, content in self.sheet.entries("content"):
            self.sheet.refer_all("stages", "stage", (*path, "stages"), content.get("stages"))

    def _customers(self) -> None:
        attribute = at(self.sheet.data, ("attributes", str(CUSTOMER_ATTRIBUTE)))
        if isinstance(attribute, dict) and (attribute.get("type") != "boolean" or attribute.get("personal") is True):
            self.sheet.say(
                "wrong_type",
                ("attributes", str(CUSTOMER_ATTRIBUTE)),
                "existing_customer says whether the person is a customer, so rules need it as yes or no.",
                "Declare it as boolean and not personal, or call it otherwise.",
                "existing_customer: {type: boolean}",
            )

    def _definition(self) -> None:
        rules = list(self.sheet.entries("definition"))
        for path, rule in rules:
            self.questions.ask(rule.get("when"), (*path, "when"), "definition")
        if isinstance(self.sheet.data.get("definition"), list):
            self._ends(
                ("definition",), rules, "the definition", "{id: rest, verdict: nurtured, because: not ready yet}"
            )

    def _ends(self, path: Path, rules: list[tuple[Path, dict[str, Any]]], what: str, example: str) -> None:
        """The last rule must have no `when`, and no other may lack one."""
        for rule_path, rule in rules[:-1]:
            if rule.get("when") in (None, "always") and rule.get("percent") is None:
                self.sheet.say(
                    "never_reached",
                    rule_path,
                    "it always holds, so no rule after it is ever asked.",
                    "Move it to the end, or give it a when.",
                    severity="warning",
                )
        if not rules or rules[-1][1].get("when") is not None or rules[-1][1].get("percent") is not None:
            where = rules[-1][0] if rules else path
            self.sheet.say(
                "missing_last_rule",
                where,
                f"{what} has no last rule without when, so some leads get no answer.",
                "Add a last rule without when.",
                example,
            )

    def _pools_and_routing(self) -> None:
        for path, pool in self.sheet.entries("pools"):
            self.sheet.refer("teams", "team", (*path, "team"), pool.get("team"))
        self.pools.check()
        rules = list(self.sheet.entries("routing"))
        for path, rule in rules:
            self.sheet.refer("pools", "pool", (*path, "pool"), rule.get("pool"))
            self.questions.ask(rule.get("when"), (*path, "when"), "routing")
            self._same_role(path, rule)
        if isinstance(self.sheet.data.get("routing"), list):
            for role in self._roles():
                asked = [(p, r) for p, r in rules if r.get("role") in (None, role)]
                self._ends(
                    ("routing",),
                    asked,
                    f"the routing of role {role}",
                    "{id: everyone, pool: inbound, because: every other lead}",
                )
        targets = {str(rule.get("pool")) for _, rule in rules} | self.pools.overflow_targets()
        if not targets <= set(self.sheet.names("pools")):
            return
        for name in self.sheet.names("pools"):
            if name not in targets:
                self.sheet.say(
                    "pool_without_leads",
                    ("pools", name),
                    f"no rule sends a lead to the pool {name}.",
                    "Add a rule for it, or remove it.",
                    severity="warning",
                )

    def _roles(self) -> list[str]:
        roles = {str(pool.get("role", "sdr")) for _, pool in self.sheet.entries("pools")}
        return sorted(
            roles
            | {str(r["role"]) for _, r in self.sheet.entries("routing") if isinstance(r.get("role"), str)}
            | {"sdr"}
        )

    def _same_role(self, path: Path, rule: dict[str, Any]) -> None:
        pool = at(self.sheet.data, ("pools", str(rule.get("pool"))))
        role = rule.get("role")
        if isinstance(pool, dict) and isinstance(role, str) and pool.get("role", "sdr") != role:
            self.sheet.say(
                "role_mismatch",
                (*path, "role"),
                f"leads for role {role} would go to a pool of role {pool.get('role', 'sdr')}.",
                "Name a pool of that role.",
                severity="warning",
            )

    def _calendars(self) -> None:
        calendars = self.sheet.data.get("calendars")
        for name, calendar in calendars.items() if isinstance(calendars, dict) else ():
            if isinstance(calendar, dict) and "zone" not in calendar and _has_hours_or_days(calendar):
                self.sheet.say(
                    "no_zone",
                    ("calendars", str(name)),
                    "it has no zone, so its hours and days are those of UTC.",
                    "Say whose wall clock it goes by; write zone: UTC if UTC is meant.",
                    "zone: Europe/Berlin",
                    severity="warning",
                )
        for path, team in self.sheet.entries("teams"):
            self.sheet.refer("calendars", "calendar", (*path, "calendar"), team.get("calendar"))

    def _clocks(self) -> None:
        ClockTerms(self.sheet, self.questions).check()

    def _learning(self) -> None:
        """What is left out exists: an attribute, or what a model looks at besides (schemas/learning/traits.py)."""
        known = {*self.sheet.names("attributes"), "country"}
        for i, name in enumerate(_list(at(self.sheet.data, ("learning", "leave_out")))):
            if isinstance(name, str) and name not in known and not name.startswith(("source.", "seen.", "rules.")):
                meant = suggestion(name, sorted(known))
                self.sheet.say(
                    "unknown_attribute",
                    ("learning", "leave_out", i),
                    f"a model does not look at {name!r}.",
                    f"Did you mean {meant}?"
                    if meant
                    else "Name an attribute, country, source.campaign, seen.KIND or rules.fit.",
                    meant or "leave_out: [source.campaign]",
                )

    def _tools(self) -> None:
        for kind in ("webhooks", "crms"):
            for path, tool in self.sheet.entries("tools", kind):
                self.sheet.refer_all("teams", "team", (*path, "teams"), tool.get("teams"))
                self._secret_is_not_written_down((*path, "secret"), tool.get("secret"))
        notices = at(self.sheet.data, ("tools", "notices", "teams"))
        self.sheet.refer_all("teams", "team", ("tools", "notices", "teams"), notices)

    def _secret_is_not_written_down(self, path: Path, secret: Any) -> None:
        """Everybody who signs reads the agreement, and its text is kept for ever."""
        if isinstance(secret, str) and not _ONLY_VARIABLES.fullmatch(secret):
            self.sheet.say(
                "secret_written_down",
                path,
                "the secret itself stands in the agreement.",
                "Name an environment variable of the alerting service instead, and make a new secret: this one was shown.",
                "secret: ${LEADLOOP_WEBHOOK_SECRET}",
            )

    def _forms(self) -> None:
        for path, form in self.sheet.entries("forms"):
            said = form.get("attributes")
            for key in said if isinstance(said, dict) else ():
                self.sheet.refer("attributes", "attribute", (*path, "attributes", key), key)
            fields = form.get("fields")
            for key, name in fields.items() if isinstance(fields, dict) else ():
                self.sheet.refer("attributes", "attribute", (*path, "fields", key), name)
