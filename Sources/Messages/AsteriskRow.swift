package import Sys
internal import Wire

/// An Asterisk as `rempart status` shows it.
package struct AsteriskRow: Equatable, Sendable {
    /// How it stands, as the edge sees it.
    package enum State: UInt8, CaseIterable, Sendable {
        /// Not heard yet.
        case unknown = 1
        /// Answers OPTIONS.
        case up = 2
        /// Has stopped answering.
        case down = 3
        /// Has left two OPTIONS unanswered, and gets no new calls while another one can have them.
        case passedOver = 4
        /// Answers OPTIONS and no INVITEs, and gets no new calls for a moment while another one can have them.
        case overloaded = 5

        /// The word for it in JSON.
        package var name: String {
            switch self {
            case .unknown: "unknown"
            case .up: "up"
            case .down: "down"
            case .passedOver: "passed-over"
            case .overloaded: "overloaded"
            }
        }
    }

    /// The longest round trip that is told, in microseconds: 10 s, longer than any answer is waited for.
    static let longestRoundTrip: UInt32 = 10_000_000

    /// Its address.
    package var address: SocketAddress
    /// How it stands.
    package var state: State
    /// Since when, since 1970.
    package var since: Milliseconds
    /// How long the answer to the last answered OPTIONS took, in microseconds; nil when none was answered.
    package var roundTrip: UInt32?
    /// How many accounts it has registered, as far as it has said.
    package var registered: UInt32
    /// How many accounts are to be registered there: those that have a phone.
    package var accounts: UInt32

    /// A row of its columns.
    package init(
        address: SocketAddress, state: State, since: Milliseconds, roundTrip: UInt32? = nil,
        registered: UInt32 = 0, accounts: UInt32 = 0
    ) {
        self.address = address
        self.state = state
        self.since = since
        self.roundTrip = roundTrip
        self.registered = registered
        self.accounts = accounts
    }

    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        writer.address(address)
        writer.u8(state.rawValue)
        writer.moment(since)
        writer.bool(roundTrip != nil)
        writer.u32(min(roundTrip ?? 0, Self.longestRoundTrip))
        writer.u32(registered)
        writer.u32(accounts)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        address = try reader.reachable("asterisk")
        state = try reader.choice("state")
        since = try reader.moment("since")
        let isKnown = try reader.bool()
        let roundTrip = try reader.count("roundTrip", in: 0...Self.longestRoundTrip)
        self.roundTrip = isKnown ? roundTrip : nil
        registered = try reader.u32()
        accounts = try reader.u32()
    }
}
