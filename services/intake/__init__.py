"""Intake: the door through which leads, engagements, consent and erasure come in."""
