"""Accounts by `accounts.query` in MariaDB and PostgreSQL: an administrator's own SELECT over tables that are not Asterisk's."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Lab
from lab.accounts import Account
from lab.clients import Client
from lab.database_server import DatabaseServer, DataSources, MariaDB, PostgreSQL
from lab.rempart import Rempart
from lab.waiting import eventually

# A look-up that failed is told with the next second; three times what a connection takes to come back.
TOLD = 30.0
# As A2Billing has its accounts: texts that are filled up with blanks, and a card that says whether they may be used.
A2BILLING = """
    CREATE TABLE cc_card (id INTEGER PRIMARY KEY, status INTEGER);
    CREATE TABLE cc_sip_buddies (id_cc_card INTEGER, name CHAR(80), secret VARCHAR(4000), md5secret CHAR(80),
        permit CHAR(95), deny CHAR(95), limits INTEGER);
    INSERT INTO cc_card VALUES (1, 1), (2, 0);
"""
QUERY = (
    "SELECT s.name, s.secret, s.md5secret AS ha1_md5, s.deny, s.permit, s.limits AS max_contacts"
    " FROM cc_sip_buddies s JOIN cc_card c ON c.id = s.id_cc_card WHERE c.status = 1 AND s.name = ?"
)
# As VitalPBX has them: the name of the endpoint is made of two columns.
VITALPBX = """
    CREATE TABLE ombu_devices (device_id INTEGER PRIMARY KEY, tenant_id INTEGER, number VARCHAR(40), secret VARCHAR(40));
    CREATE TABLE ombu_pjsip_devices (device_id INTEGER PRIMARY KEY, max_contacts INTEGER, deny VARCHAR(95), permit VARCHAR(95));
    INSERT INTO ombu_devices VALUES (1, 7, '102', 'of 102');
    INSERT INTO ombu_pjsip_devices VALUES (1, 2, '0.0.0.0/0', '0.0.0.0/0');
