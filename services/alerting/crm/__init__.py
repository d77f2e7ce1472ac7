"""CRMs, both ways: assignments and stages out, by the one delivery; what sales did there back, through the desk's door for outcomes."""
