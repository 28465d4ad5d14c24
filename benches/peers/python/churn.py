"""The churn of the benchmark `peers` for a library that comes as a Python wheel.

    churn.py --library L --peer P --check
    churn.py --library L --peer P --dir DIR --metric M --rows N --dim D --live N --deletes F
             --queries F --neighbors F --pace S --maintained true|false             (rows on stdin)

Owns what the step in Rust does too (`src/churn/mod.rs`), and prints the same JSON lines. The two are to
be changed together. Not here: what is deleted, inserted and maintained (`CHURN` in `libraries/`).

Processor time of a round is that of the process but for the loop of queries, which some of these answer
in threads of their own. None of them works in the background.
"""

import argparse
import faulthandler
import gc
import json
import os
import sys
import time

from step import K, configuration, rank, read_rows, read_vecs, resident

BEAM = 64
BATCH = 500
# A round that takes longer hangs: the process says where, and ends.
LONGEST_S = 300


def main():
    args = argparse.ArgumentParser()
    for name in ("library", "peer", "dir", "metric", "queries", "neighbors", "deletes", "maintained"):
        args.add_argument(f"--{name}")
    for name in ("rows", "dim", "live"):
        args.add_argument(f"--{name}", type=int)
    args.add_argument("--pace", type=float)
    args.add_argument("--check", action="store_true")
    args = args.parse_args()
    peer = configuration(args, "CHURN")
    if not args.check:
        churn(peer, args)


def churn(peer, args):
    import numpy

    base = read_rows(sys.stdin.buffer, args.rows, args.dim)
    queries = [peer.prepare(row) for row in read_vecs(args.queries, numpy.float32)]
    truth = read_vecs(args.neighbors, numpy.int32)[:, :K]
    deletes = read_vecs(args.deletes, numpy.int32)
    maintained, live = args.maintained == "true", args.live
    gc.collect()
    before = resident(args.dir)
    rows = peer.start(args.dim, args.metric, args.dir, live + deletes.shape[1], maintained)
    alive, next_id = [], 0
    for number in range(len(deletes) + 1):
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        cpu, begun = time.process_time(), time.perf_counter()
        added = live
        if number:
            gone = deletes[number - 1].tolist()
            rows.remove(gone)
            gone = set(gone)
            alive = [id for id in alive if id not in gone]
            added = len(gone)
        for first in range(next_id, next_id + added, BATCH):
            ids = list(range(first, min(first + BATCH, next_id + added)))
            rows.add(ids, base[numpy.array(ids) % len(base)])
            alive += ids
        next_id += added
        rows.commit()
        write_s = time.perf_counter() - begun
        if maintained:
            rows.maintain(alive, lambda ids: base[numpy.array(ids) % len(base)])
        maintain_s = time.perf_counter() - begun - write_s
        cpu = time.process_time() - cpu
        near = truth[number * len(queries) : (number + 1) * len(queries)]
        recall, times = ask(rows.searcher(K, BEAM), queries, near)
        time.sleep(max(args.pace - (time.perf_counter() - begun), 0))
        anon, file = resident(args.dir)
        line = {
            "round": number,
            "rss_anon_bytes": max(anon - before[0], 0),
            "rss_file_bytes": max(file - before[1], 0),
            "disk_bytes": allocated(args.dir),
            "recall_at_10": recall,
            "p50_us": rank(times, 0.50) / 1e3,
            "p99_us": rank(times, 0.99) / 1e3,
            "cpu_s": cpu,
            "write_s": write_s,
            "maintain_s": maintain_s,
        }
        print(json.dumps(line), flush=True)


def ask(find, queries, near):
    """Asks all queries in two passes, as Rust does; recall is that of the first."""
    clock, recall, times = time.perf_counter_ns, 0.0, []
    for number in range(2):
        for query, true in zip(queries, near):
            begun = clock()
            found = find(query)
            times.append(clock() - begun)
            if number == 0:
                recall += len(set(true.tolist()).intersection(map(int, found))) / max(len(true), 1)
    times.sort()
    return recall / len(queries), times


def allocated(dir):
    """What the files take on the disk: blocks, not lengths."""
    found = (os.path.join(at, name) for at, _, names in os.walk(dir) for name in names)
    return sum(os.lstat(path).st_blocks * 512 for path in found)


if __name__ == "__main__":
    main()
