#!/bin/bash
# Checks the form of all sources: formatting, length of files, syntax of scripts, prose of documents.
#
#   scripts/lint.sh [--fix]      --fix: formats instead of complaining
set -euo pipefail
cd "$(dirname "$0")/.."

longest=500
mapfile -t swift_files < <(git ls-files --cached --others --exclude-standard -- '*.swift')
mapfile -t all_files < <(git ls-files --cached --others --exclude-standard -- \
    '*.swift' '*.c' '*.h' '*.sh' '*.py' .ci/run 'debian/rempart.p*')

if [[ "${1:-}" == --fix ]]; then
    exec swift format --in-place --parallel "${swift_files[@]}"
fi

failed=0
swift format lint --strict --parallel "${swift_files[@]}" || failed=1
scripts/check-prose.py || failed=1
for file in "${all_files[@]}"; do
    [[ -e "$file" ]] || continue
    lines=$(wc -l <"$file")
    if ((lines > longest)); then
        echo "$file: $lines lines; split it, $longest is the most" >&2
        failed=1
    fi
    case "$file" in
        *.sh | .ci/run) bash -n "$file" || failed=1 ;;
        debian/*) sh -n "$file" || failed=1 ;;
    esac
done
exit "$failed"
