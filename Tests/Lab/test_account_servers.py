"""Accounts in MariaDB and PostgreSQL, through Debian's own ODBC drivers: what phones meet while the server is well, slow or gone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Lab
from lab.accounts import Account
from lab.clients import Client
from lab.database_server import DatabaseServer, DataSources, MariaDB, PostgreSQL
from lab.rempart import Rempart
from lab.waiting import eventually

# accounts-reader is replaced 10 s after the first look-up without an answer, and connects anew within 10 s.
BACK = 60.0
# A look-up waits 200 ms for its source.
WITNESS = Account("1030", "secret-of-1030")
LONG = Account("1040", "x" * 4000)
PASSWORD = "secret of; all"


class Ground:
    """An edge whose accounts lie in a database server of its own."""

    def __init__(self, lab: Lab, server: DatabaseServer) -> None:
        self.lab, self.server = lab, server
        self.sources = DataSources(lab.network.edge)
        server.make([*lab.accounts.values(), LONG, Account("anna", "small")])
        login = {"UID": "rempart"} if isinstance(server, MariaDB) else {"Username": "rempart"}
        self.sources.write(
            server.ini("asterisk") + server.ini("own-login", **login) + server.ini("nowhere", SOCKET="/nowhere", Servername="/nowhere")
        )
        self.secret = lab.new_folder("secret") / "secret"
        self.write_secret(PASSWORD)
        settings = lab.settings(Path("/"), server.schema, ["198.19.0.10"])
        settings.defence = {"allow": "[198.18.1.0/24]"}
        self.settings = settings.text()
        self.edge: Rempart = lab.rempart(self.text())
        self.phone: Client = lab.client("198.18.1.37")

    def write_secret(self, secret: str, mode: int = 0o600) -> None:
        self.secret.write_text(f"{secret}\n")
        self.secret.chmod(mode)

    def text(self, source: str = "asterisk", user: str = "rempart") -> str:
        """Settings with a DSN, a login, and the password of the file."""
        lines = f"odbc://{source}\n  user: {user}\n  secret-file: {self.secret}"
        return self.settings.replace("sqlite:///\n", f"{lines}\n")

    def register(self, account: Account) -> int:
        return self.phone.register(account)

    def is_well(self) -> None:
        """A name that nobody has asked for is looked up: the source is read."""
        eventually(lambda: self.register(WITNESS) == 200, lambda: f"all is well:\n{self.edge.log()}", BACK, every=0.5)

    def live(self, text: str) -> str:
        """What `rempart check --live` says of some settings."""
        file = self.edge.folder / "other.yaml"
        file.write_text(text)
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
    ground.is_well()
    yield


def test_a_phone_registers_with_its_password_and_with_no_other(ground: Ground) -> None:
    account = ground.lab.accounts["1001"]
    assert ground.register(account) == 200
    assert ground.register(Account(account.name, "wrong")) == 401
    assert ground.register(Account("nobody", "wrong")) == 401


def test_a_password_of_4000_characters_is_read_whole(ground: Ground) -> None:
    assert ground.register(LONG) == 200
    assert ground.register(Account(LONG.name, LONG.secret[:-1])) == 401


def test_a_name_in_other_letters_is_another_name_whatever_the_database_thinks(ground: Ground) -> None:
    assert ground.register(Account("anna", "small")) == 200
    assert ground.register(Account("Anna", "small")) == 401


def test_a_new_password_is_good_at_once(ground: Ground) -> None:
    account = ground.lab.accounts["1002"]
    assert ground.register(account) == 200
    ground.server.change(account, "changed")
    eventually(lambda: ground.register(Account(account.name, "changed")) == 200, lambda: f"the new password:\n{ground.edge.log()}")


def test_what_the_reader_can_read_is_told_with_the_dsn(ground: Ground) -> None:
    said = ground.live(ground.text())
    assert f"odbc://asterisk: good: {ground.server.schema}, " in said, said


def test_the_password_stands_in_no_command_line_and_no_environment(ground: Ground) -> None:
    for pid in ground.edge.pids():
        for name in ("cmdline", "environ"):
            assert PASSWORD.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert PASSWORD not in ground.edge.log()


def test_what_is_wrong_is_told_with_what_to_do(ground: Ground) -> None:
    assert "/etc/odbc.ini" in ground.live(ground.text("not-there"))
    assert "answers" in ground.live(ground.text("nowhere"))
    assert "accounts.user" in ground.live(ground.text(user="somebody"))
    ground.write_secret(PASSWORD, 0o644)
    try:
        assert "chmod 600" in ground.live(ground.text())
    finally:
        ground.write_secret(PASSWORD)


def test_a_column_that_the_login_may_not_read_is_named(ground: Ground) -> None:
    if isinstance(ground.server, MariaDB):
        ground.server.execute(
            f"CREATE USER narrow@localhost IDENTIFIED BY '{PASSWORD}';"
            "GRANT SELECT (name, type, host, secret, dynamic, permit) ON asterisk.sippeers TO narrow@localhost"
        )
        refused = "GRANT SELECT ON sippeers"
    else:
        ground.server.execute(
            "CREATE ROLE narrow LOGIN; GRANT SELECT ON ps_auths, ps_aors TO narrow;"
            "GRANT SELECT (id, aors, auth) ON ps_endpoints TO narrow"
        )
        refused = "GRANT SELECT ON ps_endpoints"
    said = ground.live(ground.text(user="narrow"))
    assert refused in said, said


def test_a_column_that_goes_stops_nobody(ground: Ground) -> None:
    gone = "ALTER TABLE sippeers DROP COLUMN md5secret" if isinstance(ground.server, MariaDB) else (
        "ALTER TABLE ps_endpoints DROP COLUMN permit"
    )  # fmt: skip
    ground.server.execute(gone)
    account = Account("1003", "changed")
    ground.server.change(ground.lab.accounts["1003"], account.secret)
    eventually(lambda: ground.register(account) == 200, lambda: f"a look-up after it:\n{ground.edge.log()}", 30, every=0.5)


def test_while_the_server_is_gone_known_phones_are_served_and_then_all_are(ground: Ground) -> None:
    known = ground.lab.accounts["1004"]
    assert ground.register(known) == 200
    ground.server.kill()
    try:
        assert ground.register(known) == 200
        assert ground.register(ground.lab.accounts["1005"]) == 503
        eventually(lambda: ground.edge.status()["state"] != "ready" or "odbc://asterisk" in ground.edge.log(), "it is told")
    finally:
        ground.server.start()
    eventually(lambda: ground.register(ground.lab.accounts["1005"]) == 200, lambda: f"a look-up:\n{ground.edge.log()}", BACK, every=0.5)


def test_a_server_that_is_frozen_holds_nobody_up(ground: Ground) -> None:
    known = ground.lab.accounts["1006"]
    assert ground.register(known) == 200
    ground.server.freeze()
    try:
        assert ground.register(ground.lab.accounts["1007"]) == 503
        for _ in range(5):
            assert ground.register(known) == 200
    finally:
        ground.server.thaw()
    eventually(lambda: ground.register(ground.lab.accounts["1007"]) == 200, lambda: f"a look-up:\n{ground.edge.log()}", BACK, every=0.5)
