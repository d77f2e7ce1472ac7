"""What an agreement's pieces must be to each other: names that exist, rules that end, thresholds within reach."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from schemas.agreement.conditions import as_number
from schemas.agreement.explaining import suggestion
from schemas.agreement.findings import Finding
from schemas.agreement.reading import Document, Path, at, spell

_NUMBER_KINDS = {"score": ("fit", "engagement"), "fit": ("fit",), "points_of_engagement": ("engagement",)}
_KNOWN_IN = {
    "scoring": frozenset({"all", "any", "not", "always", "attribute", "engagement", "touched_by", "source", "country"}),
    "routing": frozenset({"all", "any", "not", "always", "attribute", "touched_by", "source", "country", "score", "fit",
                          "points_of_engagement", "grade"}),
}
_NUMERIC = ("integer", "decimal")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class Meaning:
    """Walks a document that may be broken anywhere; what has the wrong shape is somebody else's finding and is passed over."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data = document.data
        self.found: list[Finding] = []

    def findings(self) -> list[Finding]:
        """All findings."""
        self._ids()
        self._scoring()
        self._definition()
        self._pools_and_routing()
        self._clocks()
        self._reasons()
        self._alerts()
        self._forms()
        return self.found

    # ------------------------------------------------------------------ walking

    def _say(self, code: str, path: Path, message: str, remedy: str, example: str = "", severity: Any = "error") -> None:
        self.found.append(Finding(severity, code, spell(path), self.document.line(path), message, remedy, example))

    def _entries(self, *path: str | int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The entries of a section that are sections themselves, with their paths."""
        section = at(self.data, path)
        pairs = section.items() if isinstance(section, dict) else enumerate(section) if isinstance(section, list) else ()
        for key, entry in pairs:
            if isinstance(entry, dict):
                yield (*path, key), entry

    def _names(self, section: str) -> list[str]:
        """What a section defines: its keys, or the ids of its entries, or its words."""
        value = self.data.get(section)
        if isinstance(value, dict):
            return [str(k) for k in value]
        if isinstance(value, list):
            return [str(e.get("id")) if isinstance(e, dict) else str(e) for e in value]
        return []

    def _refer(self, section: str, what: str, path: Path, name: Any) -> None:
        """`name` must be one that `section` defines."""
        known = self._names(section)
        if not isinstance(name, str) or name in known:
            return
        meant = suggestion(name, known)
        remedy = f"Did you mean {meant}?" if meant else f"Define it in {section}" + (f", or use one of {', '.join(known[:12])}." if known else ".")
        self._say(f"unknown_{what}", path, f"there is no {what} {name!r}.", remedy, meant or (known[0] if known else ""))

    def _refer_all(self, section: str, what: str, path: Path, names: Any) -> None:
        for i, name in enumerate(names if isinstance(names, list) else []):
            self._refer(section, what, (*path, i), name)

    # ------------------------------------------------------------------ the rules

    def _ids(self) -> None:
        lists: list[tuple[Path, str]] = [(("definition",), "id"), (("routing",), "id"), (("clocks",), "id"), (("reasons",), "id")]
        for path, key in lists:
            self._unique([((*p, key), e.get(key)) for p, e in self._entries(*path)])
        self._unique([((*p, "id"), e.get("id")) for part in ("fit", "engagement") for p, e in self._entries("scoring", part)])
        kinds = self.data.get("engagements")
        self._unique([(("engagements", i), k) for i, k in enumerate(kinds)] if isinstance(kinds, list) else [])

    def _unique(self, ids: list[tuple[Path, Any]]) -> None:
        first: dict[str, Path] = {}
        for path, name in ids:
            if not isinstance(name, str):
                continue
            if name in first:
                line = self.document.line(first[name])
                self._say("duplicate_id", path, f"the id {name!r} is there twice, first on line {line}.", "Give each its own id.", f"{name}-2")
            first.setdefault(name, path)

    def _scoring(self) -> None:
        for part in ("fit", "engagement"):
            for path, rule in self._entries("scoring", part):
                self._condition(rule.get("when"), (*path, "when"), "scoring")
        for key, part in (("letters", "fit"), ("numbers", "engagement")):
            self._grade_steps(key, part)

    def _grade_steps(self, key: str, part: str) -> None:
        steps = at(self.data, ("scoring", "grades", key))
        before: Decimal | None = None
        for name in sorted(steps, key=str) if isinstance(steps, dict) else ():
            number = as_number(steps[name])
            path: Path = ("scoring", "grades", key, name)
            if number is None:
                continue
            if before is not None and number >= before:
                self._say("bad_order", path, f"grade {name} needs as much as a better one.", "Let each grade need less than the one before.")
            before = number
            if number > self._most((part,)):
                self._say("grade_out_of_reach", path, f"no lead can earn {name}: the rules of {part} give at most {self._most((part,))}.",
                          "Lower it, or add rules.", severity="warning")

    def _most(self, parts: tuple[str, ...]) -> Decimal:
        """The most points that the rules of these parts can give together."""
        numbers = (as_number(rule.get("points")) for part in parts for _, rule in self._entries("scoring", part))
        return sum((n for n in numbers if n is not None and n > 0), Decimal(0))

    def _least(self, parts: tuple[str, ...]) -> Decimal:
        numbers = (as_number(rule.get("points")) for part in parts for _, rule in self._entries("scoring", part))
        return sum((n for n in numbers if n is not None and n < 0), Decimal(0))

    def _definition(self) -> None:
        rules = list(self._entries("definition"))
        for path, rule in rules:
            self._condition(rule.get("when"), (*path, "when"), "definition")
        if isinstance(self.data.get("definition"), list):
            self._ends(("definition",), rules, "the definition", "{id: rest, verdict: nurtured, because: not ready yet}")

    def _ends(self, path: Path, rules: list[tuple[Path, dict[str, Any]]], what: str, example: str) -> None:
        """The last rule must have no `when`, and no other may lack one."""
        for rule_path, rule in rules[:-1]:
            if rule.get("when") in (None, "always"):
                self._say("never_reached", rule_path, "it always holds, so no rule after it is ever asked.", "Move it to the end, or give it a when.",
                          severity="warning")
        if not rules or rules[-1][1].get("when") is not None:
            where = rules[-1][0] if rules else path
            self._say("missing_last_rule", where, f"{what} has no last rule without when, so some leads get no answer.",
                      "Add a last rule without when.", example)

    def _pools_and_routing(self) -> None:
        for path, pool in self._entries("pools"):
            self._refer("teams", "team", (*path, "team"), pool.get("team"))
        rules = list(self._entries("routing"))
        for path, rule in rules:
            self._refer("pools", "pool", (*path, "pool"), rule.get("pool"))
            self._condition(rule.get("when"), (*path, "when"), "routing")
            self._same_role(path, rule)
        if isinstance(self.data.get("routing"), list):
            for role in self._roles():
                asked = [(p, r) for p, r in rules if r.get("role") in (None, role)]
                self._ends(("routing",), asked, f"the routing of role {role}", "{id: everyone, pool: inbound, because: every other lead}")
        targets = {str(rule.get("pool")) for _, rule in rules}
        if not targets <= set(self._names("pools")):
            return
        for name in self._names("pools"):
            if name not in targets:
                self._say("pool_without_leads", ("pools", name), f"no rule sends a lead to the pool {name}.",
                          "Add a rule for it, or remove it.", severity="warning")

    def _roles(self) -> list[str]:
        roles = {str(pool.get("role", "sdr")) for _, pool in self._entries("pools")}
        return sorted(roles | {str(r["role"]) for _, r in self._entries("routing") if isinstance(r.get("role"), str)} | {"sdr"})

    def _same_role(self, path: Path, rule: dict[str, Any]) -> None:
        pool = at(self.data, ("pools", str(rule.get("pool"))))
        role = rule.get("role")
        if isinstance(pool, dict) and isinstance(role, str) and pool.get("role", "sdr") != role:
            self._say("role_mismatch", (*path, "role"), f"leads for role {role} would go to a pool of role {pool.get('role', 'sdr')}.",
                      "Name a pool of that role.", severity="warning")

    def _clocks(self) -> None:
        for path, clock in self._entries("clocks"):
            self._refer("calendars", "calendar", (*path, "calendar"), clock.get("calendar"))
            if clock.get("starts_on") == "accepted" and clock.get("met_by") == ["accepted"]:
                self._say("clock_never_runs", (*path, "met_by"), "the clock starts on what meets it.", "Name actions that come after it.",
                          "met_by: [connected, meeting]")

    def _reasons(self) -> None:
        for path, reason in self._entries("reasons"):
            uses = _list(reason.get("for"))
            then = reason.get("then", "stay")
            if isinstance(then, dict) and isinstance(then.get("recycle"), dict):
                self._refer_all("engagements", "engagement", (*path, "then", "recycle", "wakes_on"), then["recycle"].get("wakes_on"))
            if "recycle" in uses and then in ("reroute", "stay"):
                self._say("bad_consequence", (*path, "then"), f"a lead returned for this reason cannot {then}: nobody has it then.",
                          "Say recycle or retire.", "then: {recycle: {after: 90d, stream: nurture}}")
            if "reject" in uses and then == "stay":
                self._say("bad_consequence", (*path, "then"), "a rejected lead cannot stay: nobody has it then.",
                          "Say reroute, recycle or retire.", "then: reroute")
        self._refer_all("engagements", "engagement", ("recycling", "otherwise", "wakes_on"), at(self.data, ("recycling", "otherwise", "wakes_on")))
        for use in ("reject", "recycle"):
            if isinstance(self.data.get("reasons"), list) and not any(use in _list(r.get("for")) for _, r in self._entries("reasons")):
                self._say("no_reason", ("reasons",), f"no reason may be given to {use} a lead, so nobody can.", f"Add a reason for: [{use}].",
                          severity="warning")

    def _alerts(self) -> None:
        for path, alert in self._entries("alerts"):
            self._refer_all("channels", "channel", (*path, "to"), alert.get("to"))
            self._refer_all("clocks", "clock", (*path, "clocks"), alert.get("clocks"))
            self._refer_all("teams", "team", (*path, "teams"), alert.get("teams"))

    def _forms(self) -> None:
        for path, form in self._entries("forms"):
            said = form.get("attributes")
            for key in said if isinstance(said, dict) else ():
                self._refer("attributes", "attribute", (*path, "attributes", key), key)
            fields = form.get("fields")
            for key, name in fields.items() if isinstance(fields, dict) else ():
                self._refer("attributes", "attribute", (*path, "fields", key), name)

    # ------------------------------------------------------------------ conditions

    def _condition(self, condition: Any, path: Path, place: str) -> None:
        if not isinstance(condition, dict):
            return
        for key in ("all", "any"):
            for i, part in enumerate(condition[key] if isinstance(condition.get(key), list) else ()):
                self._condition(part, (*path, key, i), place)
        self._condition(condition.get("not"), (*path, "not"), place)
        allowed = _KNOWN_IN.get(place)
        for key in condition:
            if allowed is not None and key in ("engagement", "grade", *_NUMBER_KINDS) and key not in allowed:
                remedy = "Ask for it in the definition." if place == "scoring" else "Give points for it and ask for points_of_engagement."
                self._say("not_known_here", (*path, key), f"{place} does not know the {key.replace('_', ' ')} of a lead.", remedy)
        if "attribute" in condition:
            self._attribute(condition, path)
        if "engagement" in condition:
            self._refer("engagements", "engagement", (*path, "engagement"), condition["engagement"])
        for key, parts in _NUMBER_KINDS.items():
            if isinstance(condition.get(key), dict):
                self._reach(key, condition[key], (*path, key), parts)

    def _attribute(self, condition: dict[str, Any], path: Path) -> None:
        name = condition["attribute"]
        self._refer("attributes", "attribute", (*path, "attribute"), name)
        attribute = at(self.data, ("attributes", str(name)))
        if not isinstance(attribute, dict):
            return
        if attribute.get("personal") is True:
            self._say("personal_attribute", (*path, "attribute"), f"{name} is personal, so no rule may ask for it.",
                      "Declare it with personal: false, or ask for something else.")
        kind = attribute.get("type")
        if kind not in _NUMERIC and ("at_least" in condition or "at_most" in condition):
            self._say("wrong_test", path, f"{name} is no number, so it has no at_least and no at_most.", "Use equals or in.", "equals: demo")
        if kind in _NUMERIC and ("contains" in condition or "starts_with" in condition):
            self._say("wrong_test", path, f"{name} is a number and contains no text.", "Use at_least, at_most, equals or in.", "at_least: 50")
        choices = attribute.get("choices")
        if kind == "choice" and isinstance(choices, list):
            self._choices(condition, path, name, [str(c) for c in choices])

    def _choices(self, condition: dict[str, Any], path: Path, name: str, choices: list[str]) -> None:
        wanted = condition.get("in")
        values = [((*path, "in", i), v) for i, v in enumerate(wanted)] if isinstance(wanted, list) else []
        if "equals" in condition:
            values.append(((*path, "equals"), condition["equals"]))
        for where, value in values:
            if str(value) not in choices:
                meant = suggestion(str(value), choices)
                self._say("unknown_choice", where, f"{value!r} is no choice of {name}.",
                          f"Did you mean {meant}?" if meant else f"Use one of {', '.join(choices[:12])}.", meant or "")

    def _reach(self, key: str, bounds: dict[str, Any], path: Path, parts: tuple[str, ...]) -> None:
        floor, ceiling = as_number(bounds.get("at_least")), as_number(bounds.get("at_most"))
        what = key.replace("_", " ")
        if floor is not None and floor > self._most(parts):
            self._say("out_of_reach", (*path, "at_least"), f"no lead can reach {floor}: the rules give at most {self._most(parts)}.",
                      f"Lower it, or add rules that give points to the {what}.")
        if ceiling is not None and ceiling < self._least(parts):
            self._say("out_of_reach", (*path, "at_most"), f"no lead can be that low: the rules give at least {self._least(parts)}.", "Raise it.")
        if floor is not None and ceiling is not None and floor > ceiling:
            self._say("out_of_reach", path, "at_least is above at_most, so it never holds.", "Swap them.")
