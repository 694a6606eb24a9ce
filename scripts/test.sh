#!/bin/bash
# Runs everything there is to run: packages, lint, Swift tests, release build, linkage, allocations, lab.
#
# Every step is run, also after one that failed, unless it cannot mean anything without it. The last line
# is "N passed, N failed": the tests of all steps, and one failure for each step that failed as a whole.
set -uo pipefail
cd "$(dirname "$0")/.."

results="$(mktemp -d)"
trap 'rm -rf "$results"' EXIT
failed_steps=()

# step NAME COMMAND...: runs a step, says how long it took, and remembers whether it failed.
step() {
    local name="$1" began="$SECONDS"
    shift
    echo "== $name"
    if "$@"; then
        echo "== $name took $((SECONDS - began)) s"
        return 0
    fi
    echo "== $name FAILED after $((SECONDS - began)) s" >&2
    failed_steps+=("$name")
    return 1
}

# The lab. What fails beside another test is tried once more by itself, up to three tests: there a busy machine is no
# reason. A test that passes then is named at the end, for its fault is to be found all the same.
lab() {
    timeout 2700 scripts/lab-test.sh --junitxml="$results/lab-.xml" && return
    # 1: tests failed, and all have run.
    (($? == 1)) || return 1
    mapfile -t again < <(python3 scripts/second-try.py failed "$results/lab-.xml")
    if ((${#again[@]} < 1 || ${#again[@]} > 3)); then return 1; fi
    echo "== once more, by themselves: ${again[*]}"
    REMPART_LANES=1 timeout 900 scripts/lab-test.sh --junitxml="$results/again.xml" "${again[@]}"
    local code=$?
    python3 scripts/second-try.py merge "$results/lab-.xml" "$results/again.xml" "$results/second-tries"
    return "$code"
}

# Adds up the reports (JUnit XML) and the steps that failed without a failed test of their own.
count() {
    [[ ! -s "$results/second-tries" ]] || sed 's/^/passed by itself alone: /' "$results/second-tries"
    python3 - "$results" "${failed_steps[@]}" <<'PYTHON'
import pathlib
import sys
import xml.etree.ElementTree as tree

passed = failed = skipped = 0
ran = set()
reported = set()
for path in pathlib.Path(sys.argv[1]).glob("*.xml"):
    try:
        cases = list(tree.parse(path).iter("testcase"))
    except tree.ParseError:
        continue
    for case in cases:
        ran.add(path.name.split("-")[0])
        if case.find("failure") is not None or case.find("error") is not None:
            print("failed: {}.{}".format(case.get("classname"), case.get("name")))
            failed += 1
            reported.add(path.name.split("-")[0])
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
steps = sys.argv[2:]
# A step that ran no test at all has proven nothing, whatever its exit code.
if "release build" not in steps and "lab" not in ran | set(steps):
    steps.append("lab")
if "swift" not in ran and "swift test" not in steps:
    steps.append("swift test")
failed += sum(1 for step in steps if step.split()[0] not in reported)
if steps:
    print("failed: " + ", ".join(steps))
if skipped:
    print(f"{skipped} skipped")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
PYTHON
}

step "packages" scripts/install-packages.sh test
step "lint" scripts/lint.sh
# The same hashes in each run: where 64 bits hold which names were tried, two names may pass for one.
step "swift test" env SWIFT_DETERMINISTIC_HASHING=1 timeout 1200 swift test --xunit-output "$results/swift-.xml"
if step "release build" scripts/build.sh; then
    step "linkage" scripts/linkage.sh
    step "allocations" timeout 300 Benchmarks/allocations.sh --junitxml="$results/allocations-.xml"
    step "lab" lab
fi
count
