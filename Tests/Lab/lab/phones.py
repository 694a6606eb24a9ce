"""Real phones: baresip without a sound device, told what to do through its control port.

Each phone has its own source address, plays a tone of its own, and records what it hears.
"""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .accounts import Account
from .audio import holds_tone, last_samples
from .namespaces import EDGE_OUTSIDE, Network, entered
from .waiting import eventually

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
CONTROL_PORT = 4444
QUIT_SECONDS = 3
JUST_NOW_SECONDS = 0.5

CONFIGURATION = """
sip_listen {address}:5060
sip_cafile {certificate}
net_interface {address}
rtp_ports 10000-10999
audio_player aubridge,{tone}
audio_source ausine,{tone}
audio_alert aubridge,alert{tone}
ausrc_srate 48000
ausrc_channels 2
audio_buffer 20-160
snd_path {folder}
ctrl_tcp_listen 127.0.0.1:{control}
module_path {modules}
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
module_app ctrl_tcp.so
module_app menu.so
module_app account.so
ringback_disabled yes
statmode_default off
"""


def _modules_folder() -> str:
    for folder in ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"):
        if Path(folder).is_dir():
            return folder
    raise RuntimeError("baresip is not installed (scripts/install-packages.sh installs it)")


class Phone:
    """One baresip with one account; its events are kept in the order in which they came."""

    def __init__(
        self, network: Network, folder: Path, number: int, certificate: Path, address: str = "", namespace: str = ""
    ) -> None:
        self.address = address or f"198.18.1.{number}"
        self.tone = 300 + 100 * number
        self.namespace = namespace or network.clients
        self.folder = folder / f"phone-{number}"
        self.folder.mkdir()
        self.control = CONTROL_PORT + number
        self.events: list[dict] = []
        self.pending = b""
        self.account: Account | None = None
        text = CONFIGURATION.format(
            address=self.address,
            certificate=certificate,
            tone=self.tone,
            folder=self.folder,
            control=self.control,
            modules=_modules_folder(),
        )
        (self.folder / "config").write_text(text)
        (self.folder / "accounts").touch()
        (self.folder / "contacts").touch()
        with (self.folder / "console").open("wb") as console:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, "baresip", "-f", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.connection = eventually(self._connect, f"control port of {self.address}")
        except BaseException:
            self.stop()
            raise

    def _connect(self) -> socket.socket | None:
        assert self.process.poll() is None, f"baresip ended: {(self.folder / 'console').read_text()}"
        with entered(self.namespace):
            connection = socket.socket()
        try:
            connection.connect(("127.0.0.1", self.control))
        except ConnectionRefusedError:
            connection.close()
            return None
        connection.setblocking(False)
        return connection

    def order(self, command: str, parameters: str = "") -> None:
        """Gives a command of baresip's menu."""
        text = json.dumps({"command": command, "params": parameters, "token": command}).encode()
        self.connection.send(b"%d:%s," % (len(text), text))

    def _read_events(self) -> None:
        while True:
            try:
                read = self.connection.recv(65536)
            except BlockingIOError:
                break
            if not read:
                break
            self.pending += read
        while b":" in self.pending:
            digits, rest = self.pending.split(b":", 1)
            size = int(digits)
            if len(rest) <= size:
                break
            self.events.append(json.loads(rest[:size]))
            self.pending = rest[size + 1 :]

    def seen(self, kind: str) -> list[dict]:
        """The events of a kind so far, e.g. CALL_ESTABLISHED."""
        self._read_events()
        return [event for event in self.events if event.get("type") == kind]

    def wait(self, kind: str, seconds: float = 10, count: int = 1) -> dict:
        """Waits until there were `count` events of a kind, and returns the last."""
        eventually(lambda: len(self.seen(kind)) >= count, lambda: f"{kind} at {self.address}: {self.events}", seconds)
        return self.seen(kind)[-1]

    def add(self, account: Account, transport: str, domain: str, edge: str = EDGE_OUTSIDE, expires: int = 3600) -> "Phone":
        """Gives it its account; it registers by itself."""
        self.account = account
        proxy = f"sip:{edge}:{PORTS[transport]};transport={transport}"
        self.order(
            "uanew",
            f'<sip:{account.name}@{domain};transport={transport}>;auth_pass={account.secret};outbound="{proxy}"'
            f";regint={expires};audio_codecs=pcmu",
        )
        return self

    def register(self, account: Account, transport: str, domain: str, edge: str = EDGE_OUTSIDE) -> "Phone":
        """Gives it its account and waits for the 200."""
        self.add(account, transport, domain, edge)
        self.wait("REGISTER_OK")
        return self

    def forget_calls(self) -> "Phone":
        """Forgets the calls before: baresip would give two of one second the same recording."""
        self._read_events()
        self.events.clear()
        for recording in self.folder.glob("dump-*"):
            recording.unlink()
        return self

    def dial(self, target: str) -> "Phone":
        self.order("dial", target)
        return self

    def answer(self) -> "Phone":
        """Waits for the ringing, then answers."""
        self.wait("CALL_INCOMING")
        self.order("accept")
        return self

    def hang_up(self) -> "Phone":
        self.order("hangup")
        return self

    def wait_established(self) -> "Phone":
        self.wait("CALL_ESTABLISHED")
        return self

    def wait_closed(self) -> dict:
        return self.wait("CALL_CLOSED")

    def hears(self, tone: int) -> bool:
        """Whether what it hears just now is that tone; a recording that does not grow is silence."""
        recordings = sorted((path.stat().st_mtime, path) for path in self.folder.glob("dump-*-dec.wav"))
        if not recordings or time.time() - recordings[-1][0] > JUST_NOW_SECONDS:
            return False
        return holds_tone(last_samples(recordings[-1][1]), tone)

    def wait_hearing(self, tone: int) -> "Phone":
        eventually(lambda: self.hears(tone), f"{self.address} hears {tone} Hz")
        return self

    def switch_off(self) -> None:
        """Lets it end its calls and unregister."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.order("quit")
            self.process.wait(QUIT_SECONDS)
        self.stop()

    def stop(self) -> None:
        """Ends it without a word to the edge, as a phone without power does."""
        self.process.kill()
        self.process.wait()
        if hasattr(self, "connection"):
            self.connection.close()


class Shelf:
    """Hands out phones, each with its own number, and ends them all."""

    def __init__(self, network: Network, folder: Path, certificate: Path) -> None:
        self._make: Callable[..., Phone] = lambda number, *place: Phone(network, folder, number, certificate, *place)
        self.phones: list[Phone] = []

    def phone(self, *place: str) -> Phone:
        """The next phone, among the others or at an address in another namespace."""
        self.phones.append(self._make(len(self.phones) + 1, *place))
        return self.phones[-1]

    def clear(self) -> None:
        for phone in self.phones:
            phone.switch_off()
        self.phones.clear()
