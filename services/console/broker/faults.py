"""Why there is no broker, in one sentence that names the remedy."""


class BrokerUnavailable(Exception):
    """No broker could be started or reached; the message is one sentence for the person at the terminal."""
