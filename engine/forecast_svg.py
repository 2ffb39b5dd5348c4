"""A picture of a forecast: messages per second by action, sessions and power over the day, and the storm.

Plain SVG made of strings: a load worker carries no plotting library.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from profiles.mixtures import Floats
from stations.errors import PlanError

if TYPE_CHECKING:
    from engine.forecast import Day, Storm

_WIDTH, _HEIGHT, _LEFT, _TOP = 860, 190, 70, 34
_COLOURS: Final = ("#4269d0", "#efb118", "#3ca951", "#ff725c", "#6cc5b0", "#a463f2", "#97bbf5", "#9c6b4e")
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#222}.t{font-weight:600}"
    "@media(prefers-color-scheme:dark){svg{background:#16181d}text{fill:#ddd}}"
)


def write(day: "Day", storm: "Storm", title: str, path: Path) -> None:
    """The picture into a file."""
    try:
        path.write_text(drawn(day, storm, title), encoding="utf-8")
    except OSError as error:
        raise PlanError(
            f"{path}: cannot be written ({error.strerror}); mend: name another --picture"
        ) from None


def drawn(day: "Day", storm: "Storm", title: str) -> str:
    """The whole picture."""
    hours = [f"{hour % 24:02d}:10" for hour in range(0, 25, 3)]
    seconds = [f"{part} s" for part in range(0, len(storm.calls) + 1, 150)]
    panels = [
        _panel("messages per second", day.calls_per_s, hours),
        _panel("sessions", {"transactions running": day.sessions}, hours),
        _panel("power, kW", {"power drawn": day.power_kw}, hours),
        _panel(
            "power back after the cut at 18:00: messages per second",
            {"messages": storm.calls.astype(float)},
            seconds,
        ),
    ]
    height = _TOP + len(panels) * (_HEIGHT + 70)
    body = "".join(
        f'<g transform="translate(0,{_TOP + n * (_HEIGHT + 70)})">{panel}</g>'
        for n, panel in enumerate(panels)
    )
    head = escape(f"{title}: {day.stations} stations, {day.energy_kwh:,.0f} kWh in a day")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + 110}" height="{height}" role="img">'
        f'<style>{_STYLE}</style><text class="t" x="{_LEFT}" y="20">{head}</text>{body}</svg>\n'
    )


def _panel(title: str, series: dict[str, Floats], ticks: Sequence[str]) -> str:
    """Stacked areas with a scale and a legend."""
    highest = float(np.sum(list(series.values()), axis=0).max()) or 1.0
    parts = [f'<text class="t" x="{_LEFT}" y="12">{escape(title)}</text>']
    base = np.zeros(len(next(iter(series.values()))))
    for n, (name, values) in enumerate(series.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        parts.append(f'<polygon fill="{colour}" points="{_outline(base, base + values, highest)}"/>')
        if n < len(_COLOURS):
            across, down = _LEFT + 220 * (n % 4), _HEIGHT + 46 + 14 * (n // 4)
            parts.append(f'<rect x="{across}" y="{down - 9}" width="10" height="10" fill="{colour}"/>')
            parts.append(f'<text x="{across + 14}" y="{down}">{escape(name)}</text>')
        base = base + values
    for share in (0.0, 0.5, 1.0):
        y = _HEIGHT + 18 - share * _HEIGHT
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{share * highest:,.4g}</text>')
        parts.append(f'<path d="M{_LEFT} {y:.0f}h{_WIDTH}" stroke="#8886"/>')
    for n, tick in enumerate(ticks):
        x = _LEFT + _WIDTH * n / (len(ticks) - 1)
        parts.append(f'<text x="{x:.0f}" y="{_HEIGHT + 32}" text-anchor="middle">{tick}</text>')
    return "".join(parts)


def _outline(below: Floats, above: Floats, highest: float) -> str:
    step = _WIDTH / max(len(below) - 1, 1)

    def points(values: Floats, order: range) -> list[str]:
        return [f"{_LEFT + n * step:.1f},{_HEIGHT + 18 - values[n] / highest * _HEIGHT:.1f}" for n in order]

    forth, back = range(len(below)), range(len(below) - 1, -1, -1)
    return " ".join(points(above, forth) + points(below, back))
