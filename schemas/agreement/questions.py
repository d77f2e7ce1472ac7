"""What the conditions of an agreement ask for: attributes that exist, tests that fit, numbers within reach."""

from __future__ import annotations

from typing import Any

from schemas.agreement.explaining import suggestion
from schemas.agreement.facts import as_number
from schemas.agreement.reading import Path, at
from schemas.agreement.sheet import Sheet

_NUMBER_KINDS = {"score": ("fit", "engagement"), "fit": ("fit",), "points_of_engagement": ("engagement",)}
_KNOWN_IN = {
    "scoring": frozenset(
        {
            "all",
            "any",
            "not",
            "always",
            "attribute",
            "engagement",
            "touched_by",
            "source",
            "country",
            "existing_customer",
            "territory",
            "language",
            "named_account",
        }
    ),
    "routing": frozenset(
        {
            "all",
            "any",
            "not",
            "always",
            "attribute",
            "touched_by",
            "source",
            "country",
            "score",
            "fit",
            "points_of_engagement",
            "grade",
            "existing_customer",
            "territory",
            "language",
            "named_account",
            "stage",
        }
    ),
}
_TERRITORY = (("regions", "region"), ("postcodes", "postcode"))
_READ_BY = {"language": "language", "named_account": "company_domain"}
_NUMERIC = ("integer", "decimal")


class Questions:
    """The check of one condition after the other; `place` is the section that asks."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def ask(self, condition: Any, path: Path, place: str) -> None:
        if not isinstance(condition, dict):
            return
        for key in ("all", "any"):
            for i, part in enumerate(condition[key] if isinstance(condition.get(key), list) else ()):
                self.ask(part, (*path, key, i), place)
        self.ask(condition.get("not"), (*path, "not"), place)
        allowed = _KNOWN_IN.get(place)
        for key in condition:
            if allowed is not None and key in ("engagement", "grade", "stage", *_NUMBER_KINDS) and key not in allowed:
                remedy = (
                    "Ask for it in the definition."
                    if place == "scoring"
                    else "Give points for it and ask for points_of_engagement."
                )
                self.sheet.say(
                    "not_known_here",
                    (*path, key),
                    f"{place} does not know the {key.replace('_', ' ')} of a lead.",
                    remedy,
                )
        if "attribute" in condition:
            self._attribute(condition, path)
        for key, name in self._well_known(condition):
            self._declared(name, (*path, key))
        if "stage" in condition and place == "routing":
            said = condition["stage"]
            stages = said if isinstance(said, list) else [said]
            self.sheet.refer_all("stages", "stage", (*path, "stage"), stages)
        if "engagement" in condition:
            self.sheet.refer("engagements", "engagement", (*path, "engagement"), condition["engagement"])
        for key, parts in _NUMBER_KINDS.items():
            if isinstance(condition.get(key), dict):
                self._reach(key, condition[key], (*path, key), parts)

    @staticmethod
    def _well_known(condition: dict[str, Any]) -> list[tuple[str, str]]:
        """The attributes that conditions read by themselves."""
        territory = condition.get("territory")
        names = [("territory", n) for k, n in _TERRITORY if isinstance(territory, dict) and k in territory]
        return names + [(key, name) for key, name in _READ_BY.items() if key in condition]

    def _declared(self, name: str, path: Path) -> None:
        attribute = at(self.sheet.data, ("attributes", name))
        if not isinstance(attribute, dict):
            self.sheet.say(
                "unknown_attribute",
                path,
                f"this asks for the attribute {name}, which the agreement does not declare.",
                "Declare it among the attributes.",
                f"{name}: {{type: text}}",
            )
        elif attribute.get("personal") is True:
            self.sheet.say(
                "personal_attribute",
                path,
                f"{name} is personal, so no rule may ask for it.",
                "Declare it with personal: false, or ask for something else.",
            )

    def _attribute(self, condition: dict[str, Any], path: Path) -> None:
        name = condition["attribute"]
        self.sheet.refer("attributes", "attribute", (*path, "attribute"), name)
        attribute = at(self.sheet.data, ("attributes", str(name)))
        if not isinstance(attribute, dict):
            return
        if attribute.get("personal") is True:
            self.sheet.say(
                "personal_attribute",
                (*path, "attribute"),
                f"{name} is personal, so no rule may ask for it.",
                "Declare it with personal: false, or ask for something else.",
            )
        kind = attribute.get("type")
        if kind not in _NUMERIC and ("at_least" in condition or "at_most" in condition):
            self.sheet.say(
                "wrong_test",
                path,
                f"{name} is no number, so it has no at_least and no at_most.",
                "Use equals or in.",
                "equals: demo",
            )
        if kind in _NUMERIC and ("contains" in condition or "starts_with" in condition):
            self.sheet.say(
                "wrong_test",
                path,
                f"{name} is a number and contains no text.",
                "Use at_least, at_most, equals or in.",
                "at_least: 50",
            )
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
                self.sheet.say(
                    "unknown_choice",
                    where,
                    f"{value!r} is no choice of {name}.",
                    f"Did you mean {meant}?" if meant else f"Use one of {', '.join(choices[:12])}.",
                    meant or "",
                )

    def _reach(self, key: str, bounds: dict[str, Any], path: Path, parts: tuple[str, ...]) -> None:
        floor, ceiling = as_number(bounds.get("at_least")), as_number(bounds.get("at_most"))
        what = key.replace("_", " ")
        if floor is not None and floor > self.sheet.most(parts):
            self.sheet.say(
                "out_of_reach",
                (*path, "at_least"),
                f"no lead can reach {floor}: the rules give at most {self.sheet.most(parts)}.",
                f"Lower it, or add rules that give points to the {what}.",
            )
        if ceiling is not None and ceiling < self.sheet.least(parts):
            self.sheet.say(
                "out_of_reach",
                (*path, "at_most"),
                f"no lead can be that low: the rules give at least {self.sheet.least(parts)}.",
                "Raise it.",
            )
        if floor is not None and ceiling is not None and floor > ceiling:
            self.sheet.say("out_of_reach", path, "at_least is above at_most, so it never holds.", "Swap them.")
