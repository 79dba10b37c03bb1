"""The table of diagnostic codes: the only place where a code and its title stand.

`L` lexical 00xx, `P` syntax 01xx, `N` names 02xx, `T` types 03xx, `C` compositions 04xx, `M` modules 05xx,
`W` lints 06xx, `R` run time 07xx, `S` sandbox and host 08xx, `U` use of the tools 09xx. A code is never renumbered or
used again.
"""

from attrs import frozen


@frozen
class Code:
    """A row of the table: a title that stands alone, and a sentence or two that explain it."""

    title: str
    explanation: str


CODES: dict[str, Code] = {}


def _family(rows: dict[str, tuple[str, str]]) -> None:
    CODES.update({code: Code(title, text) for code, (title, text) in rows.items()})
