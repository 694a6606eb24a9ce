package import Sys
internal import Wire

/// The side that made a call.
package enum CallDirection: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The account's phone.
    case made = 1
    /// An Asterisk.
    case received = 2
    /// Not known: the call was there before sip-router was.
    case unknown = 3

    /// The word for it.
    package var name: String {
        switch self {
        case .made: "out"
        case .received: "in"
        case .unknown: "unknown"
        }
    }
}

/// A call as `rempart calls` shows it.
package struct CallRow: Equatable, Sendable {
    /// The account's name.
    package var account: String
    /// The side that made it, as the account sees it; what a trunk calls is `received`, as the
    /// house sees it.
    package var direction: CallDirection
    /// The dialled number, or the other one's name.
    package var peer: String
    /// Whether it was answered.
    package var isAnswered: Bool
    /// Whether the number is abroad.
    package var isAbroad: Bool
    /// When it began, or was first seen, since 1970.
    package var since: Milliseconds
    /// The Asterisk.
    package var asterisk: SocketAddress
    /// The phone's address, or the trunk's server; the first one's while it rings at several, and that of the Asterisk
    /// while it rings at none.
    package var phone: SocketAddress
    /// At how many phones it rings, at most `mostPhones`; 1 when it is known which phone it is.
    package var phones: UInt8
    /// The Call-ID as the caller's side wrote it.
    package var callID: String

    /// A row of its columns.
    package init(
        account: String, direction: CallDirection, peer: String, isAnswered: Bool, isAbroad: Bool,
        since: Milliseconds, asterisk: SocketAddress, phone: SocketAddress, phones: UInt8 = 1,
        callID: String
    ) {
        self.account = account
        self.direction = direction
        self.peer = peer
        self.isAnswered = isAnswered
        self.isAbroad = isAbroad
        self.since = since
        self.asterisk = asterisk
        self.phone = phone
        self.phones = phones
        self.callID = callID
    }
}

extension CallRow {
    /// At how many phones a call rings at most.
    static let mostPhones: UInt8 = 12

    /// Writes the columns; what callers choose is cut.
    func write(to writer: inout WireWriter) {
        writer.string(account, cutTo: 64)
        writer.u8(direction.rawValue)
        writer.string(peer, cutTo: 64)
        writer.bool(isAnswered)
        writer.bool(isAbroad)
        writer.moment(since)
        writer.address(asterisk)
        writer.address(phone)
        writer.u8(min(phones, Self.mostPhones))
        writer.string(callID, cutTo: 255)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        self.init(
            account: try reader.string("account", limit: 64),
            direction: try reader.choice("direction"),
            peer: try reader.string("peer", limit: 64), isAnswered: try reader.bool(),
            isAbroad: try reader.bool(), since: try reader.moment("since"),
            asterisk: try reader.address(), phone: try reader.address(), phones: try reader.u8(),
            callID: try reader.string("callID", limit: 255))
        guard phones <= Self.mostPhones else { throw .badValue("phones") }
    }
}
