"""One set of PJSIP's accounts, laid out in each place that Asterisk can have them in: files, wizards and Realtime."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from .account_sources import OWN_NAMES, AccountSource, ServerRealtime, literal
from .accounts import PS_AORS, PS_ENDPOINTS, Account, readable
from .asterisk import Asterisk, Kind, realtime_in_sqlite
from .rempart import Settings

Options = Mapping[str, str | int]

# What both Asterisks have columns for; the order is that of Asterisk's own tables.
ENDPOINT_COLUMNS = [
    "aors", "auth", "context", "disallow", "allow", "direct_media", "force_rport", "identify_by", "rewrite_contact",
    "rtp_symmetric", "outbound_auth", "deny", "permit", "acl",
]  # fmt: skip
AUTH_COLUMNS = ["auth_type", "md5_cred", "password", "realm", "username"]
LATEST_AUTH_COLUMNS = ["password_digest", "supported_algorithms_uas", "supported_algorithms_uac"]
AOR_COLUMNS = ["contact", *PS_AORS]
OFFICE = "[office]\ndeny=0.0.0.0/0\npermit=198.18.2.0/24\npermit=198.19.0.1\n"


def ha1(account: Account, realm: str = "asterisk", algorithm: str = "md5") -> str:
    return hashlib.new(algorithm, f"{account.name}:{realm}:{account.secret}".encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """An endpoint with what it names. None of an auth: the endpoint asks for no proof.

    `others` are further sections of pjsip.conf, wherever the account itself is.
    """

    name: str
    auth: Options | None = None
    endpoint: Options = field(default_factory=dict)
    aor: Options = field(default_factory=dict)
    # A provider to which Asterisk proves itself, in place of a phone.
    is_provider: bool = False
    others: str = ""

    @property
    def endpoint_options(self) -> dict[str, str | int]:
        mine: Options = {"outbound_auth": f"{self.name}-oauth"} if self.is_provider else {}
        named: Options = {} if self.auth is None else {"auth": self.auth_id}
        return {**PS_ENDPOINTS, "aors": self.name, **named, **mine, **self.endpoint}

    @property
    def auth_id(self) -> str:
        return f"{self.name}-auth"

    @property
    def auths(self) -> dict[str, Options]:
        ours: dict[str, Options] = {} if self.auth is None else {self.auth_id: self.auth}
        if self.is_provider:
            ours[f"{self.name}-oauth"] = {"auth_type": "userpass", "username": "us", "password": "secret"}
        return ours

    @property
    def aor_options(self) -> dict[str, str | int]:
        return {"contact": "sip:192.0.2.7"} if self.is_provider else {**PS_AORS, **self.aor}

    def sections(self) -> str:
        """Its sections of pjsip.conf."""
        text = section(self.name, {"type": "endpoint", **self.endpoint_options})
        for name, auth in self.auths.items():
            text += section(name, {"type": "auth", **auth})
        return text + section(self.name, {"type": "aor", **self.aor_options})

    def wizard(self) -> str:
        """Its section of pjsip_wizard.conf."""
        own = {name: value for name, value in self.endpoint_options.items() if name not in ("aors", "auth", "outbound_auth")}
        options: dict[str, str | int] = {f"endpoint/{name}": value for name, value in own.items()}
        if self.is_provider:
            options |= {"sends_auth": "yes", "sends_registrations": "yes", "remote_hosts": "192.0.2.7"}
            return section(self.name, {"type": "wizard", **options, "outbound_auth/username": "us", "outbound_auth/password": "secret"})
        options |= {"accepts_registrations": "yes", "accepts_auth": "no" if self.auth is None else "yes"}
        options |= {f"inbound_auth/{name}": value for name, value in (self.auth or {}).items()}
        return section(self.name, {"type": "wizard", **options, **{f"aor/{name}": value for name, value in self.aor_options.items()}})

    def rows(self) -> list[tuple[str, dict[str, str | int]]]:
        """Its rows of Realtime, each with its table's usual name."""
        found: list[tuple[str, dict[str, str | int]]] = [("ps_endpoints", {"id": self.name, **self.endpoint_options})]
        found += [("ps_auths", {"id": name, **auth}) for name, auth in self.auths.items()]
        return [*found, ("ps_aors", {"id": self.name, **self.aor_options})]


def section(name: str, options: Options) -> str:
    return f"[{name}]\n" + "".join(f"{option}={value}\n" for option, value in options.items())


def tables(kind: Kind) -> str:
    columns = {
        "ps_endpoints": ENDPOINT_COLUMNS,
        "ps_auths": AUTH_COLUMNS + (LATEST_AUTH_COLUMNS if kind.version > 20 else []),
        "ps_aors": AOR_COLUMNS,
    }
    return "".join(
        f"CREATE TABLE {table} (id VARCHAR(255) NOT NULL UNIQUE, {', '.join(f'{name} VARCHAR(255)' for name in names)});"
        for table, names in columns.items()
    )


def others(rows: Sequence[Row]) -> dict[str, str]:
    """What stands in files wherever the accounts are."""
    return {"pjsip.conf": "".join(row.others for row in rows), "acl.conf": OFFICE}


@dataclass(frozen=True)
class InFiles(AccountSource):
    """In pjsip.conf, or in pjsip_wizard.conf."""

    rows: Sequence[Row]
    is_wizard: bool

    def files(self, kind: Kind) -> dict[str, str]:
        return {}

    def additions(self, kind: Kind) -> dict[str, str]:
        found = others(self.rows)
        if self.is_wizard:
            return found | {"pjsip_wizard.conf": "".join(row.wizard() for row in self.rows)}
        return found | {"pjsip.conf": found["pjsip.conf"] + "".join(row.sections() for row in self.rows)}

    def lay(self, asterisk: Asterisk, settings: Settings) -> None:
        settings.source, settings.schema = f"asterisk://{asterisk.folder}", None


@dataclass(frozen=True)
class InSQLite(AccountSource):
    """In Realtime's tables in an SQLite file, which res_config_sqlite3 reads."""

    rows: Sequence[Row]
    database: Path

    def files(self, kind: Kind) -> dict[str, str]:
        return realtime_in_sqlite(kind, self.database)

    def additions(self, kind: Kind) -> dict[str, str]:
        return others(self.rows)

    def lay(self, asterisk: Asterisk, settings: Settings) -> None:
        self.database.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.database)) as database, database:
            database.executescript(tables(asterisk.kind))
            for row in self.rows:
                for table, values in row.rows():
                    marks = ", ".join("?" * len(values))
                    database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
        readable(self.database)
        settings.source = f"sqlite://{self.database}"


@dataclass(frozen=True)
class InServer(ServerRealtime):
    """In a database server, which Asterisk reaches by res_odbc; its tables have names of their own."""

    rows: Sequence[Row] = ()

    def additions(self, kind: Kind) -> dict[str, str]:
        return super().additions(kind) | others(self.rows)

    def lay(self, asterisk: Asterisk, settings: Settings) -> None:
        named = [(table, own) for table, own in OWN_NAMES.items() if table.startswith("ps_")]
        sql = "".join(f"DROP TABLE IF EXISTS {own};" for _, own in named)
        sql += tables(asterisk.kind)
        for row in self.rows:
            for table, values in row.rows():
                texts = ", ".join(literal(self.server, value) for value in values.values())
                sql += f"INSERT INTO {table} ({', '.join(values)}) VALUES ({texts});"
        for table, own in named:
            sql = sql.replace(f"{table} (", f"{own} (")
        self.server.execute(sql)
        super().lay(asterisk, settings)
