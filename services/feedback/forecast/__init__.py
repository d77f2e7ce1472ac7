"""Which running clocks will be breached, with what probability: pure."""
