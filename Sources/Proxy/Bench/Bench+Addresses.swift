internal import Dialling
package import Messages
package import SIP
internal import SIPWriting
package import Sys

/// What the edge is to others: served domains, its own addresses, and the flows by which it asks.
extension Bench {
    // MARK: Domains

    /// Whether a host is one of the served domains.
    package func isServedHost(_ host: Span<UInt8>) -> Bool {
        for position in settings.domains.indices {
            let domain = settings.domains[position]
            if host.equalsCaseless(domain.span) { return true }
        }
        return false
    }

    /// Whether a URI names a domain that is served here.
    package func isServed(_ bytes: Span<UInt8>, _ uri: URI) -> Bool {
        guard uri.scheme == .sip || uri.scheme == .sips else { return false }
        return isServedHost(bytes.bytes(uri.host))
    }

    /// Whether From or To names a served domain, as a scan that only tries addresses does not.
    package func namesServed(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        isServed(bytes, index.from.uri) || isServed(bytes, index.to.uri)
    }

    /// Whether a request is for a served domain, or for a number or an emergency service called by somebody who
    /// names one.
    package func isForUs(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        switch index.requestURI.scheme {
        case .sip, .sips: isServed(bytes, index.requestURI)
        case .tel: index.method != .register && namesServed(bytes, index)
        case .other: isEmergencyCall(bytes, index) && namesServed(bytes, index)
        }
    }

    /// Whether a request belongs to a call to an emergency service that is named by its URN (RFC 5031).
    private func isEmergencyCall(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        switch index.method {
        case .invite, .ack, .cancel:
            !settings.calls.plan.firstEmergency.isEmpty
                && bytes.bytes(index.requestURI.whole).isEmergencyService
        default: false
        }
    }

    /// What a phone's request dials: the user of its Request-URI, or for an emergency service its number.
    package func dialledUser(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> UserPart {
        guard index.requestURI.scheme == .other else {
            return UserPart(bytes.bytes(index.requestURI.user))
        }
        return UserPart(settings.calls.plan.firstEmergency.span)
    }

    // MARK: Own addresses

    /// Whether a URI's host is a served domain, or the address of an outside endpoint.
    package func isOurHost(_ uri: URI, _ bytes: Span<UInt8>) -> Bool {
        if isServedHost(bytes.bytes(uri.host)) { return true }
        guard let ip = uri.ip(in: bytes) else { return false }
        return isOutside(ip)
    }

    /// Whether an address, with its port, is one of our endpoints, as bound, asked or shown.
    package func isEndpoint(_ address: SocketAddress) -> Bool {
        writer.own.contains(address)
            || listeners.contains {
                $0.endpoint.isReached(at: address) && writer.wildcards.contains(address.ip)
            }
    }

    /// Whether an address is one of an outside endpoint, as bound, asked or shown.
    package func isOutside(_ ip: IPAddress) -> Bool {
        writer.own.isNamedOutside(ip)
            || writer.own.isAtEvery(isV4: ip.isV4) && writer.wildcards.contains(ip)
    }

    /// The side that a message comes from: that of the socket it came by.
    package func side(_ flow: Flow) -> Side { listeners[Int(flow.listener)].side }

    /// An endpoint's other faces are served where one of them is.
    package mutating func serveFaces() {
        for domain in settings.domains {
            guard let ip = IPAddress(host: domain.span) else { continue }
            for face in writer.own.otherFaces(of: ip).map(\.host)
            where !settings.domains.contains(face) {
                settings.domains.append(face)
            }
        }
    }

    /// Has the writer write as the settings and the known addresses want it from now on.
    package mutating func configureWriter() {
        var wanted = WriterSettings()
        wanted.domains = settings.domains
        wanted.localNetworks = settings.localNetworks
        wanted.asterisks = settings.asterisks
        wanted.trunkSources = settings.trunks.flatMap(\.sources)
        wanted.trunkDomains = settings.trunks.map(\.domain)
        wanted.emergency = settings.calls.plan.firstEmergency
        writer.configure(wanted)
    }

    // MARK: Ways

    /// Takes over from where each Asterisk is called; returns those that are called from elsewhere than before, each
    /// with the address that it was shown for us until now.
    package mutating func follow(
        _ ways: [AsteriskWay]
    ) -> [(asterisk: IPAddress, former: SocketAddress)] {
        var moved: [(asterisk: IPAddress, former: SocketAddress)] = []
        for asterisk in asteriskWays.moved(ways) {
            let former = way(toAsterisk: SocketAddress(asterisk, port: 0))
            moved.append((asterisk, writer.shown(former)))
        }
        asteriskWays.adopt(ways)
        return moved
    }

    /// The flow by which we ask an Asterisk: by the inside endpoint that the kernel's route there uses.
    package func way(toAsterisk address: SocketAddress) -> Flow {
        way(asteriskWays.listener(toward: address.ip), to: address)
    }

    /// The flow by which we ask an Asterisk or a trunk through one of our listeners.
    package func way(_ listener: UInt8, to peer: SocketAddress) -> Flow {
        let isWildcard = listeners[Int(listener)].endpoint.isWildcard
        return Flow(
            .udp, listener: listener, peer: peer,
            connection: isWildcard ? writer.wildcards.way(toward: peer.ip) : 0)
    }

    /// The flow to a trunk's address: by the first outside UDP endpoint of its family.
    package func outsideWay(to address: SocketAddress) -> Flow? {
        let listener = listeners.first {
            $0.side == .outside && $0.endpoint.transport == .udp
                && $0.endpoint.address.ip.isV4 == address.ip.isV4
        }
        return listener.map { way($0.index, to: address) }
    }
}

extension URI {
    /// The address that its host is; nil when it is a name.
    package func ip(in message: Span<UInt8>) -> IPAddress? {
        IPAddress(host: message.bytes(host))
    }
}

extension Incoming {
    /// Where the account's name stands: To for a REGISTER, whose To is the address-of-record, else From.
    package var accountName: UserPart {
        UserPart(
            bytes.bytes(index.method == .register ? index.to.uri.user : index.from.uri.user))
    }
}
