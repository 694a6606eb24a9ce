"""A real Asterisk in a private root and in a PBX's namespace, with its accounts in the Realtime database."""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .accounts import CHAN_SIP, PJSIP, Account, make_database
from .namespaces import EDGE_OUTSIDE, PBX_MEDIA, Network, host
from .waiting import eventually

COMMON_MODULES = """
res_pjproject res_sorcery_config res_timing_timerfd pbx_config app_dial app_echo res_rtp_asterisk codec_ulaw codec_alaw
bridge_simple bridge_native_rtp func_callerid func_channel app_verbose res_config_sqlite3 res_clioriginate
""".split()
CHANNEL_MODULES = {
    CHAN_SIP: ["chan_sip"],
    PJSIP: """
res_sorcery_memory res_sorcery_astdb res_sorcery_realtime res_pjsip res_pjsip_pubsub res_pjsip_session
res_pjsip_sdp_rtp res_pjsip_registrar res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest
res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user res_pjsip_outbound_registration
res_pjsip_caller_id res_pjsip_nat res_pjsip_path res_pjsip_refer chan_pjsip
""".split(),
}
# A private module path, since Debian moved it between the two releases.
MODULE_FOLDERS = ["usr/lib/asterisk/modules", "usr/lib/x86_64-linux-gnu/asterisk/modules", "usr/lib/aarch64-linux-gnu/asterisk/modules"]
FAMILIES = {CHAN_SIP: ["sippeers"], PJSIP: ["ps_endpoints", "ps_auths", "ps_aors"]}
ECHO = "600"
# The extension that is never answered, nor rings: Asterisk says Trying alone.
MUTE = "601"


def roots_folder() -> Path:
    """Where scripts/roots.sh keeps the roots."""
    return Path(os.environ.get("REMPART_CACHE") or Path.home() / ".cache/rempart")


@dataclass(frozen=True)
class Kind:
    """A version of Asterisk and the channel driver it uses."""

    version: int
    schema: str

    @property
    def tables(self) -> Mapping[str, str]:
        """`accounts.tables` of the settings: its tables have the names that are taken without."""
        return {}

    def lay(self, path: Path, accounts: Iterable[Account]) -> None:
        """Writes a new database with its tables."""
        make_database(path, self.schema, accounts)

    @property
    def channel(self) -> str:
        return {CHAN_SIP: "SIP", PJSIP: "PJSIP"}[self.schema]

    def __str__(self) -> str:
        return f"asterisk-{self.version}-{self.schema}"


CHAN_SIP_16 = Kind(16, CHAN_SIP)
PJSIP_16 = Kind(16, PJSIP)
PJSIP_22 = Kind(22, PJSIP)


def _channel_configuration(kind: Kind, address: str) -> dict[str, str]:
    """The files of the channel driver: bound to its address, its media told to phones by the outside one."""
    media = PBX_MEDIA.get(address, address)
    if kind.schema == CHAN_SIP:
        # The system's name is left out, so the realm is "asterisk", as installed.
        return {
            "sip.conf": f"""
            [general]
            bindaddr={host(address)}
            udpbindaddr={host(address)}:5060
            media_address={media}
            context=nobody
            allowguest=no
            alwaysauthreject=yes
            rtcachefriends=yes
            nat=no
            directmedia=no
            srvlookup=no
            """
        }
    return {
        "pjsip.conf": f"""
            [global]
            type=global
            endpoint_identifier_order=ip,username
            [udp]
            type=transport
            protocol=udp
            bind={host(address)}:5060
            external_media_address={media}
            """,
    }


SORCERY_CONF = """
            [res_pjsip]
            endpoint=realtime,ps_endpoints
            endpoint=config,pjsip.conf,criteria=type=endpoint
            auth=realtime,ps_auths
            auth=config,pjsip.conf,criteria=type=auth
            aor=realtime,ps_aors
            aor=config,pjsip.conf,criteria=type=aor
            """


