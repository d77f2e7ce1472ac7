"""A quarter of a sales department, played off line through routing's own code, and judged by a slow and obvious check."""
