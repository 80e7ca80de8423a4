"""The timeline as an SVG picture within a page: a lane a call, bars for attempts, hatched waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .model import Bar, Timeline
from .words import counted, cut, labelled, moment, plain, took

__all__ = ["svg_of"]

LEFT, RIGHT, TOP = 210, 20, 46
WIDTH = 1000
LANE = 24
BAR = 14
THIN = 3.0
"""Units that a bar has at least, so that a quick failure can be seen."""
LONG = 0.25
"""A gap in which nothing happened is folded where it is more than this share of the whole."""
FOLDED = 0.06
"""The share of the width that it then gets."""

HATCH = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>'
)
KINDS = {
    "ok": "succeeded",
    "failed": "failed",
    "wait": "waits",
    "degraded": "degraded",
    "skipped": "set aside",
    "running": "not ended",
    "many": "several calls",
    "undone": "undone",
}


@dataclass(frozen=True)
class Scale:
    """Where a time stands: pieces of (from, until, x, x), a folded one narrower than its share."""

    pieces: tuple[tuple[float, float, float, float], ...]
    folded: tuple[tuple[float, float, float], ...]
    """(x, x, seconds) of what was folded."""

    def x(self, at: float) -> float:
        for begin, until, left, right in self.pieces:
            if at <= until:
                part = (at - begin) / (until - begin) if until > begin else 0.0
                return left + max(0.0, part) * (right - left)
        return self.pieces[-1][3]


def scale_of(line: Timeline) -> Scale:
    """Times to places; long gaps without a bar are folded."""
    begin, end = line.began_at, max(line.ended_at, line.began_at + 0.001)
    busy = sorted((bar.began_at, bar.ended_at) for lane in line.lanes for bar in lane.bars)
    gaps = []
    at = begin
    for began, ended in [*busy, (end, end)]:
        if began - at > LONG * (end - begin):
            gaps.append((at, began))
        at = max(at, ended)
    span = WIDTH - LEFT - RIGHT
    idle = sum(until - since for since, until in gaps)
    worked = max(end - begin - idle, 0.001)
    room = span * (1 - FOLDED * len(gaps))
    pieces: list[tuple[float, float, float, float]] = []
    folded = []
    x, at = float(LEFT), begin
    for since, until in gaps:
        right = x + room * (since - at) / worked
        pieces.append((at, since, x, right))
        pieces.append((since, until, right, right + span * FOLDED))
        folded.append((right, right + span * FOLDED, until - since))
        x, at = right + span * FOLDED, until
    pieces.append((at, end, x, float(LEFT + span)))
    return Scale(tuple(pieces), tuple(folded))


def svg_of(line: Timeline) -> str:
    """The picture, with a title and a description for those who do not see it."""
    scale = scale_of(line)
    height = TOP + LANE * max(1, len(line.lanes)) + 54
    parts = [
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="lt ld">',
        '<title id="lt">Timeline of attempts</title>',
        f'<desc id="ld">{_text(_described(line))}</desc>',
        HATCH,
    ]
    bottom = height - 48
    parts += _axis(line, scale, bottom)
    for left, right, seconds in scale.folded:
        middle = (left + right) / 2
        parts.append(
            f'<rect class="gap" x="{left:.1f}" y="{TOP - 6}" width="{right - left:.1f}" '
            f'height="{bottom - TOP + 6}"><title>{_text(took(seconds))} in which nothing ran</title></rect>'
            f'<text class="small" x="{middle:.1f}" y="{bottom + 28}" text-anchor="middle">'
            f"{_text(took(seconds))}</text>"
        )
    for number, lane in enumerate(line.lanes):
        top = TOP + number * LANE
        label = labelled(plain(lane.label), 30)
        parts.append(
            f'<g><text class="label" x="{LEFT - 8}" y="{top + 12}" text-anchor="end">'
            f"{_text(label)}<title>{_text(plain(lane.label))}</title></text>"
        )
        parts += [_bar(bar, scale, top) for bar in lane.bars]
        parts.append("</g>")
    parts += _marks(line, scale, bottom)
    parts += _legend(line, height)
    parts.append("</svg>")
    return "\n".join(parts)


def _bar(bar: Bar, scale: Scale, top: int) -> str:
    left = scale.x(bar.began_at)
    wide = max(scale.x(bar.ended_at) - left, THIN if bar.kind != "wait" else 0.0)
    lasted = f" ({took(bar.ended_at - bar.began_at)})" if bar.ended_at > bar.began_at else ""
    title = f"<title>{_text(plain(bar.words) + lasted)}</title>"
    height, y = (BAR, top) if bar.kind != "wait" else (BAR - 6, top + 3)
    return (
        f'<rect class="{bar.kind}" x="{left:.1f}" y="{y}" width="{wide:.1f}" height="{height}">'
        f"{title}</rect>"
    )


def _axis(line: Timeline, scale: Scale, bottom: int) -> list[str]:
    parts = [f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>']
    whole = line.ended_at - line.began_at
    texts = [(line.began_at, "0", "start"), (line.ended_at, f"+{took(whole)}", "end")]
    if not scale.folded:
        texts.insert(1, (line.began_at + whole / 2, f"+{took(whole / 2)}", "middle"))
    for at, words, anchor in texts:
        parts.append(
            f'<text class="small" x="{scale.x(at):.1f}" y="{bottom + 14}" text-anchor="{anchor}">'
            f"{_text(words)}</text>"
        )
    return parts


def _marks(line: Timeline, scale: Scale, bottom: int) -> list[str]:
    parts = []
    last = -1e9
    row = 0
    for mark in line.marks:
        x = scale.x(mark.at)
        row = 1 - row if x - last < 180 else 0
        last = x
        anchor = "start" if x < WIDTH * 0.4 else "end" if x > WIDTH * 0.8 else "middle"
        parts.append(
            f'<g class="mark {mark.kind}"><line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}"/>'
            f'<text class="small" x="{x:.1f}" y="{14 + 14 * row}" text-anchor="{anchor}">'
            f"{_text(cut(plain(mark.words), 60))}</text>"
            f"<title>{_text(plain(mark.words))}, {_text(moment(mark.at))}</title></g>"
        )
    return parts


def _legend(line: Timeline, height: int) -> list[str]:
    used = dict.fromkeys(bar.kind for lane in line.lanes for bar in lane.bars)
    parts, x = [], float(LEFT)
    for kind in (one for one in KINDS if one in used):
        parts.append(
            f'<rect class="{kind}" x="{x:.0f}" y="{height - 14}" width="14" height="10"/>'
            f'<text class="small" x="{x + 20:.0f}" y="{height - 5}">{KINDS[kind]}</text>'
        )
        x += 44 + 7 * len(KINDS[kind])
    return parts


def _described(line: Timeline) -> str:
    """The picture in words, in short; the table below it has all of it."""
    lanes: Sequence[str] = [
        f"{lane.label}: {_tries(lane.bars, lane.failures)}" for lane in line.lanes[:12]
    ]
    more = f"; {counted(len(line.lanes) - 12, 'more lane')}" if len(line.lanes) > 12 else ""
    marks = "; ".join(mark.words for mark in line.marks)
    return plain(
        f"{took(line.ended_at - line.began_at)} from {moment(line.began_at)}. {marks}. "
        f"{'; '.join(lanes)}{more}. The table that follows says the same."
    )


def _tries(bars: Sequence[Bar], failures: int) -> str:
    told = counted(failures, "failed attempt") if failures else "no failed attempt"
    return f"{told}, then {bars[-1].words}" if bars else told


def _text(text: str) -> str:
    return escape(text, quote=True)
