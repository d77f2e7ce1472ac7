"""The backtest: the recorded log once more, under a proposed agreement, or under those that were in force."""
