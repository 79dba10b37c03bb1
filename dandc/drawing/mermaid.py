"""Flow graphs in the notation of Mermaid: one `flowchart`, a frame a graph, dotted arrows to what a node runs."""

from collections.abc import Sequence

from dandc.drawing.picture import Box, Picture

_SHAPES = {
    "input": ('(["', '"])'),
    "output": ('(["', '"])'),
    "config": ('[("', '")]'),
    "communicate": ('[["', '"]]'),
    "compose": ('{{"', '"}}'),
    "loop": ('{{"', '"}}'),
    "merge": ('(("', '"))'),
}


def mermaid(pictures: Sequence[Picture]) -> str:
    """The text, with a line break at its end."""
    lines = ["flowchart TD"]
    numbers = {picture.name: number for number, picture in enumerate(pictures)}
    for number, picture in enumerate(pictures):
        lines.append(f'  subgraph g{number} ["{_escaped(picture.name.removeprefix("main."))}"]')
        lines += [f"    {_box(number, i, box)}" for i, box in enumerate(picture.boxes)]
        for arrow in picture.arrows:
            line = "-.->" if arrow.dashed else "-->"
            label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
            lines.append(f"    g{number}b{arrow.start} {line}{label} g{number}b{arrow.end}")
        lines.append("  end")
    for number, picture in enumerate(pictures):
        for i, box in enumerate(picture.boxes):
            if box.calls in numbers:
                lines.append(f"  g{number}b{i} -. runs .-> g{numbers[box.calls]}")
    return "\n".join(lines) + "\n"


def _box(graph: int, number: int, box: Box) -> str:
    before, behind = _SHAPES.get(box.kind, ('["', '"]'))
    return f"g{graph}b{number}{before}{'<br/>'.join(map(_escaped, box.lines))}{behind}"


def _escaped(text: str) -> str:
    """Text inside quotes: everything that Mermaid or the HTML behind it would read as its own is written as a number."""
    return "".join(f"#{ord(c)};" if c in '"#<>&`\\|{}' or not c.isprintable() else c for c in text)