"""
NAME = {"mariadb": "CONCAT('T', d.tenant_id, '_', d.number)", "postgresql": "'T' || d.tenant_id || '_' || d.number"}
# A view that the database itself cannot carry out for some row.
FAILING = {
    "mariadb": "CASE WHEN name = 'broken' THEN (SELECT id FROM cc_card) ELSE 1 END",
    "postgresql": "CASE WHEN name = 'broken' THEN 1 / (length(name) - 6) ELSE 1 END",
}
PASSWORD = "secret of; all"
STRANGE = " o'n\"e;{}:%ä密\\ "
LONG = Account("long", "x" * 4000)
WITNESS = Account("witness", "of the witness")


class Ground:
    """An edge whose accounts a query finds."""

    def __init__(self, lab: Lab, server: DatabaseServer) -> None:
        self.lab, self.server = lab, server
        self.sources = DataSources(lab.network.edge)
        server.make([])
        if isinstance(server, MariaDB):
            server.execute("ALTER DATABASE asterisk CHARACTER SET utf8mb4")
        for sql in (A2BILLING, VITALPBX):
            server.execute(sql)
        if isinstance(server, PostgreSQL):
            server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO rempart; CREATE ROLE narrow LOGIN")
        else:
            server.execute(f"CREATE USER narrow@localhost IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON asterisk.cc_card TO narrow@localhost")
        self.sources.write(server.ini("pbx"))
        self.secret = lab.new_folder("secret") / "secret"
        self.secret.write_text(f"{PASSWORD}\n")
        self.secret.chmod(0o600)
        settings = lab.settings(Path("/"), "", ["198.19.0.10"])
        settings.defence = {"allow": "[198.18.1.0/24]"}
        self.settings = settings.text()
        for account in (LONG, WITNESS):
            self.add(account.name, account.secret)
        self.edge: Rempart = lab.rempart(self.text(QUERY))
        self.phone: Client = lab.client("198.18.1.38")

    def text(self, query: str, user: str = "rempart") -> str:
        lines = ["odbc://pbx", f"  user: {user}", f"  secret-file: {self.secret}", "  query: |", f"    {query}"]
        return self.settings.replace("sqlite:///\n", "\n".join(lines) + "\n")

    def add(self, name: str, secret: str, card: int = 1, more: str = "NULL, NULL, NULL, NULL") -> Account:
        """A row; `more` is md5secret, permit, deny and limits."""
        text, begin = secret.replace("'", "''"), ""
        if isinstance(self.server, MariaDB):
            text, begin = text.replace("\\", "\\\\"), "SET NAMES utf8mb4; "
        self.server.execute(f"{begin}INSERT INTO cc_sip_buddies VALUES ({card}, '{name}', '{text}', {more})")
        return Account(name, secret)

    def register(self, account: Account) -> int:
        return self.phone.register(account)

    def explained(self, name: str) -> str:
        """What `rempart accounts NAME` says."""
        done = self.edge.ask("accounts", name)
        return done.stdout + done.stderr

    def live(self, query: str, user: str = "rempart") -> str:
        """What `rempart check --live` says of a query."""
        file = self.edge.folder / "other.yaml"
        file.write_text(self.text(query, user))
        done = self.edge.run("check", "--live", "--settings", str(file), timeout=60)
        return done.stdout + done.stderr


@pytest.fixture(scope="module", params=[MariaDB, PostgreSQL], ids=lambda kind: kind.name)
def ground(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Ground]:
    server = request.param(lab.new_folder("server"))
    ground = None
    try:
        ground = Ground(lab, server)
        ground.edge.start()
        yield ground
    finally:
        if ground:
            ground.edge.destroy()
            ground.sources.remove()
            ground.phone.socket.close()
        server.kill()


@pytest.fixture(autouse=True)
def as_it_was(ground: Ground) -> Iterator[None]:
    eventually(lambda: ground.register(WITNESS) == 200, lambda: f"all is well:\n{ground.edge.log()}", TOLD, every=0.5)
    yield


def test_a_phone_registers_with_its_password_and_with_no_other(ground: Ground) -> None:
    account = ground.add("1001", "one")
    assert ground.register(account) == 200
    assert ground.register(Account(account.name, "wrong")) == 401
    assert ground.register(Account("nobody", "one")) == 401


def test_a_secret_is_its_bytes_of_any_kind_and_length(ground: Ground) -> None:
    assert ground.register(ground.add("strange", STRANGE)) == 200
    assert ground.register(Account("strange", STRANGE.strip())) == 401
    assert ground.register(LONG) == 200
    assert ground.register(Account(LONG.name, LONG.secret[:-1])) == 401


def test_a_hash_wins_over_a_secret(ground: Ground) -> None:
    ha1 = hashlib.md5(b"hashed:asterisk:new").hexdigest()
    ground.add("hashed", "old", more=f"'{ha1}', NULL, NULL, NULL")
    assert ground.register(Account("hashed", "new")) == 200
    assert ground.register(Account("hashed", "old")) == 401


def test_what_the_query_leaves_out_is_no_account(ground: Ground) -> None:
    assert ground.register(ground.add("barred", "secret", card=2)) == 401
    assert ground.register(ground.add("empty", "")) == 401
    assert "no secret" in ground.explained("empty")


def test_a_name_in_other_letters_is_another_name_whatever_the_database_thinks(ground: Ground) -> None:
    assert ground.register(ground.add("anna", "small")) == 200
    for name in ("Anna", "anna%20", "%61nna%00", "ann\u00e5"):
        assert ground.register(Account(name, "small")) != 200, name


def test_no_name_that_a_phone_can_write_does_any_harm(ground: Ground) -> None:
    for name in ("x" * 4000, "a%0D%0Ab", "a%00b", "%FF%FE", "%F0%9F%98%80", "'%20OR%20'1'='1", "%25", "\\"):
        assert ground.register(Account(name, "small")) != 200, name
    assert ground.register(WITNESS) == 200


def test_two_rows_of_one_name_are_no_account(ground: Ground) -> None:
    first, second = ground.add("twice", "one"), ground.add("twice", "two")
    assert (ground.register(first), ground.register(second)) == (401, 401)
    assert "several rows of accounts.query have this name" in ground.explained("twice")


def test_access_lists_and_contacts_count(ground: Ground) -> None:
    inside = ground.add("inside", "s", more="NULL, '198.18.1.0/24', '0.0.0.0/0', 1")
    outside = ground.add("outside", "s", more="NULL, '192.0.2.0/24', '0.0.0.0/0', 1")
    unreadable = ground.add("unreadable", "s", more="NULL, 'pbx.example', NULL, 1")
    assert [ground.register(account) for account in (inside, outside, unreadable)] == [200, 401, 401]
    assert "cannot be read" in ground.explained("unreadable")
    assert ground.register(ground.add("caller", "s", more="NULL, NULL, NULL, 0")) != 200
    assert "max_contacts=0" in ground.explained("caller")


def test_a_new_password_is_good_at_once(ground: Ground) -> None:
    assert ground.register(ground.add("changing", "old")) == 200
    ground.server.execute("UPDATE cc_sip_buddies SET secret = 'new' WHERE name = 'changing'")
    eventually(lambda: ground.register(Account("changing", "new")) == 200, lambda: f"the new one:\n{ground.edge.log()}")


def test_a_query_lists_no_accounts_and_says_so(ground: Ground) -> None:
    done = ground.edge.ask("accounts")
    assert done.returncode != 0 and "accounts.query" in done.stderr and "rempart accounts NAME" in done.stderr, done
    assert "accounts.query name=witness" in ground.explained("witness")


def test_what_the_reader_can_read_is_told(ground: Ground) -> None:
    said = ground.live(QUERY)
    assert "odbc://pbx: good: query, which finds one account by its name and lists none" in said, said
    assert "odbc://pbx: warning" not in said, said
    name = NAME[ground.server.name]
    said = ground.live(
        f"SELECT {name} AS name, d.secret, p.max_contacts, p.deny, p.permit FROM ombu_devices d"
        f" JOIN ombu_pjsip_devices p ON p.device_id = d.device_id WHERE {name} = ?"
    )
    assert "odbc://pbx: good: query" in said, said


def test_what_is_wrong_with_a_query_is_told(ground: Ground) -> None:
    def told(columns: str, rest: str = "WHERE name = ?", table: str = "cc_sip_buddies") -> str:
        return ground.live(f"SELECT {columns} FROM {table} {rest}")

    assert "lacks the result column name" in told("secret")
    assert "lacks a result column secret or" in told("name")
    assert "has a result column md5secret, which says nothing here" in told("name, secret, md5secret")
    assert "has 0 parameters" in told("name, secret", "WHERE name = '?'")
    assert "has a row for a name that nobody has" in told("name, secret", "WHERE ? <> ''")
    assert "refused by the database" in told("name, secret", table="nothing")
    assert "refused by the database" in told("name, secret", "WHERE name ?")
    assert "GRANT SELECT to the login" in ground.live(QUERY, "narrow")
    if isinstance(ground.server, PostgreSQL):
        # Its driver asks with a text, which a column of numbers refuses; MariaDB takes 1 for 01 there.
        assert "refused by the database" in told("id AS name, status AS secret", "WHERE id = ?", "cc_card")
        ground.server.execute("GRANT DELETE ON cc_card TO rempart")
        writing = ground.live("WITH gone AS (DELETE FROM cc_card RETURNING id) SELECT name, secret FROM cc_sip_buddies WHERE name = ?")
        assert "read-only transaction" in writing, writing


def test_a_row_for_which_the_database_fails_is_nobodys_and_stops_nobody_else(ground: Ground) -> None:
    broken = ground.add("broken", "s")
    ground.server.execute(f"CREATE VIEW failing AS SELECT name, secret, {FAILING[ground.server.name]} AS most FROM cc_sip_buddies")
    ground.server.execute(f"GRANT SELECT ON failing TO rempart{'@localhost' if isinstance(ground.server, MariaDB) else ''}")
    ground.edge.write_settings(ground.text("SELECT name, secret, most AS max_contacts FROM failing WHERE name = ?"))
    try:
        assert ground.edge.ask("reload").returncode == 0
        other = ground.add("other", "s")
        eventually(lambda: ground.register(other) == 200, lambda: f"the other query:\n{ground.edge.log()}", TOLD, every=0.5)
        assert ground.register(broken) == 503
        eventually(lambda: ground.register(WITNESS) == 200, lambda: f"others:\n{ground.edge.log()}", TOLD, every=0.5)
    finally:
        ground.edge.write_settings(ground.text(QUERY))
        assert ground.edge.ask("reload").returncode == 0
