"""Routing off line: a history of a file, a recorded log or a live one, through routing's own code."""
