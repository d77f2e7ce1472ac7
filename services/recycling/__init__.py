"""Recycling: what becomes of a lead that comes back, and what wakes it as a new cycle."""
