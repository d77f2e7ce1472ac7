"""Alerting tells people and tools: whom, when, how often, and by one delivery for mail, chat and outbound webhooks."""
