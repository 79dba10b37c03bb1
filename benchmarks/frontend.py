"""How fast programs are checked, against the bar of lines per second; and again after one edited item.

Every check is a process of its own that knows nothing of the program, but the tables of the grammar come out of the cache:
the run before has left them there. With `--no-cache` each process would make them anew, about a second.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.rows import Bar, Row
from benchmarks.startup import as_installed
from dandc.compiler.check.recheck import Rechecker
from dandc.lang import Source, parse
from dandc.loader import load

BAR = 2500
LINES = 10_000
EDITS = 20
ROUNDS = 5


def program(lines: int) -> str:
    """A program of at least so many lines, of helpers, functions and compositions as people write them."""
    parts = ["import json;\n\nrecord Line { time: i64, level: str, text: str }\n"]
    count = 0
    while count < lines:
        parts.append(_group(len(parts)))
        count += parts[-1].count("\n")
    return "".join(parts)


def _group(i: int) -> str:
    return f"""
/// Counts the late lines of a level.
fn count_{i}(lines: array[Line], level: str) -> i64 {{
    var found = 0;
    for line in lines {{
        if line.level == level and line.time > {i} {{
            found += 1;
        }}
    }}
    return found;
}}

function summary_{i}(logs: set[str => bytes]) => (total: i64, text: optional str) {{
    var all_lines: array[Line] = [];
    for server, log in logs {{
        let lines = json.decode[array[Line]](log)?;
        all_lines.extend(lines.filter(|l| l.time > {i}));
    }}
    let n = count_{i}(all_lines, "INFO");
    if n > 0 {{
        emit text <- f"{{n}} lines of {i}";
    }}
    emit total <- n * 2 + all_lines.len();
}}

composition run_{i}(logs: set[str => bytes]) => (total: i64, text: optional str) {{
    total, text = summary_{i}(all logs);
}}
"""


def measure() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.dnd")
        path.write_text(program(LINES))
        lines = path.read_text().count("\n")
        one = Path(folder, "one.dnd")
        one.write_text("const ONE: i64 = 1;\n")
        environment = as_installed(folder)
        check = [sys.executable, "-m", "dandc", "check"]
        _seconds([*check, str(one)], environment)  # makes the tables of the grammar
        start = median(_seconds([*check, str(one)], environment) for _ in range(ROUNDS))
        cold = median(_seconds([*check, str(path)], environment) for _ in range(ROUNDS))
        rows = [
            Row("lines checked per second, whole process", lines / cold, BAR, "lines/s", bar=Bar(1, least=True)),
            Row("checking one line, whole process", start * 1000, None, "ms"),
        ]
        return [*rows, *_again(path, lines)]


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True)
    return time.perf_counter() - start


def _again(path: Path, lines: int) -> list[Row]:
    """Parsing and checking in one process: the first time, and after an edit of one body."""
    loaded = load(path)
    text = loaded.sources[str(path)].text
    others = {name: module for name, module in loaded.modules.items() if name != "main"}
    start = time.perf_counter()
    parse(Source(str(path), text))
    parsing = time.perf_counter() - start
    rechecker = Rechecker(str(path), "main", others, loaded.modules["main"].imports)
    start = time.perf_counter()
    rechecker.update(text)
    cold = time.perf_counter() - start
    times = []
    for i in range(EDITS):
        at = text.index("found += 1", (i + 1) * len(text) // (EDITS + 2))
        text = f"{text[:at]}found += 1 + {i}{text[text.index(';', at) :]}"
        start = time.perf_counter()
        rechecker.update(text)
        times.append(time.perf_counter() - start)
    return [
        Row("lines parsed per second, warm", lines / parsing, BAR, "lines/s"),
        Row("check again after one edited item vs cold", median(times) * 1000, cold * 1000, "ms", bar=Bar(0.05)),
    ]
