"""Where the accounts of a site stand: what Asterisk's files say, and what the edge's settings say; both lead to one place."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .accounts import CHAN_SIP, PJSIP, TABLES, Account, rows
from .asterisk import FAMILIES, Asterisk, Kind, realtime, realtime_in_sqlite
from .database_server import DatabaseServer, DataSources, MariaDB, PostgreSQL
from .rempart import Settings

# Realtime's tables, as a database calls them that has others besides.
OWN_NAMES = {
    "sippeers": "sip_buddies", "ps_endpoints": "phone_endpoints", "ps_auths": "phone_auths", "ps_aors": "phone_aors",
}  # fmt: skip
# Asterisk's login, which may write; Rempart has its own where it does not read Asterisk's files.
PBX_SECRET = "secret-of-the-pbx"
OWN_SECRET = "secret of; all"
DATA_SOURCE = "exchange"
COUNTED = {MariaDB: "INTEGER PRIMARY KEY AUTO_INCREMENT", PostgreSQL: "SERIAL PRIMARY KEY"}


class AccountSource:
    """A source of accounts, before it is known which Asterisk reads it."""

    def files(self, kind: Kind) -> dict[str, str]:
        """Asterisk's files that say where accounts are, by name."""
        raise NotImplementedError

    def additions(self, kind: Kind) -> dict[str, str]:
        """What an administrator adds to Asterisk's other files."""
        raise NotImplementedError

    def lay(self, asterisk: Asterisk, settings: Settings) -> None:
        """Writes what neither says yet, and points the edge to it."""
        raise NotImplementedError


# MARK: Databases


def literal(server: DatabaseServer, value: str | int) -> str:
    """A value in SQL, as Asterisk's drivers of database servers want it: a semicolon would end it (`^3B`)."""
    text = str(value).replace("^", "^5E").replace(";", "^3B").replace("'", "''")
    return f"'{text}'" if isinstance(server, PostgreSQL) else "'" + text.replace("\\", "\\\\") + "'"


@dataclass(frozen=True)
class SQLiteRealtime(AccountSource):
    """Realtime in an SQLite file, which the edge finds in Asterisk's own files or is told of."""

    database: Path
    accounts: Sequence[Account]
    is_found_in_files: bool

    def files(self, kind: Kind) -> dict[str, str]:
        return realtime_in_sqlite(kind, self.database)

    def additions(self, kind: Kind) -> dict[str, str]:
        return {}

    def lay(self, asterisk: Asterisk, settings: Settings) -> None:
        asterisk.kind.lay(self.database, self.accounts)
        settings.source = f"sqlite://{self.database}"
        if self.is_found_in_files:
            settings.source, settings.schema = f"asterisk://{asterisk.folder}", None


def lay_realtime(server: DatabaseServer, accounts: Sequence[Account]) -> None:
    """Makes a server with Realtime's tables of both channel drivers, each under its own name, and the logins."""
    server.make([])
    if isinstance(server, MariaDB):
        server.execute("ALTER DATABASE asterisk CHARACTER SET utf8mb4")
    for schema in (CHAN_SIP, PJSIP):
        sql = TABLES[schema].replace("id INTEGER PRIMARY KEY", f"id {COUNTED[type(server)]}")
        statements = ["SET NAMES utf8mb4;"] if isinstance(server, MariaDB) else []
        statements += [re.sub("|".join(OWN_NAMES), lambda found: OWN_NAMES[found[0]], sql)]
        for account in accounts:
            for table, row in rows(schema, account).items():
                values = ", ".join(literal(server, value) for value in row.values())
                statements.append(f"INSERT INTO {OWN_NAMES[table]} ({', '.join(row)}) VALUES ({values});")
        server.execute("".join(statements))
    if isinstance(server, MariaDB):
        server.execute(
            f"CREATE USER asterisk@localhost IDENTIFIED BY '{PBX_SECRET}'; GRANT SELECT, UPDATE ON asterisk.* TO asterisk@localhost"
        )
    else:
        server.execute(
            "CREATE ROLE asterisk LOGIN; GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO asterisk;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO rempart"
        )


def data_source(server: DatabaseServer) -> str:
    """The section of odbc.ini; without a character set MariaDB's driver takes that of the locale."""
    more = {"CHARSET": "utf8mb4"} if isinstance(server, MariaDB) else {}
    return server.ini(DATA_SOURCE, **more)


@dataclass(frozen=True)
class ServerRealtime(AccountSource):
    """Realtime in a server, which Asterisk reaches by one of its drivers.

    The edge finds it in Asterisk's own files, or has a DSN and a login of its own for it.
    """

    server: DatabaseServer
    driver: str
    is_found_in_files: bool
    data_sources: DataSources

    def files(self, kind: Kind) -> dict[str, str]:
        return realtime(kind, self.driver, OWN_NAMES) | self._login()

    def _login(self) -> dict[str, str]:
        folder = self.server.folder
        if self.driver == "odbc":
            return {
                "res_odbc.conf": f"[asterisk]\nenabled=yes\ndsn={DATA_SOURCE}\nusername=asterisk\npassword={PBX_SECRET}\npre-connect=yes\n",
                "odbc.ini": data_source(self.server),
            }
        if self.driver == "mysql":
            login = f"dbhost=localhost\ndbsock={folder}/socket\ndbname=asterisk\ndbuser=asterisk\ndbpass={PBX_SECRET}\n"
            return {"res_config_mysql.conf": f"[asterisk]\n{login}dbcharset=utf8mb4\n"}
        return {"res_pgsql.conf": f"[general]\ndbsock={folder}\ndbname=asterisk\ndbuser=asterisk\ndbpass={PBX_SECRET}\n"}

    def additions(self, kind: Kind) -> dict[str, str]:
        modules = ["res_odbc_transaction", "res_odbc", "res_config_odbc"] if self.driver == "odbc" else [f"res_config_{self.driver}"]
        return {"modules.conf": "".join(f"load={module}.so\n" for module in modules)}

    def lay(self, asterisk: Asterisk, settings: Settings) -> None:
        self.data_sources.write(data_source(self.server))
        if self.is_found_in_files:
            settings.source, settings.schema = f"asterisk://{asterisk.folder}", None
            return
        secret = asterisk.folder / "rempart.secret"
        secret.write_text(f"{OWN_SECRET}\n")
        secret.chmod(0o600)
        settings.source = f"odbc://{DATA_SOURCE}"
        settings.login = {"user": "rempart", "secret-file": str(secret)}
        settings.tables = {name: OWN_NAMES[name] for name in FAMILIES[asterisk.kind.schema]}


