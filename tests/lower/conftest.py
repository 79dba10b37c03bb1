"""Helpers of other areas are found in every import mode of pytest."""

import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / "check"), str(TESTS / "backend"), str(TESTS / "lower")]
