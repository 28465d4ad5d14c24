"""What the benchmarks share: data, exact answers, memory, disk, and lines of JSON.

Every process measures one store, so that no store pays for another. Memory is read after a garbage
collection and `malloc_trim`, for all stores alike, so that what is counted is what is held.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
K = 10
TOPICS = 50


@dataclass
class Data:
    """Vectors to store, and vectors to ask for. All have length 1."""

    name: str
    base: Floats
    queries: Floats

    @property
    def dimension(self) -> int:
        return int(self.base.shape[1])


def load(folder: str | None, rows: int, queries: int, seed: int = 7) -> Data:
    """Returns the data of a folder, or else clustered synthetic data by a seed.

    A folder has arrays of NumPy: the one whose name ends in `queries.npy`, and the largest other
    one of two dimensions and floats.
    """
    if folder is None:
        return synthetic(rows, queries, seed)
    asked = next(Path(folder).glob("*queries.npy"), None)
    others = [path for path in Path(folder).glob("*.npy") if path != asked]
    arrays = [(path, np.load(path, mmap_mode="r")) for path in others]
    fitting = [(p, a) for p, a in arrays if a.ndim == 2 and a.dtype.kind == "f"]
    if asked is None or not fitting:
        sys.exit(f"{folder} needs an array for the rows, and one named ...queries.npy")
    path, base = max(fitting, key=lambda pair: len(pair[1]))
    if len(base) < rows:
        sys.exit(f"{path} has {len(base)} rows, and {rows} are needed: ask for fewer --rows")
    return Data(path.stem, mapped(unit(base[:rows])), unit(np.load(asked)[:queries]))


def synthetic(rows: int, queries: int, seed: int, dimension: int = 384) -> Data:
    """Returns clusters of unequal sizes, as texts have topics."""
    rng = np.random.default_rng(seed)
    clusters = max(4, rows // 100)
    centers = rng.standard_normal((clusters, dimension)).astype(np.float32)
    weights = rng.pareto(1.5, clusters) + 0.1

    def draw(count: int) -> Floats:
        which = rng.choice(clusters, count, p=weights / weights.sum())
        noise = rng.standard_normal((count, dimension)).astype(np.float32)
        return unit(centers[which] + 0.7 * noise)

    return Data("synthetic", mapped(draw(rows)), draw(queries))


def mapped(rows: Floats) -> Floats:
    """Returns rows that are read from a file without a name, so that they are not counted."""
    with tempfile.TemporaryFile() as file:
        rows.tofile(file)
        file.flush()
        return np.memmap(file, dtype=np.float32, mode="r", shape=rows.shape)


def unit(rows: NDArray[Any]) -> Floats:
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass
class Row:
    """One document."""

    number: int
    vector: Floats

    @property
    def id(self) -> str:
        return f"doc-{self.number}"

    @property
    def text(self) -> str:
        return f"Note {self.number} about topic {self.topic}: " + "what was said and done. " * 6

    @property
    def topic(self) -> int:
        # Not in step with the numbers, and the same in each run.
        return (self.number * 2654435761 % 2**32) * TOPICS >> 32

    @property
    def metadata(self) -> dict[str, Any]:
        return {"number": self.number, "topic": self.topic, "source": "bench"}


class Live:
    """The rows that should be there. The oldest go first."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.begin = self.end = 0

    def new(self, count: int) -> list[Row]:
        numbers = range(self.end, self.end + count)
        self.end += count
        return [Row(number, self.data.base[number % len(self.data.base)]) for number in numbers]

    def oldest(self, count: int) -> list[str]:
        """Takes the oldest rows out."""
        ids = [f"doc-{number}" for number in range(self.begin, self.begin + count)]
        self.begin += count
        return ids

    def exact(self, queries: Floats, topic: int | None = None) -> list[set[int]]:
        """Returns the numbers of the nearest rows for each query."""
        numbers = np.arange(self.begin, self.end)
        if topic is not None:
            numbers = numbers[[Row(int(n), queries[0]).topic == topic for n in numbers]]
        rows = self.data.base[numbers % len(self.data.base)]
        best = np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :K]
        return [{int(number) for number in numbers[row]} for row in best]


def recall(found: Sequence[set[int]], exact: Sequence[set[int]]) -> float:
    """Returns the share of the true neighbors that were found."""
    pairs = list(zip(found, exact, strict=True))
    return sum(len(f & e) for f, e in pairs) / max(1, sum(len(e) for _, e in pairs))


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


@dataclass
class Timer:
    """Times calls."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, call: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        answer = call()
        self.seconds.append(time.perf_counter() - begun)
        return answer

    def report(self, things: int | None = None) -> dict[str, float]:
        """Returns p50 and p99 of a call in milliseconds, and things in a second."""
        total = sum(self.seconds)
        count = len(self.seconds) if things is None else things
        p50, p99 = np.percentile(self.seconds, [50, 99]) * 1000
        return {"p50_ms": float(p50), "p99_ms": float(p99), "per_s": count / total}


def memory(folder: Path) -> dict[str, float]:
    """Returns the memory of this process in MiB: anonymous, and mapped from the files of the store.

    Linux only. Mapped pages belong to the page cache: the system takes them back when it wants.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass
    anonymous = mapped = total = 0
    inside = ours = False
    prefix = str(folder.resolve())
    with open("/proc/self/smaps") as lines:
        for line in lines:
            name, _, rest = line.partition(" ")
            if not name.endswith(":"):
                inside = prefix in rest
                # The data of the benchmark is a file without a name.
                ours = not inside and "(deleted)" in rest
                continue
            if name == "Anonymous:":
                anonymous += int(rest.split()[0])
            elif name == "Rss:":
                total += 0 if ours else int(rest.split()[0])
                mapped += int(rest.split()[0]) if inside else 0
    return {
        "anonymous_mib": anonymous / 1024,
        "mapped_mib": mapped / 1024,
        "rss_mib": total / 1024,
    }


def disk(folder: Path) -> float:
    """Returns the MiB that files take on the disk."""
    blocks = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                blocks += os.stat(os.path.join(root, name)).st_blocks
            except FileNotFoundError:
                pass
    return blocks * 512 / 2**20


def show(**values: Any) -> None:
    """Prints a line of JSON."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}
    print(json.dumps(rounded), flush=True)
