#!/usr/bin/env python3
"""Draws the pictures of the README and of the guide, with the standard library alone.

    python3 benches/pictures/draw.py

Reads `churn.jsonl` and `recall.jsonl` beside this file. Writes `churn.svg` and `speed.svg` beside it,
and `recall.svg`, `life.svg` and `files.svg` into `src/guide`. `benches/README.md` says where the data
come from. Each picture makes one claim, is 800 pixels wide, and labels each line at the line.
"""

import json
import math
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
GUIDE = HERE.parent.parent / "src" / "guide"
WIDTH = 800
OURS = "#0b5cad"
MUTED = "#8a8a8a"
INK = "#222222"
GRID = "#e6e6e6"
DEAD = "#d9d9d9"
LIVE = "#bcd7f2"
ALERT = "#b3541e"
# Queries per second, of processor time, at which `recall.svg` reads every curve.
SPEED = 5_000


class Svg:
    """A picture under construction: elements in the order in which they are painted."""

    def __init__(self, height, label):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label="{label}" style="max-width:100%;height:auto" '
            f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="14">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        ]

    def text(self, x, y, words, anchor="start", size=14, color=INK, bold=False):
        weight = ' font-weight="bold"' if bold else ""
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{color}"{weight}>{words}</text>'
        )

    def line(self, points, color=INK, width=1.0, dash=None, arrow=False):
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="{width}"'
            f' stroke-linejoin="round"{dashed}/>'
        )
        if arrow:
            (x0, y0), (x1, y1) = points[-2], points[-1]
            angle = math.atan2(y1 - y0, x1 - x0)
            tips = [(x1 - 9 * math.cos(angle + t), y1 - 9 * math.sin(angle + t)) for t in (0.45, -0.45)]
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(x1, y1), *tips])
            self.parts.append(f'<polygon points="{corners}" fill="{color}"/>')

    def box(self, x, y, width, height, fill="#ffffff", stroke=INK, radius=4):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius}" fill="{fill}" stroke="{stroke}"/>'
        )

    def dot(self, x, y, radius, color, hollow=False):
        fill = "#ffffff" if hollow else color
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{color}" '
            f'stroke-width="2"/>'
        )

    def write(self, path):
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n")


def rows(name):
    lines = (HERE / name).read_text().splitlines()
    return [json.loads(line) for line in lines]


def churn():
    """Disk and resident memory over rounds, of four stores that nobody maintains."""
    svg = Svg(446, "Disk and resident memory over 30 rounds of churn, for four stores")
    svg.text(20, 28, "30 rounds of churn, nothing called by hand: Altiplano stays flat", size=18, bold=True)
    svg.text(
        20,
        50,
        "20,000 live vectors of 384 dimensions; every round replaces 2,000. "
        "One core of an AMD EPYC, November 2026.",
        size=12.5,
        color="#555555",
    )
    stores = [row for row in rows("churn.jsonl") if row["mode"] == "left alone"]
    for left, key, title, shift in (
        (46, "disk_mb", "Disk, MB", {"USearch": 9, "Altiplano": -3}),
        (438, "resident_mb", "Resident memory, MB", {"USearch": 9, "Altiplano": -3}),
    ):
        top, bottom, right, most = 85, 385, left + 235, 250
        svg.text(left - 26, 76, title, bold=True)
        place = lambda n, value: (left + n * (right - left) / 30, bottom - value * (bottom - top) / most)
        for tick in range(0, most + 1, 50):
            _, y = place(0, tick)
            svg.line([(left, y), (right, y)], GRID)
            svg.text(left - 6, y + 4.5, str(tick), "end", 12)
        for tick in (0, 10, 20, 30):
            svg.text(place(tick, 0)[0], bottom + 17, str(tick), "middle", 12)
        svg.text((left + right) / 2, bottom + 34, "round", "middle", 12)
        for row in sorted(stores, key=lambda row: row["library"] == "Altiplano"):
            ours = row["library"] == "Altiplano"
            points = [place(n, value) for n, value in enumerate(row[key])]
            svg.line(points, OURS if ours else MUTED, 3.5 if ours else 2)
            x, y = points[-1]
            words = f'{row["library"]} {row[key][-1]:.0f}'
            y += 4.5 + shift.get(row["library"], 0)
            svg.text(x + 6, y, words, "start", 13, OURS if ours else "#555555", ours)
    svg.text(
        20,
        438,
        "Recall@10 and p50 at the end: Altiplano 0.98, 0.13 ms · Qdrant Edge 1.00, 3.2 ms · zvec 1.00, 17.6 ms · USearch 0.91, 0.41 ms",
        size=11.5,
        color="#555555",
    )
    svg.write(HERE / "churn.svg")


def recall_at(curve, speed):
    """Recall at a speed, on a curve whose logarithm of speed is linear between two points."""
    curve = sorted(curve, key=lambda point: -point[1])
    if speed > curve[0][1]:
        return None
    for (low, fast), (high, slow) in zip(curve, curve[1:]):
        if slow <= speed <= fast:
            share = math.log(fast / speed) / math.log(fast / slow)
            return low + share * (high - low)
    return curve[-1][0]