def realtime(kind: Kind, driver: str, tables: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The files that lead to Realtime: in the database `asterisk` of a driver, in tables of other names where they have some."""
    lines = [f"{family} => {driver},asterisk,{tables.get(family, family)}" for family in FAMILIES[kind.schema]]
    files = {"extconfig.conf": "[settings]\n" + "\n".join(lines)}
    return files | ({"sorcery.conf": SORCERY_CONF} if kind.schema == PJSIP else {})


def realtime_in_sqlite(kind: Kind, database: Path) -> dict[str, str]:
    """The files that lead to Realtime in an SQLite file."""
    driver = {"res_config_sqlite3.conf": f"[asterisk]\ndbfile => {database}\nbatch=0\nbusy_timeout=2000\n"}
    return realtime(kind, "sqlite3") | driver


def _configuration(kind: Kind, address: str, own: str, modules: str) -> dict[str, str]:
    """Every configuration file by name, but for those that say where accounts are."""
    files = {
        "asterisk.conf": f"""
            [directories]
            astetcdir => {own}
            astmoddir => {modules}
            astdbdir => {own}
            astrundir => {own}
            astlogdir => {own}
            astspooldir => {own}
            [options]
            verbose = 3
            """,
        "logger.conf": "[general]\n[logfiles]\nmessages => notice,warning,error,verbose\n",
        "modules.conf": "[modules]\nautoload=no\n"
        + "".join(f"load={name}.so\n" for name in COMMON_MODULES + CHANNEL_MODULES[kind.schema]),
        "rtp.conf": "[general]\nrtpstart=10000\nrtpend=10999\n",
        # A caller hears of a refused call as a refusal, as the state of the called account gave it.
        "extensions.conf": f"""
            [phones]
            exten => {ECHO},1,Answer()
             same => n,Echo()
             same => n,Hangup()
            exten => {MUTE},1,Wait(120)
            exten => _1XXX,1,Dial({kind.channel}/${{EXTEN}},30)
             same => n,GotoIf($["${{DIALSTATUS}}" = "CHANUNAVAIL"]?refused)
             same => n,Hangup()
             same => n(refused),Hangup(20)
            """,
    }
    return files | _channel_configuration(kind, address)


class Asterisk:
    """One running Asterisk; `shared`, where its folder and the database are, has the same path within the root.

    `accounts` are the files that say where accounts are, by name; Realtime in the database when it is left out.
    `additions` are lines for the end of its configuration files, or whole files: what an administrator adds.
    """

    def __init__(
        self,
        network: Network,
        kind: Kind,
        address: str,
        shared: Path,
        database: Path,
        additions: Mapping[str, str] = MappingProxyType({}),
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.address = address
        self.namespace = network.namespace_of(address)
        # Where its customers' requests come from: it sees the edge from inside, unless it is the provider's.
        self.sees_edge_at = network.edge_seen.get(address, EDGE_OUTSIDE)
        self.shared = shared
        self.root = roots_folder() / f"asterisk-{kind.version}"
        if not (self.root / "usr/sbin/asterisk").exists():
            raise RuntimeError(f"no Asterisk {kind.version} in {self.root}: run scripts/roots.sh (as root)")
        self.folder = shared / f"{kind}-{address.replace(':', '-')}"
        self.folder.mkdir(exist_ok=True)
        # Of another one that stood here before: its files, and the contacts that it kept.
        for path in [*self.folder.glob("*.conf"), *self.folder.glob("astdb*")]:
            path.unlink()
        modules = next(folder for folder in MODULE_FOLDERS if (self.root / folder / "pbx_config.so").exists())
        files = _configuration(kind, address, str(self.folder), f"/{modules}")
        files |= realtime_in_sqlite(kind, database) if accounts is None else accounts
        for name in files.keys() | additions.keys():
            lines = [line.removeprefix(" " * 12) for line in files.get(name, "").strip().splitlines()]
            (self.folder / name).write_text("\n".join(lines) + "\n" + additions.get(name, ""))
        self.process: subprocess.Popen | None = None
        self.marked = 0

    def start(self) -> "Asterisk":
        """Starts it and waits until it answers; its mounts are private to it and vanish with it."""
        script = (
            'mount --bind /proc "$1/proc" && mount --bind /dev "$1/dev" && mount -t tmpfs lab "$1/tmp" '
            '&& mkdir -p "$1$2" && mount --bind "$2" "$1$2" && exec chroot "$1" /usr/sbin/asterisk -C "$3" -f'
        )
        with (self.folder / "console").open("wb") as console:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, "sh", "-c", script, "sh"]
                + [str(self.root), str(self.shared), f"{self.folder}/asterisk.conf"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                # Where its ODBC drivers look for data sources.
                env={**os.environ, "ODBCINI": f"{self.folder}/odbc.ini"},
                start_new_session=True,
            )
        try:
            eventually(lambda: self._booted(), f"{self.kind} fully booted; see {self.folder}", 30, every=0.2)
        except BaseException:
            self.stop()
            raise
        return self

    def _booted(self) -> bool:
        assert self.process and self.process.poll() is None, f"{self.kind} ended: {(self.folder / 'console').read_text()}"
        return "fully booted" in self.cli("core waitfullybooted")

    def cli(self, line: str) -> str:
        """What Asterisk's own command line answers."""
        assert self.process
        done = subprocess.run(
            ["nsenter", "--mount", f"--target={self.process.pid}", "chroot", str(self.root)]
            + ["/usr/sbin/asterisk", "-C", f"{self.folder}/asterisk.conf", "-rx", line],
            text=True,
            capture_output=True,
            check=False,
        )
        return done.stdout

    def registered(self, account: str) -> bool:
        """Whether Asterisk itself holds a contact for the account (which can only be the edge's)."""
        if self.kind.schema == CHAN_SIP:
            return self.sees_edge_at in self._chan_sip_contact(account)
        # A long contact is cut before its host.
        return any(f" {account}/sip:" in line for line in self.cli("pjsip show contacts").splitlines())

    def _chan_sip_contact(self, account: str) -> str:
        shown = self.cli(f"sip show peer {account}")
        return next((line for line in shown.splitlines() if line.strip().startswith("Addr->IP")), "")

    def channels(self) -> int:
        """The number of channels, of which a call between two phones has two."""
        shown = self.cli("core show channels count")
        return next((int(line.split()[0]) for line in shown.splitlines() if "active channel" in line), -1)

    def log(self) -> str:
        return (self.folder / "messages").read_text(errors="replace")

    def mark_log(self) -> None:
        """What is in the log now is not news any more."""
        self.marked = len(self.log())

    def news(self) -> str:
        """The log from the mark on."""
        return self.log()[self.marked :]

    def pause(self) -> None:
        """Leaves it deaf and mute but with its socket open, as an overloaded or hung Asterisk is."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        # The signal stops the threads once one of them has taken it; until then the others still answer.
        eventually(lambda: all(state == "T" for state in self.thread_states()), "every thread has stopped")

    def thread_states(self) -> list[str]:
        """What each thread does, by the letter of proc_pid_stat(5)."""
        assert self.process
        files = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        return [file.read_text().rsplit(")", 1)[1].split()[0] for file in files]

    def resume(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kills it; an Asterisk that goes is to be noticed by the edge, not announced to it."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            (self.folder / "asterisk.ctl").unlink(missing_ok=True)


