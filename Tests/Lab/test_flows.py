"""Many at once: sipp registers and calls through the edge, and not one of them fails."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.namespaces import EDGE_OUTSIDE
from lab.waiting import eventually

SIPP = Path(__file__).parent / "sipp"
LIMIT_SECONDS = 60


def run_sipp(lab: Lab, file: str, address: str, transport: str, count: int, rate: int, uri: str = "") -> str:
    """Plays a file `count` times, over all accounts in turn; returns what sipp said, and fails with it.

    Its credentials are for `uri`, without which sipp takes the edge's address.
    """
    folder = lab.new_folder("sipp")
    lines = ["SEQUENTIAL"] + [
        f"{account.name};[authentication username={account.name} password={account.secret}];{lab.domain}"
        for account in lab.accounts.values()
    ]
    (folder / "accounts.csv").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        ["ip", "netns", "exec", lab.network.clients, "sipp", f"{EDGE_OUTSIDE}:5060", "-sf", str(SIPP / file)]
        + ["-inf", str(folder / "accounts.csv"), "-i", address, "-p", "5060", "-t", transport, "-mp", "20000"]
        + ["-m", str(count), "-r", str(rate), "-timeout", f"{LIMIT_SECONDS}s", "-timeout_error", "-nostdin"]
        + ["-trace_err", "-error_file", str(folder / "errors")]
        + (["-auth_uri", uri] if uri else []),
        text=True,
        capture_output=True,
        check=False,
        timeout=LIMIT_SECONDS + 20,
        stdin=subprocess.DEVNULL,
        env={"TERM": "dumb", "PATH": "/usr/bin:/bin:/usr/sbin"},
    )
    errors = folder / "errors"
    said = done.stdout[-3000:] + (errors.read_text()[:3000] if errors.exists() else "")
    assert done.returncode == 0, said
    return done.stdout


def successful(said: str) -> int:
    """The number of plays that came to their end, in sipp's last screen."""
    return int(re.findall(r"Successful call\s*\|\s*\d+\s*\|\s*(\d+)", said)[-1])


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_two_hundred_registrations_at_once_all_succeed(site: Site, lab: Lab, transport: str) -> None:
    address = {"u1": "198.18.2.38", "t1": "198.18.2.39"}[transport]
    assert successful(run_sipp(lab, "register.xml", address, transport, count=200, rate=100)) == 200
    assert {phone["account"] for phone in site.edge.phones()} == set(lab.accounts)


def test_forty_calls_at_once_all_succeed(site: Site, lab: Lab) -> None:
    assert successful(run_sipp(lab, "call.xml", "198.18.2.40", "u1", count=40, rate=20, uri=f"{ECHO}@{lab.domain}")) == 40
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended every call")
