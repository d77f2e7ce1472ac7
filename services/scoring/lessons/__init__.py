"""The learner inside the loop. A lesson is a lead as it was when it was scored, and what became of it.

`gathering.py` projects the leads' logs into lessons, `study.py` learns them in the order of time, `teacher.py` does both in the
background, slowly, and publishes what was learned. Positions, lessons and the learner's state are in one database, each change in
one transaction with what it was made from: whatever dies whenever, no outcome is lost or learned twice.
"""
