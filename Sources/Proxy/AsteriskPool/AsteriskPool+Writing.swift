internal import AccountCache
internal import Authentication
internal import Messages
internal import ProxyBench
internal import SIPWriting
internal import Sys

/// A request of our own to an Asterisk.
struct OwnRequest {
    /// Its method.
    let method: StaticString
    /// The flow to the Asterisk.
    let flow: Flow
    /// Its transaction, and the number in that's branch.
    let transaction: Handle
    let cookie: UInt64
    /// The number in CSeq.
    var sequence: UInt32 = 1
    /// What Call-ID and From tag are made of.
    let callID: UInt64
    /// The hosts of From and To.
    let from: SocketAddress
    let to: SocketAddress
    /// What stands there instead of both; empty for nothing.
    var domain: [UInt8] = []
    /// Whether it says where we are to be reached.
    var hasContact = true
}

/// The requests of our own to Asterisks.
extension AsteriskPool {
    /// How long a registration is asked for, in seconds.
    static let expires: UInt64 = 3600

    /// Writes the question whether an Asterisk is there.
    func writeProbe(_ flow: Flow, _ transaction: Handle, _ cookie: UInt64, _ bench: inout Bench) {
        let request = OwnRequest(
            method: "OPTIONS", flow: flow, transaction: transaction, cookie: cookie,
            callID: bench.random(), from: bench.writer.shown(flow), to: flow.peer)
        bench.writer.begin(to: flow.peer.ip)
        Self.write(request, user: Span(), aor: Span(), &bench.writer)
        bench.writer.endEmpty()
    }

    /// Writes the REGISTER of a registration, with the answer to a challenge if there was one.
    ///
    /// One without a Contact asks which there are (RFC 3261 section 10.2.3); to chan_sip it must have no Expires either.
    func writeRegister(
        _ registration: UpstreamRegistration, _ flow: Flow, _ cookie: UInt64,
        _ answer: ChallengeAnswer?, _ accounts: borrowing AccountCache, _ bench: inout Bench
    ) {
        let host = SocketAddress(flow.peer.ip, port: 0)
        let domain = registration.namesDomain ? bench.settings.domains.first ?? [] : []
        let request = OwnRequest(
            method: "REGISTER", flow: flow, transaction: registration.request, cookie: cookie,
            sequence: registration.sequence, callID: registration.cookie, from: host, to: host,
            domain: domain, hasContact: !registration.isQuestion)
        bench.writer.begin(to: flow.peer.ip)
        Self.write(
            request, user: accounts.name(registration.account),
            aor: accounts.aor(registration.account), &bench.writer)
        if !registration.isQuestion { writeTerm(registration, flow, accounts, &bench) }
        if let answer { bench.writer.append(answer.header.span) }
        bench.writer.endEmpty()
    }

    /// Writes for how long a registration is asked for, and that what it had before is over.
    private func writeTerm(
        _ registration: UpstreamRegistration, _ flow: Flow, _ accounts: borrowing AccountCache,
        _ bench: inout Bench
    ) {
        let asterisk = asterisks[registration.asterisk]
        // Where an account may have one Contact alone, the other would be refused beside it. It comes last, since
        // chan_sip reads the first.
        if let former = asterisk.former, asterisk.formerUntil > bench.now.monotonic,
            former != bench.writer.shown(flow)
        {
            bench.writer.formerContact(former, user: accounts.name(registration.account))
        }
        bench.writer.append("Expires: ")
        bench.writer.append(decimal: registration.isLeaving ? 0 : Self.expires)
        bench.writer.endLine()
    }

    /// Writes what every one has; `user` and `aor` are the users of From and To.
    private static func write(
        _ request: OwnRequest, user: Span<UInt8>, aor: Span<UInt8>, _ writer: inout MessageWriter
    ) {
        writer.append(request.method)
        writer.append(" ")
        writer.append(uriOf: request.flow.peer, user: Span())
        writer.append(" SIP/2.0\r\n")
        writer.via(request.flow, request.transaction, request.cookie)
        writer.maxForwards(70)
        writer.append("From: <")
        write(request.domain, request.from, user: user, &writer)
        writer.append(">;tag=")
        writer.append(hex: request.callID, digits: 16)
        writer.append("\r\nTo: <")
        write(request.domain, request.to, user: aor, &writer)
        writer.append(">\r\nCall-ID: ")
        writer.append(hex: request.callID, digits: 16)
        writer.append("\r\nCSeq: ")
        writer.append(decimal: UInt64(request.sequence))
        writer.append(" ")
        writer.append(request.method)
        writer.append("\r\n")
        if request.hasContact { writer.ownContact(request.flow, user: user) }
        writer.append("User-Agent: Rempart\r\n")
    }

    /// Writes the URI of a user at a domain, or where there is none at an address.
    private static func write(
        _ domain: [UInt8], _ address: SocketAddress, user: Span<UInt8>,
        _ writer: inout MessageWriter
    ) {
        guard !domain.isEmpty else { return writer.append(uriOf: address, user: user) }
        writer.append("sip:")
        writer.append(user)
        writer.append("@")
        writer.append(domain.span)
    }
}
