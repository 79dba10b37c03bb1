"""Measurements against the budget of the house: `python -m benchmarks NAME [--json]`, one module a name.

Every row is a ratio of two things measured in the same run, since machines differ and are noisy. A peer that is not
installed stands there as missing, without a number.
"""
