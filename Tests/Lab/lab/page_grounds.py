"""What an administrator has before a page is followed: a real Asterisk that phones reach themselves, with its accounts as the page says."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .account_sources import COUNTED, PBX_SECRET, literal
from .accounts import CHAN_SIP, PJSIP, TABLES, Account, make_database, rows
from .asterisk import Kind, realtime, realtime_in_sqlite
from .database_server import DatabaseServer, DataSources, MariaDB, PostgreSQL
from .follower import Follower
from .freepbx import TABLES as FREEPBX_TABLES
from .freepbx import Extension, SIPSettings, apply_config, view
from .namespaces import EDGE_INSIDE, command
from .pages import Page, read_page
from .placed_servers import ADDRESS, PlacedMariaDB, PlacedPostgreSQL

if TYPE_CHECKING:
    from conftest import Lab

FIRST, SECOND = Account("1001", "secret-of-1001"), Account("1002", "secret-of-1002")
PJSIP_BEFORE = """[transport-udp]
type=transport
protocol=udp
bind=0.0.0.0:5060
[phone](!)
type=endpoint
context=phones
disallow=all
allow=ulaw
[proof](!)
type=auth
auth_type=userpass
[place](!)
type=aor
max_contacts=1
"""
PJSIP_PHONE = """[{name}](phone)
auth={name}
aors={name}
[{name}](proof)
username={name}
password={secret}
[{name}](place)
"""
CHAN_SIP_BEFORE = """[general]
udpbindaddr=0.0.0.0:5060
context=nobody
allowguest=no
srvlookup=no
"""
CHAN_SIP_PHONE = """[{name}]
type=friend
host=dynamic
context=phones
disallow=all
allow=ulaw
secret={secret}
"""
ARI_MODULES = "res_http_websocket res_stasis res_ari res_ari_model res_ari_asterisk res_ari_endpoints".split()
BEFORE = {CHAN_SIP: ("sip.conf", CHAN_SIP_BEFORE, CHAN_SIP_PHONE), PJSIP: ("pjsip.conf", PJSIP_BEFORE, PJSIP_PHONE)}
# What an installation has of them says nothing.
SAMPLES = {f"{name}.conf": "[general]\n" for name in ("http", "ari", "manager")}
ONE = "One machine"
TABLE_OF_ONE = "what it is | two machines | one machine"


@dataclass(frozen=True)
class Way:
    """A page, and what a reader has of what it tells apart."""

    name: str
    kind: Kind
    choices: frozenset[str]

    @property
    def page(self) -> Page:
        return read_page(self.name)

    def __str__(self) -> str:
        return "-".join([self.name.removesuffix(".md"), *sorted(self.choices)])

    def follower(self, lab: "Lab", place: str, more: dict[str, str], accounts: dict[str, str]) -> Follower:
        """Who follows it, before an Asterisk at that address, or on the edge's own machine."""
        page, is_one = self.page, ONE in self.choices
        follower = Follower(lab, page, self.kind, "127.0.0.1" if is_one else place, more, accounts)
        follower.skipped = page.choices - self.choices
        if is_one:
            follower.asterisk.namespace, follower.asterisk.sees_edge_at = lab.network.edge, "127.0.0.1"
            follower.variant = {two: one for _, two, one in page.tables[TABLE_OF_ONE]}
        follower.files |= {
            "/etc/asterisk/pjsip.conf": follower.sections_of("pjsip.conf"),
            "/etc/asterisk/sip.conf": follower.lines_of("sip.conf", "general"),
        }
        return follower


def modules(*names: str) -> dict[str, str]:
    return {"modules.conf": "".join(f"load={name}.so\n" for name in names)}


def ari_modules(kind: Kind) -> list[str]:
    return (["res_websocket_client"] if kind.version > 20 else []) + ARI_MODULES


