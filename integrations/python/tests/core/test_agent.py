"""The layer for agents: text in, text out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

import altiplano
from altiplano import Agent, HashingEmbedder, Memory, Tier, errors


class Letters:
    """Counts letters: one number for each of a to z."""

    model_name = "letters-1"

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        counts = [[text.lower().count(chr(97 + n)) + 0.01 for n in range(26)] for text in texts]
        return np.array(counts, dtype=np.float64)


def test_an_agent_remembers_and_recalls(tmp_path: Path) -> None:
    with Agent(tmp_path / "a", HashingEmbedder(64)) as agent:
        drink = agent.remember("Ada likes green tea", namespace="ada", tags=["drink"], fields={"n": 1})
        assert drink.is_new and drink.duplicate_of is None and 0 <= drink.importance <= 1
        agent.remember_all(["Bob likes coffee", {"text": "The sky is blue", "kind": "fact"}])
        answer = agent.recall("what does Ada like to drink? tea?", 2, token_budget=100)
        assert answer[0].id == drink.id and answer[0].text == "Ada likes green tea"
        assert "green tea" in answer.to_prompt() and 0 < answer.tokens_used <= 100
        assert len(answer) == 2 == len(list(answer)) and answer.pool >= 2
        metadata = answer[0].memory.metadata
        assert metadata is not None and metadata["n"] == 1 and answer[0].tier
        memory = agent.get(drink.id)
        assert memory is not None and memory.tags == ["drink"]
        assert [item.text for item in agent.recall("sky", kind="fact")] == ["The sky is blue"]
        assert agent.patch(drink.id, importance=1.0) == "updated"
        assert agent.rewrite(drink.id, "Ada likes black tea") == "updated"
        new = agent.supersede(drink.id, "Ada likes water")
        old = agent.get(drink.id)
        assert old is not None and old.superseded_by == new.id
        assert agent.reinforce(new.id, worked=True) is not None
        assert agent.forget(new.id) and not agent.forget(new.id)
        assert agent.forget_where({"n": 1}) == 1
        stats = agent.stats()
        assert sum(tier["memories"] for tier in stats.tiers) == 2
    with pytest.raises(errors.ClosedError):
        agent.recall("tea")


def test_embedders_of_python(tmp_path: Path) -> None:
    with Agent(tmp_path / "a", Letters(), background=False) as agent:
        agent.remember("zzz")
        agent.remember("aaa")
        assert [item.text for item in agent.recall("a", 1)] == ["aaa"]
    with pytest.raises(errors.EmbeddingSpaceError):
        Agent(tmp_path / "a", Letters(), space="letters-2", reembed=False)
    with pytest.raises(TypeError, match="space"):
        Agent(tmp_path / "b", lambda texts: [[1.0]] * len(texts))
    with pytest.raises(TypeError, match="embedder"):
        Agent(tmp_path / "b", 7, space="x")  # type: ignore[arg-type]

    def fails(texts: list[str]) -> list[list[float]]:
        raise ConnectionError("no model")

    with Agent(tmp_path / "c", fails, space="x", dimension=2) as agent:
        with pytest.raises(errors.CallbackError) as error:
            agent.remember("text")
        assert isinstance(error.value.__cause__, ConnectionError)
        assert sum(tier["memories"] for tier in agent.stats().tiers) == 0


def test_rules_forget(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    tiers = [Tier("turns", max_count=5, exit="move:facts"), Tier("facts", max_count=3)]
    options = {"tiers": tiers, "background": False, "on_event": told.append}
    with Agent(tmp_path / "a", HashingEmbedder(64), **options) as agent:  # type: ignore[arg-type]
        agent.remember("never forget this", pinned=True)
        for n in range(20):
            agent.remember(f"turn number {n}", importance=n / 20)
        plan = agent.plan()
        # The pinned memory counts, and stays.
        assert len(plan["leaving"]) == 16
        assert agent.tidy() > 0
        assert len(agent.collection("turns")) == 5
        agent.tidy()
        assert len(agent.collection("facts")) <= 3
        assert [item.text for item in agent.recall("never forget", 1)] == ["never forget this"]
        assert told


def test_sessions_end_by_their_policies(tmp_path: Path) -> None:
    with Agent(tmp_path / "a", HashingEmbedder(64), background=False) as agent:
        with agent.session("s1", end_policy="drop") as session:
            session.remember("a word of session one")
            session.scratch("a note")
            assert agent.open_sessions() == {"s1": "drop"}
            recent = session.recent(turns=5)
            assert [memory.text for memory in recent] == ["a word of session one"]
            assert len(session.recall("word of session")) >= 1
        assert agent.open_sessions() == {}
        assert len(agent.recall("word of session one")) == 0
        with pytest.raises(errors.ClosedError):
            session.remember("too late")
        kept = agent.session("s2")
        kept.remember("a word of session two")
        kept.end()
        assert len(agent.recall("word of session two", 1)) == 1
        with pytest.raises(ValueError, match="end_policy"):
            agent.session("s3", end_policy="forget")  # type: ignore[arg-type]


def test_memories_are_consolidated_archived_and_embedded_again(tmp_path: Path) -> None:
    with altiplano.open(tmp_path / "a") as store, Agent(store, HashingEmbedder(64)) as agent:
        ids = [agent.remember(f"Ada drinks tea number {n}", session="s").id for n in range(6)]
        assert agent.archive(ids[0]) and len(agent.recall("tea number 0")) == 5
        assert agent.restore(ids[0])

        def summarize(memories: list[Memory], carry: Memory | None) -> list[str]:
            return [f"Ada drank tea {len(memories)} times"]

        done = agent.consolidate(altiplano.Filter.session("s"), summarize, exit="forget")
        assert len(done["sources"]) == 6 and len(done["summaries"]) == 1
        assert [item.text for item in agent.recall("tea", 3)] == ["Ada drank tea 6 times"]
        report = agent.reembed(HashingEmbedder(128))
        assert report["memories"] == 1
        assert agent.clusters("working") == []
        assert agent.wait_idle(30)


def test_copies_are_found(tmp_path: Path) -> None:
    options = {"duplicates": "exact", "on_duplicate": "skip"}
    with Agent(tmp_path / "a", HashingEmbedder(64), **options) as agent:  # type: ignore[arg-type]
        first = agent.remember("Ada likes tea")
        again = agent.remember("Ada likes tea")
        assert again.duplicate_of == first.id and not again.is_new
    for wrong in ({"duplicates": "some"}, {"rank": "best"}, {"no_such": 1}, {"on_duplicate": "skip"}):
        with pytest.raises((TypeError, ValueError)):
            Agent(tmp_path / "b", HashingEmbedder(64), **wrong)  # type: ignore[arg-type]
