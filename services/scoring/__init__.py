"""Scoring: is a lead qualified, and why, by the rules that both departments signed."""
