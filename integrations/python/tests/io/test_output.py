"""An export appears whole or not at all, and an import can be stopped and run again."""

from __future__ import annotations

import io
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import same

from altiplano import Batch, Collection, Memory
from altiplano.io import export_file, export_jsonl, export_parquet, import_file, import_parquet

Make = Callable[..., Collection]
FORMATS = ["parquet", "jsonl", "jsonl.gz", "npy"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def many(make: Make) -> Collection:
    source = make(32)
    batch = Batch()
    for number, vector in enumerate(np.random.default_rng(1).random((3000, 32), np.float32)):
        batch.insert(Memory(vector, key=str(number), text=f"text {number}"))
    source.apply(batch)
    return source


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", FORMATS)
def test_never_overwrites_by_itself(many: Collection, folder: Path, suffix: str) -> None:
    path = folder / f"x.{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_file(many, path)
    assert path.read_bytes() == b"precious"
    assert files(folder) == [path.name]
    export_file(many, path, overwrite=True)
    assert path.read_bytes() != b"precious"
    # A file that appears while the export runs is not replaced either.
    for name in files(folder):
        (folder / name).unlink()
    with pytest.raises(FileExistsError):
        export_file(many, path, progress=lambda *_: path.write_bytes(b"precious"))
    assert path.read_bytes() == b"precious"


def test_lines_beside_a_matrix_are_kept(many: Collection, folder: Path) -> None:
    (folder / "x.npy.jsonl").write_bytes(b"precious")
    with pytest.raises(FileExistsError, match=r"x\.npy\.jsonl exists"):
        export_file(many, folder / "x.npy")
    assert files(folder) == ["x.npy.jsonl"]


def test_an_old_matrix_never_meets_new_lines(
    many: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the two renames leaves lines without a matrix, which no import takes."""
    from altiplano.io import _output

    path = folder / "x.npy"
    export_file(many, path)
    rename = os.replace

    def crash(old: Path, new: Path) -> None:
        if new == path:
            raise OSError("crash")
        rename(old, new)

    monkeypatch.setattr(_output.os, "replace", crash)
    with pytest.raises(OSError, match="crash"):
        export_file(many.scope("empty"), path, overwrite=True)
    assert files(folder) == ["x.npy.jsonl"]
    assert (folder / "x.npy.jsonl").read_bytes() == b""


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_progress_stops_an_export(
    many: Collection, folder: Path, suffix: str, kind: type[BaseException]
) -> None:
    path = folder / f"x.{suffix}"
    export_file(many, path)
    before = {name: (folder / name).read_bytes() for name in files(folder)}

    def stop(done: int, total: int | None) -> None:
        assert total == 3000
        if done >= 2000:
            raise kind("enough")

    with pytest.raises(kind, match="enough"):
        export_file(many, path, overwrite=True, progress=stop)
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Lets writes fail beyond a size, as they do on a full disk."""
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, old_handler)


@pytest.mark.parametrize("size", [0, 1000, 30_000])
@pytest.mark.parametrize("suffix", FORMATS)
def test_full_disk(many: Collection, folder: Path, suffix: str, size: int) -> None:
    with no_file_above(size), pytest.raises(OSError):
        export_file(many, folder / f"x.{suffix}")
    assert files(folder) == []


class Failing(io.RawIOBase):
    """A writer that fails after some bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        size = len(bytes(data))  # type: ignore[call-overload]
        if size > self.room:
            raise OSError(28, "No space left on device")
        self.room -= size
        return size


@pytest.mark.parametrize("room", [0, 10_000])
def test_a_writer_that_fails(many: Collection, room: int) -> None:
    for export in (export_parquet, export_jsonl):
        with pytest.raises(OSError, match="No space left"):
            export(many, Failing(room))  # type: ignore[arg-type, operator]


def test_a_folder_that_is_missing(many: Collection, folder: Path) -> None:
    for suffix in FORMATS:
        with pytest.raises(FileNotFoundError):
            export_file(many, folder / "nope" / f"x.{suffix}")
        (folder / f"d.{suffix}").mkdir()
        with pytest.raises(IsADirectoryError):
            export_file(many, folder / f"d.{suffix}", overwrite=True)
    assert files(folder) == sorted(f"d.{suffix}" for suffix in FORMATS)


def test_a_stream_begins_before_all_is_read(
    many: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row groups are written while rows are read: one of them is in memory, not the whole."""
    from altiplano.io import parquet

    monkeypatch.setattr(parquet, "GROUP_BYTES", 64 << 10)
    sizes: list[int] = []
    file = io.BytesIO()
    export_parquet(many, file, progress=lambda *_: sizes.append(file.tell()))
    assert len(sizes) == 3
    assert 4 < sizes[0] < sizes[1] < sizes[2] < file.tell()


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_import_goes_on(many: Collection, make: Make, folder: Path, suffix: str) -> None:
    path = folder / f"x.{suffix}"
    export_file(many, path)
    target = make(32)

    def stop(done: int, total: int | None) -> None:
        assert total in (None, 3000)
        if done >= 1000:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        import_file(target, path, progress=stop, batch_rows=500)
    assert len(target) == 1000
    report = import_file(target, path, existing="keep")
    assert (report.inserted, report.existing) == (2000, 1000)
    same(many, target)
    assert import_file(target, path).replaced == 3000


def test_batches_are_atomic_for_readers(many: Collection, make: Make, folder: Path) -> None:
    export_parquet(many, folder / "x.parquet")
    target, seen = make(32), []
    import_parquet(
        target,
        folder / "x.parquet",
        batch_rows=700,
        progress=lambda done, total: seen.append((done, total, len(target))),
    )
    assert seen == [(700 * i, 3000, 700 * i) for i in range(1, 5)] + [(3000, 3000, 3000)]