# MARK: Files


@dataclass(frozen=True)
class FileStyle:
    """One of the files that accounts can be written in: what all have in common, and each account in a file of its own."""

    file: str
    head: str
    account: str

    @property
    def folder(self) -> str:
        return f"{self.file}.d"

    @property
    def text(self) -> str:
        return f"{self.head}#include {self.folder}/*.conf\n"

    def write(self, folder: Path, accounts: Iterable[Account]) -> None:
        """These accounts and no other, below Asterisk's folder."""
        below = folder / self.folder
        below.mkdir(exist_ok=True)
        wanted = {below / f"{account.name}.conf": account for account in accounts}
        for path, account in wanted.items():
            secret = account.secret.replace(";", "\\;")
            path.write_text(self.account.format(name=account.name, secret=secret))
        for path in set(below.iterdir()) - wanted.keys():
            path.unlink()


PJSIP_CONF = FileStyle(
    "pjsip.conf",
    """[phone](!)
type=endpoint
context=phones
disallow=all
allow=ulaw
direct_media=no
rewrite_contact=no
force_rport=no
rtp_symmetric=yes
[proof](!)
type=auth
[place](!)
type=aor
max_contacts=1
remove_existing=yes
""",
    """[{name}](phone)
auth={name}
[{name}](+)
aors={name}
[{name}](proof)
username={name}
password={secret}
[{name}](place)
""",
)
WIZARD_CONF = FileStyle(
    "pjsip_wizard.conf",
    """[phone](!)
type=wizard
accepts_registrations=yes
accepts_auth=yes
endpoint/context=phones
endpoint/disallow=all
endpoint/allow=ulaw
endpoint/direct_media=no
endpoint/rewrite_contact=no
endpoint/force_rport=no
endpoint/rtp_symmetric=yes
aor/max_contacts=1
aor/remove_existing=yes
""",
    """[{name}](phone)
inbound_auth/username={name}
[{name}](+)
inbound_auth/password={secret}
""",
)
SIP_CONF = FileStyle(
    "sip.conf",
    """[phone](!)
type=friend
host=dynamic
context=phones
nat=no
directmedia=no
disallow=all
allow=ulaw
""",
    """[{name}](phone)
[{name}](+)
secret={secret}
""",
)
USERS_CONF = FileStyle(
    "users.conf",
    """[general]
hassip=yes
host=dynamic
context=phones
nat=no
directmedia=no
disallow=all
allow=ulaw
""",
    """[{name}]
secret={secret}
""",
)
STYLES = {CHAN_SIP: [SIP_CONF, USERS_CONF], PJSIP: [PJSIP_CONF, WIZARD_CONF]}


@dataclass(frozen=True)
class StaticFiles(AccountSource):
    """Accounts in Asterisk's own files: by turns in the one of its channel driver and in the shorter one beside it."""

    accounts: Sequence[Account]

    def files(self, kind: Kind) -> dict[str, str]:
        return {}

    def additions(self, kind: Kind) -> dict[str, str]:
        files = {style.file: style.text for style in STYLES[kind.schema]}
        return files | ({"modules.conf": "load=res_pjsip_config_wizard.so\n"} if kind.schema == PJSIP else {})

    def lay(self, asterisk: Asterisk, settings: Settings) -> None:
        write_accounts(asterisk, self.accounts)
        settings.source, settings.schema = f"asterisk://{asterisk.folder}", None


def write_accounts(asterisk: Asterisk, accounts: Sequence[Account]) -> None:
    """Writes the first one in the first file, the second in the second, and so on by turns."""
    styles = STYLES[asterisk.kind.schema]
    for number, style in enumerate(styles):
        style.write(asterisk.folder, accounts[number :: len(styles)])


class Servers:
    """The database servers, each begun when a source first needs it."""

    def __init__(self, new_folder: Callable[[str], Path], edge_namespace: str, accounts: Sequence[Account]) -> None:
        self._new_folder = new_folder
        self._accounts = accounts
        self._running: dict[type[DatabaseServer], DatabaseServer] = {}
        self.data_sources = DataSources(edge_namespace)

    def source(self, kind: type[DatabaseServer], driver: str, is_found_in_files: bool) -> ServerRealtime:
        if kind not in self._running:
            self._running[kind] = kind(self._new_folder("server"))
            lay_realtime(self._running[kind], self._accounts)
        return ServerRealtime(self._running[kind], driver, is_found_in_files, self.data_sources)

    def stop(self) -> None:
        for server in self._running.values():
            server.kill()
        self.data_sources.remove()
