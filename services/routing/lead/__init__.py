"""Routing by lead: which pool, what has been asked of a team, and what is no longer needed."""
