"""Compares the outcomes of Chroma's own tests with what is expected.

`expected.txt` has the number of tests that pass, and below it those that do not, each with its
outcome and the reason. It is an error if fewer pass, if one that is not listed does not pass, and
if one that is listed is gone or passes.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(results: str) -> int:
    got: dict[str, str] = {}
    for line in Path(results).read_text().splitlines():
        outcome, name = line.split(" ", 1)
        got[name] = outcome
    first, *rest = [
        line
        for line in Path(__file__).with_name("expected.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    wanted = int(first.removeprefix("passed "))
    listed = {}
    for line in rest:
        outcome, name = line.split("  # ")[0].split(" ", 1)
        listed[name] = outcome
    passed = sum(outcome == "passed" for outcome in got.values())
    faults = [
        f"{outcome}: {name}"
        for name, outcome in got.items()
        if outcome != "passed" and listed.get(name) != outcome
    ]
    faults += [
        f"listed as {outcome}, but {got.get(name, 'gone')}: {name}"
        for name, outcome in listed.items()
        if got.get(name) != outcome
    ]
    if passed < wanted:
        faults.append(f"{passed} tests passed, {wanted} are expected")
    print(f"Chroma's own tests: {passed} of {len(got)} passed, {len(listed)} are listed")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
