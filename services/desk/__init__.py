"""Desk: the reps' inbox and what they do to their leads, what a CRM knows, and the roster."""
