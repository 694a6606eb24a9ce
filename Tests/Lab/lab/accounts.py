"""The account database of the lab: Asterisk Realtime tables in SQLite, read by Asterisk and by the edge alike."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

CHAN_SIP = "chan_sip"
PJSIP = "pjsip"

# The columns a site of today has that matter here, with the types of Asterisk's own migrations.
TABLES = {
    CHAN_SIP: """
        CREATE TABLE sippeers (
            id INTEGER PRIMARY KEY, name VARCHAR(40) UNIQUE NOT NULL, ipaddr VARCHAR(45), port INTEGER,
            regseconds INTEGER, defaultuser VARCHAR(40), fullcontact VARCHAR(80), regserver VARCHAR(20),
            useragent VARCHAR(255), lastms INTEGER, host VARCHAR(40), type VARCHAR(10), context VARCHAR(40),
            permit VARCHAR(95), deny VARCHAR(95), secret VARCHAR(40), md5secret VARCHAR(40), transport VARCHAR(20),
            insecure VARCHAR(40), nat VARCHAR(29), qualify VARCHAR(40), directmedia VARCHAR(20), disallow VARCHAR(200), allow VARCHAR(200));
    """,
    PJSIP: """
        CREATE TABLE ps_endpoints (
            id VARCHAR(255) PRIMARY KEY, transport VARCHAR(40), aors VARCHAR(2048), auth VARCHAR(255),
            context VARCHAR(40), disallow VARCHAR(200), allow VARCHAR(200), direct_media VARCHAR(5),
            rewrite_contact VARCHAR(5), force_rport VARCHAR(5), rtp_symmetric VARCHAR(5), deny VARCHAR(95),
            permit VARCHAR(95));
        CREATE TABLE ps_auths (
            id VARCHAR(255) PRIMARY KEY, auth_type VARCHAR(20), username VARCHAR(40), password VARCHAR(80),
            md5_cred VARCHAR(40), realm VARCHAR(255));
        CREATE TABLE ps_aors (
            id VARCHAR(255) PRIMARY KEY, max_contacts INTEGER, remove_existing VARCHAR(5), default_expiration INTEGER,
            minimum_expiration INTEGER, maximum_expiration INTEGER, qualify_frequency INTEGER, contact VARCHAR(255));
    """,
}


@dataclass(frozen=True)
class Account:
    """An account with the secret its phones know."""

    name: str
    secret: str


# What an account's rows say beside its name and its secret: of a phone whose calls go the dialplan's way.
SIPPEERS = {
    "type": "friend", "host": "dynamic", "context": "phones", "nat": "no", "directmedia": "no", "disallow": "all",
    "allow": "ulaw", "regseconds": 0,
}  # fmt: skip
PS_ENDPOINTS = {
    "context": "phones", "disallow": "all", "allow": "ulaw", "direct_media": "no", "rewrite_contact": "no",
    "force_rport": "no", "rtp_symmetric": "yes",
}  # fmt: skip
PS_AORS = {
    "max_contacts": 1, "remove_existing": "yes", "default_expiration": 3600, "minimum_expiration": 60,
    "maximum_expiration": 7200, "qualify_frequency": 0,
}  # fmt: skip


def rows(schema: str, account: Account) -> dict[str, dict[str, str | int]]:
    """An account's row in each of Realtime's tables."""
    name, secret = account.name, account.secret
    if schema == CHAN_SIP:
        return {"sippeers": {"name": name, "secret": secret, **SIPPEERS}}
    return {
        "ps_endpoints": {"id": name, "aors": name, "auth": name, **PS_ENDPOINTS},
        "ps_auths": {"id": name, "auth_type": "userpass", "username": name, "password": secret},
        "ps_aors": {"id": name, **PS_AORS},
    }


def make_database(path: Path, schema: str, accounts: Iterable[Account]) -> None:
    """Writes a new database; its folder must be one that Asterisk and the edge's directory process can enter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(TABLES[schema])
        for account in accounts:
            for table, row in rows(schema, account).items():
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    readable(path)


def readable(path: Path) -> None:
    """Lets Asterisk and the edge read a database."""
    path.parent.chmod(0o755)
    path.chmod(0o644)
