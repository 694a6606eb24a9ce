#!/usr/bin/env python3
"""The tests of a report (JUnit XML) that failed, and what became of them when they were tried once more.

    second-try.py failed REPORT              prints the failed tests, by which pytest finds them; none where a fixture
                                             has failed, since a later test may answer for an earlier one then
    second-try.py merge REPORT AGAIN NAMES   those that passed in AGAIN pass in REPORT, and NAMES gets their names
"""

import sys
import xml.etree.ElementTree as tree
from pathlib import Path


def is_failed(case: tree.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def name_of(case: tree.Element) -> str:
    """The module's file and the test, as pytest takes them: no test of the lab is in a class."""
    return f"{case.get('classname', '')}.py::{case.get('name', '')}"


def merge(report: Path, again: Path, names: Path) -> None:
    document = tree.parse(report)
    tries: dict[str, bool] = {}
    for case in tree.parse(again).iter("testcase"):
        # A test whose fixture fails at its end has two cases.
        tries[name_of(case)] = tries.get(name_of(case), True) and not is_failed(case) and case.find("skipped") is None
    passed = []
    for case in document.iter("testcase"):
        if is_failed(case) and tries.get(name_of(case)):
            passed.append(name_of(case))
            for part in list(case):
                case.remove(part)
    document.write(report)
    again.unlink()
    names.write_text("".join(f"{name}\n" for name in passed))


def main() -> None:
    match sys.argv[1:]:
        case ["failed", report]:
            cases = list(tree.parse(report).iter("testcase"))
            if not any(case.find("error") is not None for case in cases):
                print("".join(f"{name_of(case)}\n" for case in cases if is_failed(case)), end="")
        case ["merge", report, again, names]:
            merge(Path(report), Path(again), Path(names))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
