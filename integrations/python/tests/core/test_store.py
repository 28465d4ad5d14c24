"""A store as a whole: opening, closing, checking, copying, and what it says when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

import altiplano
from altiplano import Memory, Store, errors


def test_memories_are_there_after_a_close(tmp_path: Path) -> None:
    with altiplano.open(tmp_path / "a") as store:
        notes = store.collection("notes", 2, embedding_space="model-1")
        notes.insert(Memory([0.6, 0.8], key="tea", text="likes tea", metadata={"n": [1, None]}))
    assert store.closed
    with altiplano.open(tmp_path / "a") as store:
        memory = store["notes"].get_by_key("tea")
        assert memory is not None
        assert memory.text == "likes tea"
        assert memory.metadata == {"n": [1, None]}
        assert memory.vector.tolist() == pytest.approx([0.6, 0.8])
        assert list(store) == ["notes"] and "notes" in store and "x" not in store
        with pytest.raises(errors.EmbeddingSpaceError) as error:
            store.collection("notes", 2, embedding_space="model-2")
        assert (error.value.expected, error.value.got) == ("model-1", "model-2")


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = altiplano.open(tmp_path / "a")
    notes = store.collection("notes", 2)
    store.close()
    store.close()
    for call in (lambda: notes.get(1), lambda: store.stats(), lambda: len(notes)):
        with pytest.raises(errors.ClosedError):
            call()


def test_a_store_is_opened_once(tmp_path: Path) -> None:
    with altiplano.open(tmp_path / "a") as store:
        with pytest.raises(errors.LockedError, match="read_only=True") as error:
            altiplano.open(tmp_path / "a")
        assert "LOCK" in error.value.path
        store.collection("notes", 2).insert(Memory([1, 0], id=1))
        with altiplano.open(tmp_path / "a", read_only=True) as reader:
            assert 1 in reader["notes"]
            with pytest.raises(errors.ReadOnlyError):
                reader["notes"].insert(Memory([1, 0], id=2))
            store["notes"].insert(Memory([1, 0], id=2))
            reader.refresh()
            assert 2 in reader["notes"]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: Store(path / "no" / "where"), errors.InvalidOptionError),
        (lambda path: Store(path / "none", create=False), errors.NotFoundError),
        (lambda path: Store(path, heap_budget=1), errors.InvalidOptionError),
        (lambda path: Store(path), errors.NotAStoreError),
        (lambda path: Store(path / "a", io_mode="fast"), errors.InvalidOptionError),
        (lambda path: Store(path / "a", write_timeout=-1.0), ValueError),
        (lambda path: Store(path / "a", write_timeout="soon"), TypeError),
        (lambda path: Store(path / "a", no_such_option=1), TypeError),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, make: object, kind: type[Exception]) -> None:
    (tmp_path / "other.txt").write_text("not ours")
    with pytest.raises(kind) as error:
        make(tmp_path)  # type: ignore[operator]
    # The messages name Python's functions.
    assert "::" not in str(error.value)
    assert (tmp_path / "other.txt").read_text() == "not ours"


def test_damage_is_found_and_repaired(tmp_path: Path) -> None:
    with altiplano.open(tmp_path / "a") as store:
        notes = store.collection("notes", 4)
        notes.add([[float(i), 1, 2, 3] for i in range(1000)])
        store.compact()
    file = max((tmp_path / "a").glob("seg-*"), key=lambda path: path.stat().st_size)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with altiplano.open(tmp_path / "a", read_only=True) as store:
        assert store.verify("full")["problems"]
    report = Store.repair(tmp_path / "a", tmp_path / "b")
    assert report["lost"]
    with altiplano.open(tmp_path / "b") as store:
        assert 900 <= len(store["notes"]) < 1000
        assert store.verify("full")["problems"] == []


def test_a_backup_is_restored(store: Store, tmp_path: Path) -> None:
    notes = store.collection("notes", 2)
    notes.insert(Memory([1, 0], id=1))
    report = store.backup(tmp_path / "backup")
    assert report["files"] > 0
    notes.insert(Memory([1, 0], id=2))
    Store.restore(tmp_path / "backup", tmp_path / "restored")
    with altiplano.open(tmp_path / "restored") as restored:
        assert [int(memory.id) for memory in restored["notes"]] == [1]


def test_forgotten_bytes_leave_the_disk(store: Store, tmp_path: Path) -> None:
    notes = store.collection("notes", 2)
    notes.insert(Memory([1, 0], namespace="ada", text="a secret of Ada"))
    notes.insert(Memory([1, 0], namespace="bob", text="a note of Bob"))
    receipt = store.forget("ada")
    assert receipt["deleted"] == [["notes", 1]]
    assert receipt["purge"]["pending"] == []
    files = b"".join(p.read_bytes() for p in (tmp_path / "store").iterdir() if p.is_file())
    assert b"secret of Ada" not in files and b"note of Bob" in files


def test_collections_change_their_names(store: Store) -> None:
    store.collection("a", 2).insert(Memory([1, 0], id=1))
    store.collection("b", 2)
    store.swap_collections("a", "b")
    assert len(store["b"]) == 1 and len(store["a"]) == 0
    store.rename_collection("b", "c")
    assert store.collection_names() == ["a", "c"]
    assert store.drop_collection("c") and not store.drop_collection("c")
    with pytest.raises(errors.NoCollectionError) as error:
        store["c"]
    assert error.value.name == "c" and isinstance(error.value, KeyError)
    with pytest.raises(errors.NameTakenError):
        store.collection("d", 2)
        store.rename_collection("a", "d")


def test_settings_and_numbers_are_plain_values(store: Store) -> None:
    notes = store.collection(
        "notes", 8, "dot", quantization="int8", m=12, durability=timedelta(milliseconds=50),
        default_ttl=timedelta(days=1), text_index=True, unique_keys=True,
    )
    settings = notes.settings
    assert settings["dimension"] == notes.dimension == 8
    assert (settings["metric"], settings["quantization"]) == ("dot", "int8")
    assert settings["durability"] == "buffered:50ms"
    assert settings["default_ttl"] == 86_400.0
    assert settings["hnsw"]["m"] == 12
    assert store.collection("notes", 8, "dot", default_ttl=None).settings["default_ttl"] is None
    stats = store.stats()
    assert stats["collections"][0]["name"] == "notes" and stats.disk_bytes > 0
    assert "disk_bytes" in dir(stats) and "disk_bytes" in repr(stats)
    assert "<table>" in stats._repr_html_()
    with pytest.raises(AttributeError, match="disk_bytes"):
        stats.no_such_number


def test_events_are_told(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    with altiplano.open(tmp_path / "a", on_event=told.append) as store:
        notes = store.collection("notes", 4)
        notes.add([[float(i), 1, 2, 3] for i in range(2000)])
        store.compact()
    assert any("Sealed" in event for event in told)


def test_a_listener_that_raises_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = threading.Event()

    def listener(event: dict[str, object]) -> None:
        raised.set()
        raise RuntimeError("listener")

    previous, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with altiplano.open(tmp_path / "a", on_event=listener) as store:
            notes = store.collection("notes", 4)
            notes.add([[float(i), 1, 2, 3] for i in range(2000)])
            store.compact()
            assert len(notes) == 2000
    finally:
        sys.unraisablehook = previous
    assert raised.is_set()


def test_a_child_of_a_fork_cannot_write(store: Store) -> None:
    notes = store.collection("notes", 2)
    notes.insert(Memory([1, 0], id=1))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            notes.insert(Memory([1, 0], id=2))
        except errors.ForkedError as error:
            os.write(write, f"{error.opened_by} {error.process}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100).decode() == f"{os.getpid()} {child}"
    assert len(notes) == 1


def test_a_store_left_open_is_closed_at_the_end(tmp_path: Path) -> None:
    program = f"""
