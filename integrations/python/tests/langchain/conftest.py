"""What the tests of `altiplano.langchain` share: embeddings without a network, and their sizes."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from langchain_core.embeddings import Embeddings

from altiplano.langchain import AltiplanoVectorStore

FULL = os.environ.get("ALTIPLANO_INTEGRATIONS") == "full"
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=CHECKS)
settings.register_profile("full", max_examples=12_000, deadline=None, suppress_health_check=CHECKS)
settings.load_profile("full" if FULL else "ci")


class Letters(Embeddings):
    """The vector of a text counts its letters, so texts with the same letters are near. A text
    without letters has a zero vector."""

    SIZE = 26

    def embed_query(self, text: str) -> list[float]:
        counts = np.zeros(self.SIZE)
        for letter in text.lower():
            if "a" <= letter <= "z":
                counts[ord(letter) - ord("a")] += 1
        return counts.tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.alt"


@pytest.fixture
def letters():
    return Letters()


@pytest.fixture
def store(path, letters):
    with AltiplanoVectorStore(letters, path) as store:
        yield store
