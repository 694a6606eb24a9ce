"""A phone of pjsua2, to be run as a program: registers, rings, and says so a line each. It sends no keep-alives of its own.

    pjsua_phone.py ADDRESS NAME SECRET DOMAIN EDGE TRANSPORT CERTIFICATE
"""

import sys

import pjsua2

TRANSPORTS = {
    "udp": pjsua2.PJSIP_TRANSPORT_UDP,
    "tcp": pjsua2.PJSIP_TRANSPORT_TCP,
    "tls": pjsua2.PJSIP_TRANSPORT_TLS,
}
PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}


class Account(pjsua2.Account):
    """Says what becomes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[pjsua2.Call] = []

    def onRegState(self, prm: pjsua2.OnRegStateParam) -> None:  # noqa: N802 - pjsua2's own name
        print("registered" if prm.code == 200 else f"not registered: {prm.code}", flush=True)

    def onIncomingCall(self, prm: pjsua2.OnIncomingCallParam) -> None:  # noqa: N802
        self.calls.append(pjsua2.Call(self, prm.callId))
        answer = pjsua2.CallOpParam()
        answer.statusCode = pjsua2.PJSIP_SC_RINGING
        self.calls[-1].answer(answer)
        print("ringing", flush=True)


def main(address: str, name: str, secret: str, domain: str, edge: str, transport: str, certificate: str) -> None:
    endpoint = pjsua2.Endpoint()
    endpoint.libCreate()
    whole = pjsua2.EpConfig()
    whole.logConfig.level = whole.logConfig.consoleLevel = 0
    whole.uaConfig.threadCnt = 0
    whole.uaConfig.mainThreadOnly = True
    endpoint.libInit(whole)
    way = pjsua2.TransportConfig()
    way.boundAddress, way.port = address, 5060
    way.tlsConfig.CaListFile = certificate
    endpoint.transportCreate(TRANSPORTS[transport], way)
    # Its OpenSSL knows no MD5 before it was asked something of TLS.
    endpoint.utilSslGetAvailableCiphers()
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    settings = pjsua2.AccountConfig()
    settings.idUri = f"sip:{name}@{domain}"
    settings.regConfig.registrarUri = f"sip:{edge}:{PORTS[transport]};transport={transport}"
    settings.regConfig.timeoutSec = 3600
    settings.sipConfig.authCreds.append(pjsua2.AuthCredInfo("digest", "*", name, 0, secret))
    settings.natConfig.udpKaIntervalSec = 0
    account = Account()
    account.create(settings)
    while True:
        endpoint.libHandleEvents(100)


main(*sys.argv[1:])
