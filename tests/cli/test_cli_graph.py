"""Pictures of graphs: boxes never overlap, arrows point down, Mermaid and SVG hold what they should and nothing that breaks them."""

import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dandc.drawing.layers import across, layers
from dandc.drawing.mermaid import mermaid
from dandc.drawing.picture import Arrow, Box, Picture
from dandc.drawing.svg import svg

SETTLEMENT = Path(__file__).resolve().parents[2] / "examples" / "settlement" / "settlement.dnd"


@pytest.mark.parametrize("seed", range(30))
def test_layers(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.randint(0, 40)
    arrows = [(a, b) for b in range(count) for a in range(b) if chance.random() < 2 / (b + 1)]
    rows = layers(count, arrows)
    depth = {box: i for i, row in enumerate(rows) for box in row}
    assert sorted(depth) == list(range(count))
    assert all(depth[a] < depth[b] for a, b in arrows)
    widths = [chance.uniform(10, 200) for _ in range(count)]
    middles = across(rows, widths, arrows, 20)
    for row in rows:
        assert all(middles[b] - middles[a] >= (widths[a] + widths[b]) / 2 + 20 - 1e-6 for a, b in pairwise(row))
    assert all(middles[i] - widths[i] / 2 >= -1e-6 for i in range(count))


HOSTILE = Picture(
    'a"b]<c>&|{}`\\', (Box("compute", ('x"];\nend', "<b>")), Box("output", ("y",))), (Arrow(0, 1, 'set["|'),)
)


def test_names_cannot_break_a_picture() -> None:
    text = mermaid([HOSTILE])
    assert all(re.fullmatch(r'[^"]*("[^"<>`\\|{}]*"[^"]*)*', line.replace("<br/>", "")) for line in text.splitlines())
    assert ET.fromstring(svg([HOSTILE])).tag.endswith("svg")


def test_the_example_is_drawn(dandc: Any) -> None:
    text = dandc("graph", str(SETTLEMENT), "settle").worked().out.decode()
    assert text.startswith("flowchart TD\n")
    assert (
        re.search(r'-->\|"each set#91;.* => storage.Object]"\|', text) or "each set[str =#62; storage.Object]" in text
    )
    assert "keyed set[(Tier, str) =#62; Sale]" in text
    drawn = dandc("graph", str(SETTLEMENT), "--form", "svg").worked().out.decode()
    root = ET.fromstring(drawn)
    words = {element.text for element in root.iter() if element.text}
    assert {"settle", "pay", "storage.get", "retry 3", "keyed set[(Tier, str) => Sale]", "on failure collect"} <= words


def test_before_and_after_the_passes(dandc: Any) -> None:
    dandc.write(
        "p.dnd", "function f(a: i64) => (b: i64) = a;\ncomposition main(x: i64) => (y: i64) { u = f(x); y = f(x); }\n"
    )
    both = dandc("graph", "p.dnd", "--stage", "both").worked().out.decode()
    before, after = both.split("(after the passes)")
    assert (2, 1) == (len(re.findall(r'\["f', before)), len(re.findall(r'\["f', after)))


def test_wrong_use(dandc: Any) -> None:
    dandc.write("p.dnd", "function f(a: i64) => (b: i64) = a;\n")
    dandc("graph", "p.dnd").failed("U0903")
    dandc("graph", str(SETTLEMENT), "setle").failed("R0733")
    dandc("graph", "none.dnd").failed("U0901")
    dandc("graph", str(SETTLEMENT), "--out", "no/such/folder.svg").failed("U0906")
    dandc("graph", str(SETTLEMENT), "--out=").failed("U0906", status=2)
