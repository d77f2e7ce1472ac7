"""The broker of an installation: named by the environment, run by Docker, or embedded."""

from services.console.broker.choice import Broker, BrokerSettings, choose_broker
from services.console.broker.docker import DockerBroker
from services.console.broker.embedded import EmbeddedBroker
from services.console.broker.external import ExternalBroker
from services.console.broker.faults import BrokerUnavailable
from services.console.broker.jars import fetch_jars
from services.console.datafolder import DataFolderUnusable

__all__ = [
    "Broker",
    "BrokerSettings",
    "BrokerUnavailable",
    "DataFolderUnusable",
    "DockerBroker",
    "EmbeddedBroker",
    "ExternalBroker",
    "choose_broker",
    "fetch_jars",
]
