"""The conformance suite: chapters of the spec whose examples are the tests of the language.

`chapters.py` and `commands.py` read Markdown into values, `programs.py` and `execute.py` check and run what an example says on the
reference interpreter and on native code at two levels, `judge.py` compares, `suite.py` does it for a folder, `bless.py` puts
expectations right. The suite is a process protocol too (`dandc conform --json`), for other implementations of the language.
"""

from dandc.conform.bless import bless
from dandc.conform.suite import Failed, Report, needs_example, open_compilers, read_chapters, report, run_suite

__all__ = ["Failed", "Report", "bless", "needs_example", "open_compilers", "read_chapters", "report", "run_suite"]
