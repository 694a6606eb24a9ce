"""Realtime's tables in MariaDB and PostgreSQL: those of each version, by other names, with what databases make of letters and blanks."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from conftest import Lab
from lab.account_ground import PASSWORD, AccountGround
from lab.accounts import CHAN_SIP, PJSIP, Account
from lab.database_server import MariaDB, PostgreSQL
from lab.realtime_tables import LAYOUTS, Layout, sql_type
from lab.waiting import eventually

REALM = "asterisk"
EVERYBODY, PHONES, NOBODY_HERE = "0.0.0.0/0.0.0.0", "198.18.0.0/255.255.0.0", "192.0.2.0/24"
# Who may not come from where he is learns no more than that he is refused.
NOT_HERE = 401
MADE = itertools.count(1)


@pytest.fixture(scope="module", params=[MariaDB, PostgreSQL], ids=lambda kind: kind.name)
def ground(lab: Lab, request: pytest.FixtureRequest) -> Iterator[AccountGround]:
    server = request.param(lab.new_folder("server"))
    ground = None
    try:
        ground = AccountGround(lab, server)
        # Accounts go with their tables, and registrations of many that are gone at once would be held back.
        ground.expires = 0
        ground.edge.start()
        yield ground
    finally:
        if ground:
            ground.end()
        server.kill()


def quoted(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def insert(ground: AccountGround, table: str, **row: str | int) -> None:
    ground.server.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(map(quoted, row.values()))})")


def use(ground: AccountGround, schema: str, tables: Mapping[str, str]) -> None:
    """Has the edge read these tables."""
    if isinstance(ground.server, PostgreSQL):
        ground.server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO rempart")
    ground.settings.schema, ground.settings.tables = schema, tables
    ground.adopt()
    ground.is_well()


def new_name() -> str:
    """A name that no test has used: of an account that is known more would be known than a row tells."""
    return f"phone{next(MADE)}"


def ha1(account: Account, realm: str = REALM, algorithm: str = "md5") -> str:
    return hashlib.new(algorithm, f"{account.name}:{realm}:{account.secret}".encode()).hexdigest()


def lay(ground: AccountGround, layout: Layout) -> None:
    for statement in layout.statements(isinstance(ground.server, MariaDB)):
        ground.server.execute(statement)


class Rows:
    """Writes accounts into the tables of a layout."""

    def __init__(self, ground: AccountGround, layout: Layout) -> None:
        self.ground, self.layout = ground, layout

    def add(self, more: Mapping[str, str | int], name: str = "") -> Account:
        """An account with a secret, and other values than usual, by family and column: `ps_aors.max_contacts`."""
        account = Account(name or new_name(), "Secret of it")
        name, secret = account.name, account.secret
        usual: dict[str, dict[str, str | int]] = (
            {
                "ps_endpoints": {"id": name, "aors": name, "auth": name},
                "ps_auths": {"id": name, "auth_type": "userpass", "username": name, "password": secret},
                "ps_aors": {"id": name, "max_contacts": 1},
            }
            if self.layout.is_pjsip
            else {"sippeers": {"name": name, "type": "friend", "host": "dynamic", "secret": secret}}
        )
        for place, value in more.items():
            family, column = place.split(".")
            usual[family][column] = value
        for family, row in usual.items():
            insert(self.ground, self.layout.names[family], **row)
        return account


def answers_of_chan_sip(rows: Rows) -> None:
    ground, columns = rows.ground, rows.layout.tables["sippeers"]
    assert ground.settled(rows.add({"sippeers.type": "user"})) == 403
    assert ground.settled(rows.add({"sippeers.host": "192.0.2.9"})) == 403
    by_hash = Account(new_name(), "by hash")
    assert ground.settled(rows.add({"sippeers.md5secret": ha1(by_hash)}, by_hash.name)) == 401
    assert ground.settled(by_hash) == 200
    if "dynamic" in columns:
        assert ground.settled(rows.add({"sippeers.host": "", "sippeers.dynamic": "yes"})) == 200
        assert ground.settled(rows.add({"sippeers.host": "", "sippeers.dynamic": "no"})) == 403
    if "deny" in columns:
        assert ground.settled(rows.add({"sippeers.deny": EVERYBODY})) == NOT_HERE
        # What stands last in the table counts, as in Asterisk: permit in PostgreSQL's own table of 1.4, else deny.
        order = list(columns)
        both = rows.add({"sippeers.deny": EVERYBODY, "sippeers.permit": PHONES})
        assert ground.settled(both) == (200 if order.index("deny") < order.index("permit") else NOT_HERE)
    if "contactdeny" in columns:
        assert ground.settled(rows.add({"sippeers.contactdeny": PHONES})) == 403


def answers_of_pjsip(rows: Rows) -> None:
    ground = rows.ground
    assert ground.settled(rows.add({"ps_aors.max_contacts": 0})) == 403
    assert ground.settled(rows.add({"ps_endpoints.deny": EVERYBODY, "ps_endpoints.permit": PHONES})) == 200
    assert ground.settled(rows.add({"ps_endpoints.deny": EVERYBODY, "ps_endpoints.permit": NOBODY_HERE})) == NOT_HERE
    assert ground.settled(rows.add({"ps_endpoints.contact_deny": EVERYBODY})) == 403
    hashed = rows.add({"ps_auths.auth_type": "md5", "ps_auths.password": "", "ps_auths.realm": REALM})
    by_hash = Account(hashed.name, "by hash")
    ground.server.execute(f"UPDATE {rows.layout.names['ps_auths']} SET md5_cred = '{ha1(by_hash)}' WHERE id = '{hashed.name}'")
    assert ground.settled(by_hash) == 200
    assert ground.settled(Account(hashed.name, "")) == 401


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_tables_of_each_version_are_read(ground: AccountGround, layout: Layout) -> None:
    lay(ground, layout)
    rows = Rows(ground, layout)
    account = rows.add({})
    use(ground, PJSIP if layout.is_pjsip else CHAN_SIP, layout.names)
    assert ground.settled(account) == 200
    assert ground.settled(Account(account.name, "wrong")) == 401
    (answers_of_pjsip if layout.is_pjsip else answers_of_chan_sip)(rows)


# What a column of names may be, by database: in all of them another spelling is the same name in one way or another.
NAME_TYPES = {
    MariaDB.name: {
        "default": "VARCHAR(40)", "general": "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "latin1": "VARCHAR(40) CHARACTER SET latin1", "char": "CHAR(40)", "binary": "VARBINARY(40)",
    },
    PostgreSQL.name: {
        "varchar": "VARCHAR(40)", "char": "CHAR(40)", "icu": "TEXT COLLATE alike", "citext": "citext", "name": "NAME",
    },
}  # fmt: skip


@pytest.mark.parametrize("place", range(5))
def test_a_name_is_its_letters_whatever_its_column_takes_for_the_same(ground: AccountGround, place: int) -> None:
    kind, type_ = list(NAME_TYPES[ground.server.name].items())[place]
    print(f"{kind}: {type_}")
    if kind == "icu":
        ground.server.execute("CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
    if kind == "citext":
        ground.server.execute("CREATE EXTENSION citext")
    table = f"peers_{kind}"
    ground.server.execute(f"CREATE TABLE {table} (name {type_}, type CHAR(10), host CHAR(40), secret VARCHAR(40))")
    anna, berta = f"anna{place}", f"Berta{place}"
    for name in (anna, berta):
        insert(ground, table, name=name, type="friend", host="dynamic", secret="small")
    use(ground, CHAN_SIP, {"sippeers": table})
    for name in (anna, berta):
        assert ground.settled(Account(name, "small")) == 200
        for other in (name.swapcase(), name.replace("n", "ñ").replace("t", "ť"), f"{name} ", f" {name}"):
            assert ground.settled(Account(other, "small")) == 401, other
        assert ground.settled(Account(name, "SMALL")) == 401


@pytest.mark.parametrize("type_", ["enum 0 1 off on false true no yes", "enum yes no", "varchar(5)", "boolean"])
def test_a_yes_is_one_in_all_the_words_for_it(ground: AccountGround, type_: str) -> None:
    prefix, table = new_name(), f"truth_{len(type_)}"
    is_mariadb = isinstance(ground.server, MariaDB)
    name, before = sql_type(table, type_, is_mariadb)
    if before:
        ground.server.execute(before)
    ground.server.execute(
        f"CREATE TABLE {table} (name VARCHAR(40), type VARCHAR(10), host VARCHAR(40), secret VARCHAR(40), dynamic {name})"
    )
    yes, no = ["1", "on", "true", "yes"], ["0", "off", "false", "no"]
    if type_ == "boolean":
        yes, no = (["1"], ["0"]) if is_mariadb else (["t"], ["f"])
    elif "true" not in type_ and "enum" in type_:
        yes, no = ["yes"], ["no"]
    for word in [*yes, *no]:
        insert(ground, table, name=f"{prefix}-{word}", type="friend", host="", secret="x", dynamic=word)
    use(ground, CHAN_SIP, {"sippeers": table})
    for words, status in ((yes, 200), (no, 403)):
        for word in words:
            assert ground.settled(Account(f"{prefix}-{word}", "x")) == status, word


class Peers:
    """A table of chan_sip without a key, with three accounts and a password for all."""

    def __init__(self, ground: AccountGround) -> None:
        self.ground = ground
        self.good, self.bad, self.later = (Account(new_name(), "x") for _ in range(3))
        self.table = f"own_{self.good.name}"
        ground.server.execute(
            f"CREATE TABLE {self.table} (name VARCHAR(40), type VARCHAR(10), host VARCHAR(40), secret VARCHAR(40),"
            " md5secret VARCHAR(40), deny VARCHAR(95))"
        )
        for account in (self.good, self.bad, self.later):
            self.add(account)

    def add(self, account: Account) -> None:
        insert(self.ground, self.table, name=account.name, type="friend", host="dynamic", secret=account.secret)

    def set(self, account: Account, **columns: str) -> None:
        values = ", ".join(f"{name} = {quoted(value)}" for name, value in columns.items())
        self.ground.server.execute(f"UPDATE {self.table} SET {values} WHERE name = '{account.name}'")

    def use(self, table: str = "") -> None:
        use(self.ground, CHAN_SIP, {"sippeers": table or self.table})


@pytest.fixture
def peers(ground: AccountGround) -> Peers:
    return Peers(ground)


def test_of_two_rows_for_a_name_one_counts(ground: AccountGround, peers: Peers) -> None:
    name = peers.good.name
    peers.add(Account(name, "y"))
    peers.use()
    answers = [ground.settled(Account(name, secret)) for secret in ("x", "y", "x", "y")]
    assert answers in ([200, 401, 200, 401], [401, 200, 401, 200])


def test_an_access_list_that_is_none_lets_nobody_in_and_is_told(ground: AccountGround, peers: Peers) -> None:
    peers.set(peers.bad, deny="10.0.0.0/99")
    peers.use()
    assert ground.settled(peers.bad) == NOT_HERE
    assert ground.settled(peers.good) == 200
    assert f"account {peers.bad.name} can be used from nowhere" in ground.edge.log()


def test_a_row_that_the_database_cannot_tell_is_503_and_stops_no_other(ground: AccountGround, peers: Peers) -> None:
    bad = f"name = '{peers.bad.name}'"
    fails = "(SELECT 'a' UNION SELECT 'b')" if isinstance(ground.server, MariaDB) else "CAST(1 / (length(name) - length(name)) AS TEXT)"
    ground.server.execute(
        f"CREATE VIEW view_{peers.table} AS SELECT name, type, host, CASE WHEN {bad} THEN {fails} ELSE secret END AS secret"
        f" FROM {peers.table}"
    )
    peers.use(f"view_{peers.table}")
    reader = ground.edge.component("accounts-reader")["pid"]
    assert ground.settled(peers.good) == 200
    for secret in ("x", "x", "a", ""):
        assert ground.register(Account(peers.bad.name, secret)) == 503
    eventually(
        lambda: "look-ups in odbc://asterisk fail" in ground.edge.ask("status").stdout,
        lambda: f"{ground.edge.ask('status').stdout}\n{ground.edge.log()}",
    )
    assert ground.settled(peers.later) == 200
    assert ground.edge.component("accounts-reader")["pid"] == reader
    assert "no source of accounts" not in ground.edge.ask("status").stdout


def test_columns_that_come_and_go_are_seen(ground: AccountGround, peers: Peers) -> None:
    peers.use()
    assert ground.settled(peers.good) == 200
    ground.server.execute(f"ALTER TABLE {peers.table} DROP COLUMN md5secret, ADD COLUMN permit VARCHAR(95)")
    peers.set(peers.later, deny="0.0.0.0/0", permit="192.0.2.0/24")
    ground.in_the_end(peers.later, NOT_HERE, 30)
    ground.server.execute(f"ALTER TABLE {peers.table} DROP COLUMN permit, DROP COLUMN deny")
    ground.in_the_end(peers.later, 200, 30)
    assert ground.settled(peers.good) == 200
    assert ground.edge.component("accounts-reader")["restarts"] == 0


def test_a_table_that_goes_is_told_and_stops_no_known_phone(ground: AccountGround, peers: Peers) -> None:
    peers.use()
    assert ground.settled(peers.good) == 200
    ground.server.execute(f"ALTER TABLE {peers.table} RENAME TO away_{peers.table}")
    assert ground.register(peers.later) == 503
    assert ground.register(peers.good) == 200
    status = lambda: ground.edge.ask("status").stdout  # noqa: E731
    eventually(lambda: f"it lacks the table {peers.table}" in status() or "neither a table" in status(), status)
    ground.server.execute(f"ALTER TABLE away_{peers.table} RENAME TO {peers.table}")
    ground.in_the_end(peers.later, 200, 30)


def test_a_hash_of_asterisk_22_counts_before_a_password_that_contradicts_it(ground: AccountGround) -> None:
    layout = replace(next(layout for layout in LAYOUTS if str(layout) == "pjsip-22"), label="22_hash")
    lay(ground, layout)
    use(ground, PJSIP, layout.names)
    rows = Rows(ground, layout)
    account = rows.add({})
    by_hash = Account(account.name, "by hash")
    ground.server.execute(
        f"UPDATE {layout.names['ps_auths']} SET password_digest = 'MD5:{ha1(by_hash)}' WHERE id = '{account.name}'"
    )
    assert ground.settled(by_hash) == 200
    assert ground.settled(account) == 401


def test_what_asterisk_writes_into_its_tables_is_read_as_it_reads_it(ground: AccountGround, peers: Peers) -> None:
    """Its drivers for database servers write a semicolon as ^3B."""
    peers.set(peers.good, secret="a^3Bb^5Ec")
    peers.use()
    assert ground.settled(Account(peers.good.name, "a;b^c")) == 200
    assert ground.settled(Account(peers.good.name, "a^3Bb^5Ec")) == 401


def test_a_column_that_the_login_may_not_read_is_named(ground: AccountGround, peers: Peers) -> None:
    is_mariadb = isinstance(ground.server, MariaDB)
    own = "'narrow'@localhost" if is_mariadb else "narrow"
    ground.server.execute(f"CREATE USER {own} IDENTIFIED BY '{PASSWORD}'" if is_mariadb else f"CREATE ROLE {own} LOGIN")
    ground.settings.schema, ground.settings.tables = CHAN_SIP, {"sippeers": peers.table}
    narrow = ground.text(user="narrow")
    ground.server.execute(f"GRANT SELECT (name, type, host, secret, md5secret) ON {peers.table} TO {own}")
    said = ground.live(narrow)
    # To MariaDB a column that is not there may not be read either, and the first is told.
    assert f"GRANT SELECT ON {peers.table}" in said and (is_mariadb or "deny" in said), said
    ground.server.execute(f"GRANT SELECT ON {peers.table} TO {own}")
    assert "odbc://asterisk: good: chan_sip, 3 accounts" in (said := ground.live(narrow)), said
