"""Which touch gets which part of the revenue: pure, the same for the ledger's leads and for anybody's CSV of touches."""
