"""Lanes: processes of pytest (workers of pytest-xdist) that run the lab at once, each on ground of its own.

A lane takes a share when it has no more to do: the tests of one file, in their order, since they have an edge and its
Asterisks together; or those of several files, where the table says so.
"""

import os
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

from .rempart import CHECKOUT
from .workspace import clear

# The table: files whose tests are one share.
SHARES = {
    # What loads the machine for seconds, or holds the edge to times in which a loaded machine might fail. Only one of
    # these runs at a time.
    "alone": {
        "test_attackers.py",
        "test_attackers_long.py",
        "test_capture.py",
        "test_nat_wall.py",
        "test_oracle.py",
        "test_oracle_sources.py",
        "test_slow_source.py",
        "test_supervision.py",
        "test_survival.py",
        "test_wall.py",
    },
    # What stands on the machine that systemd boots: it is booted once.
    "booted": {"test_administration.py", "test_backup.py", "test_booted.py", "test_check_live.py", "test_page_booted.py"},
}
# The shares that take more than a minute, the longest first. One that began last would run on alone.
LONG = [
    "alone",
    "test_quiet_phones.py",
    "test_keep_alive.py",
    "test_pages.py",
    "test_lost_contacts.py",
    "booted",
    "test_packages.py",
    "test_old_knowledge.py",
    "test_captured.py",
    "test_nat.py",
    "test_bad_input.py",
    "test_certificates.py",
    "test_inherited.py",
]


FIRST = "gw0"
# Where a lane stands: the lab, and the machines that systemd boots.
PLACES = ["", "booted", "packaged"]


def ground(place: str = "", lane: str = "") -> str:
    """The name of the workspace of this checkout at one of the places, of this process's lane where no other is named.

    The first lane stands where a run without lanes does: so either clears what the other has left behind, and they
    exclude each other.
    """
    assert place in PLACES
    lane = lane or os.environ.get("PYTEST_XDIST_WORKER", FIRST)
    return "/".join([str(CHECKOUT), *filter(None, [place, lane if lane != FIRST else ""])])


def clear_lane(lane: str) -> None:
    """Removes what a lane has left that was killed, as one is that does not end within some seconds."""
    for place in PLACES:
        clear(ground(place, lane))


def share_of(nodeid: str) -> str:
    """The share that a test belongs to, by its file."""
    file = Path(nodeid.split("::")[0]).name
    return next((share for share, files in SHARES.items() if file in files), file)


def turn_of(nodeid: str) -> int:
    """A test's place in the order of the shares; all that are short have one and the same."""
    share = share_of(nodeid)
    return LONG.index(share) if share in LONG else len(LONG)


class Lanes(LoadScopeScheduling):
    """Hands the shares out in the order in which their tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
