"""Realtime's tables in MariaDB and PostgreSQL: those of each version, by other names, with what databases make of letters and blanks."""

import hashlib
from collections.abc import Iterator, Mapping

import pytest
from conftest import Lab
from lab.account_ground import PASSWORD, AccountGround
from lab.accounts import CHAN_SIP, PJSIP, Account
from lab.database_server import MariaDB, PostgreSQL
from lab.realtime_tables import LAYOUTS, Layout

REALM = "asterisk"
EVERYBODY, PHONES, NOBODY_HERE = "0.0.0.0/0.0.0.0", "198.18.0.0/255.255.0.0", "192.0.2.0/24"


@pytest.fixture(scope="module", params=[MariaDB, PostgreSQL], ids=lambda kind: kind.name)
def ground(lab: Lab, request: pytest.FixtureRequest) -> Iterator[AccountGround]:
    server = request.param(lab.new_folder("server"))
    ground = None
    try:
        ground = AccountGround(lab, server)
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


def ha1(account: Account, realm: str = REALM, algorithm: str = "md5") -> str:
    return hashlib.new(algorithm, f"{account.name}:{realm}:{account.secret}".encode()).hexdigest()


class Rows:
    """Writes accounts into the tables of a layout."""

    def __init__(self, ground: AccountGround, layout: Layout) -> None:
        self.ground, self.layout, self.made = ground, layout, 0

    def add(self, more: Mapping[str, str | int]) -> Account:
        """An account with a secret, and other values than usual, by family and column: `ps_aors.max_contacts`."""
        self.made += 1
        account = Account(f"a{self.made}{self.layout.label[:2].strip('.')}", f"Secret-{self.made}")
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
    assert ground.register(rows.add({"sippeers.type": "user"})) == 403
    assert ground.register(rows.add({"sippeers.host": "192.0.2.9"})) == 403
    hashed = rows.add({"sippeers.md5secret": ha1(Account(f"a{rows.made + 1}{rows.layout.label[:2].strip('.')}", "by hash"))})
    assert ground.register(Account(hashed.name, "by hash")) == 200
    assert ground.register(hashed) == 401
    if "dynamic" in columns:
        assert ground.register(rows.add({"sippeers.host": "", "sippeers.dynamic": "yes"})) == 200
        assert ground.register(rows.add({"sippeers.host": "", "sippeers.dynamic": "no"})) == 403
    if "deny" in columns:
        assert ground.register(rows.add({"sippeers.deny": EVERYBODY})) == 403
        # What stands last in the table counts, as in Asterisk: permit in PostgreSQL's own table of 1.4, else deny.
        order = list(columns)
        both = rows.add({"sippeers.deny": EVERYBODY, "sippeers.permit": PHONES})
        assert ground.register(both) == (200 if order.index("deny") < order.index("permit") else 403)
    if "contactdeny" in columns:
        assert ground.register(rows.add({"sippeers.contactdeny": PHONES})) == 403


def answers_of_pjsip(rows: Rows) -> None:
    ground = rows.ground
    assert ground.register(rows.add({"ps_aors.max_contacts": 0})) == 403
    assert ground.register(rows.add({"ps_endpoints.deny": EVERYBODY, "ps_endpoints.permit": PHONES})) == 200
    assert ground.register(rows.add({"ps_endpoints.deny": EVERYBODY, "ps_endpoints.permit": NOBODY_HERE})) == 403
    assert ground.register(rows.add({"ps_endpoints.contact_deny": EVERYBODY})) == 403
    hashed = rows.add({"ps_auths.auth_type": "md5", "ps_auths.password": "", "ps_auths.realm": REALM})
    by_hash = Account(hashed.name, "by hash")
    ground.server.execute(f"UPDATE {rows.layout.names['ps_auths']} SET md5_cred = '{ha1(by_hash)}' WHERE id = '{hashed.name}'")
    assert ground.register(by_hash) == 200
    assert ground.register(Account(hashed.name, "")) == 401


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_tables_of_each_version_are_read(ground: AccountGround, layout: Layout) -> None:
    for statement in layout.statements(isinstance(ground.server, MariaDB)):
        ground.server.execute(statement)
    rows = Rows(ground, layout)
    account = rows.add({})
    use(ground, PJSIP if layout.is_pjsip else CHAN_SIP, layout.names)
    assert ground.register(account) == 200
    assert ground.register(Account(account.name, "wrong")) == 401
    (answers_of_pjsip if layout.is_pjsip else answers_of_chan_sip)(rows)
