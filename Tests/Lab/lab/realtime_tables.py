"""The tables of Asterisk Realtime by version, as lists of the columns that matter to who reads or writes accounts.

They are lists and no installations: the migrations of each branch were read for them, and none was run. The columns stand
in the order of the branch's own table, which decides the order of `permit` and `deny`.

A type is SQL's, but for `counted` (numbers by themselves) and `enum A B` (one of these words).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Columns = Mapping[str, str]

YES_NO = "enum yes no"
TRUTH = "enum 0 1 off on false true no yes"

# 1.4 and 1.6.2 call it `sipfriends`, PostgreSQL's own script `sip_conf`.
FRIENDS: Columns = {
    "name": "varchar(40) not null primary key", "type": "varchar(10) not null default ''", "username": "varchar(40)",
    "secret": "varchar(40)", "md5secret": "varchar(40)", "mailbox": "varchar(20)",
    "context": "varchar(40) not null default ''", "host": "varchar(40) default 'dynamic'", "outboundproxy": "varchar(40)",
    "ipaddr": "varchar(20) not null default ''", "port": "integer not null default 0", "fullcontact": "varchar(40)",
    "insecure": "varchar(20)", "qualify": "varchar(15)", "regseconds": "integer not null default 0",
    "regserver": "varchar(20)", "lastms": "integer default -1",
}  # fmt: skip
CONF: Columns = {
    "id": "counted", "name": "varchar(40) not null default ''", "context": "varchar(40)", "deny": "varchar(95)",
    "permit": "varchar(95)", "host": "varchar(40) not null default ''", "secret": "varchar(40)", "type": "varchar(10)",
    "md5secret": "varchar(40)", "username": "varchar(40) not null default ''", "ipaddr": "varchar(45)",
    "regseconds": "integer", "port": "varchar(5)", "mask": "varchar(95)",
}  # fmt: skip


def peers(version: int) -> Columns:
    """`sippeers` of 1.8 (8) and of the branches since."""
    short = "varchar(10)" if version < 13 else "varchar(40)"
    late: Columns = {"path": "varchar(256)", "supportpath": YES_NO} if version >= 13 else {}
    return {
        "id": "counted", "name": f"{short} not null unique", "ipaddr": "varchar(45)", "port": "integer",
        "regseconds": "integer", "defaultuser": short, "fullcontact": "varchar(80)", "regserver": "varchar(20)",
        "useragent": "varchar(20)" if version < 13 else "varchar(255)", "lastms": "integer", "host": "varchar(40)",
        "type": "enum friend user peer", "context": "varchar(40)", "permit": "varchar(95)", "deny": "varchar(95)",
        "secret": "varchar(40)", "md5secret": "varchar(40)", "remotesecret": "varchar(40)",
        "transport": "enum udp tcp udp,tcp tcp,udp" if version < 13 else "enum udp tcp tls ws wss udp,tcp tcp,udp",
        "nat": "varchar(29)", "accountcode": "varchar(40)" if version < 14 else "varchar(80)", "auth": "varchar(40)",
        "dynamic": YES_NO, "contactpermit": "varchar(95)", "contactdeny": "varchar(95)", "insecure": "varchar(40)",
        "qualify": "varchar(40)", "regexten": "varchar(40)", **late,
    }  # fmt: skip


def endpoints(version: int) -> Columns:
    truth = TRUTH if version in (18, 20, 21, 22) else YES_NO
    wide = "varchar(255)" if version == 18 or version >= 20 else "varchar(40)"
    late: Columns = {"allow_unauthenticated_options": truth} if version >= 16 else {}
    if version >= 18:
        late = {**late, "tenantid": "varchar(80)"}
    return {
        "id": f"{wide} not null unique", "transport": "varchar(40)",
        "aors": "varchar(2048)" if wide != "varchar(40)" else "varchar(200)", "auth": wide, "context": "varchar(40)",
        "disallow": "varchar(200)", "allow": "varchar(200)", "direct_media": truth, "force_rport": truth,
        "identify_by": "varchar(80)", "rewrite_contact": truth, "rtp_symmetric": truth, "outbound_proxy": wide,
        "deny": "varchar(95)", "permit": "varchar(95)", "acl": "varchar(40)", "contact_deny": "varchar(95)",
        "contact_permit": "varchar(95)", "contact_acl": "varchar(40)", "accountcode": "varchar(80)",
        "trust_id_inbound": truth, "send_pai": truth, **late,
    }  # fmt: skip


def auths(version: int) -> Columns:
    wide = "varchar(255)" if version == 18 or version >= 20 else "varchar(40)"
    # None of them has the word digest, which the code of 22 takes.
    late: Columns = {name: "varchar(255)" for name in ("refresh_token", "oauth_clientid", "oauth_secret")}
    latest: Columns = {name: "varchar(1024)" for name in ("password_digest", "supported_algorithms_uas", "supported_algorithms_uac")}
    return {
        "id": f"{wide} not null unique", "auth_type": "enum md5 userpass" + (" google_oauth" if version >= 17 else ""),
        "nonce_lifetime": "integer", "md5_cred": "varchar(40)", "password": "varchar(80)", "realm": wide,
        "username": "varchar(40)", **(late if version >= 17 else {}), **(latest if version >= 20 else {}),
    }  # fmt: skip


def aors(version: int) -> Columns:
    truth = TRUTH if version in (18, 20, 21, 22) else YES_NO
    wide = "varchar(255)" if version == 18 or version >= 20 else "varchar(40)"
    late: Columns = {"remove_unavailable": truth} if version >= 16 else {}
    return {
        "id": f"{wide} not null unique", "contact": "varchar(255)", "default_expiration": "integer",
        "mailboxes": "varchar(80)", "max_contacts": "integer", "minimum_expiration": "integer", "remove_existing": truth,
        "qualify_frequency": "integer", "authenticate_qualify": truth, "maximum_expiration": "integer",
        "outbound_proxy": wide, "support_path": truth, "qualify_timeout": "float", "voicemail_extension": "varchar(40)",
        **late,
    }  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The tables of a version, under names of its own so that all have room in one database."""

    label: str
    tables: Mapping[str, Columns]
    # By family; another name for each, unless it is said here.
    own_names: Mapping[str, str]

    @property
    def names(self) -> dict[str, str]:
        """`accounts.tables` of the settings."""
        return {family: self.own_names.get(family, f"{family}_{self.label}".replace(".", "")) for family in self.tables}

    @property
    def is_pjsip(self) -> bool:
        return "ps_endpoints" in self.tables

    def __str__(self) -> str:
        return f"{'pjsip' if self.is_pjsip else 'chan_sip'}-{self.label}"

    def statements(self, is_mariadb: bool) -> list[str]:
        """The statements that make them."""
        made = []
        for family, columns in self.tables.items():
            table = self.names[family]
            types = {name: sql_type(f"{table}_{name}", type_, is_mariadb) for name, type_ in columns.items()}
            made += [statement for _, statement in types.values() if statement]
            made.append(f"CREATE TABLE {table} ({', '.join(f'{name} {type_}' for name, (type_, _) in types.items())})")
        return made


