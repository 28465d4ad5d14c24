"""Owns the command `python -m altiplano.io`: export and import of files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import altiplano
from altiplano import Filter, io
from altiplano.errors import Error

if TYPE_CHECKING:
    from altiplano import Collection, Store
    from altiplano.io._types import Progress
    from altiplano.types import MetricName

_FORMATS = "The end of the file's name says the format: .parquet, .jsonl, .jsonl.gz or .npy."


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="python -m altiplano.io",
        description=f"Export memories to a file, or import a file. {_FORMATS}",
    )
    commands = top.add_subparsers(dest="command", required=True)
    out = commands.add_parser(
        "export",
        help="write a collection to a file",
        description=f"Write the memories of one moment to a file. {_FORMATS}",
    )
    _common(out)
    out.add_argument(
        "--filter",
        type=_filter,
        default=Filter.all(),
        metavar="JSON",
        help='by fields of the metadata, such as {"year": {"$gte": 2000}}',
    )
    for name in ("session", "kind", "tag"):
        out.add_argument(f"--{name}", help=f"only memories of this {name}")
    out.add_argument(
        "--vector-type",
        choices=("fixed", "list"),
        default="fixed",
        help="Parquet: lists of fixed size (default), or for readers that know no such lists",
    )
    out.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    inward = commands.add_parser(
        "import",
        help="read a file into a collection",
        description=f"Import a file. The collection is made if it is missing. {_FORMATS}",
    )
    _common(inward)
    inward.add_argument("--dimension", type=int, help="of a collection that is made")
    inward.add_argument(
        "--metric", choices=("cosine", "l2", "dot"), help="of a collection that is made"
    )
    inward.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="which column of the file is ours, such as vector=embedding; may be repeated",
    )
    inward.add_argument(
        "--rest",
        choices=("metadata", "ignore"),
        default="metadata",
        help="what becomes of other columns (default: metadata)",
    )
    inward.add_argument(
        "--existing",
        choices=("replace", "keep"),
        default="replace",
        help="what becomes of a memory with the same id (default: replace)",
    )
    inward.add_argument("--skip-bad-rows", action="store_true", help="report them and go on")
    return top


def _filter(text: str) -> Filter:
    """Reads a filter from the command line."""
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            return Filter.from_dict(value)
        reason = "it is no JSON object"
    except (ValueError, TypeError) as error:
        reason = str(error)
    raise argparse.ArgumentTypeError(f"{text!r}: {reason}")


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("store", help="the directory of the store")
    command.add_argument("collection", help="the name of the collection")
    command.add_argument("file", help="the path of the file")
    command.add_argument("--namespace", help="only this namespace")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line. Returns 0, or 1 after an error."""
    args = parser().parse_args(arguments)
    try:
        report = _export(args) if args.command == "export" else _import(args)
    except (Error, OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(json.dumps(report))
    return 0


def _export(args: argparse.Namespace) -> dict[str, Any]:
    with altiplano.open(args.store, create=False, read_only=True) as store:
        collection = store[args.collection]
        chosen = args.filter
        for name in ("session", "kind", "tag"):
            if (value := getattr(args, name)) is not None:
                chosen = chosen & getattr(Filter, name)(value)
        source = collection if args.namespace is None else collection.scope(args.namespace)
        report = io.export_file(
            source,
            args.file,
            vector_type=args.vector_type,
            overwrite=args.overwrite,
            progress=_progress(args.quiet),
            filter=chosen,
        )
    return asdict(report)


def _import(args: argparse.Namespace) -> dict[str, Any]:
    columns = {}
    for pair in args.column:
        ours, equals, theirs = pair.partition("=")
        if not equals:
            raise ValueError(f"--column {pair}: expected OURS=THEIRS, such as vector=embedding")
        columns[ours] = theirs
    io.format_of(args.file)
    with altiplano.open(args.store) as store:
        into = _target(store, args, columns)
        target = into if args.namespace is None else into.scope(args.namespace)
        report = io.import_file(
            target,
            args.file,
            columns=columns,
            rest=args.rest,
            existing=args.existing,
            on_bad_row="skip" if args.skip_bad_rows else "raise",
            progress=_progress(args.quiet),
        )
    return asdict(report)


def _target(store: Store, args: argparse.Namespace, columns: dict[str, str]) -> Collection:
    found = store.get_collection(args.collection)
    if found is not None:
        return found
    about = _about(args.file, columns.get("vector", "vector"))
    dimension = args.dimension or about.get("dimension")
    if not dimension:
        raise ValueError(f"{args.file} does not say the dimension: give --dimension")
    metric: MetricName = args.metric or about.get("metric") or "cosine"
    return store.collection(args.collection, int(dimension), metric)


def _about(path: str, vector: str) -> dict[str, Any]:
    """Returns the dimension of the vectors of a file, and the metric where it says one."""
    match io.format_of(path):
        case "parquet":
            from altiplano.io.parquet import about_parquet

            return about_parquet(path, vector)
        case "npy":
            from altiplano.io.npy import about_npy

            return about_npy(path)
        case "jsonl":
            from altiplano.io.jsonl import about_jsonl

            return about_jsonl(path, vector)


def _progress(quiet: bool) -> Progress:
    def show(done: int, total: int | None) -> None:
        if not quiet and sys.stderr.isatty():
            of = "" if total is None else f" of {total}"
            print(f"\r{done}{of} rows", end="", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
