"""Random operations on Chroma's own client and on ours, with the same results."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import chromadb
import numpy as np
import pytest
from altiplano.chroma import EphemeralClient
from chromadb.api import ClientAPI
from chromadb.config import Settings

FULL = os.environ.get("ALTIPLANO_INTEGRATIONS") == "full"
SEEDS = range(24 if FULL else 6)
STEPS = 60
IDS = [f"id-{n}" for n in range(40)]
WORDS = ["tea", "coffee", "Tea leaves", "a_b", "100%", "line\nbreak", "grün", "coffee house"]


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[ClientAPI, ClientAPI]]:
    theirs = chromadb.EphemeralClient(Settings(anonymized_telemetry=False, allow_reset=True))
    ours = EphemeralClient(Settings(anonymized_telemetry=False, allow_reset=True))
    yield theirs, ours
    ours.close()  # type: ignore[attr-defined]


class Dice:
    """Random arguments."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.dimension = self.random.choice([1, 2, 3, 8])

    def vectors(self, count: int) -> list[list[float]]:
        made = self.numbers.integers(-4, 5, (count, self.dimension)).astype(float)
        made += self.numbers.random((count, self.dimension)) * 1e-2
        if self.random.random() < 0.2:
            made[0] = 0.0
        return made.tolist()

    def scalar(self) -> Any:
        return self.random.choice([0, 1, 2, 1.5, 2.0, True, False, "x", "y", "1"])

    def operand(self) -> Any:
        # For Chroma an integer 1 equals 1.5: it compares with the integer part. So none of those.
        return self.random.choice([0, 1, 2, 2.0, True, False, "x", "y", "1"])

    def metadata(self, change: bool) -> dict[str, Any] | None:
        if self.random.random() < 0.2:
            return None
        made: dict[str, Any] = {}
        for key in self.random.sample(["a", "b", "c", 'd."[e', "l"], self.random.randint(1, 3)):
            if change and self.random.random() < 0.3:
                made[key] = None
            elif key == "l":
                made[key] = self.random.choice([[1, 2], ["u", "v"], [True], [0.5, 2.5]])
            else:
                made[key] = self.scalar()
        return made

    def batch(self, change: bool) -> dict[str, Any]:
        ids = self.random.sample(IDS, self.random.randint(1, 8))
        made: dict[str, Any] = {"ids": ids, "embeddings": self.vectors(len(ids))}
        if self.random.random() < 0.7:
            made["metadatas"] = [self.metadata(change) for _ in ids]
        if self.random.random() < 0.7:
            made["documents"] = [self.random.choice(WORDS) for _ in ids]
        return made

    def where(self, depth: int = 0) -> dict[str, Any]:
        draw = self.random.random()
        if depth < 2 and draw < 0.3:
            parts = [self.where(depth + 1) for _ in range(2)]
            return {self.random.choice(["$and", "$or"]): parts}
        key = self.random.choice(["a", "b", "c", 'd."[e', "missing"])
        if draw < 0.5:
            return {key: {self.random.choice(["$eq", "$ne"]): self.operand()}}
        if draw < 0.7:
            operator = self.random.choice(["$gt", "$gte", "$lt", "$lte"])
            return {key: {operator: self.random.choice([0, 1, 2])}}
        if draw < 0.85:
            some = self.random.choice([[0, 1], ["x"], [True], [1.0, 2.0]])
            return {key: {self.random.choice(["$in", "$nin"]): some}}
        value = self.random.choice([1, "u", True, 0.5])
        return {"l": {self.random.choice(["$contains", "$not_contains"]): value}}

    def where_document(self, depth: int = 0) -> dict[str, Any]:
        draw = self.random.random()
        if depth < 2 and draw < 0.3:
            parts = [self.where_document(depth + 1) for _ in range(2)]
            return {self.random.choice(["$and", "$or"]): parts}
        if draw < 0.7:
            operator = self.random.choice(["$contains", "$not_contains"])
            return {operator: self.random.choice(["tea", "offee", "_", "%", "ü", "\n"])}
        operator = self.random.choice(["$regex", "$not_regex"])
        patterns = ["^tea$", "(?i)TEA", "e.b", "(?s)e.b", r"\bhouse", "[a-f]{3}|x", r"\d+", "g.+n$"]
        return {operator: self.random.choice(patterns)}

    def conditions(self) -> dict[str, Any]:
        made = {}
        if self.random.random() < 0.6:
            made["where"] = self.where()
        if self.random.random() < 0.4:
            made["where_document"] = self.where_document()
        return made


