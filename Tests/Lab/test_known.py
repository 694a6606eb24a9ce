"""What directory knows of the accounts: a change ends what it should within seconds, and a dead database nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP, Account, make_database
from lab.rempart import Rempart
from lab.waiting import eventually

# Promised is 3 s.
DEADLINE = 9.0
MANY = [Account(f"20{number:02}", f"secret-{number}") for number in range(12)]


@pytest.fixture
def database(lab: Lab) -> Path:
    path = lab.new_folder("db") / "realtime.sqlite3"
    make_database(path, CHAN_SIP, [*lab.accounts.values(), *MANY])
    return path


@pytest.fixture
def edge(lab: Lab, database: Path) -> Iterator[Rempart]:
    edge = lab.rempart(lab.settings(database, CHAN_SIP, ["198.19.0.10"]).text())
    edge.start()
    yield edge
    edge.destroy()


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def registered(edge: Rempart) -> list[str]:
    return sorted(phone["account"] for phone in edge.phones())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sippeers SET secret='new' WHERE name='1001'",
        "DELETE FROM sippeers WHERE name='1001'",
        "UPDATE sippeers SET deny='0.0.0.0/0' WHERE name='1001'",
        "UPDATE sippeers SET host='198.18.0.9' WHERE name='1001'",
    ],
    ids=["secret", "deleted", "denied", "static"],
)
def test_a_change_of_an_account_ends_its_registration_and_no_other(edge: Rempart, lab: Lab, database: Path, statement: str) -> None:
    with lab.client("198.18.2.21") as first, lab.client("198.18.2.22") as second:
        assert first.register(lab.accounts["1001"]) == 200
        assert second.register(lab.accounts["1002"]) == 200
        change(database, statement)
        eventually(lambda: registered(edge) == ["1002"], "the registration ends", DEADLINE, every=0.1)
        assert second.register(lab.accounts["1002"]) == 200


def test_a_table_that_is_emptied_and_filled_again_ends_nothing(edge: Rempart, lab: Lab, database: Path) -> None:
    def is_held_back() -> bool:
        assert len(registered(edge)) == len(MANY)
        return "put the rows back" in edge.ask("status").stdout

    with ExitStack() as stack:
        phones = [stack.enter_context(lab.client(f"198.18.2.{20 + number}")) for number in range(len(MANY))]
        for phone, account in zip(phones, MANY, strict=True):
            assert phone.register(account) == 200
        change(database, "CREATE TABLE away AS SELECT * FROM sippeers", "DELETE FROM sippeers")
        eventually(is_held_back, "status says why nothing ends", DEADLINE, every=0.2)
        # Nobody hears of a wrong password that may be right, nor that there is no such account.
        assert phones[0].register(MANY[0]) == 503
        assert phones[1].register(Account("4711", "wrong")) == 503
        change(database, "INSERT INTO sippeers SELECT * FROM away")
        eventually(lambda: not is_held_back(), "all is well", DEADLINE, every=0.2)
        assert phones[0].register(MANY[0]) == 200
        assert phones[1].register(Account("4711", "wrong")) == 401


def test_accounts_that_stay_away_lose_their_registrations(edge: Rempart, lab: Lab, database: Path) -> None:
    with ExitStack() as stack:
        for number, account in enumerate(MANY):
            assert stack.enter_context(lab.client(f"198.18.2.{20 + number}")).register(account) == 200
        change(database, "DELETE FROM sippeers")
        # Promised is 18 s.
        eventually(lambda: not registered(edge), "the second look agrees", 54, every=0.5)
        assert "the source has no account" in edge.ask("status").stdout


def test_over_a_restart_with_a_dead_database_known_accounts_register(edge: Rempart, lab: Lab, database: Path) -> None:
    with lab.client("198.18.2.23") as known, lab.client("198.18.2.24") as unknown:
        assert known.register(lab.accounts["1001"]) == 200
        database.rename(database.with_suffix(".away"))
        eventually(lambda: "no source of accounts" in edge.ask("status").stdout, "status says so", DEADLINE, every=0.2)
        edge.stop()
        edge.start()
        assert known.register(lab.accounts["1001"]) == 200
        assert unknown.register(lab.accounts["1002"]) == 503
        database.with_suffix(".away").rename(database)
        eventually(lambda: unknown.register(lab.accounts["1002"]) == 200, "the database is read again", 30, every=0.5)
