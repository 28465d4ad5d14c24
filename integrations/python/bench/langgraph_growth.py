"""What a LangGraph agent costs over time with different stores: memory, disk and latency.

A graph runs turn by turn. In each turn it searches the long-term memory of its user by meaning, and
remembers what was said. What it remembers has a TTL, so that a constant number of items is live, if
the store has TTLs: `InMemoryStore` has none. Every store runs in a process of its own, at the same
pace, with its default settings. LangGraph's SQLite store sweeps in the background.

    python bench/langgraph_growth.py --out growth.jsonl --svg growth.svg
    python bench/langgraph_growth.py --quick

Needs langgraph, langgraph-checkpoint-sqlite (with sqlite-vec) and altiplano-memory. The numbers of
memory are from /proc, so it runs on Linux only.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from typing_extensions import TypedDict

DIMS = 384
USERS = 4
STORES = ("altiplano", "memory", "sqlite")
TOPICS = "tea coffee trains birds chess rivers jazz bread maps snow soup bikes stars ships".split()
VERBS = "likes dislikes remembers forgot bought sold saw painted wrote cooked".split()


class Turn(TypedDict):
    number: int
    found: int


_words: dict[str, Any] = {}


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Embeds texts by their words, with a fixed random vector for each word."""
    return [sum(_word(word) for word in text.split()).tolist() for text in texts]


def _word(word: str) -> Any:
    if word.isdigit():
        word = f"digit{word[-1]}"
    if word not in _words:
        seed = zlib.crc32(word.encode())
        _words[word] = np.random.default_rng(seed).standard_normal(DIMS).astype(np.float32)
    return _words[word]


def sentence(number: int) -> str:
    rng = np.random.default_rng(number)
    return f"user {rng.choice(VERBS)} {rng.choice(TOPICS)} and {rng.choice(TOPICS)} turn {number}"


@contextmanager
def opened(name: str, folder: Path, ttl_minutes: float) -> Iterator[BaseStore]:
    index: Any = {"dims": DIMS, "embed": embed, "fields": ["text"]}
    ttl: Any = {"default_ttl": ttl_minutes, "refresh_on_read": False}
    if name == "memory":
        yield InMemoryStore(index=index)
    elif name == "sqlite":
        from langgraph.store.sqlite import SqliteStore

        ttl["sweep_interval_minutes"] = ttl_minutes
        with SqliteStore.from_conn_string(str(folder / "store.db"), index=index, ttl=ttl) as store:
            store.setup()
            store.start_ttl_sweeper()
            yield store
            store.stop_ttl_sweeper()
    else:
        from altiplano.langgraph import AltiplanoStore

        with AltiplanoStore.from_conn_string(folder / "store.alt", index=index, ttl=ttl) as store:
            yield store


