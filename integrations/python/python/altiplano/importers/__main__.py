"""Owns the command `python -m altiplano.importers`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import altiplano
from altiplano import importers
from altiplano.errors import Error


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="python -m altiplano.importers",
        description="Import what another store or index holds. The source is only read.",
    )
    sources = top.add_subparsers(dest="source", required=True)
    for name, what in (
        ("chroma", "collection"), ("lancedb", "table"), ("qdrant", "collection"),
    ):  # fmt: skip
        command = sources.add_parser(name, help=f"a {what} of {name}")
        command.add_argument("path", help="the directory of the source")
        command.add_argument("what", metavar=what, help=f"the name of the {what}")
        _common(command)
        if name == "qdrant":
            command.add_argument("--vector", help="the name of the vector, if points have several")
            command.add_argument("--text", help="the field of the payload that is the text")
            command.add_argument("--metadata", help="the field that is the metadata")
        if name == "lancedb":
            command.add_argument(
                "--column",
                action="append",
                default=[],
                metavar="OURS=THEIRS",
                help="which column is ours, such as text=content; may be repeated",
            )
    for name, what in (
        ("faiss", "an index of FAISS"),
        ("langchain-faiss", "a folder that save_local of LangChain wrote"),
        ("hnswlib", "an index of hnswlib"),
        ("usearch", "an index of USearch"),
    ):
        command = sources.add_parser(name, help=what)
        command.add_argument("path", help=what)
        _common(command)
        if name != "langchain-faiss":
            command.add_argument(
                "--labels",
                choices=("id", "key"),
                default="id",
                help="what the numbers of the vectors become (default: id)",
            )
        if name == "hnswlib":
            command.add_argument("--space", choices=("cosine", "l2", "ip"), required=True)
            command.add_argument("--dimension", type=int, required=True)
    return top


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("store", help="the directory of the store to import into")
    command.add_argument("--into", metavar="COLLECTION", help="its collection; made if missing")
    command.add_argument("--metric", choices=("cosine", "l2", "dot"), help="of a new collection")
    command.add_argument("--namespace", help="the namespace of what is imported")
    command.add_argument("--existing", choices=("replace", "keep"), default="replace")
    command.add_argument("--skip-bad-rows", action="store_true", help="report them and go on")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line. Returns 0, or 1 after an error."""
    args = parser().parse_args(arguments)
    try:
        with altiplano.open(args.store) as store:
            report = _run(args, store)
    except (Error, OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run it again to go on", file=sys.stderr)
        return 130
    print(json.dumps(asdict(report)))
    return 0


def _run(args: argparse.Namespace, store: altiplano.Store) -> Any:
    options: dict[str, Any] = {
        "into": store,
        "name": args.into,
        "metric": args.metric,
        "existing": args.existing,
        "on_bad_row": "skip" if args.skip_bad_rows else "raise",
        "progress": None if args.quiet else _show,
    }
    if args.namespace is not None:
        options["namespace"] = args.namespace
    match args.source:
        case "chroma":
            return importers.from_chroma(args.path, args.what, **options)
        case "lancedb":
            columns = dict(pair.split("=", 1) for pair in args.column)
            return importers.from_lancedb(args.path, args.what, columns=columns, **options)
        case "qdrant":
            fields = {"vector": args.vector, "text": args.text, "metadata": args.metadata}
            return importers.from_qdrant(args.path, args.what, **fields, **options)
        case "langchain-faiss":
            return importers.from_langchain_faiss(args.path, **options)
        case "faiss":
            return importers.from_faiss(args.path, labels=args.labels, **options)
        case "usearch":
            return importers.from_usearch(args.path, labels=args.labels, **options)
        case _:
            form = {"space": args.space, "dimension": args.dimension}
            return importers.from_hnswlib(args.path, labels=args.labels, **form, **options)


def _show(done: int, total: int | None) -> None:
    if sys.stderr.isatty():
        of = "" if total is None else f" of {total}"
        print(f"\r{done}{of} rows", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
