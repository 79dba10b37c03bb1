"""Programs from text come from the tests of the checker."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "check"))
