"""How fast a change in the accounts' tables counts: for requests, for bindings, for the source that is locked or written anew.

The core's own tests (`Tests/Unit/ProxyTests/OldKnowledgeTests.swift`) hold what sip-router makes of it, on a simulated
clock; here a real database changes under the real daemon.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from conftest import PBX_OF, Lab
from lab.accounts import CHAN_SIP, PJSIP, Account, make_database
from lab.asterisk import CHAN_SIP_16
from lab.clients import Client
from lab.rempart import Rempart
from lab.waiting import eventually

# An old password ends within 3 s; a test waits three times as long.
PROMISE = 3.0
DEADLINE = 3 * PROMISE
TRANSPORTS = ["udp", "tcp", "tls"]
NEW_SECRET = {
    CHAN_SIP: "UPDATE sippeers SET secret = 'changed' WHERE name = ?",
    PJSIP: "UPDATE ps_auths SET password = 'changed' WHERE id = ?",
}
DELETED = {
    CHAN_SIP: "DELETE FROM sippeers WHERE name = ?",
    PJSIP: "DELETE FROM ps_endpoints WHERE id = ?",
}
EMPTIED = {CHAN_SIP: "DELETE FROM sippeers", PJSIP: "DELETE FROM ps_endpoints"}


class Ground:
    """An edge without an Asterisk, and the database of its accounts."""

    def __init__(self, lab: Lab, schema: str) -> None:
        self.lab = lab
        self.schema = schema
        self.database = lab.database(schema)
        settings = lab.settings(self.database, schema, [PBX_OF[CHAN_SIP_16]])
        settings.defence = {"allow": "[198.18.1.0/24, 198.18.2.0/24]"}
        self.edge: Rempart = lab.rempart(settings.text())
        self.edge.start()

    def change(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(statement, values)

    def restore(self, more: Sequence[Account] = ()) -> None:
        """A database as it was, and with more accounts, in another file that takes its place."""
        folder = self.lab.new_folder("again")
        path: Path = folder / "realtime.sqlite3"
        make_database(path, self.schema, [*self.lab.accounts.values(), *more])
        path.chmod(self.database.stat().st_mode & 0o777)
        path.replace(self.database)

    def holds_back(self) -> bool:
        return "lose their registration" in self.edge.ask("status").stdout

    def bound(self, account: Account) -> bool:
        return self.edge.phones(account.name) != []

    def all_bound(self, accounts: list[Account]) -> bool:
        """The same of many by one question, since each takes a while on a busy machine."""
        return {account.name for account in accounts} <= {phone["account"] for phone in self.edge.phones()}


@pytest.fixture(scope="module", params=[CHAN_SIP, PJSIP])
def ground(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Ground]:
    ground = Ground(lab, request.param)
    yield ground
    ground.edge.destroy()


@pytest.fixture(autouse=True)
def as_it_was(ground: Ground) -> Iterator[None]:
    yield
    ground.restore()
    with ground.lab.client("198.18.2.40") as client:
        eventually(lambda: client.register(ground.lab.accounts["1001"], expires=0) == 200, "the account is as it was", 30, every=0.5)


def registered(client: Client, account: Account) -> None:
    eventually(lambda: client.register(account) == 200, f"{account.name} registers", 30, every=0.5)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_changed_secret_ends_the_old_one_and_its_binding(ground: Ground, lab: Lab, transport: str) -> None:
    account = lab.accounts["1001"]
    with lab.client("198.18.1.40", transport) as client:
        registered(client, account)
        ground.change(NEW_SECRET[ground.schema], account.name)
        eventually(lambda: not ground.bound(account), "the old secret's binding ends", DEADLINE)
        assert client.register(account) == 401
        assert client.register(Account(account.name, "changed")) == 200
        assert ground.bound(account)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_deleted_account_ends_with_its_binding_and_bans_nobody(ground: Ground, lab: Lab, transport: str) -> None:
    account = lab.accounts["1001"]
    with lab.client("198.18.1.40", transport) as client:
        registered(client, account)
        ground.change(DELETED[ground.schema], account.name)
        eventually(lambda: not ground.bound(account), "the account's binding ends", DEADLINE)
        for _ in range(6):
            assert client.register(account) == 401
        assert ground.edge.bans() == []


def test_a_locked_database_keeps_no_known_phone_out(ground: Ground, lab: Lab) -> None:
    account = lab.accounts["1001"]
    with lab.client("198.18.1.40") as client, closing(sqlite3.connect(ground.database, isolation_level=None)) as database:
        registered(client, account)
        database.execute("BEGIN EXCLUSIVE")
        try:
            until = time.monotonic() + 7
            while time.monotonic() < until:
                assert client.register(account) == 200
                time.sleep(0.5)
            assert client.register(Account("4711", "wrong")) == 503
        finally:
            database.execute("ROLLBACK")


def test_a_replaced_database_ends_nothing_that_is_the_same_in_it(ground: Ground, lab: Lab) -> None:
    account = lab.accounts["1001"]
    with lab.client("198.18.1.40") as client:
        registered(client, account)
        ground.restore()
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            assert ground.bound(account)
            time.sleep(0.5)
        assert client.register(account) == 200


def test_a_table_that_is_empty_for_ten_seconds_ends_nothing(ground: Ground, lab: Lab) -> None:
    """More than ten bindings, and more than a tenth of all, are not ended by one look at the tables."""
    crowd = [Account(f"7{number:03}", f"secret-{number}") for number in range(12)]
    ground.restore(crowd)
    with lab.client("198.18.1.40") as client:
        for account in crowd:
            registered(client, account)
        ground.change(EMPTIED[ground.schema])
        until = time.monotonic() + 10
        while time.monotonic() < until:
            assert ground.all_bound(crowd)
            time.sleep(0.5)
        assert ground.holds_back()
        ground.restore(crowd)
        eventually(lambda: not ground.holds_back(), "nothing is held back any more", DEADLINE)
        assert ground.all_bound(crowd)
