"""The command `python -m altiplano.io`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import same, whole

import altiplano
from altiplano import Memory
from altiplano.io.__main__ import main


@pytest.fixture
def filled(tmp_path: Path) -> str:
    with altiplano.open(tmp_path / "s") as store:
        notes = store.collection("notes", 3, "l2")
        notes.insert(whole())
        notes.insert(Memory([1, 2, 3], key="b", namespace="other"))
    return str(tmp_path / "s")


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl.gz", "x.npy"])
def test_there_and_back(
    filled: str, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, target = str(tmp_path / name), str(tmp_path / "t")
    assert main(["export", filled, "notes", file]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == 2 and report["files"][0] == file
    assert main(["export", filled, "notes", file, "--quiet"]) == 1
    assert "overwrite=True" in capsys.readouterr().err
    assert main(["export", filled, "notes", file, "--overwrite", "--vector-type", "list"]) == 0
    metric = [] if name == "x.parquet" else ["--metric", "l2"]
    assert main(["import", target, "new", file, *metric]) == 0
    with altiplano.open(filled) as one, altiplano.open(target) as two:
        assert two["new"].settings["metric"].lower() == "l2"
        same(one["notes"], two["new"])


def test_parts(filled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["export", filled, "notes"]
    assert main([*base, str(tmp_path / "a.jsonl"), "--namespace", "other"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    assert main([*base, str(tmp_path / "b.jsonl"), "--filter", '{"c": {"$lt": 0}}']) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    for wrong in ("{", "[]", '{"$nope": 1}'):
        with pytest.raises(SystemExit):
            main([*base, str(tmp_path / "c.jsonl"), "--filter", wrong])
        assert "--filter" in capsys.readouterr().err
    only = ["--kind", "turn", "--session", "s", "--tag", "x"]
    assert main([*base, str(tmp_path / "d.jsonl"), *only]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    assert main([*base, str(tmp_path / "c.csv")]) == 1
    assert "ends in .parquet" in capsys.readouterr().err
    assert main(["export", filled, "nope", str(tmp_path / "c.jsonl")]) == 1
    assert "nope" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none"), "notes", str(tmp_path / "c.jsonl")]) == 1
    assert not (tmp_path / "none").exists() and not (tmp_path / "c.jsonl").exists()


def test_columns_and_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, target = str(tmp_path / "x.parquet"), str(tmp_path / "t")
    vectors = [np.ones(4), np.ones(4), np.full(4, np.nan)]
    table = pa.table({"emb": vectors, "doc": ["a", "b", "c"], "year": [1, 2, 3]})
    pq.write_table(table, file)
    base = ["import", target, "notes", file, "--namespace", "n"]
    assert main(base) == 1
    assert "give --dimension" in capsys.readouterr().err
    assert main([*base, "--column", "emb"]) == 1
    assert "OURS=THEIRS" in capsys.readouterr().err
    base += ["--column", "vector=emb", "--column", "key=doc"]
    assert main(base) == 1
    assert "row 2, column 'vector'" in capsys.readouterr().err
    assert main([*base, "--skip-bad-rows", "--rest", "ignore"]) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == 1
    assert main([*base, "--skip-bad-rows", "--existing", "keep"]) == 0
    assert json.loads(capsys.readouterr().out)["existing"] == 2
    with altiplano.open(target) as store:
        memories = list(store["notes"].scope("n"))
        assert [memory.metadata for memory in memories] == [None, None]


@pytest.mark.parametrize("module", ["altiplano.io", "altiplano.importers"])
def test_help(module: str) -> None:
    for arguments in (["--help"], ["export" if module.endswith("io") else "chroma", "--help"]):
        out = subprocess.run(
            [sys.executable, "-m", module, *arguments], check=True, capture_output=True, text=True
        )
        assert f"python -m {module}" in out.stdout


def test_the_core_needs_no_pyarrow(filled: str, tmp_path: Path) -> None:
    """Without pyarrow, JSON lines and matrices work, and Parquet says what to install."""
    script = f"""
import sys
sys.modules["pyarrow"] = None
from altiplano.io.__main__ import main
assert main(["export", {filled!r}, "notes", {str(tmp_path / "x.npy")!r}]) == 0
assert main(["export", {filled!r}, "notes", {str(tmp_path / "x.parquet")!r}]) == 1
import altiplano.importers, altiplano.aio
"""
    out = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert "pip install 'altiplano-memory[parquet]'" in out.stderr
