"""Owns the path of the recipes. No test can reach another machine, and nobody is told of them."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
sys.path.insert(0, str(RECIPES))
os.environ.update(
    OPENAI_AGENTS_DISABLE_TRACING="1", OTEL_SDK_DISABLED="true", ENABLE_INSTRUMENTATION="false"
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses every connection."""

    def refuse(self: socket.socket, address: Any) -> None:
        raise OSError(f"a recipe tried to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
