"""`rempart accounts` on both table layouts: what the source has, how a name is looked up, and never a secret or a hash."""

import hashlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP, PJSIP
from lab.rempart import Rempart
from lab.waiting import eventually

SECRET = "secret-of-1001"
# An account that is used from one network, and a name without a secret.
ROWS = {
    CHAN_SIP: """
        INSERT INTO sippeers (name, type, host, secret, deny, permit) VALUES
            ('2002', 'friend', 'dynamic', 'right', '0.0.0.0/0.0.0.0', '10.0.0.0/255.0.0.0'),
            ('2003', 'friend', 'dynamic', '', NULL, NULL);
    """,
    PJSIP: """
        INSERT INTO ps_endpoints (id, aors, auth, deny, permit) VALUES
            ('2002', '2002', '2002', '0.0.0.0/0.0.0.0', '10.0.0.0/255.0.0.0'), ('2003', '2003', '2003', NULL, NULL);
        INSERT INTO ps_auths (id, auth_type, username, password) VALUES
            ('2002', 'userpass', '2002', 'right'), ('2003', 'userpass', '2003', '');
        INSERT INTO ps_aors (id, max_contacts) VALUES ('2002', 1), ('2003', 1);
    """,
}
# The lab's sippeers has permit before deny, which then decides.
ACCESS = {CHAN_SIP: "any IPv6", PJSIP: "10.0.0.0/8, any IPv6"}
TABLE = {CHAN_SIP: "sippeers", PJSIP: "ps_endpoints"}
# What an accounts-reader that hangs may cost the asker, in seconds; the promise, three times.
HANGS = 3 * 10


@pytest.fixture(scope="module", params=[CHAN_SIP, PJSIP])
def schema(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def edge(schema: str, lab: Lab) -> Iterator[Rempart]:
    path = lab.database(schema)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(ROWS[schema])
    edge = lab.rempart(lab.settings(path, schema, ["198.19.0.10"]).text())
    edge.start()
    eventually(lambda: edge.ask("accounts").returncode == 0, "the accounts can be read", 30)
    yield edge
    edge.destroy()


def explained(edge: Rempart, name: str) -> dict:
    done = edge.ask("accounts", name, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_all_accounts_are_listed_in_order_with_what_they_may(edge: Rempart, lab: Lab, schema: str) -> None:
    done = edge.ask("accounts", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["account"]: row for row in json.loads(done.stdout)}
    assert list(rows) == sorted([*lab.accounts, "2002", "2003"])
    plain = rows["1001"]
    assert plain["isAccount"] and plain["mayRegister"] and plain["user"] == "1001" and plain["access"] == "any"
    assert plain["algorithms"] == ["MD5", "SHA-256"]
    assert rows["2002"]["access"] == ACCESS[schema]
    assert not rows["2003"]["isAccount"] and "no secret" in rows["2003"]["why"]
    lines = edge.ask("accounts").stdout.splitlines()
    assert lines[0].startswith("ACCOUNT") and len(lines) == 1 + len(rows)


def test_a_phone_that_registers_is_counted(edge: Rempart, lab: Lab) -> None:
    with lab.client("198.18.2.21") as phone:
        assert phone.register(lab.accounts["1002"]) == 200
    eventually(lambda: explained(edge, "1002")["phones"] == 1, "the phone is counted")


def test_each_look_up_of_an_account_is_told_with_its_time(edge: Rempart, lab: Lab, schema: str) -> None:
    done = edge.ask("accounts", "1001")
    assert done.returncode == 0 and "1001 is an account." in done.stdout and " ms" in done.stdout
    steps = explained(edge, "1001")["lookUps"]
    whats = [step["lookUp"] for step in steps]
    if schema == PJSIP:
        assert whats[0] == f"ps_endpoints id=1001@{lab.domain}" and not steps[0]["found"]
        assert whats[-3:] == ["ps_endpoints id=1001", "ps_auths id=1001", "ps_aors id=1001"]
        assert all(step["found"] for step in steps[-3:])
    else:
        assert whats == ["sippeers name=1001"] and steps[0]["found"]


def test_an_unknown_name_and_one_without_a_secret_say_so_with_the_remedy(edge: Rempart, schema: str) -> None:
    unknown = edge.ask("accounts", "nobody").stdout
    assert f"nobody is no account: no row of {TABLE[schema]} has this name." in unknown
    assert "accounts.schema" in unknown
    bare = edge.ask("accounts", "2003").stdout
    assert "2003 is no account: its row has no secret. Give it a secret" in bare


def test_no_secret_and_no_hash_is_ever_shown(edge: Rempart) -> None:
    shown = "".join(
        edge.ask("accounts", *more).stdout for more in ([], ["--json"], ["1001"], ["1001", "--json"], ["2002", "--json"])
    ).lower()
    assert "1001" in shown and SECRET not in shown
    for realm in ("asterisk", "example.test"):
        for hasher in (hashlib.md5, hashlib.sha256):
            assert hasher(f"1001:{realm}:{SECRET}".encode()).hexdigest() not in shown


def test_a_reader_that_hangs_is_an_error_that_says_so(edge: Rempart) -> None:
    os.kill(edge.component("accounts-reader")["pid"], signal.SIGSTOP)
    began = time.monotonic()
    done = edge.ask("accounts", "1001")
    assert done.returncode == 1 and "accounts-reader has not answered" in done.stderr
    assert time.monotonic() - began < HANGS
    eventually(lambda: edge.ask("accounts", "1001").returncode == 0, "another accounts-reader answers", 60)


def test_a_source_that_is_gone_is_an_error_that_says_why(edge: Rempart, schema: str) -> None:
    settings = edge.settings.read_text()
    database = settings.split("sqlite://")[1].splitlines()[0]
    os.rename(database, f"{database}.away")
    try:
        eventually(lambda: edge.ask("accounts").returncode == 1, "the source is gone", 30)
        assert database in edge.ask("accounts").stderr
    finally:
        os.rename(f"{database}.away", database)
    eventually(lambda: edge.ask("accounts").returncode == 0, "the source is back", 60)
