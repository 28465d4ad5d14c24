"""The history of chat messages."""

from datetime import datetime, timedelta, timezone

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory

import altiplano
from altiplano.langchain import AltiplanoChatMessageHistory, AltiplanoVectorStore

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
MESSAGES = [
    SystemMessage("be kind"),
    HumanMessage("what is the weather?", id="h1", name="ada", additional_kwargs={"x": [1, None]}),
    AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Łódź"}, "id": "c1"}]),
    ToolMessage("sun", tool_call_id="c1", artifact={"raw": 1}),
    AIMessage([{"type": "text", "text": "Sunny."}], usage_metadata={
        "input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    HumanMessage("😀"),
]


@pytest.fixture
def history(path):
    with AltiplanoChatMessageHistory("s1", path) as history:
        yield history


def test_messages_come_back_whole_and_in_order(history, path):
    history.add_messages(MESSAGES)
    assert history.messages == MESSAGES
    history.close()
    with AltiplanoChatMessageHistory("s1", path) as again:
        assert again.messages == MESSAGES
        again.add_messages([])
        again.add_user_message("more")
        assert [message.content for message in again.get_messages(2)] == ["😀", "more"]


@pytest.mark.parametrize("batch", [1, 7, 1500])
def test_the_order_of_many_messages_is_kept(history, batch):
    texts = [str(at) for at in range(2100 if batch > 1 else 150)]
    for at in range(0, len(texts), batch):
        history.add_messages([HumanMessage(text) for text in texts[at : at + batch]])
    assert [message.content for message in history.messages] == texts
    for limit in (0, 1, 5, 1000, 1001, 5000):
        found = [message.content for message in history.get_messages(limit)]
        assert found == texts[max(0, len(texts) - limit) :]


def test_sessions_and_namespaces_are_apart(path):
    made = {
        (namespace, session): AltiplanoChatMessageHistory(session, path, namespace=namespace)
        for namespace in ("ada", "bob")
        for session in ("s1", "s2")
    }
    for (namespace, session), history in made.items():
        history.add_user_message(f"{namespace} {session}")
    made["ada", "s1"].clear()
    for (namespace, session), history in made.items():
        expected = [] if (namespace, session) == ("ada", "s1") else [f"{namespace} {session}"]
        assert [message.content for message in history.messages] == expected
        history.close()


def test_messages_can_be_replaced(history):
    history.add_messages(MESSAGES)
    history.messages = MESSAGES[1:3]
    assert history.messages == MESSAGES[1:3]


@pytest.mark.parametrize("sliding", [False, True])
def test_messages_expire(path, sliding):
    clock = altiplano.ManualClock(NOW)
    with altiplano.Store(path, clock=clock, background=False) as store:
        history = AltiplanoChatMessageHistory(
            "s1", store=store, ttl=timedelta(hours=1), sliding=sliding
        )
        history.add_user_message("first")
        clock.advance(2400)
        history.add_user_message("second")
        clock.advance(2400)
        texts = [message.content for message in history.messages]
        assert texts == (["first", "second"] if sliding else ["second"])
        clock.advance(3600)
        assert history.messages == []
    with pytest.raises(ValueError, match="ttl"):
        AltiplanoChatMessageHistory("s1", path, sliding=True)


def test_documents_and_messages_have_collections_of_their_own(path, letters):
    with AltiplanoVectorStore(letters, path) as documents:
        documents.add_texts(["tea"])
        with pytest.raises(ValueError, match="collection of their own"):
            AltiplanoChatMessageHistory("s1", path, collection="documents")


async def test_messages_are_added_and_read_asynchronously(history):
    await history.aadd_messages(MESSAGES)
    assert await history.aget_messages() == MESSAGES
    await history.aclear()
    assert await history.aget_messages() == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_chain_remembers(path, asynchronous):
    model = GenericFakeChatModel(messages=iter(["hello Ada", "you are Ada", "who are you?"]))
    prompt = ChatPromptTemplate.from_messages(
        [MessagesPlaceholder("history"), ("human", "{question}")]
    )
    seen = []
    chain = RunnableWithMessageHistory(
        prompt | (lambda value: seen.append(len(value.to_messages())) or value) | model,
        lambda session_id: AltiplanoChatMessageHistory(session_id, path),
        input_messages_key="question",
        history_messages_key="history",
    )
    for session, question in (("s1", "I am Ada"), ("s1", "who am I?"), ("s2", "who am I?")):
        config = {"configurable": {"session_id": session}}
        if asynchronous:
            await chain.ainvoke({"question": question}, config)
        else:
            chain.invoke({"question": question}, config)
    assert seen == [1, 3, 1]
    with AltiplanoChatMessageHistory("s1", path) as history:
        assert str(history) == (
            "Human: I am Ada\nAI: hello Ada\nHuman: who am I?\nAI: you are Ada"
        )
