// What is not to be banned: networks that are allowed, sources with live registrations.
internal import Messages
internal import Sys

/// Why a source cannot be banned.
enum Exception: Equatable {
    /// A network of the settings touches it.
    case setting(Network)
    /// An Asterisk of the settings is in it.
    case asterisk(IPAddress)
    /// A network of a trunk of the settings touches it.
    case trunk(String, Network)
    /// An address of the edge outside is in it, its own or the one that a NAT has for it.
    case own(IPAddress)
    /// A network that the administrator allowed by command touches it.
    case administrator(Network)
    /// It has live registrations until then.
    case protected(until: Milliseconds)
}

/// The networks and sources that bans must leave out.
struct Exceptions {
    private var settings: [Network] = []
    private var asterisks: [IPAddress] = []
    private var trunks: [(name: String, network: Network)] = []
    private var own: [IPAddress] = []
    /// The networks that the administrator allowed by command.
    private(set) var byHand: Set<Network> = []
    private var protected: [Network: Milliseconds] = [:]
    private var nextSweep = Milliseconds(0)

    /// How many sources are protected at a time; the kernel's sets hold as many.
    static let mostProtected = 100_000

    /// The host itself, 127.0.0.0/8 and ::1: the kernel lets it pass, sip-router may still ban it.
    static let loopback = [
        Network(IPAddress(v4: 0x7F00_0000), prefix: 8),
        Network(IPAddress(high: 0, low: 1), prefix: 128),
    ]

    /// Nobody but the host itself.
    init() {}

    /// Reads the settings; `machine` are the addresses of this machine, at which wildcard endpoints are.
    mutating func read(_ settings: BannerSettings, machine: [IPAddress] = []) {
        self.settings = settings.allowed
        asterisks = settings.asterisks
        trunks = settings.trunks
        // An edge that is tried on one machine has its endpoints at the loopback.
        own = settings.outside.flatMap { outside -> [IPAddress] in
            let endpoint = outside.endpoint
            let bound =
                endpoint.isWildcard
                ? machine.filter { $0.isV4 == endpoint.address.ip.isV4 } : [endpoint.address.ip]
            return (bound + (outside.advertised.map { [$0.ip] } ?? [])).filter { !$0.isLoopback }
        }
    }

    /// The networks that the kernel lets pass.
    var networks: [Network] {
        Self.loopback + settings + byHand + asterisks.map { Network($0) } + trunks.map(\.network)
    }

    /// The administrator allows a network, or takes that back; false when it was so already.
    mutating func allow(_ network: Network, _ isAllowed: Bool) -> Bool {
        isAllowed ? byHand.insert(network).inserted : byHand.remove(network) != nil
    }

    /// Protects the source of an address until a moment; false when there is no room for another one.
    ///
    /// It lasts no longer than a registration may; a moment that is past ends it.
    mutating func protect(
        _ address: IPAddress, until: Milliseconds, now: Milliseconds
    ) -> Bool {
        let source = Network.source(of: address)
        guard until > now else {
            protected[source] = nil
            return true
        }
        guard protected[source] != nil || hasRoom(now) else { return false }
        protected[source] = min(until, now + Bounds.longestProtection)
        return true
    }

    private mutating func hasRoom(_ now: Milliseconds) -> Bool {
        // To look at all of them takes milliseconds, which not every message may cost.
        if protected.count >= Self.mostProtected, now >= nextSweep {
            nextSweep = now + .seconds(10)
            expire(now: now)
        }
        return protected.count < Self.mostProtected
    }

    /// Until when a source is protected, if it is.
    func protection(of source: Network, now: Milliseconds) -> Milliseconds? {
        protected[source].flatMap { $0 > now ? $0 : nil }
    }

    /// Every protected source and its end.
    var protections: [Network: Milliseconds] { protected }

    /// Forgets protections that have ended.
    mutating func expire(now: Milliseconds) { protected = protected.filter { $0.value > now } }

    /// The exception that lets exactly this address pass everything, if there is one.
    func exception(of address: IPAddress) -> Exception? {
        if let network = settings.first(where: { $0.contains(address) }) {
            return .setting(network)
        }
        if let network = byHand.first(where: { $0.contains(address) }) {
            return .administrator(network)
        }
        if let trunk = trunks.first(where: { $0.network.contains(address) }) {
            return .trunk(trunk.name, trunk.network)
        }
        return asterisks.contains(address) ? .asterisk(address) : nil
    }

    /// Why a ban of the source must not be; protection does not hold the administrator up.
    func reason(against source: Network, byHand isByHand: Bool, now: Milliseconds) -> Exception? {
        if let network = settings.first(where: { $0.overlaps(source) }) {
            return .setting(network)
        }
        if let network = byHand.first(where: { $0.overlaps(source) }) {
            return .administrator(network)
        }
        if let server = asterisks.first(where: { source.contains($0) }) {
            return .asterisk(server)
        }
        if let trunk = trunks.first(where: { $0.network.overlaps(source) }) {
            return .trunk(trunk.name, trunk.network)
        }
        // A neighbourhood's ban leaves those alone who have registered, and who else would speak from there?
        if !source.isWide, let address = own.first(where: { source.contains($0) }) {
            return .own(address)
        }
        guard !isByHand else { return nil }
        if !source.isWide { return protection(of: source, now: now).map(Exception.protected) }
        return protected.first { source.contains($0.key.address) && $0.value > now }
            .map { .protected(until: $0.value) }
    }
}
