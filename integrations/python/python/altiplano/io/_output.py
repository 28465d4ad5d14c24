"""Owns files that appear whole or not at all: written under another name, synced, then renamed."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class Output:
    """A new file. Leaving the `with` block gives it its name; an exception removes it.

    Without `overwrite` it never replaces a file, also not one that appeared meanwhile.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool) -> None:
        self.path = Path(path)
        self._overwrite = overwrite
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.part")
        self._file: BinaryIO | None = None

    def __enter__(self) -> Output:
        if self.path.is_dir():
            raise IsADirectoryError(f"{self.path} is a directory; name a file in it")
        if not self._overwrite and self.path.exists():
            raise self._taken()
        self._file = open(self._temporary, "xb")
        return self

    @property
    def file(self) -> BinaryIO:
        """The open file."""
        if self._file is None:
            raise ValueError("the output is not open")
        return self._file

    def sync(self) -> None:
        """Makes what was written durable."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.sync()
                self.file.close()
                self._publish()
        finally:
            self._drop()

    def _publish(self) -> None:
        if self._overwrite:
            os.replace(self._temporary, self.path)
        else:
            try:
                os.link(self._temporary, self.path)
            except FileExistsError:
                raise self._taken() from None
            except OSError:
                # A file system without hard links.
                if self.path.exists():
                    raise self._taken() from None
                os.rename(self._temporary, self.path)
        _sync_directory(self.path.parent)

    def _drop(self) -> None:
        if self._file is not None:
            # What could not be written is about to be removed.
            with suppress(OSError):
                self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _taken(self) -> FileExistsError:
        return FileExistsError(
            f"{self.path} exists; give another path, or overwrite=True to replace it"
        )


def _sync_directory(path: Path) -> None:
    try:
        directory = os.open(path, os.O_RDONLY)
    except OSError:
        return  # a system where directories cannot be opened
    try:
        with suppress(OSError):  # a file system that cannot sync one
            os.fsync(directory)
    finally:
        os.close(directory)
