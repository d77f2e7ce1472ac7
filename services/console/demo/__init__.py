"""The demo: a working day of a B2B company in about a minute, played through the front doors of a real installation."""
