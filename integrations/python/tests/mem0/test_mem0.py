"""mem0 with its provider "langchain" on our vector store. Nothing leaves the machine: telemetry is
off, sockets are blocked, and model and embedder are fakes."""

import json
import logging
import os
import tempfile

os.environ["MEM0_TELEMETRY"] = "False"
os.environ["MEM0_DIR"] = tempfile.mkdtemp()

import numpy as np
import pytest
from mem0 import AsyncMemory, Memory
from mem0.configs.vector_stores.langchain import LangchainConfig
from mem0.vector_stores.langchain import Langchain

from altiplano.langchain import AltiplanoVectorStore


class Letters:
    """An embedder: the vector of a text counts its letters."""

    config = None

    def embed(self, text, memory_action=None):
        counts = np.zeros(26)
        for letter in text.lower():
            if "a" <= letter <= "z":
                counts[ord(letter) - ord("a")] += 1
        return counts.tolist()

    def embed_batch(self, texts, memory_action=None):
        return [self.embed(text) for text in texts]


class Answers:
    """A model that says what it was told to."""

    def __init__(self, answers):
        self.answers = iter(answers)

    def generate_response(self, *args, **kwargs):
        return next(self.answers)


def opened(store, path, kind=Memory, answers=()):
    """Returns a memory. The model and the embedder of OpenAI are made and never called."""
    unused = {"provider": "openai", "config": {"api_key": "none"}}
    memory = kind.from_config(
        {
            "vector_store": {"provider": "langchain", "config": {"client": store}},
            "embedder": unused,
            "llm": unused,
            "history_db_path": str(path / "history.db"),
        }
    )
    memory.embedding_model, memory.llm = Letters(), Answers(answers)
    return memory


@pytest.fixture
def store(tmp_path):
    with AltiplanoVectorStore(path=tmp_path / "agent.alt") as store:
        yield store


@pytest.fixture
def memory(store, tmp_path):
    return opened(store, tmp_path)


def added(memory, text, **options):
    [made] = memory.add(text, infer=False, **options)["results"]
    assert made["event"] == "ADD"
    return made["id"]


def texts(found):
    return [item["memory"] for item in found["results"]]


def ada(**filters):
    return {"user_id": "ada", **filters}


def test_memories_are_added_found_changed_and_deleted(memory, caplog):
    caplog.set_level(logging.ERROR)
    tea = added(memory, "Ada likes green tea", user_id="ada", metadata={"topic": "drinks", "n": 1})
    added(memory, "Ada lives in London", user_id="ada", metadata={"topic": "places", "n": 2})
    added(memory, "Bob likes black tea", user_id="bob", metadata={"topic": "drinks", "n": 3})

    found = memory.search("likes green tea", filters=ada(), top_k=5)["results"]
    assert found[0]["id"] == tea and found[0]["score"] > found[1]["score"]
    assert {item["user_id"] for item in found} == {"ada"}

    assert memory.get(tea)["memory"] == "Ada likes green tea"
    assert memory.get("00000000-0000-0000-0000-000000000000") is None

    memory.update(tea, "Ada likes coffee")
    assert memory.get(tea)["memory"] == "Ada likes coffee"
    assert texts(memory.search("coffee", filters=ada(), top_k=1)) == ["Ada likes coffee"]
    assert [event["event"] for event in memory.history(tea)] == ["ADD", "UPDATE"]

    everything = texts(memory.get_all(filters=ada(), top_k=10))
    assert sorted(everything) == ["Ada likes coffee", "Ada lives in London"]
    assert len(memory.get_all(filters=ada(), top_k=1)["results"]) == 1

    memory.delete(tea)
    assert memory.get(tea) is None
    assert texts(memory.get_all(filters=ada())) == ["Ada lives in London"]
    memory.delete_all(user_id="ada")
    assert texts(memory.get_all(filters=ada())) == []
    assert texts(memory.get_all(filters={"user_id": "bob"})) == ["Bob likes black tea"]
    memory.reset()
    assert texts(memory.get_all(filters={"user_id": "bob"})) == []
    added(memory, "again", user_id="bob")
    assert texts(memory.get_all(filters={"user_id": "bob"})) == ["again"]
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"n": {"gte": 2}}, "23"),
        ({"n": {"gt": 1, "lt": 3}}, "2"),
        ({"n": {"in": [1, 3]}}, "13"),
        ({"n": {"ne": 1}}, "23"),
        ({"topic": "even"}, "2"),
        ({"topic": {"contains": "dd"}}, "13"),
        ({"OR": [{"n": 1}, {"topic": "even"}]}, "12"),
        ({"NOT": [{"n": 1}, {"n": 2}]}, "3"),
        ({"AND": [{"n": {"gte": 2}}, {"topic": "odd"}]}, "3"),
    ],
)
def test_the_filters_of_mem0_are_understood(memory, filters, expected):
    for at, topic in ((1, "odd"), (2, "even"), (3, "odd")):
        added(memory, f"number {at}", user_id="ada", metadata={"n": at, "topic": topic})
    found = memory.search("number", filters=ada(**filters), top_k=10, threshold=0.0)
    assert sorted(texts(found)) == [f"number {at}" for at in expected]


def test_facts_that_a_model_extracts_are_kept(store, tmp_path):
    answer = json.dumps({"memory": [{"id": "0", "text": "Ada likes tea", "attributed_to": "user"}]})
    memory = opened(store, tmp_path, answers=[answer])
    memory.add([{"role": "user", "content": "I am Ada. I like tea."}], user_id="ada")
    assert texts(memory.search("tea", filters=ada())) == ["Ada likes tea"]


def test_memories_are_there_after_reopening(tmp_path):
    with AltiplanoVectorStore(path=tmp_path / "agent.alt") as store:
        tea = added(opened(store, tmp_path), "Ada likes tea", user_id="ada")
    with AltiplanoVectorStore(path=tmp_path / "agent.alt") as store:
        memory = opened(store, tmp_path)
        assert memory.get(tea)["memory"] == "Ada likes tea"


async def test_the_asynchronous_memory_works_too(store, tmp_path):
    memory = opened(store, tmp_path, AsyncMemory)
    [made] = (await memory.add("Ada likes tea", user_id="ada", infer=False))["results"]
    assert texts(await memory.search("tea", filters=ada())) == ["Ada likes tea"]
    await memory.update(made["id"], "Ada likes milk")
    assert texts(await memory.get_all(filters=ada())) == ["Ada likes milk"]
    await memory.delete(made["id"])
    assert texts(await memory.get_all(filters=ada())) == []


def test_entities_have_a_collection_of_their_own(memory, store):
    """As the documentation says: mem0 itself would put them among the memories."""
    entities = AltiplanoVectorStore(store=store.store, collection="entities")
    memory._entity_store = Langchain(**LangchainConfig(client=entities).model_dump())
    tea = added(memory, "Ada likes tea", user_id="ada")
    memory._upsert_entity("Ada", "PERSON", tea, ada())
    assert entities.count() == 1
    assert texts(memory.get_all(filters=ada())) == ["Ada likes tea"]
    memory.delete(tea)
    assert entities.count() == 0
