package import Sys
internal import Wire

/// An account's registration at an Asterisk, as `rempart explain` tells it.
package struct UpstreamRow: Equatable, Sendable {
    /// Where the registration stands.
    package enum State: UInt8, CaseIterable, Sendable {
        /// There is none, and none is wanted: no phone of the account is there.
        case none = 1
        /// To be asked for when its turn comes, or directory has answered.
        case waiting = 2
        /// Asked for, not answered yet.
        case trying = 3
        /// The Asterisk has it.
        case registered = 4
        /// The Asterisk has refused it; it is asked for again later.
        case refused = 5
        /// The Asterisk has not answered; it is asked again later.
        case unanswered = 6
        /// It is being ended.
        case leaving = 7

        /// The word for it.
        package var name: String { "\(self)" }
    }

    /// The Asterisk's address.
    package var address: SocketAddress
    /// How the Asterisk stands.
    package var asterisk: AsteriskRow.State
    /// Where the registration stands.
    package var state: State
    /// The status of the refusal; 0 without one.
    package var status: UInt16

    /// A row of its columns.
    package init(
        address: SocketAddress, asterisk: AsteriskRow.State, state: State, status: UInt16 = 0
    ) {
        self.address = address
        self.asterisk = asterisk
        self.state = state
        self.status = status
    }

    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        writer.address(address)
        writer.u8(asterisk.rawValue)
        writer.u8(state.rawValue)
        writer.u16(status)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        self.init(
            address: try reader.reachable("asterisk"), asterisk: try reader.choice("asterisk"),
            state: try reader.choice("state"), status: try reader.u16())
    }
}

/// What sip-router holds against an account, as `rempart explain` tells it.
package struct GuardRow: Equatable, Sendable {
    /// A source whose passwords for the account are not looked at.
    package struct Hold: Equatable, Sendable {
        /// The address, or that of an IPv6 /64.
        package var source: IPAddress
        /// For how long still.
        package var left: Milliseconds

        /// A hold of a source that so much is left of.
        package init(source: IPAddress, left: Milliseconds) {
            self.source = source
            self.left = left
        }
    }

    /// How many holds are told at most.
    package static let mostHolds = 16

    /// Whether sip-router has heard of the account.
    package var isKnown: Bool
    /// Whether its password is being guessed from many addresses, so that few tries of strangers are looked at.
    package var isGuarded: Bool
    /// Whether it has used up its requests of a second.
    package var isUsedUp: Bool
    /// How many requests a second it may have (`accounts.requests`).
    package var requests: UInt32
    /// The holds, at most `mostHolds`.
    package var holds: [Hold]

    /// A row of its columns.
    package init(
        isKnown: Bool, isGuarded: Bool = false, isUsedUp: Bool = false, requests: UInt32,
        holds: [Hold] = []
    ) {
        self.isKnown = isKnown
        self.isGuarded = isGuarded
        self.isUsedUp = isUsedUp
        self.requests = requests
        self.holds = holds
    }

    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        for flag in [isKnown, isGuarded, isUsedUp] { writer.bool(flag) }
        writer.u32(requests)
        let told = holds.prefix(Self.mostHolds)
        writer.u8(UInt8(told.count))
        for hold in told {
            writer.ip(hold.source)
            writer.span(hold.left, upTo: Bounds.longestBan)
        }
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        self.init(
            isKnown: try reader.bool(), isGuarded: try reader.bool(),
            isUsedUp: try reader.bool(), requests: try reader.u32())
        let count = try reader.u8()
        guard count <= Self.mostHolds else { throw .badValue("holds") }
        for _ in 0..<count {
            let source = try reader.ip()
            holds.append(
                Hold(source: source, left: try reader.span("left", upTo: Bounds.longestBan)))
        }
    }
}

/// A refusal as `rempart explain` tells it.
package struct RefusalRow: Equatable, Sendable {
    /// When, since 1970.
    package var moment: Milliseconds
    /// Whose message it was.
    package var source: IPAddress
    /// By which transport.
    package var transport: Transport
    /// The method; "message" where it has none that is known; at most 32 bytes.
    package var method: String
    /// The reason code, at most 64 bytes.
    package var reason: String
    /// The status of the answer; 0 when none was sent.
    package var status: UInt16

    private static let longestMethod = 32, longestReason = 64

    /// A row of its columns.
    package init(
        moment: Milliseconds, source: IPAddress, transport: Transport, method: String,
        reason: String, status: UInt16
    ) {
        self.moment = moment
        self.source = source
        self.transport = transport
        self.method = method
        self.reason = reason
        self.status = status
    }

    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        writer.moment(moment)
        writer.ip(source)
        writer.u8(transport.rawValue)
        writer.string(method, cutTo: Self.longestMethod)
        writer.string(reason, cutTo: Self.longestReason)
        writer.u16(status)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        self.init(
            moment: try reader.moment("moment"), source: try reader.ip(),
            transport: try reader.choice("transport"),
            method: try reader.string("method", limit: Self.longestMethod),
            reason: try reader.string("reason", limit: Self.longestReason),
            status: try reader.u16())
    }
}
