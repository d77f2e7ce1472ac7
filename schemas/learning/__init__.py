"""What a published model means: how it reads a lead, what it says of it, and from when on it is in force.

`published.py` is its form on the wire, `traits.py` what it may look at, `model.py` its answer, `course.py` which one is in force at an
instant, `judging.py` when it counts beside the rules. How a model is learned is scoring's own (`services/scoring/learning/`).
"""
