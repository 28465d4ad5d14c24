"""Compares stores in one run: each in a process of its own, one after the other.

    python compare.py --out results.jsonl                      quick: small and synthetic
    python compare.py --out results.jsonl --data FOLDER --rows 20000 --repeats 3
    python report.py results.jsonl

The stores take turns, so that what disturbs the machine for a while meets all of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHES = {
    "langchain": ["altiplano", "altiplano-buffered", "chroma", "faiss", "lancedb",
                  "lancedb-optimized", "qdrant"],
    "langgraph": ["altiplano", "altiplano-buffered", "memory", "sqlite"],
}


def run(bench: str, store: str, args: argparse.Namespace) -> list[dict[str, object]]:
    """Measures one store. Returns its lines; ends with what went wrong, if something did."""
    command = [sys.executable, "-W", "ignore", str(HERE / f"{bench}_store.py"), "--store", store]
    command += ["--rows", str(args.rows), "--queries", str(args.queries)]
    command += ["--rounds", str(args.rounds)]
    if args.data:
        command += ["--data", args.data]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        lines.append({"phase": "failed", "code": done.returncode})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", choices=sorted(BENCHES), default="langchain")
    parser.add_argument("--stores", help="names with commas; without it, all")
    parser.add_argument("--data", help="a folder of arrays; without it, synthetic data")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    stores = args.stores.split(",") if args.stores else BENCHES[args.bench]
    failed = []
    with open(args.out, "a") as out:
        for repeat in range(args.repeats):
            for store in stores:
                print(f"{args.bench} {store} {repeat + 1}/{args.repeats}", file=sys.stderr)
                for line in run(args.bench, store, args):
                    if line["phase"] == "failed":
                        failed.append(store)
                    named = {"bench": args.bench, "store": store, "repeat": repeat, **line}
                    print(json.dumps(named), file=out, flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