import altiplano
store = altiplano.open({str(tmp_path / "a")!r}, on_event=lambda event: None)
notes = store.collection("notes", 2, durability="buffered:60000ms")
notes.add([[1.0, 0.0]] * 5000)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    with altiplano.open(tmp_path / "a") as store:
        assert len(store["notes"]) == 5000


def test_calls_release_the_lock_of_the_interpreter(store: Store) -> None:
    notes = store.collection("notes", 4)
    store.pause_background()
    assert store.is_background_paused
    notes.add([[float(i), 1, 2, 3] for i in range(40_000)])
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(store.wait_idle(60)))
    waiter.start()
    # With the lock held by the waiter, this would run only after its 60 seconds.
    store.resume_background()
    waiter.join()
    assert answers == [True]


def test_threads_share_a_store(store: Store) -> None:
    notes = store.collection("notes", 4, durability="buffered:50ms")
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(50):
                notes.insert(Memory([number, i, 1, 1], key=f"{number}-{i}"))
                assert len(notes.search([number, i, 1, 1], k=1)) == 1
        except BaseException as error:  # noqa: BLE001
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and len(notes) == 400


def test_background_work_is_done_by_hand(tmp_path: Path) -> None:
    with altiplano.open(tmp_path / "a", background=False) as store:
        notes = store.collection("notes", 4, memtable_rows=256)
        notes.add([[float(i), 1, 2, 3] for i in range(1000)])
        while store.run_pending_tasks():
            pass
        assert notes.stats()["segments"]
        assert store.plan(notes)["steps"] == notes.plan()["steps"]
