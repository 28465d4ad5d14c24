"""One step of the benchmark `peers` for a library that comes as a Python wheel.

    step.py check  --library L --peer P
    step.py build  --library L --peer P --dir DIR --metric M --rows N --dim D     (rows on stdin)
    step.py search --library L --peer P --dir DIR --metric M --queries F --neighbors F

Owns what the steps in Rust do too (`src/run.rs`, `../common/steps.rs`), and prints the same JSON lines.
The two are to be changed together. Not here: what is built and searched (`libraries/`).

Two things differ. Some of these libraries search in threads of their own even if told to use one, so
processor time is that of the whole process. And their code is mapped from files that are far larger than
a small index, so of mapped files only those of the index count.

A call from Python costs something. That of this loop, with a function that does nothing, is 0.1 µs; the
rest is in `parameters` of each library.
"""

import argparse
import gc
import importlib
import json
import os
import statistics
import sys
import time

K = 10
PASSES = 3


def configuration(args, table):
    """The configuration that the arguments name, in this table of its library."""
    try:
        return getattr(importlib.import_module(f"libraries.{args.library}"), table)[args.peer]
    except ImportError as reason:
        here = os.path.dirname(os.path.abspath(__file__))
        sys.exit(f"{args.peer}: {reason}; pip install -r {here}/requirements.txt")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("step", choices=["check", "build", "search"])
    for name in ("library", "peer", "dir", "metric", "queries", "neighbors"):
        args.add_argument(f"--{name}")
    for name in ("rows", "dim"):
        args.add_argument(f"--{name}", type=int)
    args = args.parse_args()
    peer = configuration(args, "PEERS")
    if args.step == "build":
        build(peer, args)
    elif args.step == "search":
        search(peer, args)


def build(peer, args):
    base = read_rows(sys.stdin.buffer, args.rows, args.dim)
    cpu, begun = time.process_time(), time.perf_counter()
    peer.build(base, args.metric, args.dir)
    build_s, cpu = time.perf_counter() - begun, time.process_time() - cpu
    show(build_s=build_s, build_cpu_s=cpu)


def search(peer, args):
    import numpy

    queries = read_vecs(args.queries, numpy.float32)
    truth = [set(row[:K].tolist()) for row in read_vecs(args.neighbors, numpy.int32)]
    dim = queries.shape[1]
    queries = [peer.prepare(row) for row in queries]
    gc.collect()
    before, begun = resident(args.dir), time.perf_counter()
    index = peer.open(dim, args.metric, args.dir)
    index.searcher(K, K)(queries[0])
    show(open_ms=(time.perf_counter() - begun) * 1e3, parameters=peer.parameters)
    for width in peer.widths:
        show(**measure(index.searcher(K, width), queries, truth, width, args.dir, before))


def measure(find, queries, truth, width, dir, before):
    """Asks all queries in several passes: `Point::measure`."""
    clock, recall, rates, cpu_rates, times = time.perf_counter_ns, 0.0, [], [], []
    # One pass more than is counted, to warm up and to check the answers.
    for query, near in zip(queries, truth):
        recall += len(near.intersection(map(int, find(query)))) / max(len(near), 1)
    for _ in range(PASSES):
        spent, cpu = 0, time.process_time_ns()
        for query in queries:
            begun = clock()
            find(query)
            took = clock() - begun
            spent += took
            times.append(took)
        cpu = time.process_time_ns() - cpu
        rates.append(len(queries) / spent * 1e9)
        cpu_rates.append(len(queries) / cpu * 1e9)
    times.sort()
    after = resident(dir)
    return {
        "width": float(width),
        "recall": recall / len(queries),
        "qps": statistics.median(rates),
        "best_qps": max(rates),
        "cpu_qps": statistics.median(cpu_rates),
        "p50_us": rank(times, 0.50) / 1e3,
        "p99_us": rank(times, 0.99) / 1e3,
        "anon": max(after[0] - before[0], 0),
        "file": max(after[1] - before[1], 0),
    }


def rank(times, share):
    """By nearest rank: a value that was measured."""
    return times[max(-int(-share * len(times) // 1), 1) - 1]


def resident(dir):
    """Anonymous bytes and those of files mapped from `dir`."""
    with open("/proc/self/status") as status:
        anon = next(kib(line) for line in status if line.startswith("RssAnon:"))
    dir, file, inside = os.path.realpath(dir) + "/", 0, False
    with open("/proc/self/smaps") as maps:
        for line in maps:
            if line.startswith("Rss:"):
                file += kib(line) if inside else 0
            elif not line.split(" ", 1)[0].endswith(":"):
                inside = dir in line
    return anon, file


def kib(line):
    return int(line.split()[1]) * 1024


def read_rows(stream, rows, dim):
    """Little-endian float32 in row order. A stream and not a file, that data need no room twice on a disk."""
    import numpy

    base = numpy.empty((rows, dim), numpy.float32)
    left = memoryview(base).cast("B")
    while left:
        read = stream.readinto(left)
        if not read:
            sys.exit(f"the rows end {len(left)} bytes too early")
        left = left[read:]
    return base


def read_vecs(path, kind):
    """`.fvecs` and `.ivecs`: each row behind its length."""
    import numpy

    words = numpy.fromfile(path, numpy.int32)
    return numpy.ascontiguousarray(words.reshape(-1, words[0] + 1)[:, 1:]).view(kind)


def show(**line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
