"""Routing: by lead it chooses a pool, by team it chooses a rep; one assignment in effect a lead at any time."""
