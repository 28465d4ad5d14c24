"""Owns what the tests share. Telemetry is off, and no test can reach another machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

for name in (
    "CREWAI_DISABLE_TELEMETRY",
    "CREWAI_DISABLE_TRACKING",
    "CREWAI_DISABLE_VERSION_CHECK",
    "OTEL_SDK_DISABLED",
):
    os.environ[name] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"
os.environ["ANONYMIZED_TELEMETRY"] = "False"

import pytest
from hypothesis import HealthCheck, Phase, settings

FULL = os.environ.get("ALTIPLANO_INTEGRATIONS") == "full"

settings.register_profile(
    "altiplano",
    deadline=None,
    phases=[one for one in Phase if FULL or one != Phase.shrink],
    report_multiple_bugs=False,
    max_examples=100 if FULL else 10,
    stateful_step_count=30 if FULL else 15,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("altiplano")


def refuse(self: socket.socket, address: Any) -> None:
    raise OSError(f"a test tried to connect to {address}")


@pytest.fixture(autouse=True, scope="session")
def no_network() -> None:
    """Refuses connections to all addresses but those of this machine's own sockets."""
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX:
            connect(self, address)
        else:
            refuse(self, address)

    socket.socket.connect = local  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign,assignment]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The path of a store that does not exist yet."""
    return str(tmp_path / "crew.alt")
