"""Writes `spec/diagnostics.md`, the index of all diagnostics, out of the one table of codes.

    python tools/diagnostics_index.py [--check]

The table (`lang/codes.py`) is the only place where a code and its words stand; the index is for readers of the spec.
With `--check` nothing is written, and the exit status is 1 if the index is not up to date. Severities are read off the
places where diagnostics are made: a code is an error unless it is made with `severity="warning"`.
"""

import ast
import sys
import textwrap
from pathlib import Path

from dandc.lang.codes import CODES, Code
from dandc.lang.lessons import lessons, shown

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "spec" / "diagnostics.md"
ROOMS = ("lang", "compiler", "vm", "isolation", "stdlib", "dandc")
FAMILIES = {
    "L": "Lexical structure",
    "P": "Syntax",
    "N": "Names",
    "T": "Types",
    "C": "Compositions",
    "M": "Modules",
    "W": "Lints",
    "R": "Run time",
    "S": "Sandbox and host",
    "U": "Use of the tools",
    "I": "Sources in upstream's language",
}
HEAD = """\
# Index of diagnostics

Every mistake that dandc reports has a code. `dandc explain CODE` shows the same words. A code is never renumbered, and
never used again for something else. This page is generated from `lang/codes.py` by `tools/diagnostics_index.py`.
"""


def index() -> str:
    """The text of the index: a table a family, codes in order, and below it what each code means."""
    warnings = warned()
    parts = [HEAD]
    for letter, title in FAMILIES.items():
        codes = [code for code in sorted(CODES) if code[0] == letter]
        if codes:
            rows = "".join(row(code, CODES[code], warnings) for code in codes)
            parts.append(f"## {letter}: {title}\n\n| Code | Severity | Title |\n|---|---|---|\n{rows}")
            parts += [section(code, CODES[code]) for code in codes]
    return "\n".join(parts)


def row(code: str, entry: Code, warnings: set[str]) -> str:
    """One line of a table. A bar would end its cell."""
    severity = "warning" if code in warnings or code[0] == "W" else "error"
    return f"| [{code}](#{code.lower()}) | {severity} | {entry.title.replace('|', '&#124;')} |\n"


def section(code: str, entry: Code) -> str:
    """What a code means; the examples of explanations are indented, which Markdown shows as code."""
    lesson = lessons().get(code)
    parts = [f"### {code}\n\n{entry.explanation}\n"]
    if lesson is not None:
        for word, program in (("Wrong", lesson.wrong), ("Right", lesson.right)):
            parts.append(f"{word}:\n\n{textwrap.indent(shown(program), '    ')}\n")
    return "\n".join(parts)


def warned() -> set[str]:
    """The codes that are made as warnings somewhere."""
    found: set[str] = set()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and is_warning(node):
                    found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and arg.value in CODES}
    return found


def is_warning(call: ast.Call) -> bool:
    """Whether a call passes `severity="warning"`."""
    return any(
        keyword.arg == "severity" and isinstance(keyword.value, ast.Constant) and keyword.value.value == "warning"
        for keyword in call.keywords
    )


def main(arguments: list[str]) -> int:
    """Write the index, or check it."""
    text = index()
    if arguments == ["--check"]:
        return 0 if INDEX.exists() and INDEX.read_text(encoding="utf-8") == text else 1
    if arguments:
        print("usage: python tools/diagnostics_index.py [--check]", file=sys.stderr)
        return 2
    INDEX.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
