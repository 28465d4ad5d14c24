"""The comparison in `bench/` runs, finds what an exact search finds, and draws a picture."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


def run(script, *arguments):
    command = [sys.executable, BENCH / script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("real", [False, True])
def test_the_comparison_runs(tmp_path, real):
    options = []
    if real:
        rng = np.random.default_rng(1)
        np.save(tmp_path / "base.npy", rng.standard_normal((600, 24)).astype(np.float32))
        np.save(tmp_path / "queries.npy", rng.standard_normal((20, 24)).astype(np.float32))
        options = ["--data", tmp_path]
    out, svg = tmp_path / "results.jsonl", tmp_path / "picture.svg"
    sizes = ["--rows", 300, "--rounds", 3, "--queries", 20, "--repeats", 2 if real else 1]
    run("compare.py", "--stores", "altiplano", "--out", out, *sizes, *options)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    phases = ["start", "add", "query", "filtered", "round", "delete", "add_in_churn"]
    phases += ["query_after_churn", "filtered_after_churn", "after_churn", "reopen", "ttl"]
    assert [line["phase"] for line in lines] == phases * (2 if real else 1)
    assert {line["dimension"] for line in lines if "dimension" in line} == {24 if real else 384}
    assert all(line["recall"] == 1 for line in lines if "recall" in line)
    assert all(line["disk_mib"] > 0 for line in lines if "disk_mib" in line)
    table = run("report.py", out, "--svg", svg)
    assert "| recall@10 | 1.0000 |" in table
    texts = [node.text for node in ElementTree.parse(svg).iter() if node.tag.endswith("text")]
    assert texts.count("altiplano") == 4
