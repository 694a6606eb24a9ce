#!/usr/bin/env python3
"""Another program at the accounts' file, as an Asterisk whose disk is slow: commit after commit, each with the lock.

    Benchmarks/slow-commits.py FILE HELD FREE

For HELD milliseconds nobody else reads the file, for FREE milliseconds it is open, and so on. Each commit changes one
row of sippeers, as chan_sip does with the row of a phone that it has asked. Ends with SIGTERM, after the commit under
way, and prints one line: how many commits there were, how long the lock was held and free on average in ms.
"""

import signal
import sqlite3
import sys
import time


def main() -> None:
    path, held, free = sys.argv[1], float(sys.argv[2]) / 1000, float(sys.argv[3]) / 1000
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    # The disk of this machine shall add nothing to the time that is asked for.
    database.execute("PRAGMA synchronous = OFF")
    rows = database.execute("SELECT count(*) FROM sippeers").fetchone()[0]
    commits, locked, began = 0, 0.0, time.monotonic()
    while not ended:
        database.execute("BEGIN EXCLUSIVE")
        since = time.monotonic()
        database.execute("UPDATE sippeers SET lastms = ? WHERE id = ?", (commits, commits % rows + 1))
        time.sleep(held)
        database.execute("COMMIT")
        commits += 1
        locked += time.monotonic() - since
        time.sleep(free)
    share = 1000 / max(commits, 1)
    print(commits, locked * share, (time.monotonic() - began - locked) * share)


main()