def build(store: BaseStore, times: dict[str, list[float]]) -> Any:
    """Returns the graph: one node that searches and remembers."""

    def timed(what: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        times[what].append(time.perf_counter() - start)
        return result

    def remember(state: Turn, *, store: BaseStore) -> Turn:
        number = state["number"]
        mine = ("users", f"u{number % USERS}")
        said = sentence(number)
        found = timed("search", lambda: store.search(mine, query=said, limit=5))
        value = {"text": said, "number": number, "note": "x" * 200}
        timed("put", lambda: store.put(mine, f"turn-{number}", value))
        return {"number": number, "found": len(found)}

    builder = StateGraph(Turn)
    builder.add_node("remember", remember)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", END)
    return builder.compile(store=store)


def memory() -> dict[str, int]:
    """Returns the resident memory of this process in KiB: anonymous, and mapped from files."""
    numbers = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("RssAnon", "RssFile"):
            numbers[name] = int(rest.split()[0])
    return {"anon_kib": numbers["RssAnon"], "mapped_kib": numbers["RssFile"]}


def disk(folder: Path) -> int:
    """Returns the KiB that the files of a folder take, as the disk counts them."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks // 2
        except FileNotFoundError:
            pass  # Removed by the store in between.
    return total


def run(name: str, turns: int, live: int, pace: float, step: int) -> None:
    """Runs one store and prints a line of JSON for every `step` turns."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        ttl_minutes = live / pace / 60
        with opened(name, folder, ttl_minutes) as store:
            times: dict[str, list[float]] = {"search": [], "put": []}
            graph = build(store, times)
            start = time.monotonic()
            for number in range(1, turns + 1):
                graph.invoke({"number": number, "found": 0})
                if number % step == 0:
                    row = {"store": name, "turn": number, **memory(), "disk_kib": disk(folder)}
                    row["seconds"] = round(time.monotonic() - start, 2)
                    for what, taken in times.items():
                        row[f"{what}_p50_ms"] = round(statistics.median(taken) * 1e3, 3)
                        row[f"{what}_p95_ms"] = round(float(np.quantile(taken, 0.95)) * 1e3, 3)
                        taken.clear()
                    print(json.dumps(row), flush=True)
                time.sleep(max(0.0, start + number / pace - time.monotonic()))


COLORS = {"altiplano": "#0072b2", "memory": "#d55e00", "sqlite": "#009e73"}
NAMES = {"altiplano": "AltiplanoStore", "memory": "InMemoryStore", "sqlite": "SqliteStore"}
PANELS = (
    ("anon_kib", "anonymous memory, MiB", 1024.0),
    ("disk_kib", "disk, MiB", 1024.0),
    ("search_p50_ms", "search, median ms", 1.0),
)
WIDTH, HEIGHT, LEFT, TOP = 300, 170, 44, 46


def draw(rows: list[dict[str, Any]], stores: Sequence[str]) -> str:
    """Returns a drawing of what was measured: a panel for each number."""
    parts = []
    for at, (key, title, unit) in enumerate(PANELS):
        x0 = LEFT + at * (WIDTH + LEFT + 16)
        top = max(row[key] / unit for row in rows) * 1.08 or 1.0
        last = max(row["turn"] for row in rows)
        parts.append(f'<text x="{x0}" y="{TOP - 10}" font-weight="bold">{title}</text>')
        for tick in range(5):
            value, y = top * tick / 4, TOP + HEIGHT - HEIGHT * tick / 4
            label = f"{value:.0f}" if top >= 20 else f"{value:.1f}"
            parts.append(f'<path d="M{x0} {y:.1f}h{WIDTH}" stroke="#8884"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        end = TOP + HEIGHT + 18
        parts.append(f'<text x="{x0}" y="{end}">0</text>')
        parts.append(f'<text x="{x0 + WIDTH}" y="{end}" text-anchor="end">{last:,} turns</text>')
        for store in stores:
            points = [
                (x0 + WIDTH * row["turn"] / last, TOP + HEIGHT - HEIGHT * row[key] / unit / top)
                for row in rows
                if row["store"] == store
            ]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{COLORS[store]}" stroke-width="2"/>'
            )
    for at, store in enumerate(stores):
        x = LEFT + at * 150
        parts.append(f'<path d="M{x} 12h22" stroke="{COLORS[store]}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 28}" y="16">{NAMES[store]}</text>')
    width, height = len(PANELS) * (WIDTH + LEFT + 16) + 8, TOP + HEIGHT + 28
    style = 'font-family="sans-serif" font-size="12" fill="#777"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {style}>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument(
        "--live", type=int, default=1_000, help="turns after which one is forgotten"
    )
    parser.add_argument("--pace", type=float, default=100.0, help="turns in a second")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--quick", action="store_true", help="600 turns, to see that it works")
    parser.add_argument("--out", type=Path, help="a file for the lines of JSON")
    parser.add_argument("--svg", type=Path, help="a file for the drawing")
    parser.add_argument("--one", choices=STORES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.turns, args.live = 600, 200
    step = max(args.turns // 100, 50)
    if args.one:
        run(args.one, args.turns, args.live, args.pace, step)
        return
    rows: list[dict[str, Any]] = []
    out = args.out.open("w", encoding="utf-8") if args.out else None
    for store in args.stores:
        command = [sys.executable, __file__, "--one", store, "--turns", str(args.turns)]
        command += ["--live", str(args.live), "--pace", str(args.pace)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                rows.append(json.loads(line))
                if out is not None:
                    out.write(line)
                    out.flush()
        if process.returncode != 0:
            sys.exit(f"the run with the store {store} failed")
        print(json.dumps(rows[-1]), flush=True)
    if args.svg:
        args.svg.write_text(draw(rows, args.stores))


if __name__ == "__main__":
    main()