def recall():
    """Recall within a fixed time against resident bytes per vector."""
    svg = Svg(460, "Recall at 10 within 0.2 ms against resident bytes per vector")
    svg.text(20, 28, "Within 0.2 ms, 4-bit codes find the most, in the least memory", size=18, bold=True)
    svg.text(
        20,
        50,
        "100,000 sentence embeddings, one core of an Intel Xeon, November 2026. Up and left is better.",
        size=12.5,
        color="#555555",
    )
    left, right, top, bottom = 64, 770, 88, 408
    low, high = math.log(250), math.log(4_000)
    place = lambda size, found: (
        left + (math.log(size) - low) / (high - low) * (right - left),
        bottom - (found - 0.86) / 0.14 * (bottom - top),
    )
    for tick in (0.86, 0.88, 0.90, 0.92, 0.94, 0.96, 0.98, 1.00):
        _, y = place(1_000, tick)
        svg.line([(left, y), (right, y)], GRID)
        svg.text(left - 8, y + 4.5, f"{tick:.2f}", "end", 12)
    for tick in (250, 500, 1_000, 2_000, 4_000):
        x, _ = place(tick, 0.9)
        svg.line([(x, bottom), (x, bottom + 5)], INK)
        svg.text(x, bottom + 20, f"{tick:,}", "middle", 12)
    svg.line([(left, bottom), (right, bottom)], INK)
    svg.text((left + right) / 2, bottom + 42, "resident bytes per vector (log scale)", "middle", 13)
    svg.text(left - 44, 74, "recall@10", bold=True)
    ours = []
    for row in rows("recall.jsonl"):
        found = recall_at(row["curve"], SPEED)
        if "label" not in row or found is None:
            continue
        x, y = place(row["resident_bytes"], found)
        own = row["library"].startswith("altiplano")
        if own and row.get("io") == "pread":
            ours.append((x, y))
        svg.dot(x, y, 6 if own else 4.5, OURS if own else MUTED, own and row.get("io") != "pread")
        dx, dy, anchor = row.get("at", [10, 5, "start"])
        svg.text(x + dx, y + dy, row["label"], anchor, 13, OURS if own else "#555555", own)
    if len(ours) > 1:
        svg.line(sorted(ours), OURS, 2.5)
    svg.write(GUIDE / "recall.svg")


def speed():
    """Queries per second against recall."""
    svg = Svg(470, "Queries per second against recall, for eight libraries")
    svg.text(20, 28, "At every recall, Altiplano answers the most queries per second", size=18, bold=True)
    svg.text(
        20,
        50,
        "100,000 sentence embeddings of 384 dimensions, cosine, one core of an Intel Xeon, November 2026.",
        size=12.5,
        color="#555555",
    )
    left, right, top, bottom = 64, 640, 88, 418
    low, high = math.log(100), math.log(30_000)
    place = lambda found, rate: (
        left + (found - 0.86) / 0.14 * (right - left),
        bottom - (math.log(rate) - low) / (high - low) * (bottom - top),
    )
    svg.text(left - 44, 74, "queries per second, by processor time (log scale)", bold=True)
    for tick in (100, 300, 1_000, 3_000, 10_000, 30_000):
        _, y = place(0.9, tick)
        svg.line([(left, y), (right, y)], GRID)
        svg.text(left - 8, y + 4.5, f"{tick:,}", "end", 12)
    for tick in (0.86, 0.88, 0.90, 0.92, 0.94, 0.96, 0.98, 1.00):
        x, _ = place(tick, 100)
        svg.line([(x, bottom), (x, bottom + 5)], INK)
        svg.text(x, bottom + 20, f"{tick:.2f}", "middle", 12)
    svg.line([(left, bottom), (right, bottom)], INK)
    svg.text((left + right) / 2, bottom + 42, "recall@10", "middle", 13)
    shown = {
        "lancedb-sq": "LanceDB, 8 bits",
        "hannoy": "hannoy",
        "usearch-bf16": "USearch, bfloat16",
        "hnswlib": "hnswlib",
        "qdrant-int8": "Qdrant Edge, 8 bits",
        "svs-lvq4x8": "SVS, LVQ 4x8",
        "zvec-int8": "zvec, 8 bits",
        "altiplano-bits4": "Altiplano, 4 bits",
    }
    data = {row["library"]: row for row in rows("recall.jsonl") if row.get("io") != "pread"}
    ends = []
    for library, label in shown.items():
        own = library.startswith("altiplano")
        points = [place(found, rate) for found, rate in data[library]["curve"] if found >= 0.86]
        svg.line(points, OURS if own else MUTED, 3.5 if own else 2)
        ends.append((points[-1], label, own))
    below = 0.0
    for (x, y), label, own in sorted(ends, key=lambda end: end[0][1]):
        row = below = max(y, below + 19)
        svg.line([(x + 3, y), (right + 2, row)], OURS if own else "#bbbbbb", 1, "2 3")
        svg.text(right + 6, row + 4.5, label, "start", 13, OURS if own else "#555555", own)
    svg.write(HERE / "speed.svg")