def sql_type(name: str, type_: str, is_mariadb: bool) -> tuple[str, str]:
    """A column's type in a database's own words, and the statement that has to make it before, if any."""
    if type_ == "counted":
        return ("INTEGER AUTO_INCREMENT PRIMARY KEY" if is_mariadb else "SERIAL PRIMARY KEY"), ""
    if not type_.startswith("enum "):
        return type_, ""
    words = ", ".join(f"'{word}'" for word in type_.split()[1:])
    return (f"ENUM({words})", "") if is_mariadb else (f"{name}_values", f"CREATE TYPE {name}_values AS ENUM ({words})")


def _chan_sip(label: str, columns: Columns, name: str = "") -> Layout:
    return Layout(label, {"sippeers": columns}, {"sippeers": name} if name else {})


def _pjsip(version: int) -> Layout:
    tables = {"ps_endpoints": endpoints(version), "ps_auths": auths(version), "ps_aors": aors(version)}
    return Layout(str(version), tables, {})


LAYOUTS: Sequence[Layout] = [
    _chan_sip("1.4", FRIENDS, "sipfriends"),
    _chan_sip("1.4-pgsql", CONF, "sip_conf"),
    _chan_sip("1.8", peers(8), "sip_buddies"),
    *[_chan_sip(str(version), peers(version)) for version in (13, 16, 18, 20)],
    *[_pjsip(version) for version in (13, 16, 18, 20, 22)],
]
