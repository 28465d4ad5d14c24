"""Prints the Markdown table of a comparison, and draws it as SVG.

    python report.py results.jsonl [--svg comparison.svg]

Every number is the median of the repeats. Memory is what a store added to a process that had opened
it empty: imports and data are not counted.
"""

from __future__ import annotations

import argparse
import html
import json
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

Lines = dict[str, dict[str, Any]]


def number(phase: str, name: str) -> Callable[[Lines], float | None]:
    def read(lines: Lines) -> float | None:
        return lines.get(phase, {}).get(name)

    return read


def grown(name: str) -> Callable[[Lines], float | None]:
    def read(lines: Lines) -> float | None:
        if "start" not in lines or "after_churn" not in lines:
            return None
        return lines["after_churn"][name] - lines["start"][name]

    return read


COLUMNS: list[tuple[str, str, Callable[[Lines], float | None], int]] = [
    ("add", "rows/s", number("add", "per_s"), 0),
    ("query p50", "ms", number("query_after_churn", "p50_ms"), 3),
    ("query p99", "ms", number("query_after_churn", "p99_ms"), 3),
    ("recall@10", "", number("query_after_churn", "recall"), 4),
    ("filtered p50", "ms", number("filtered_after_churn", "p50_ms"), 3),
    ("filtered recall", "", number("filtered_after_churn", "recall"), 4),
    ("add in churn", "rows/s", number("add_in_churn", "per_s"), 0),
    ("delete", "rows/s", number("delete", "per_s"), 0),
    ("anonymous", "MiB", grown("anonymous_mib"), 1),
    ("mapped", "MiB", number("after_churn", "mapped_mib"), 1),
    ("RSS", "MiB", grown("rss_mib"), 1),
    ("disk", "MiB", number("after_churn", "disk_mib"), 1),
    ("reopen", "s", number("reopen", "seconds"), 3),
    ("remove expired", "s", number("ttl", "remove_s"), 4),
]
# What the picture shows. Less is better in all of them.
PANELS = ["query p50", "filtered p50", "RSS", "disk"]
COLORS = {True: "#1f6f5c", False: "#b9bfc6"}


def read(path: str) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Any]]]:
    """Returns the medians of each store, and what it said at its start."""
    runs: dict[tuple[str, int], Lines] = defaultdict(dict)
    with open(path) as file:
        for line in map(json.loads, file):
            runs[line["store"], line["repeat"]][line["phase"]] = line
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    starts = {}
    for (store, _), lines in runs.items():
        starts.setdefault(store, lines.get("start", {}))
        for name, _, value_of, _ in COLUMNS:
            value = value_of(lines)
            if value is not None:
                seen[store][name].append(value)
    return {s: {n: median(v) for n, v in names.items()} for s, names in seen.items()}, starts


def table(found: dict[str, dict[str, float]], starts: dict[str, dict[str, Any]]) -> str:
    """Returns the table, with a row for each number and a column for each store."""
    stores = list(found)
    some = next(iter(starts.values()))
    lines = [
        f"Data: {some.get('data')}, {some.get('rows')} rows of {some.get('dimension')} numbers, "
        f"{some.get('rounds')} rounds that replace 10 %.",
        "",
        "| | " + " | ".join(stores) + " |",
        "|---|" + "---:|" * len(stores),
    ]
    for name, unit, _, digits in COLUMNS:
        cells = [
            f"{found[store][name]:,.{digits}f}" if name in found[store] else "–"
            for store in stores
        ]
        label = f"{name}, {unit}" if unit else name
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines.append("")
    notes = {store: starts[store].get("note") for store in stores}
    lines += [f"- {store}: {note}." for store, note in notes.items() if note]
    return "\n".join(lines)


def picture(found: dict[str, dict[str, float]]) -> str:
    """Returns a picture: a panel for each number, a bar for each store."""
    width, bar, gap, label = 340, 16, 8, 130
    height = 50 + (bar + gap) * len(found)
    units = {name: (unit, digits) for name, unit, _, digits in COLUMNS}
    parts = []
    for at, name in enumerate(PANELS):
        left, top = at % 2 * (width + 20) + 10, at // 2 * (height + 10) + 10
        values = {store: max(0.0, numbers.get(name, 0.0)) for store, numbers in found.items()}
        largest = max(values.values(), default=0.0) or 1.0
        unit, digits = units[name]
        parts.append(f'<text x="{left}" y="{top + 18}" class="h">{name}, {unit}</text>')
        for row, (store, value) in enumerate(values.items()):
            y = top + 32 + row * (bar + gap)
            length = max(1.0, value / largest * (width - label - 70))
            color = COLORS[store.startswith("altiplano")]
            parts.append(
                f'<text x="{left}" y="{y + 12}">{html.escape(store)}</text>'
                f'<rect x="{left + label}" y="{y}" width="{length:.1f}" height="{bar}" rx="2" '
                f'fill="{color}"/>'
                f'<text x="{left + label + length + 5:.1f}" y="{y + 12}">{value:,.{digits}f}</text>'
            )
    total_w, total_h = 2 * width + 50, (height + 10) * ((len(PANELS) + 1) // 2) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_w} {total_h}" '
        f'width="{total_w}" height="{total_h}" role="img" '
        'aria-label="Comparison of vector stores; less is better">'
        "<style>text{font:12px sans-serif;fill:#333}.h{font-weight:bold;font-size:14px}</style>"
        f'<rect width="{total_w}" height="{total_h}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results")
    parser.add_argument("--svg")
    args = parser.parse_args()
    found, starts = read(args.results)
    print(table(found, starts))
    if args.svg:
        with open(args.svg, "w") as file:
            file.write(picture(found))


if __name__ == "__main__":
    main()
