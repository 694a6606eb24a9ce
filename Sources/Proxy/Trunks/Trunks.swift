internal import Journal
package import Messages
package import ProxyBench
package import SIP
package import SIPWriting
package import Sys

/// Who calls without an account: providers and other exchanges, by whose address a request is theirs.
///
/// A trunk keeps its place for the life of the process, in use or not: so what remembers a trunk never means another
/// one after a reload.
package struct Trunks: ~Copyable {
    private let anchor = Anchor()

    /// Every trunk that the settings have named, by its place.
    var trunks: [Trunk] = []
    /// Those that they name now, in their order.
    package private(set) var inUse: [TrunkID] = []
    /// From where the trunks call, all of them together: what every stranger's address is looked for in.
    private var sources = AddressRanges()
    /// How tokens name the trunks.
    private var texts = TextStore(capacity: 1 << 20)

    /// No trunks.
    package init() {}

    /// Takes over the trunks of the settings; what is known of servers that stay stands.
    ///
    /// Directory is to be asked afterwards about the accounts of `names`.
    package mutating func adopt(_ bench: borrowing Bench) {
        let known = trunks.flatMap(\.servers)
        for place in trunks.indices {
            trunks[place].inside = nil
            trunks[place].sources = AddressRanges()
            trunks[place].servers = []
            trunks[place].isAccountNameTold = false
        }
        inUse = []
        for settings in bench.settings.trunks {
            let listener = bench.listeners.first {
                $0.side == .inside && $0.endpoint == settings.inside
            }
            guard let listener, let place = place(of: settings) else { continue }
            trunks[place].settings = settings
            trunks[place].inside = listener.index
            trunks[place].sources = AddressRanges(settings.sources)
            trunks[place].servers = settings.servers.map { address in
                known.first { $0.address == address } ?? TrunkServer(address: address)
            }
            inUse.append(TrunkID(Int32(place)))
        }
        sources = AddressRanges(inUse.flatMap { trunks[$0.index].settings.sources })
    }

    /// The place of a trunk, which is taken now if need be; nil when there is no room for its name.
    private mutating func place(of settings: TrunkSettings) -> Int? {
        if let place = trunks.firstIndex(where: { $0.settings.name == settings.name }) {
            return place
        }
        let name = Trunks.tokenPrefix + Array(settings.name.utf8)
        guard trunks.count < Capacity.trunks, let tokenName = texts.store(name.span) else {
            return nil
        }
        trunks.append(Trunk(settings: settings, tokenName: tokenName))
        return trunks.count - 1
    }

    // MARK: Names

    /// A trunk's name.
    package func name(_ trunk: TrunkID) -> String { trunks[trunk.index].settings.name }

    /// What the name of a trunk begins with in tokens and in records: a colon would end a user part (RFC 3261
    /// section 19.1.1), so nobody can ask for it or be taken for it.
    package static let tokenPrefix = Array("trunk:".utf8)

    /// How tokens and the writer name a trunk: `trunk:` and its name.
    @_lifetime(borrow self)
    package func tokenName(_ trunk: TrunkID) -> Span<UInt8> {
        texts.span(trunks[trunk.index].tokenName)
    }

    /// Whether a token's account is a trunk.
    package func isNamed(
        _ account: TokenAccount, _ trunk: TrunkID, _ bench: inout Bench
    ) -> Bool {
        bench.writer.tokens.account(tokenName(trunk)) == account
    }

    /// The trunk in use that tokens name so; nil when it is none.
    package func find(named name: Span<UInt8>) -> TrunkID? {
        inUse.first { tokenName($0).equals(name) }
    }

    /// Whether a name is how tokens name some trunk, which no account has.
    package static func isTokenName(_ name: Span<UInt8>) -> Bool {
        let prefix = Trunks.tokenPrefix
        return name.count > prefix.count
            && name.extracting(0..<prefix.count).equals(prefix.span)
    }

    /// The trunks in use, with their names.
    package var namesInUse: [TrunkID: String] {
        Dictionary(uniqueKeysWithValues: inUse.map { ($0, name($0)) })
    }

    /// The names of the trunks in use, which may be those of accounts.
    package var names: [[UInt8]] { inUse.map { Array(trunks[$0.index].settings.name.utf8) } }

    /// Directory has answered about an account of a name, which may be a trunk's; `isAccount` says whether there is
    /// one that phones may register.
    package mutating func learned(_ name: Span<UInt8>, isAccount: Bool, _ bench: inout Bench) {
        for trunk in inUse {
            let named = Array(trunks[trunk.index].settings.name.utf8)
            if named.span.equals(name) { learned(trunk, isAccount, &bench) }
        }
    }

    private mutating func learned(_ trunk: TrunkID, _ isAccount: Bool, _ bench: inout Bench) {
        trunks[trunk.index].isAccountName = isAccount
        guard isAccount else {
            trunks[trunk.index].isAccountNameTold = false
            return
        }
        guard !trunks[trunk.index].isAccountNameTold else { return }
        trunks[trunk.index].isAccountNameTold = true
        let name = name(trunk)
        bench.effects.journal.add(
            .degraded, .warning,
            "the trunk \(name) has the name of an account: its callers that are not believed are sent on as"
                + " anonymous; give the trunk another name under trunks",
            [(.trunk, name), (.account, name)])
    }

    // MARK: Whose a message is

    /// The trunk that an address is of.
    package func trunk(at ip: IPAddress) -> TrunkID? {
        guard sources.contains(ip) else { return nil }
        return inUse.first { trunks[$0.index].sources.contains(ip) }
    }

    /// The trunk that a request of an Asterisk out of any dialog is for: by the socket that it came by, else by the
    /// host that it names.
    package func calledTrunk(_ message: borrowing Incoming) -> TrunkID? {
        guard !inUse.isEmpty else { return nil }
        let listener = message.flow.listener
        if let own = inUse.first(where: { trunks[$0.index].inside == listener }) { return own }
        let host = message.bytes.bytes(message.index.requestURI.host)
        let ip = IPAddress(parsing: host)
        for trunk in inUse where trunks[trunk.index].isNamed(host, ip) { return trunk }
        return nil
    }

    /// The flow by which a trunk's requests go to an Asterisk: from its own endpoint, by which Asterisk knows it.
    ///
    /// One of the other family is called as phones' requests are, when it has called the trunk itself.
    package func way(
        of trunk: TrunkID, toAsterisk address: SocketAddress, _ bench: borrowing Bench
    ) -> Flow {
        guard let own = trunks[trunk.index].inside, reaches(trunk, address.ip) else {
            return bench.way(toAsterisk: address)
        }
        return bench.way(own, to: address)
    }

    /// Whether a trunk's own endpoint is of the family of an Asterisk.
    package func reaches(_ trunk: TrunkID, _ asterisk: IPAddress) -> Bool {
        trunks[trunk.index].settings.inside?.address.ip.isV4 == asterisk.isV4
    }

    /// Takes a request from a trunk's rate; what is too much gets no answer by UDP, where the trunk asks
    /// again and a forger of its address brings it no responses.
    package mutating func takeFromRate(
        _ trunk: TrunkID, _ message: borrowing Incoming, _ bench: borrowing Bench
    ) -> Verdict<Void> {
        guard !message.isResumed, let rate = trunks[trunk.index].settings.rate,
            !trunks[trunk.index].tokens.take(rate, bench.now.monotonic),
            !bench.settings.isObserving
        else { return .pass }
        return message.flow.transport.isStream ? .refuse(.trunkRate) : .silence(.trunkRate)
    }

    // MARK: Ways

    /// The flow of a trunk's dialog: where the next Route leads, or without one the Request-URI, if that is an
    /// address of the trunk; else where its last message came from.
    package func way(
        _ flow: Flow, of trunk: TrunkID, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Flow {
        guard !flow.transport.isStream else { return flow }
        let next = Self.nextRoute(bytes, index) ?? index.requestURI
        guard let ip = IPAddress(parsing: bytes.bytes(next.host)), self.trunk(at: ip) == trunk
        else { return flow }
        let peer = SocketAddress(ip, port: next.port == 0 ? 5060 : next.port)
        return Flow(.udp, listener: flow.listener, peer: peer, connection: flow.connection)
    }

    /// The URI of the Route after the topmost, which is ours.
    private static func nextRoute(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> URI? {
        var values = FieldValues(.route)
        guard values.next(bytes, index) != nil, let next = values.next(bytes, index) else {
            return nil
        }
        return (try? NameAddress(next, in: bytes))?.uri
    }

    /// The flow to a trunk whose connection has closed: to its first server; nil when there is none.
    package func openWay(to trunk: TrunkID, _ bench: borrowing Bench) -> Flow? {
        trunks[trunk.index].servers.first.flatMap { bench.outsideWay(to: $0.address) }
    }

    /// Puts the Request-URI that a trunk gets into the bench's scratch: what the Asterisk wrote, but for our own
    /// address and for hosts that only the inside knows.
    ///
    /// True when another host stands in it now.
    package func writeTarget(
        _ trunk: TrunkID, _ message: borrowing Incoming, _ bench: inout Bench
    ) -> Bool {
        let uri = message.index.requestURI
        let host = message.bytes.bytes(uri.host)
        let trunk = trunks[trunk.index]
        bench.scratch.removeAll()
        if let server = trunk.servers.first { bench.writer.face(server.address.ip) }
        guard !host.isEmpty, !bench.writer.hosts.leaves(host, .target) else {
            bench.scratch.append(message.bytes.bytes(uri.whole))
            return false
        }
        bench.scratch.append("sip:")
        if !uri.user.isEmpty {
            bench.scratch.append(message.bytes.bytes(uri.user))
            bench.scratch.append("@")
        }
        if trunk.settings.domain.isEmpty, let server = trunk.servers.first {
            bench.scratch.append(text: server.address.description)
        } else {
            bench.scratch.append(trunk.settings.domain.span)
        }
        return true
    }
}

extension TrunkID {
    /// The place, as arrays want it.
    var index: Int { Int(place) }
}
