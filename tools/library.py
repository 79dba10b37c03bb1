"""Writes `docs/library.md`, the list of everything public in the standard library, out of its modules.

    python tools/library.py [--check]

A signature is printed as it stands in the module, its words are those of the `///` lines before it. With `--check` nothing is
written, and the exit status is 1 if the list is not up to date.
"""

import sys
from pathlib import Path

from dandc.lang import Source, parse, tree

ROOT = Path(__file__).resolve().parent.parent
STDLIB, LIST = ROOT / "stdlib", ROOT / "docs" / "library.md"
HEAD = """\
# The standard library

What programs can use, module by module. Names of the prelude need no import; of the others `import json;` gives `json.decode`. A function
whose first parameter is called `self` is a method. Input sets have the methods of `array` that do not change it (spec, chapter 9).

This page is generated from `stdlib/*.dnd` by `tools/library.py`.
"""


def text_of() -> str:
    """The text of the list: the prelude first, then the modules by name."""
    paths = sorted(STDLIB.glob("*.dnd"), key=lambda path: (path.stem != "prelude", path.stem))
    return "\n".join([HEAD, *(section(path) for path in paths)])


def section(path: Path) -> str:
    """A module: what it says of itself, and its public items, methods under the type that they belong to."""
    source = Source(path.name, path.read_text(encoding="utf-8"))
    module = parse(source).module
    groups: dict[str, list[str]] = {}
    for item in module.items:
        if item.public:
            groups.setdefault(group(item), []).append(entry(source, item))
    parts = [f"## {path.stem}\n\n{module.doc}\n"]
    for name, entries in groups.items():
        parts += [f"### {path.stem}: {name}\n"] if name else []
        parts.append("\n".join(entries) + "\n")
    return "\n".join(parts)


def group(item: tree.Item) -> str:
    """The name of the type whose method an item is, else nothing."""
    params = item.params if isinstance(item, tree.FnItem) else ()
    if not params or params[0].name.text != "self":
        return ""
    receiver = params[0].type
    name = receiver.path[-1].text if isinstance(receiver, tree.NamedType) else "tuple"
    return "any value" if any(name == p.name.text for p in item.type_params) else name


def entry(source: Source, item: tree.Item) -> str:
    """An item as a line of a list."""
    start, end = item.span.start, item.span.end
    if isinstance(item, tree.FnItem):
        last = item.params[-1].span if item.params else item.name.span
        end = item.result.span.end if item.result is not None else source.text.index(")", last.end) + 1
    elif isinstance(item, tree.ConstItem):
        end = item.type.span.end
    signature = " ".join(source.text[start:end].removeprefix("pub ").split())
    signature = signature.replace("( ", "(").replace(", )", ")").replace("{ ", "{ ")
    return f"- `` {signature} `` — {' '.join(item.doc.split())}"


def main(arguments: list[str]) -> int:
    """Write the list, or check it."""
    text = text_of()
    if arguments == ["--check"]:
        return 0 if LIST.exists() and LIST.read_text(encoding="utf-8") == text else 1
    if arguments:
        print("usage: python tools/library.py [--check]", file=sys.stderr)
        return 2
    LIST.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
