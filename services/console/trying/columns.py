"""Which column of a CRM's export means what: guessed from its name, shown, and changeable by whoever tries. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from services.intake.imports.columns import LEFT_OUT, field_called, plain_name

Meanings = Mapping[str, tuple[str, ...]]
"""By column: what it is read as; nothing if it is not looked at."""


class NotUnderstood(ValueError):
    """The file or an option cannot be used; the text names the place and the remedy."""


LEAD: Mapping[str, str] = {
    "lead_id": "id lead_id record_id contact_id person_id deal_id lead_number vid",
    "email": "email",
    "phone": "phone",
    "submitted_at": "submitted_at created_at create_date created_date date_created date_entered created_time add_time "
    "lead_created_time lead_created lead_date inquiry_date created date_added submitted erstellt_am erstellt",
    "source.channel": "channel lead_source source original_source original_source_type original_traffic_source "
    "latest_traffic_source source_channel",
    "source.campaign": "campaign",
    "country": "country primary_address_country country_region mailing_country billing_country",
    "status": "lead_status status hs_lead_status status_description lead_stage label labels",
    "stage": "lifecycle_stage stage deal_stage pipeline_stage opportunity_stage",
    "first_response_at": "first_response_at first_response first_response_date first_response_time first_contacted "
    "first_contacted_at first_contact_date first_activity_date first_activity first_call_date time_of_first_outreach "
    "first_outreach_date first_outreach first_touch_at date_of_first_outreach",
    "last_activity_at": "last_activity_at last_activity last_activity_date last_contacted last_contact_date last_contacted_at",
    "converted": "converted is_converted converted_at converted_date date_converted convert_date conversion_date",
    "won": "won is_won won_time won_at won_date closed_won became_a_customer_date",
}
"""What a lead's column may mean, with the names that say so, the surest first."""
ACTIVITY: Mapping[str, str] = {
    "lead_id": "lead_id who_id whoid contact_id person_id parent_id related_to related_to_id associated_contact_id record_id "
    "associated_contact associated_contact_ids",
    "email": "email lead_email contact_email person_email who_email",
    "at": "at activity_date date occurred_at timestamp activity_time completed_at completed_date_time done_time "
    "marked_as_done_time date_start start_date start create_date created_at created_date date_entered add_time due_date datum",
    "type": "type activity_type kind task_subtype subtype event activity engagement_type typ",
    "status": "status task_status activity_status done outcome",
    "direction": "direction call_direction email_direction",
}
"""The same of activities."""
ATTRIBUTES: Mapping[str, str] = {
    "topic": "topic inquiry_type request_type interest form form_name first_conversion recent_conversion "
    "lead_source_detail lead_source source",
    "employees": "employees number_of_employees no_of_employees num_employees employee_count company_size headcount size",
    "seniority": "seniority employment_seniority job_level title job_title position job_function",
    "budget": "budget annual_budget yearly_budget",
}
"""What CRMs call attributes that the sample agreements ask for; others are found by their own names."""
_BEFORE = re.compile(r"^(lead|person|contact|deal|organization|account|primary)_")
_LOOKS_LIKE_DATA = re.compile(r"^[\d.,:/ T+-]*\d[\d.,:/ TZ+-]*$|@")
SEVERAL_ALLOWED = frozenset({"source.channel"})
"""A column that means one of these may be an attribute as well."""


def lead_meanings(columns: Sequence[str], attributes: Collection[str], wished: Mapping[str, Sequence[str]]) -> Meanings:
    """What a lead file's columns mean under an agreement with these attributes. Raises NotUnderstood.

    wished: by column what the person says that it means; `-`: it is not looked at.
    """
    found = _as_wished(columns, wished, {*LEAD, *(f"attributes.{name}" for name in attributes)})
    _guess(found, wished, {name: text.split() for name, text in LEAD.items()}, attributes)
    asked = {f"attributes.{n}": ATTRIBUTES.get(n, n).split() for n in attributes}
    _guess(found, wished, asked, (), shared=SEVERAL_ALLOWED)
    return found


def activity_meanings(columns: Sequence[str], wished: Mapping[str, Sequence[str]]) -> Meanings:
    """What an activity file's columns mean. Raises NotUnderstood."""
    found = _as_wished(columns, wished, set(ACTIVITY))
    _guess(found, wished, {name: text.split() for name, text in ACTIVITY.items()}, ())
    said = {meaning for meanings in found.values() for meaning in meanings}
    for needed, why in (({"lead_id", "email"}, "whose activity it is"), ({"at"}, "when it was")):
        if not needed & said:
            raise NotUnderstood(
                f"line 1: none of the columns {_listed(columns)} says {why}; say which one does, as in "
                f"--map-activities '{columns[0]}={min(needed)}'"
            )
    return found


def refuse_no_names(columns: Sequence[str]) -> None:
    """Raises NotUnderstood if the first line is no line of names, or the delimiter was not found."""
    if len(columns) == 1:
        raise NotUnderstood(
            f"line 1 holds one column only ({columns[0][:40]!r}): separate columns by comma, semicolon, tab or |, and put "
            "their names into the first line"
        )
    if next((c for c in columns if _LOOKS_LIKE_DATA.search(c)), None) is not None:
        raise NotUnderstood(
            "line 1 holds data where the names of the columns belong: put a line with names above it, such as "
            "Id,Email,Created Date,Lead Source,Status"
        )


def _as_wished(
    columns: Sequence[str], wished: Mapping[str, Sequence[str]], known: Collection[str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = dict.fromkeys(columns, ())
    taken: dict[str, str] = {}
    for column, meanings in wished.items():
        if column not in found:
            raise NotUnderstood(f"line 1 has no column {column!r} to be mapped: it has {_listed(columns)}")
        for meaning in meanings:
            if meaning == LEFT_OUT:
                continue
            if meaning not in known:
                raise NotUnderstood(f"{column!r} is mapped to {meaning!r}; meanings are {', '.join(sorted(known))}, and -")
            if meaning in taken:
                raise NotUnderstood(f"{taken[meaning]!r} and {column!r} are both mapped to {meaning}; map one of them to -")
            taken[meaning] = column
            found[column] = (*found[column], meaning)
    return found


def _guess(
    found: dict[str, tuple[str, ...]],
    wished: Mapping[str, Sequence[str]],
    aliases: Mapping[str, Sequence[str]],
    attributes: Collection[str],
    shared: Collection[str] = (),
) -> None:
    """Give each meaning that nobody wished the column that is called so, the surest name first."""
    names: dict[str, str] = {}
    for column in found:
        names.setdefault(plain_name(column), column)
    for column in found:
        names.setdefault(_BEFORE.sub("", plain_name(column)), column)
    for column in found:  # and as the import calls them
        field = field_called(column, attributes)
        if field is not None and not field.startswith("attributes."):
            names.setdefault(field, column)
    for meaning, called in aliases.items():
        if any(meaning in meanings for meanings in found.values()):
            continue
        for name in (meaning, *called):
            candidate = names.get(name)
            if candidate is not None and candidate not in wished and set(found[candidate]) <= set(shared):
                found[candidate] = (*found[candidate], meaning)
                break


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns[:40])
