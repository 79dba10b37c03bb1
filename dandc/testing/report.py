"""Verdicts as lines for people, as JSON, and as JUnit XML for build servers."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from dandc.lang.diagnostics import Diagnostic
from dandc.lang.spans import Source
from dandc.lang.values import frozen
from dandc.testing.runner import Verdict


@frozen
class FileVerdicts:
    """What the tests of one file gave. `mistakes` are why the file could not be tested at all."""

    file: str
    verdicts: tuple[Verdict, ...]
    mistakes: tuple[Diagnostic, ...] = ()

    @property
    def failed(self) -> int:
        """How many tests did not pass; a file that could not be tested counts as one."""
        return sum(not v.passed for v in self.verdicts) + bool(self.mistakes)


def name_of(verdict: Verdict) -> str:
    """A test's title, with its row if it has a table."""
    return f"{verdict.title} {verdict.row}" if verdict.row else verdict.title


def line(verdict: Verdict) -> str:
    """One line for people."""
    word = "ok  " if verdict.passed else "FAIL"
    return f"{word}  {_visible(name_of(verdict))}  ({verdict.seconds * 1000:.0f} ms)"


def summary(files: Sequence[FileVerdicts]) -> str:
    """The last line."""
    count = sum(len(f.verdicts) for f in files)
    failed = sum(f.failed for f in files)
    broken = sum(bool(f.mistakes) for f in files)
    told = [f"{count - (failed - broken)} passed"]
    told += [f"{failed - broken} failed"] if failed > broken else []
    told += [f"{broken} files with mistakes" if broken > 1 else "1 file with mistakes"] if broken else []
    return ", ".join(told)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def as_json(files: Sequence[FileVerdicts], sources: dict[str, Source]) -> dict[str, Any]:
    """`{"passed", "failed", "files": [{"file", "mistakes", "tests": [{"title", "row", "passed", "seconds", "diagnostics"}]}]}`."""
    shapes = []
    for entry in files:
        tests = [
            {
                "title": v.title,
                "row": v.row,
                "passed": v.passed,
                "seconds": round(v.seconds, 6),
                "diagnostics": _shapes(v.diagnostics, sources),
            }
            for v in entry.verdicts
        ]
        shapes.append({"file": entry.file, "mistakes": _shapes(entry.mistakes, sources), "tests": tests})
    passed = sum(v.passed for f in files for v in f.verdicts)
    return {"passed": passed, "failed": sum(f.failed for f in files), "files": shapes}


def _shapes(diagnostics: Sequence[Diagnostic], sources: dict[str, Source]) -> list[Any]:
    """Diagnostics as `--diagnostics json` gives them."""
    import json

    from dandc.lang.render import render_json

    return [json.loads(text) for text in render_json(diagnostics, sources).splitlines() if text]


def junit(files: Sequence[FileVerdicts], sources: dict[str, Source]) -> bytes:
    """A JUnit document: a suite a file, a case a test or row."""
    root = ET.Element("testsuites")
    for entry in files:
        tests = len(entry.verdicts) + bool(entry.mistakes)
        seconds = sum(v.seconds for v in entry.verdicts)
        suite = ET.SubElement(
            root, "testsuite", name=_xml(entry.file), tests=str(tests), failures=str(entry.failed - bool(entry.mistakes)),
            errors=str(int(bool(entry.mistakes))), time=f"{seconds:.3f}",
        )  # fmt: skip
        if entry.mistakes:
            case = ET.SubElement(suite, "testcase", name="check", classname=_xml(entry.file), time="0")
            _problem(case, "error", entry.mistakes, sources)
        for verdict in entry.verdicts:
            case = ET.SubElement(
                suite,
                "testcase",
                name=_xml(name_of(verdict)),
                classname=_xml(entry.file),
                time=f"{verdict.seconds:.3f}",
            )
            if not verdict.passed:
                _problem(case, "failure", verdict.diagnostics, sources)
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _problem(case: ET.Element, kind: str, diagnostics: Sequence[Diagnostic], sources: dict[str, Source]) -> None:
    from dandc.lang.render import render_terminal

    errors = [d for d in diagnostics if d.severity == "error"]
    problem = ET.SubElement(case, kind, type=errors[0].code, message=_xml(errors[0].message))
    problem.text = _xml(render_terminal(diagnostics, sources, colour=False))


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "\ufffd"
                   for c in text)  # fmt: skip
