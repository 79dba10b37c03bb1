"""Flow graphs as one SVG picture: no script, no font of its own, readable on light and dark pages."""

from collections.abc import Iterator, Sequence
from html import escape

from dandc.drawing.layers import across, layers
from dandc.drawing.picture import Arrow, Box, Picture
from dandc.lang.values import frozen

_LETTER = 7.2
_LINE = 16.0
_PAD = 10.0
_GAP = 28.0
_ROW_GAP = 62.0
_MARGIN = 24.0
_TITLE = 30.0
_FILL = {
    "input": "#e8f0fe",
    "output": "#e8f0fe",
    "config": "#f1f3f4",
    "compute": "#ffffff",
    "communicate": "#fef3e0",
    "compose": "#e6f4ea",
    "reduce": "#ffffff",
    "loop": "#e6f4ea",
    "merge": "#f1f3f4",
}
_WORDS = {"compute": "compute", "communicate": "communication", "compose": "composition"}


@frozen
class _Placed:
    """A picture with the place of each box: middle, top, width and height."""

    picture: Picture
    places: tuple[tuple[float, float, float, float], ...]
    width: float
    height: float


def svg(pictures: Sequence[Picture]) -> str:
    """The text of the file."""
    placed = [_place(picture) for picture in pictures]
    width = max((p.width for p in placed), default=0.0) + 2 * _MARGIN
    height = sum(p.height + _TITLE + _MARGIN for p in placed) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" font-family="monospace" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#5f6368"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fbfbfb"/>',
    ]
    top = _MARGIN
    for one in placed:
        parts.append(f'<g transform="translate({_MARGIN:.0f} {top:.1f})">')
        parts += [
            _text(0, 14, one.picture.name.removeprefix("main."), 'font-size="15" font-weight="bold"'),
            *_drawn(one),
        ]
        parts.append("</g>")
        top += one.height + _TITLE + _MARGIN
    return "\n".join([*parts, "</svg>"]) + "\n"


def _place(picture: Picture) -> _Placed:
    pairs = [(arrow.start, arrow.end) for arrow in picture.arrows]
    sizes = [_size(box) for box in picture.boxes]
    # A box is as wide as the longest label of an arrow that ends at it, so that labels of neighbours stay apart.
    labels = [max((len(a.label) for a in picture.arrows if a.end == i), default=0) * _LETTER for i in range(len(sizes))]
    widths = [max(width, label) for (width, _), label in zip(sizes, labels, strict=True)]
    rows = layers(len(sizes), pairs)
    middles = across(rows, widths, pairs, _GAP)
    places: list[tuple[float, float, float, float]] = [(0.0, 0.0, 0.0, 0.0)] * len(sizes)
    top = _TITLE
    for row in rows:
        for box in row:
            places[box] = (middles[box], top, *sizes[box])
        top += max(sizes[box][1] for box in row) + _ROW_GAP
    width = max((middles[i] + widths[i] / 2 for i in range(len(sizes))), default=0.0)
    return _Placed(picture, tuple(places), width, max(top - _ROW_GAP - _TITLE, 0.0))


def _size(box: Box) -> tuple[float, float]:
    lines = _lines(box)
    return max(map(len, lines)) * _LETTER + 2 * _PAD, len(lines) * _LINE + _PAD


def _lines(box: Box) -> list[str]:
    word = _WORDS.get(box.kind, box.kind)
    return [box.lines[0], *([] if box.kind == "config" else [word]), *box.lines[1:]]


def _drawn(placed: _Placed) -> list[str]:
    drawn = [_arrow(placed, arrow) for arrow in placed.picture.arrows]
    boxes = (_box(box, *place) for box, place in zip(placed.picture.boxes, placed.places, strict=True))
    return [*drawn, *boxes, *_labels(placed)]


def _box(box: Box, middle: float, top: float, width: float, height: float) -> str:
    corner = height / 2 if box.kind in ("input", "output") else 4
    shape = (
        f'<rect x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{corner:.1f}"'
        f' fill="{_FILL[box.kind]}" stroke="#5f6368"/>'
    )
    first, *others = _lines(box)
    texts = [_text(middle, top + _LINE, first, 'text-anchor="middle" font-weight="bold"')]
    for i, line in enumerate(others, 2):
        texts.append(_text(middle, top + i * _LINE, line, 'text-anchor="middle" fill="#5f6368"'))
    return shape + "".join(texts)


def _arrow(placed: _Placed, arrow: Arrow) -> str:
    x1, top, _, height = placed.places[arrow.start]
    x2, y2, _, _ = placed.places[arrow.end]
    y1 = top + height
    bend = (y2 - y1) / 2
    dash = ' stroke-dasharray="4 3"' if arrow.dashed else ""
    return (
        f'<path d="M{x1:.1f} {y1:.1f} C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"'
        f' fill="none" stroke="#5f6368" marker-end="url(#tip)"{dash}/>'
    )


def _labels(placed: _Placed) -> Iterator[str]:
    """The label of each arrow: on it, above its end, at the first height where no other label is."""
    taken: list[tuple[float, float, float]] = []
    for arrow in (a for a in placed.picture.arrows if a.label):
        x1, top, _, height = placed.places[arrow.start]
        x2, y2, _, _ = placed.places[arrow.end]
        half = len(arrow.label) * _LETTER / 2
        y = y2 - 12
        while True:
            t = _when(top + height, y2, y)
            x = x1 + (x2 - x1) * t * t * (3 - 2 * t)
            if y - 14 < top + height or not any(abs(x - a) < half + b and abs(y - c) < 12 for a, b, c in taken):
                break
            y -= 14
        taken.append((x, half, y))
        yield _label(x, y, arrow.label)


def _label(x: float, y: float, text: str) -> str:
    style = 'text-anchor="middle" font-size="11"'
    # Twice, the first time as a border in the colour of the ground: not every viewer knows `paint-order`.
    halo = _text(x, y, text, f'{style} stroke="#fbfbfb" stroke-width="4" stroke-linejoin="round"')
    return halo + _text(x, y, text, f'{style} fill="#1a73e8"')


def _when(y1: float, y2: float, y: float) -> float:
    """Where on the curve from `y1` down to `y2` the height `y` is, from 0 to 1: by halving, for the curve only falls."""
    low, high = 0.0, 1.0
    for _ in range(20):
        t = (low + high) / 2
        at = y1 + (y2 - y1) * (1.5 * t * (1 - t) * (1 - t) + 1.5 * t * t * (1 - t) + t * t * t)
        low, high = (t, high) if at < y else (low, t)
    return high


def _text(x: float, y: float, text: str, style: str) -> str:
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(shown)}</text>'