@contextmanager
def plain_files(lab: "Lab", way: Way, place: str) -> Iterator[Follower]:
    """An Asterisk with its accounts in files."""
    follower = way.follower(lab, place, modules(*ari_modules(way.kind)) | SAMPLES, {})
    follower.files |= {
        "each endpoint of a phone, or its template": follower.lines_of("pjsip.conf", "phone", "endpoint"),
        **{f"/etc/asterisk/{name}.conf": follower.write_file(f"{name}.conf") for name in ("http", "ari", "manager")},
    }
    file, before, phone = BEFORE[way.kind.schema]
    phones = [phone.format(name=each.name, secret=each.secret) for each in (FIRST, SECOND)]
    (follower.folder / file).write_text(before + "".join(phones))
    yield follower


def lay_tables(server: DatabaseServer, schema: str) -> None:
    """Realtime's tables as Asterisk's own scripts call them, with the two accounts, and Asterisk's login alone."""
    is_mariadb = isinstance(server, PlacedMariaDB)
    server.make([])
    if is_mariadb:
        server.execute("DROP TABLE sippeers; DROP USER rempart@localhost, rempart@'%'")
    else:
        server.execute("DROP TABLE ps_endpoints, ps_auths, ps_aors; DROP OWNED BY rempart; DROP ROLE rempart")
        rules = server.folder / "data/pg_hba.conf"
        rules.write_text(rules.read_text().replace("host all rempart all scram-sha-256\n", ""))
    server.execute(TABLES[schema].replace("id INTEGER PRIMARY KEY", f"id {COUNTED[MariaDB if is_mariadb else PostgreSQL]}"))
    for account in (FIRST, SECOND):
        for table, row in rows(schema, account).items():
            values = ", ".join(literal(server, value) for value in row.values())
            server.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")
    if schema == PJSIP:
        server.execute("UPDATE ps_endpoints SET direct_media = 'yes', rtp_symmetric = 'no'")
    if is_mariadb:
        server.execute(f"CREATE USER asterisk@localhost IDENTIFIED BY '{PBX_SECRET}'; GRANT ALL ON asterisk.* TO asterisk@localhost")
    else:
        server.execute("CREATE ROLE asterisk LOGIN; GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO asterisk")


@contextmanager
def realtime_in_server(lab: "Lab", way: Way, place: str) -> Iterator[Follower]:
    """An Asterisk with its accounts in MariaDB or PostgreSQL."""
    kind = PlacedMariaDB if "MariaDB" in way.choices else PlacedPostgreSQL
    server, sources = kind(lab.new_folder("server"), lab.network), DataSources(lab.network.edge)
    try:
        lay_tables(server, way.kind.schema)
        # Asterisk reaches it by its socket.
        ini = super(kind, server).ini("asterisk")
        login = f"[asterisk]\nenabled=yes\ndsn=asterisk\nusername=asterisk\npassword={PBX_SECRET}\npre-connect=yes\n"
        files = realtime(way.kind, "odbc") | {"res_odbc.conf": login, "odbc.ini": ini}
        follower = way.follower(lab, place, modules("res_odbc_transaction", "res_odbc", "res_config_odbc"), files)
        _lay_driver(follower)
        follower.addresses["10.0.0.20"] = ADDRESS
        follower.administer, follower.data_sources = server.execute, sources.folder / "odbc.ini"
        # One at a time, as they are typed: PostgreSQL takes ALTER SYSTEM in no transaction.
        follower.execute = lambda sql: [server.execute(statement) for statement in sql.split(";\n") if statement]
        follower.files |= {
            "/etc/odbc.ini": sources.write,
            # The server is started with such a line already.
            "/etc/mysql/mariadb.conf.d/99-rempart.cnf": lambda text: _is_told(text, f"[mariadbd]\nbind-address = 127.0.0.1,{ADDRESS}\n"),
            "/etc/postgresql/15/main/pg_hba.conf": lambda text: _append(server, text),
        }
        follower.commands.append((r"systemctl restart (mariadb|postgresql)", lambda _: _restart(server)))
        yield follower
    finally:
        server.kill()
        sources.remove()


