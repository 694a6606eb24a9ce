package import Sys
package import Wire

/// What sip-router asks of banner.
package enum RouterToBanner: Equatable, Sendable {
    /// The first frame on a new link; banner answers with every ban in force, then `all`.
    case hello
    /// Ban a source, for what it has proven to have done.
    case ban(BanOrder)
    /// The address has live registrations, or has sent good traffic, until a moment since 1970; 0
    /// ends it. No roll-up, block list, country or limit for strangers touches it until then, and
    /// no order but an administrator's bans it.
    case protect(IPAddress, until: Milliseconds)
    /// Which country is the address in? `located` answers.
    case locate(IPAddress)
}

/// Why sip-router wants a source banned.
package struct BanOrder: Equatable, Sendable {
    /// The source that did it; IPv6 is banned by its /64.
    package var address: IPAddress
    /// The reason code, at most 64 bytes.
    package var reason: String
    /// What was seen, in words for the administrator, at most 200 bytes.
    package var evidence: String
    /// How many offences were seen, 1 to 1,000,000.
    package var count: UInt32
    /// When the first of them was seen, since 1970; not after the last.
    package var firstSeen: Milliseconds
    /// When the last of them was seen, since 1970.
    package var lastSeen: Milliseconds
    /// The profile that the source was judged by, at most 32 bytes.
    package var profile: String
    /// The ban lasts this long at least, at most 365 d; at 0 its growth alone decides.
    package var atLeast: Milliseconds

    /// An order of its fields.
    package init(
        address: IPAddress, reason: String, evidence: String, count: UInt32,
        firstSeen: Milliseconds, lastSeen: Milliseconds, profile: String,
        atLeast: Milliseconds = Milliseconds(0)
    ) {
        self.address = address
        self.reason = reason
        self.evidence = evidence
        self.count = count
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.profile = profile
        self.atLeast = atLeast
    }
}

/// What banner tells sip-router, which drops such sources itself too.
package enum BannerToRouter: Equatable, Sendable {
    /// The source is banned until a moment since 1970.
    ///
    /// It is an IPv4 address or an IPv6 /64; when several of its neighbours are banned, a whole /24
    /// or /48.
    case banned(Network, until: Milliseconds)
    /// The source is not banned any more.
    case unbanned(Network)
    /// No source is banned any more.
    case cleared
    /// Every ban in force has been told.
    case all
    /// The country of an address, two capital letters (ISO 3166-1); empty when it is not known.
    case located(IPAddress, country: String)
}

extension BanOrder {
    /// The longest fields, in bytes.
    package static let reasonLimit = 64
    package static let evidenceLimit = 200
    package static let profileLimit = 32

    /// Writes the fields; what is too long is cut.
    fileprivate func write(to writer: inout WireWriter) {
        writer.ip(address)
        writer.string(reason, cutTo: Self.reasonLimit)
        writer.string(evidence, cutTo: Self.evidenceLimit)
        writer.u32(min(max(count, 1), Bounds.mostOffences))
        writer.moment(min(firstSeen, lastSeen))
        writer.moment(lastSeen)
        writer.string(profile, cutTo: Self.profileLimit)
        writer.span(atLeast, upTo: Bounds.longestBan)
    }

    /// Reads the fields.
    fileprivate init(from reader: inout WireReader) throws(WireError) {
        self.init(
            address: try reader.ip(),
            reason: try reader.string("reason", limit: Self.reasonLimit),
            evidence: try reader.string("evidence", limit: Self.evidenceLimit),
            count: try reader.count("count", in: 1...Bounds.mostOffences),
            firstSeen: try reader.moment("firstSeen"),
            lastSeen: try reader.moment("lastSeen"),
            profile: try reader.string("profile", limit: Self.profileLimit),
            atLeast: try reader.span("atLeast", upTo: Bounds.longestBan))
        guard firstSeen <= lastSeen else { throw .badValue("firstSeen") }
    }
}

extension RouterToBanner {
    /// The message's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .hello: return WireWriter.hello.bytes
        case .ban(let order):
            var writer = WireWriter(kind: 2)
            order.write(to: &writer)
            return writer.bytes
        case .protect(let address, let until):
            var writer = WireWriter(kind: 3)
            writer.ip(address)
            writer.moment(until)
            return writer.bytes
        case .locate(let address):
            var writer = WireWriter(kind: 4)
            writer.ip(address)
            return writer.bytes
        }
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            try reader.version()
            self = .hello
        case 2: self = .ban(try BanOrder(from: &reader))
        case 3:
            let address = try reader.ip()
            self = .protect(address, until: try reader.moment("until"))
        case 4: self = .locate(try reader.ip())
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension BannerToRouter {
    /// The message's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .banned(let source, let until):
            var writer = WireWriter(kind: 1)
            writer.network(source)
            writer.moment(until)
            return writer.bytes
        case .unbanned(let source):
            var writer = WireWriter(kind: 2)
            writer.network(source)
            return writer.bytes
        case .cleared: return WireWriter(kind: 3).bytes
        case .all: return WireWriter(kind: 4).bytes
        case .located(let address, let country):
            var writer = WireWriter(kind: 5)
            writer.ip(address)
            writer.string(Bounds.isCountry(country) ? country : "")
            return writer.bytes
        }
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            let source = try reader.source()
            self = .banned(source, until: try reader.moment("until"))
        case 2: self = .unbanned(try reader.source())
        case 3: self = .cleared
        case 4: self = .all
        case 5:
            let address = try reader.ip()
            let country = try reader.string("country", limit: 2)
            guard country.isEmpty || Bounds.isCountry(country) else { throw .badValue("country") }
            self = .located(address, country: country)
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}
