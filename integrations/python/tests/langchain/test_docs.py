"""The examples of `docs/langchain.md` run."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "langchain.md"


def test_the_examples_run(tmp_path, letters, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) >= 5
    names = {"embedding": letters}
    for example in examples:
        exec(example, names)  # noqa: S102
    assert "Ada likes oolong" in capsys.readouterr().out
