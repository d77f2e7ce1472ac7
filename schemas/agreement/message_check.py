"""The check of templates: they compile, name only what there is, say of a person only what is allowed, and can be written."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from schemas.agreement.findings import Finding
from schemas.agreement.message_terms import BODY_AT_MOST, Template
from schemas.agreement.message_words import sample_written
from schemas.agreement.reading import Path, spell
from schemas.agreement.sheet import Sheet
from schemas.agreement.templating import Fault, TemplateFailed, faults
from schemas.agreement.tools import PersonalField

_FIELDS = frozenset(field.value for field in PersonalField)


class TemplateTerms:
    """Goes through the templates, and what names them."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def check(self) -> None:
        """Say everything that is wrong with them."""
        manners = [*self.sheet.entries("channels"), (("to_reps",), self.sheet.data.get("to_reps"))]
        for path, manner in manners:
            if isinstance(manner, dict):
                self.sheet.refer("templates", "template", (*path, "template"), manner.get("template"))
        for path, template in self.sheet.entries("templates"):
            said = template.get("personal")
            personal = [field for field in said if field in _FIELDS] if isinstance(said, list) else []
            before = len(self.sheet.found)
            for key in ("subject", "body"):
                self._holds((*path, key), template.get(key), personal)
            if len(self.sheet.found) == before:
                self._can_be_written(path, template)

    def _holds(self, path: Path, source: Any, personal: list[str]) -> None:
        if isinstance(source, str) and len(source) <= BODY_AT_MOST:
            for fault in faults(source, personal):
                self._say(path, fault)

    def _say(self, path: Path, fault: Fault) -> None:
        line = self.sheet.document.line(path) + (fault.line if path in self.sheet.document.blocks else 0)
        example = "{% for line in lines %}{{ line.what }}: {{ line.open }}{% endfor %}"
        self.sheet.found.append(Finding("error", "bad_template", spell(path), line, f"{fault.message}.", fault.remedy, example))

    def _can_be_written(self, path: Path, said: dict[str, Any]) -> None:
        """Samples of one alert, of a storm, and of one of which little is known."""
        try:
            template = Template.model_validate(said)
        except ValidationError:
            return  # somebody else's finding
        try:
            for lines, sparse in ((1, False), (500, False), (1, True)):
                sample_written(template, lines, sparse=sparse)
        except TemplateFailed as failed:
            message = f"it cannot be written for a sample lead: {failed}."
            self.sheet.say("bad_template", path, message, "Compare numbers with numbers only; texts are empty where nothing is known.")
