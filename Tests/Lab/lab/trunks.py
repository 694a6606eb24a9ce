"""Trunks of the lab: their settings, and what an administrator writes for them in Asterisk's files."""

from collections.abc import Sequence
from dataclasses import dataclass

from .accounts import CHAN_SIP, Account
from .namespaces import EDGE_INSIDE


@dataclass(frozen=True)
class Trunk:
    """A provider; with a customer, one that wants a registration and a password for calls."""

    name: str
    digits: str
    port: int
    servers: tuple[str, ...]
    customer: Account | None = None
    networks: tuple[str, ...] = ()
    has_domain: bool = True

    @property
    def domain(self) -> str:
        """What stands for it in a Request-URI."""
        return f"sip.{self.name}.example" if self.has_domain else self.servers[0]

    @property
    def context(self) -> str:
        return f"from-{self.name}"

    @property
    def inside(self) -> str:
        """The edge's socket for it, as Asterisk names it."""
        return f"{EDGE_INSIDE}:{self.port}"

    def settings(self) -> str:
        lines = [f"{self.name}:", f"  inside: udp://{self.inside}", f"  servers: [{', '.join(self.servers)}]"]
        lines += [f"  networks: [{', '.join(self.networks)}]"] if self.networks else []
        lines += [f"  domain: {self.domain}"] if self.has_domain else []
        return "".join(f"  {line}\n" for line in lines)


# Two servers, known by address alone; one real Asterisk that wants a password; one without a domain that calls from another
# network too, and may make one call at a time.
TELCO = Trunk("telco", "81", 5071, ("198.18.3.10", "198.18.3.11"))
CARRIER = Trunk("carrier", "82", 5072, ("198.18.3.20",), Account("1500", "secret-of-1500"))
SMALL = Trunk("small", "83", 5073, ("198.18.3.30",), networks=("198.18.3.48/28",), has_domain=False)
TRUNKS = (TELCO, CARRIER, SMALL)

PROFILES = """\
profiles:
  little:
    trunks: [small]
    calls: 1
"""

# Known to Asterisk by the edge's address and port, for both directions.
CHAN_SIP_TRUNK = """
[{name}]
type=peer
host={edge}
port={port}
context={context}
disallow=all
allow=ulaw
"""
# One peer for each direction: credentials must be computed for the provider's own address, so calls out are addressed to
# that and sent by way of the edge; calls in are known by the edge's address and port.
CHAN_SIP_WITH_PASSWORD = """
[general](+)
register => {user}@{domain}:{secret}@{inside}/{user}

[{name}]
type=peer
host={server}
outboundproxy={inside}
defaultuser={user}
remotesecret={secret}
fromuser={user}
fromdomain={domain}
qualify=yes
disallow=all
allow=ulaw

[{name}-in]
type=peer
host={edge}
port={port}
context={context}
disallow=all
allow=ulaw
"""
PJSIP_TRUNK = """
[{name}]
type=endpoint
context={context}
disallow=all
allow=ulaw
aors={name}

[{name}]
type=aor
contact=sip:{inside}

[{name}]
type=identify
endpoint={name}
match={inside}
"""
# The edge is the outbound proxy, so that credentials are computed for the provider's own name.
PJSIP_WITH_PASSWORD = """
[{name}]
type=endpoint
context={context}
disallow=all
allow=ulaw
aors={name}
outbound_auth={name}
from_user={user}
from_domain={domain}
outbound_proxy=sip:{inside}\\;lr

[{name}]
type=aor
contact=sip:{domain}
outbound_proxy=sip:{inside}\\;lr
qualify_frequency=10

[{name}]
type=identify
endpoint={name}
match={inside}

[{name}]
type=auth
auth_type=userpass
username={user}
password={secret}

[{name}]
type=registration
server_uri=sip:{domain}
client_uri=sip:{user}@{domain}
contact_user={user}
outbound_auth={name}
outbound_proxy=sip:{inside}\\;lr
"""
# Calls out begin with the trunk's digits; calls in tell where they landed, and reach the echo or a phone.
DIALPLAN = """
[phones]
exten => _{digits}X.,1,Dial({dialled},30)
 same => n,Hangup(${{HANGUPCAUSE}})

[{context}]
exten => 600,1,Verbose(1,landed in ${{CONTEXT}} from ${{CALLERID(num)}} for ${{EXTEN}})
 same => n,Answer()
 same => n,Echo()
exten => 1500,1,Goto(600,1)
exten => _1XXX,1,Verbose(1,landed in ${{CONTEXT}} from ${{CALLERID(num)}} for ${{EXTEN}})
 same => n,Dial({channel}/${{EXTEN}},30)
 same => n,Hangup(${{HANGUPCAUSE}})
"""


def trunk_settings(trunks: Sequence[Trunk]) -> str:
    """The lines of the edge's settings for them."""
    return "trunks:\n" + "".join(trunk.settings() for trunk in trunks) + PROFILES if trunks else ""


def trunk_configuration(schema: str, trunks: Sequence[Trunk]) -> dict[str, str]:
    """What is added to Asterisk's configuration files, by name."""
    channel, dialplan = "", ""
    for trunk in trunks:
        template = {
            (True, False): CHAN_SIP_TRUNK,
            (True, True): CHAN_SIP_WITH_PASSWORD,
            (False, False): PJSIP_TRUNK,
            (False, True): PJSIP_WITH_PASSWORD,
        }[schema == CHAN_SIP, trunk.customer is not None]
        customer = trunk.customer or Account("", "")
        channel += template.format(
            name=trunk.name,
            edge=EDGE_INSIDE,
            port=trunk.port,
            inside=trunk.inside,
            context=trunk.context,
            domain=trunk.domain,
            server=trunk.servers[0],
            user=customer.name,
            secret=customer.secret,
        )
        dialplan += DIALPLAN.format(
            digits=trunk.digits,
            context=trunk.context,
            channel="SIP" if schema == CHAN_SIP else "PJSIP",
            dialled=f"SIP/{trunk.name}/${{EXTEN:2}}" if schema == CHAN_SIP else f"PJSIP/${{EXTEN:2}}@{trunk.name}",
        )
    return {"sip.conf" if schema == CHAN_SIP else "pjsip.conf": channel, "extensions.conf": dialplan}
