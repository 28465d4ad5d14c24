"""Memory stays bounded: five times the rows need no more of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FULL

SCRIPT = '''
import json, re, sys
import numpy as np
import altiplano
from altiplano.io import export_file, import_file

what, path, target, rows = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
peak = 0


def heap():
    """Bytes of the process that are no mapped files."""
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10


def look(*_):
    global peak
    peak = max(peak, heap())


with altiplano.open(path, resident_budget=64 << 20) as store:
    notes = store.collection("notes", 384, "l2", graph_min_rows=10**9, quantization="none")
    if what == "make":
        rng = np.random.default_rng(1)
        for start in range(0, rows, 1000):
            ids = range(start, start + 1000)
            vectors = rng.random((1000, 384), np.float32)
            notes.add(vectors, ids=ids, texts=[f"text {i} " * 20 for i in ids])
    else:
        store.wait_idle()
        look()
        before = peak
        if what == "export":
            report = export_file(notes, target, progress=look)
        else:
            report = import_file(notes, target, progress=look)
        assert report.rows == rows, report
        print(json.dumps([before, peak]))
'''


def measured(folder: Path, what: str, store: str, target: str, rows: int) -> int:
    """Returns the growth of the heap of a process, in bytes."""
    arguments = [what, str(folder / store), str(folder / target), str(rows)]
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], check=True, capture_output=True, text=True
    )
    if what == "make":
        return 0
    before, peak = json.loads(out.stdout)
    return int(peak - before)


@pytest.mark.skipif(not FULL or sys.platform != "linux", reason="100,000 rows take a while")
@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "npy"])
def test_rows_do_not_matter(tmp_path: Path, suffix: str) -> None:
    sizes: dict[tuple[str, int], int] = {}
    for rows in (20_000, 100_000):
        measured(tmp_path, "make", f"s{rows}", "-", rows)
        for what, store in (("export", f"s{rows}"), ("import", f"t{rows}")):
            sizes[what, rows] = measured(tmp_path, what, store, f"x{rows}.{suffix}", rows)
    print({name: size >> 20 for name, size in sizes.items()})
    for what in ("export", "import"):
        # 80,000 more vectors alone are 117 MiB.
        assert sizes[what, 100_000] - sizes[what, 20_000] < 64 << 20
        assert sizes[what, 100_000] < 256 << 20