@contextmanager
def realtime_in_sqlite_file(lab: "Lab", way: Way, place: str) -> Iterator[Follower]:
    """An Asterisk with its accounts in SQLite."""
    database = lab.new_folder("db") / "realtime.sqlite3"
    make_database(database, way.kind.schema, [FIRST, SECOND])
    follower = way.follower(lab, place, {}, realtime_in_sqlite(way.kind, database))
    _lay_driver(follower)
    follower.paths["/var/lib/asterisk/realtime.sqlite3"] = str(database)
    follower.execute = lambda sql: command("sqlite3", str(database), sql)
    yield follower


@contextmanager
def freepbx(lab: "Lab", way: Way, place: str) -> Iterator[Follower]:
    """What FreePBX has and writes, before an Asterisk: no FreePBX is there."""
    server = PlacedMariaDB(lab.new_folder("server"), lab.network)
    try:
        server.make([])
        server.execute(f"DROP TABLE sippeers; DROP USER rempart@localhost, rempart@'%'; {FREEPBX_TABLES}")
        extensions = [Extension(each.name, each.secret, more={"direct_media": "yes"}) for each in (FIRST, SECOND)]
        follower = way.follower(lab, place, modules(*ari_modules(way.kind)), {})
        settings = SIPSettings(external=follower.addresses["203.0.113.10"], local_networks=["198.19.0.0/24"])

        def change(**values: str) -> None:
            for extension in extensions:
                extension.more |= values

        def change_secret(value: str) -> None:
            """FreePBX's database has it at once, Asterisk after "Apply Config"."""
            extensions[0].secret = value
            server.execute(f"UPDATE sip SET data = '{value}' WHERE id = '{FIRST.name}' AND keyword = 'secret'")

        def bind(address: str) -> Callable[[str], None]:
            return lambda value: settings.binds.update({address: "5060"}) if value == "Yes" else settings.binds.pop(address, None)

        def apply() -> str:
            apply_config(follower.folder, extensions, settings)
            follower.asterisk.cli("core reload")
            return ""

        apply_config(follower.folder, extensions, settings)
        for extension in extensions:
            server.execute(extension.sql())
        follower.fields = {
            "External Address": lambda value: setattr(settings, "external", value),
            "Local Networks": lambda value: settings.local_networks.clear(),
            "udp - 0.0.0.0 - All": bind("0.0.0.0"),
            f"udp - {place}": bind(place),
            f"{place} (udp), Port to Listen On": lambda value: settings.binds.update({place: value}),
            "Direct Media": lambda value: change(direct_media=value.lower()),
            "Secret": change_secret,
        }
        follower.commands += [
            (r"fwconsole reload", lambda _: apply()),
            (r"fwconsole restart", lambda _: follower.restart()),
            (r"systemctl restart mariadb", lambda _: _restart(server)),
        ]
        custom = ("http_custom.conf", "ari_additional_custom.conf", "manager_custom.conf")
        follower.files |= {
            **{f"/etc/asterisk/{name}": follower.append_to(name) for name in custom},
            "/etc/fail2ban/jail.d/rempart.local": lambda text: _is_told(text, f"[asterisk-iptables]\nignoreip = 127.0.0.1/8 {EDGE_INSIDE}\n"),
            "/etc/mysql/mariadb.conf.d/99-rempart.cnf": lambda text: _is_told(text, f"[mariadbd]\nbind-address = 127.0.0.1,{ADDRESS}\n"),
        }
        follower.execute, follower.administer = lambda sql: server.execute(view() + sql), server.execute
        yield follower
    finally:
        server.kill()


def _lay_driver(follower: Follower) -> None:
    """The file of the driver, which has no account."""
    file, before, _ = BEFORE[follower.kind.schema]
    # Without it chan_sip shows nobody who is registered.
    more = "rtcachefriends=yes\n" if follower.kind.schema == CHAN_SIP else ""
    (follower.folder / file).write_text(before.split("[phone]")[0] + more)


def _is_told(text: str, expected: str) -> None:
    assert text == expected, text


def _append(server: DatabaseServer, text: str) -> None:
    with (server.folder / "data/pg_hba.conf").open("a") as rules:
        rules.write(text)


def _restart(server: DatabaseServer) -> str:
    server.kill()
    server.start()
    return ""
