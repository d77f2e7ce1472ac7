"""One delivery for mail, chat and webhooks: apprise, with an id that is the same at every attempt.

Outside of Kafka nothing is exactly once. So that a receiver can tell a repetition, a mail has a Message-ID made of the
alert's id, a webhook a `webhook-id` header, and every text names the id in its last line.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

import apprise
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.email.common import EmailMessage
from apprise.plugins.email.smtp import AppriseSMTPController

from services.alerting.faults import ChannelUnusable, NotDelivered
from services.alerting.message import Message

logging.getLogger("apprise").setLevel(
    logging.CRITICAL
)  # it logs addresses; what matters is said by the sender, with ids

_WEBHOOKS = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
_MESSAGE_ID = re.compile(r"^Message-ID:[^\n]*(?:\n[ \t][^\n]*)*", re.MULTILINE | re.IGNORECASE)


@dataclass
class Channel:
    """One address that messages go to. It knows who of a mail's recipients has it: a retry tells only the others."""

    plugin: apprise.NotifyBase
    _told: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def at(cls, url: str) -> Channel:
        """The channel of an apprise URL. Raises ChannelUnusable."""
        plugin = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if plugin is None:
            raise ChannelUnusable(
                "its URL is none that apprise understands: correct it, apprise's wiki lists all forms"
            )
        return cls(plugin)

    def deliver(self, message: Message) -> None:
        """Deliver, in the calling thread, within the plugin's own time limits. Raises NotDelivered."""
        try:
            if isinstance(self.plugin, NotifyEmail):
                self._mail(self.plugin, message)
            else:
                self._notify(self.plugin, message)
        except NotDelivered:
            raise
        except Exception as error:  # a plugin is other people's code and may raise anything
            raise NotDelivered(f"the attempt broke off: {type(error).__name__}") from error

    def _notify(self, plugin: apprise.NotifyBase, message: Message) -> None:
        if plugin.schema in _WEBHOOKS and hasattr(plugin, "headers"):
            plugin.headers["webhook-id"] = message.alert_id
        if not plugin.notify(body=message.body, title=message.subject, body_format=apprise.NotifyFormat.TEXT):
            raise NotDelivered("the receiver did not accept it")

    def _mail(self, plugin: NotifyEmail, message: Message) -> None:
        """apprise's own mail, but with our Message-ID: its plugin makes a new one at every attempt, come what may."""
        with AppriseSMTPController(
            host=plugin.smtp_host,
            port=plugin.port or 0,
            secure_mode=str(plugin.secure_mode),
            user=plugin.user,
            password=plugin.password,
            verify_certificate=plugin.verify_certificate,
            socket_connect_timeout=plugin.socket_connect_timeout,
        ) as smtp:
            for mail in self._mails(plugin, message):
                if (message.alert_id, mail.recipient) in self._told:
                    continue
                if not smtp.sendmail(
                    str(plugin.from_addr[1]), mail.to_addrs, _with_id(str(mail.body), message.message_id)
                ):
                    raise NotDelivered("the mail server refused a recipient")
                self._told.add((message.alert_id, mail.recipient))
        self._told = {(alert, who) for alert, who in self._told if alert != message.alert_id}

    def _mails(self, plugin: NotifyEmail, message: Message) -> list[EmailMessage]:
        return list(
            NotifyEmail.prepare_emails(
                subject=message.subject,
                body=message.body,
                notify_format=apprise.NotifyFormat.TEXT,
                from_addr=plugin.from_addr,
                to=plugin.targets,
                cc=plugin.cc,
                bcc=plugin.bcc,
                reply_to=plugin.reply_to,
                smtp_host=plugin.smtp_host,
                headers={"X-Application": "leadloop", "Auto-Submitted": "auto-generated", **plugin.headers},
                names=plugin.names,
                pgp=plugin.pgp,
                pgp_mode=plugin.pgp_mode,
                tzinfo=plugin.tzinfo,
            )
        )


def _with_id(mail: str, message_id: str) -> str:
    """The mail with this Message-ID in place of the one that was made for it."""
    head, separator, rest = mail.partition("\n\n")
    without = _MESSAGE_ID.sub("", head).replace("\n\n", "\n").strip("\n")
    return f"{without}\nMessage-ID: {message_id}{separator}{rest}"