def same_get(theirs: Any, ours: Any, arguments: dict[str, Any]) -> None:
    arguments = {**arguments, "include": ["documents", "metadatas", "embeddings"]}
    expected, got = theirs.get(**arguments), ours.get(**arguments)
    assert got["ids"] == expected["ids"], arguments
    assert got["documents"] == expected["documents"], arguments
    assert got["metadatas"] == expected["metadatas"], arguments
    assert np.allclose(got["embeddings"], expected["embeddings"], rtol=1e-5), arguments


def same_query(theirs: Any, ours: Any, arguments: dict[str, Any]) -> None:
    expected, got = theirs.query(**arguments), ours.query(**arguments)
    for one, other in zip(expected["distances"], got["distances"]):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-4), arguments
    for at, ids in enumerate(got["ids"]):
        near = dict(zip(expected["ids"][at], expected["distances"][at]))
        last = max(near.values(), default=0.0)
        for place, (id, distance) in enumerate(zip(ids, got["distances"][at])):
            # Which of several equally far records comes last is open.
            assert id in near or abs(distance - last) < 1e-4, arguments
            if id in near:
                other = expected["ids"][at].index(id)
                assert got["documents"][at][place] == expected["documents"][at][other]
                assert got["metadatas"][at][place] == expected["metadatas"][at][other]


def step(dice: Dice, theirs: Any, ours: Any) -> None:
    action = dice.random.choice(["add", "upsert", "update", "delete", "get", "get", "query"])
    if action in ("add", "upsert", "update"):
        batch = dice.batch(change=action != "add")
        if action == "update" and dice.random.random() < 0.5 and len(batch) > 2:
            del batch["embeddings"]
            batch.pop("documents", None)
            batch.setdefault("metadatas", [{"a": 1}] * len(batch["ids"]))
        for each in (theirs, ours):
            getattr(each, action)(**batch)
    elif action == "delete":
        arguments = dice.conditions() or {"ids": dice.random.sample(IDS, 3)}
        if "ids" not in arguments and dice.random.random() < 0.3:
            arguments["limit"] = dice.random.randint(1, 3)
        expected, got = theirs.delete(**arguments), ours.delete(**arguments)
        # Of ids, Chroma counts those that were given, and we those that were there.
        assert "ids" in arguments or got == expected, arguments
    elif action == "get":
        arguments = dice.conditions()
        if dice.random.random() < 0.3:
            arguments["ids"] = dice.random.sample(IDS, 5)
        if dice.random.random() < 0.4:
            arguments.update(limit=dice.random.randint(0, 6), offset=dice.random.randint(0, 4))
        same_get(theirs, ours, arguments)
    else:
        arguments = dice.conditions()
        queries = dice.vectors(dice.random.randint(1, 3))
        n_results = dice.random.choice([1, 3, 100])
        same_query(theirs, ours, {**arguments, "query_embeddings": queries, "n_results": n_results})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_same_results(clients: tuple[ClientAPI, ClientAPI], space: str, seed: int) -> None:
    dice = Dice(seed)
    theirs, ours = (
        client.create_collection(
            f"same-{space}-{seed}",
            configuration={"hnsw": {"space": space}},  # type: ignore[typeddict-item]
            embedding_function=None,
        )
        for client in clients
    )
    for _ in range(STEPS):
        step(dice, theirs, ours)
        assert ours.count() == theirs.count()
    same_get(theirs, ours, {})