def life():
    """What happens to one memory, from insert to the last byte."""
    svg = Svg(300, "The life of a memory: written, sealed, dead, reclaimed")
    svg.text(20, 28, "The life of a memory", size=18, bold=True)
    stages = [
        ("insert", "log + memtable", "durable and", "found at once", LIVE),
        ("seal", "segment", "sorted, checked,", "memory-mapped", LIVE),
        ("index", "codes + graph", "found faster,", "still exact", LIVE),
        ("delete, expire", "dead bits", "in no answer,", "bytes remain", DEAD),
        ("compact", "nothing", "bytes are back", "on the disk", "#ffffff"),
    ]
    for n, (verb, where, one, two, fill) in enumerate(stages):
        x = 20 + n * 156
        svg.text(x + 64, 76, verb, "middle", 15, OURS if n < 3 else ALERT, True)
        svg.box(x, 90, 128, 96, fill)
        svg.text(x + 64, 114, where, "middle", 13, INK, True)
        svg.text(x + 64, 142, one, "middle", 12.5)
        svg.text(x + 64, 160, two, "middle", 12.5)
        if n:
            svg.line([(x - 26, 138), (x - 3, 138)], INK, 2, arrow=True)
    svg.line([(20, 216), (472, 216)], OURS, 3)
    svg.text(246, 238, "readers see it", "middle", 13, OURS, True)
    svg.line([(488, 216), (772, 216)], ALERT, 3)
    svg.text(630, 238, "no reader sees it, also after a crash", "middle", 13, ALERT, True)
    svg.text(
        20,
        276,
        "Background threads seal, index and compact. Dead bytes go when a segment is 15 % dead, and after "
        "a day at the latest.",
        size=12.5,
        color="#555555",
    )
    svg.write(GUIDE / "life.svg")


def segment(svg, x, y, name, dead):
    """A segment file of ten blocks, of which some are dead."""
    svg.text(x, y - 6, name, "start", 12.5)
    for n in range(10):
        svg.box(x + n * 20, y, 20, 26, DEAD if n in dead else LIVE, "#777777", 0)


def files():
    """The files of a store, and what a compaction does to them."""
    svg = Svg(400, "The files of a store before and after a compaction")
    svg.text(20, 28, "The files of a store, and what compaction does to them", size=18, bold=True)
    for left, title in ((20, "before"), (440, "after")):
        svg.text(left, 58, title, size=15, bold=True)
        svg.box(left, 68, 340, 276, "#fafafa", "#bbbbbb")
    svg.line([(368, 206), (432, 206)], INK, 3, arrow=True)
    svg.text(32, 92, "MANIFEST-7", bold=True)
    svg.text(348, 92, "names every live file", "end", 12.5, "#555555")
    svg.text(32, 118, "log-…0a", bold=True)
    svg.text(348, 118, "what came since the last seal", "end", 12.5, "#555555")
    segment(svg, 32, 152, "seg-…03: rows, 3 of 10 dead", {1, 4, 7})
    segment(svg, 32, 208, "seg-…05: rows, 4 of 10 dead", {0, 2, 5, 8})
    svg.text(32, 262, "del-…06, del-…08: which rows are dead", size=12.5)
    svg.text(32, 288, "idx-…04: codes and a graph", size=12.5)
    svg.text(32, 314, "loc-…09: which row a node stands for", size=12.5)
    svg.text(452, 92, "MANIFEST-8", bold=True)
    svg.text(768, 92, "renamed into place in one step", "end", 12.5, "#555555")
    svg.text(452, 118, "log-…0a", bold=True)
    svg.text(768, 118, "the same file", "end", 12.5, "#555555")
    segment(svg, 452, 152, "seg-…0b: 10 live rows, none dead", set())
    segment(svg, 452, 208, "seg-…0c: 3 live rows", set(range(3, 10)))
    for n in range(3, 10):
        svg.box(452 + n * 20, 208, 20, 26, "#fafafa", "#fafafa", 0)
    svg.text(452, 262, "the two del files are gone", size=12.5)
    svg.text(452, 288, "idx-…04: the same file", size=12.5)
    svg.text(452, 314, "loc-…0d: points at the new rows", size=12.5)
    svg.box(20, 362, 16, 16, LIVE, "#777777", 0)
    svg.text(42, 375, "live row", size=12.5)
    svg.box(120, 362, 16, 16, DEAD, "#777777", 0)
    svg.text(142, 375, "dead row", size=12.5)
    svg.text(780, 375, "No file is changed: new ones are written, then old ones removed.", "end", 12.5, "#555555")
    svg.write(GUIDE / "files.svg")


if __name__ == "__main__":
    churn()
    recall()
    speed()
    life()
    files()
