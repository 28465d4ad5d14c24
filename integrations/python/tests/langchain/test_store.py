"""What a vector store is made of: ids, namespaces, lifetimes, opening, reopening and closing."""

import gc
import multiprocessing
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from langchain_core.documents import Document

import altiplano
from altiplano.errors import ClosedError, EmbeddingSpaceError, Error, LockedError
from altiplano.langchain import AltiplanoChatMessageHistory, AltiplanoVectorStore

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)


def test_ids_are_made_kept_and_replaced(store):
    made = store.add_texts(["a", "b"], ids=["x", None])
    assert made[0] == "x" and uuid.UUID(made[1])
    assert store.add_texts(["c", "d"], ids=made) == made
    assert [d.page_content for d in store.get_by_ids(made)] == ["c", "d"]
    assert [d.page_content for d in store.get_by_ids([made[1], "none", "x", "x"])] == ["d", "c"]
    assert store.add_documents([Document(id="y", page_content="e")]) == ["y"]
    assert store.add_documents([]) == [] == store.add_texts([])
    assert store.count() == 3


@pytest.mark.parametrize("name", ["é/ü 😀", "x" * 1024, "x" * 1025, "é" * 5000, "0", " "])
def test_ids_may_be_any_text(store, name):
    store.add_texts(["a", "b"], ids=[name, "other"])
    store.add_texts(["c"], [{"n": 1}], ids=[name])
    assert store.get_by_ids([name]) == [Document(id=name, page_content="c", metadata={"n": 1})]
    assert store.similarity_search("c", k=1)[0].id == name
    store.delete([name])
    assert store.get_by_ids([name]) == []
    assert store.count() == 1


def test_all_are_deleted_without_ids(store):
    store.add_texts(["a", "1", "b"])
    assert store.delete([]) is True and store.count() == 3
    assert store.delete(["none", str(uuid.uuid4())]) is True and store.count() == 3
    assert store.delete() is True and store.count() == 0
    with pytest.raises(ValueError, match="not both"):
        store.delete(["a"], filter={"n": 1})


def test_lists_of_different_lengths_are_refused(store):
    for wrong in ({"metadatas": [{}]}, {"ids": ["1"]}, {"ids": ["1", "2", "3"]}):
        with pytest.raises(ValueError, match="one for each"):
            store.add_texts(["a", "b"], **wrong)
    assert store.count() == 0


def test_metadata_that_is_not_json_is_refused_and_nothing_is_added(store):
    for wrong in ({"at": NOW}, {"n": float("nan")}, {"n": {1, 2}}, {1: 2}):
        with pytest.raises((TypeError, ValueError)):
            store.add_texts(["a", "b"], [{}, wrong])
    assert store.count() == 0


def test_a_namespace_sees_and_changes_only_itself(path, letters):
    with AltiplanoVectorStore(letters, path, namespace="user/1") as one, AltiplanoVectorStore(
        letters, path, namespace="user/2"
    ) as two, AltiplanoVectorStore(letters, path) as whole:
        for store, text in ((one, "one"), (two, "two")):
            store.add_texts([text, "123"], ids=["a", "zero"])
        assert one.similarity_search("two", k=5)[0].page_content == "one"
        assert two.get_by_ids(["a"])[0].page_content == "two"
        assert {d.page_content for d in whole.similarity_search("two", k=5)} == {"one", "two"}
        assert whole.count() == 4
        one.delete()
        assert (one.count(), two.count()) == (0, 2)
        one.add_texts(["one"], ids=["a"])
        two.delete_collection()
        assert (one.count(), two.count()) == (1, 0)
        # What the whole collection shows, it can also get and delete.
        assert whole.get_by_ids(["a"])[0].page_content == "one"
        whole.delete(["a"])
        assert one.count() == 0


def test_documents_expire(path, letters):
    clock = altiplano.ManualClock(NOW)
    options = {"clock": clock, "background": False}
    with AltiplanoVectorStore(
        letters, path, default_ttl=timedelta(days=2), store_options=options
    ) as store:
        store.add_texts(["short", "123"], ids=["a", "b"], ttl=60)
        store.add_texts(["long", "456"], ids=["c", "d"])
        assert store.count() == 4
        clock.advance(61)
        assert {d.id for d in store.similarity_search("short long", k=9)} == {"c"}
        assert store.get_by_ids(["a", "b", "c", "d"]) == store.get_by_ids(["c", "d"])
        clock.advance(timedelta(days=2))
        assert store.count() == 0 and store.similarity_search("long") == []
        assert store._collection.get()["ids"] == []
        # The lifetime belongs to the collection, also for those who do not name it.
        other = AltiplanoVectorStore(letters, store=store.store)
        other.add_texts(["more", "789"])
        clock.advance(timedelta(days=1))
        assert other.count() == 2
        clock.advance(timedelta(days=2))
        assert other.count() == 0


