"""LangChain's own tests of vector stores, and of document indexing on top of one."""

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from altiplano.langchain import AltiplanoVectorStore


class TestStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path):
        with AltiplanoVectorStore(self.get_embeddings(), tmp_path / "agent.alt") as store:
            yield store


class TestStandardInANamespace(VectorStoreIntegrationTests):
    """The same with other documents around, under the same ids."""

    @pytest.fixture
    def vectorstore(self, tmp_path):
        path, model = tmp_path / "agent.alt", self.get_embeddings()
        with AltiplanoVectorStore(model, path, namespace="other") as other:
            texts = ["foo", "bar", "new foo"]
            other.add_texts(texts, ids=["1", "2", "foo"])
            with AltiplanoVectorStore(model, path, namespace="mine") as store:
                yield store
            assert [d.page_content for d in other.get_by_ids(["1", "2", "foo"])] == texts


def test_documents_are_indexed_once_and_cleaned(store):
    records = InMemoryRecordManager(namespace="test")
    records.create_schema()
    documents = [Document(page_content=text, metadata={"source": text}) for text in ("ab", "cd")]

    def run(documents):
        return index(
            documents, records, store, cleanup="full", source_id_key="source", key_encoder="sha256"
        )

    assert run(documents)["num_added"] == 2
    assert run(documents)["num_skipped"] == 2
    again = run(documents[:1])
    assert (again["num_skipped"], again["num_deleted"]) == (1, 1)
    assert store.count() == 1
