"""Routing by team: which rep takes a lead, who waits in which order, and which places are taken."""