def test_a_lifetime_holds_for_the_first_zero_vector_after_reopening(path, letters):
    clock = altiplano.ManualClock(NOW)
    options = {"clock": clock, "background": False}
    with AltiplanoVectorStore(letters, path, default_ttl=60, store_options=options) as store:
        store.add_texts(["tea"])
    with AltiplanoVectorStore(letters, path, store_options=options) as store:
        store.add_texts(["123"])
        assert store.count() == 2
        clock.advance(61)
        assert store.count() == 0


def test_documents_are_there_after_reopening(path, letters):
    documents = [Document(id=text, page_content=text, metadata={"n": 1}) for text in ("tea", "12")]
    with AltiplanoVectorStore.from_documents(documents, letters, path=path) as store:
        assert store.store.path == str(path)
    with pytest.raises(ClosedError):
        store.similarity_search("tea")
    store.close()
    with AltiplanoVectorStore(letters, path) as store:
        assert store.get_by_ids(["12", "tea"]) == documents[::-1]
        assert store.similarity_search("tea") == documents[:1]


def test_objects_on_one_path_share_the_store(path, letters):
    first = AltiplanoVectorStore(letters, path)
    second = AltiplanoVectorStore(letters, str(path) + "/../agent.alt", collection="more")
    history = AltiplanoChatMessageHistory("s", path)
    assert first.store is second.store
    first.close()
    second.add_texts(["tea"])
    history.add_user_message("hello")
    second.close()
    history.close()
    with altiplano.Store(path) as store:
        assert set(store.collection_names()) == {"more", "messages"}


def test_a_store_that_nobody_holds_is_closed(path, letters):
    AltiplanoVectorStore(letters, path).add_texts(["tea"])
    gc.collect()
    with altiplano.Store(path) as store:
        assert store.collection_names() == ["documents"]


def test_other_options_for_an_open_path_are_refused(path, letters):
    with AltiplanoVectorStore(letters, path):
        with pytest.raises(ValueError, match="store_options"):
            AltiplanoVectorStore(letters, path, store_options={"io_mode": "pread"})
        with pytest.raises(ValueError, match="either"):
            AltiplanoVectorStore(letters)


def test_an_open_store_stays_open(path, letters):
    with altiplano.Store(path) as opened:
        with AltiplanoVectorStore(letters, store=opened) as store:
            store.add_texts(["tea"])
        assert not opened.closed
        assert len(opened["documents"]) == 1


def _opens_elsewhere(path):
    try:
        altiplano.Store(path)
    except LockedError:
        return "locked"
    return "open"


def test_another_process_is_told_that_the_store_is_open(store, path):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_opens_elsewhere, (str(path),)) == "locked"


def test_a_dropped_collection_can_be_used_again_with_another_model(store):
    store.add_texts(["tea", "123"])
    store.delete_collection()
    assert store.count() == 0 and store.similarity_search("tea") == []
    store.add_embeddings([[1.0, 2.0]], ids=["a"])
    assert store.similarity_search_by_vector([1.0, 2.0])[0].id == "a"


def test_settings_that_disagree_with_the_collection_are_refused(path, letters):
    with AltiplanoVectorStore(letters, path, embedding_space="letters") as store:
        store.add_texts(["tea"])
        with pytest.raises(EmbeddingSpaceError):
            AltiplanoVectorStore(letters, path, embedding_space="other")
        with pytest.raises(Error):
            AltiplanoVectorStore(letters, path, metric="l2")
        # Words can be indexed later.
        again = AltiplanoVectorStore(letters, path, text_index=True)
        assert again.similarity_search("tea", hybrid=True)[0].page_content == "tea"
        again.close()


def test_without_a_model_only_vectors_work(path):
    with AltiplanoVectorStore(path=path) as store:
        store.add_embeddings([[1.0, 2.0]])
        assert len(store.similarity_search_by_vector([1.0, 2.0])) == 1
        for call in (lambda: store.add_texts(["a"]), lambda: store.similarity_search("a")):
            with pytest.raises(ValueError, match="embedding model"):
                call()


def test_memories_without_a_key_are_documents_too(store):
    store.add_texts(["tea"])
    [collection] = [store.store["documents"]]
    made = altiplano.Memory([1.0] * 26, text="by hand", metadata={"n": 1})
    collection.insert(made)
    document = Document(id=str(made.id), page_content="by hand", metadata={"n": 1})
    assert store.get_by_ids([str(made.id)]) == [document]
    assert document in store.similarity_search("abcdefghijklmnopqrstuvwxyz", k=2)
    store.delete([str(made.id)])
    assert store.count() == 1


def test_a_failed_from_texts_leaves_nothing_open(path, letters):
    with pytest.raises(TypeError):
        AltiplanoVectorStore.from_texts(["a"], letters, [{"at": NOW}], path=path)
    with altiplano.Store(path):
        pass
