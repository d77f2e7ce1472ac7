"""The published language of leadloop: what may be said, by whom, and what was ever said."""
