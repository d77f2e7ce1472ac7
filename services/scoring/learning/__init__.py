"""A score that learns: a calibrated probability of winning from outcomes that come back, watched beside the rules.

`learner.py` scores and learns one outcome at a time, `state.py` keeps it, `track_record.py` says what it may claim, `leaks.py` names
attributes that know the future, and `evaluation.py` runs exactly this learner over a recorded history (`leadloop learn evaluate`).
Nothing here knows Kafka, clocks, chance or loggers: the same outcomes in the same order make the same state, to the byte.
"""
