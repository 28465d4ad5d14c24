"""The asynchronous methods, and many tasks and threads at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from altiplano.langchain import AltiplanoChatMessageHistory, AltiplanoVectorStore


async def test_every_asynchronous_method_answers_as_the_other_one(path, letters):
    texts = ["teatime", "timetea", "zebra", "123"]
    metadatas = [{"n": at} for at in range(4)]
    store = await AltiplanoVectorStore.afrom_texts(texts, letters, metadatas, ids=texts, path=path)
    with store:
        vector, filter = letters.embed_query("time"), {"n": {"$lt": 2}}
        assert await store.aget_by_ids(texts) == store.get_by_ids(texts)
        for name, argument in (
            ("similarity_search", "time"),
            ("similarity_search_with_score", "time"),
            ("similarity_search_with_relevance_scores", "time"),
            ("similarity_search_by_vector", vector),
            ("similarity_search_with_score_by_vector", vector),
            ("max_marginal_relevance_search", "time"),
            ("max_marginal_relevance_search_by_vector", vector),
        ):
            expected = getattr(store, name)(argument, k=3, filter=filter)
            assert await getattr(store, f"a{name}")(argument, k=3, filter=filter) == expected
            assert len(expected) == 2
        retriever = store.as_retriever(search_kwargs={"k": 2})
        assert await retriever.ainvoke("time") == retriever.invoke("time")
        for kind in ("similarity", "mmr", "similarity_score_threshold"):
            assert await store.asearch("time", kind) == store.search("time", kind)
        assert await store.aadd_texts(["new"], ids=["new"], ttl=60, batch_size=10) == ["new"]
        assert await store.aadd_embeddings([vector], ids=["v"]) == ["v"]
        documents = store.get_by_ids(["new"])
        assert await store.aadd_documents(documents) == ["new"]
        assert await store.aadd_texts([]) == []
        await store.adelete(["new", "v", "none"])
        assert store.count() == 4
        await store.adelete()
        assert store.count() == 0
    with pytest.raises(TypeError):
        await AltiplanoVectorStore.afrom_texts(["a"], letters, [{"at": object()}], path=path)


async def test_fifty_tasks_at_once(store):
    async def work(task):
        ids = [f"{task}-{at}" for at in range(4)]
        texts = [f"task {task} text {at}" for at in range(4)]
        await store.aadd_texts(texts, [{"task": task}] * 4, ids=ids)
        found = await store.asimilarity_search(texts[0], k=10, filter={"task": task})
        await store.adelete(ids[:2])
        left = await store.aget_by_ids(ids)
        return {d.id for d in found} == set(ids) and [d.page_content for d in left] == texts[2:]

    assert all(await asyncio.gather(*(work(task) for task in range(50))))
    assert store.count() == 100


def test_threads_make_one_collection(path, letters):
    """All begin with an empty store, so all try to make it."""
    with AltiplanoVectorStore(letters, path) as store, ThreadPoolExecutor(16) as pool:
        for found in pool.map(lambda at: store.add_texts([f"{at} abc", "1"]), range(64)):
            assert len(found) == 2
        assert store.count() == 128


async def test_messages_of_many_sessions_at_once(path):
    async def talk(session):
        with AltiplanoChatMessageHistory(f"s{session}", path) as history:
            for turn in range(5):
                await asyncio.to_thread(history.add_user_message, f"{session} {turn}")
            return [message.content for message in await history.aget_messages()]

    with AltiplanoChatMessageHistory("keeps the store open", path):
        found = await asyncio.gather(*(talk(session) for session in range(50)))
    assert found == [[f"{session} {turn}" for turn in range(5)] for session in range(50)]
