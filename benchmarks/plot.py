"""A plot of latencies by quantile as SVG: both axes logarithmic, the tail as wide as the bulk. Text in, text out."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 70, 150, 50, 50
COLOURS = ("#1b6ca8", "#c0392b", "#6b8e23", "#7d3c98")
TICKS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def quantile_plot(title: str, series: Mapping[str, Sequence[float]]) -> str:
    """A line for each series of sorted seconds; the x axis is the number of nines."""
    most = max(len(times) for times in series.values())
    nines = math.log10(max(most, 10))
    low = math.floor(math.log10(min(times[0] for times in series.values())))
    high = math.ceil(math.log10(max(times[-1] for times in series.values())))

    def x(share: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(-math.log10(max(1 - share, 10**-nines)) / nines, 1)

    def y(seconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(seconds) - low) / max(high - low, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="15">{escape(title)}</text>',
    ]
    for tick in (tick for tick in TICKS if 1 - tick >= 10**-nines):
        parts += _rule(x(tick), x(tick), TOP, HEIGHT - BOTTOM)
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - 28}" text-anchor="middle">{_share(tick)}</text>')
    for power in range(low, high + 1):
        parts += _rule(LEFT, WIDTH - RIGHT, y(10**power), y(10**power))
        parts.append(f'<text x="{LEFT - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end">{_time(power)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">share of requests</text>')
    for (name, times), colour, place in zip(series.items(), COLOURS, _apart(series, y), strict=False):
        points = " ".join(f"{x(share):.1f},{y(value):.1f}" for share, value in _line(times))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{place:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _rule(x1: float, x2: float, y1: float, y2: float) -> list[str]:
    return [f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>']


def _line(times: Sequence[float]) -> list[tuple[float, float]]:
    """Shares and values, evenly in nines, ending at the last."""
    count = len(times)
    shares = [1 - 10 ** (-math.log10(count) * step / 200) for step in range(200)] if count > 1 else []
    return [*((share, times[int(share * count)]) for share in shares), (1 - 1 / (count + 1), times[-1])]


def _apart(series: Mapping[str, Sequence[float]], y: Callable[[float], float]) -> list[float]:
    """Where the names stand: at the ends of their lines, but not over each other."""
    ends = sorted((y(times[-1]), name) for name, times in series.items())
    places: dict[str, float] = {}
    last = -math.inf
    for end, name in ends:
        last = places[name] = max(end + 4, last + 16)
    return [places[name] for name in series]


def _share(share: float) -> str:
    return f"{share * 100:.10g} %"


def _time(power: int) -> str:
    unit, scale = ("s", 0) if power >= 0 else ("ms", 3) if power >= -3 else ("us", 6)
    return f"{10 ** (power + scale):,.0f} {unit}"
