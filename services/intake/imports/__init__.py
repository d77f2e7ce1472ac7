"""Bulk import: a file becomes rows of a durable queue, and intake takes them in at a pace that delays nobody."""
