"""Numbers about a store or a collection, as an object that shows itself well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any


class Stats(Mapping[str, Any]):
    """Numbers by name: `stats["rows"]` or `stats.rows`. Notebooks show them as a table.

    Sizes are in bytes and durations in seconds. `to_dict` returns plain values for JSON.
    """

    def __init__(self, numbers: dict[str, Any]) -> None:
        self._numbers = numbers

    def __getitem__(self, name: str) -> Any:
        return self._numbers[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._numbers[name]
        except KeyError:
            known = ", ".join(sorted(self._numbers))
            raise AttributeError(f"there is no number {name!r}; there are: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._numbers]

    def to_dict(self) -> dict[str, Any]:
        """Returns the numbers as a new dict."""
        return dict(self._numbers)

    def __repr__(self) -> str:
        rows = _rows(self._numbers)
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

    def _repr_html_(self) -> str:
        cells = (
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:right'>{escape(value)}</td></tr>"
            for name, value in _rows(self._numbers)
        )
        return f"<table>{''.join(cells)}</table>"


def _rows(numbers: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Returns names and values, one below the other. Lists are counted, not shown."""
    rows: list[tuple[str, str]] = []
    for name, value in numbers.items():
        name = prefix + name
        if isinstance(value, Mapping):
            rows.extend(_rows(value, f"{name}."))
        elif isinstance(value, list):
            rows.append((name, f"{len(value)} entries"))
        elif isinstance(value, int) and not isinstance(value, bool) and "bytes" in name:
            rows.append((name, _size(value)))
        elif isinstance(value, float):
            rows.append((name, f"{value:.4g}"))
        elif isinstance(value, int) and not isinstance(value, bool):
            rows.append((name, f"{value:,}"))
        else:
            rows.append((name, str(value)))
    return rows


def _size(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024 or unit == "GiB":
            break
    return f"{value:,.1f} {unit}"
