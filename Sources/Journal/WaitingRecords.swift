internal import Sys

/// How much the loss of a record would matter; the least goes first when there is no room.
package enum Weight: Int, Comparable, Sendable {
    /// What strangers cause, as many as they like.
    case refusal
    /// Phones that come and go.
    case registration
    /// Bans, calls, accounts and Asterisks.
    case defence
    /// Starts, ends, settings, certificates, what is weaker than it should be.
    case control

    package static func < (one: Weight, other: Weight) -> Bool { one.rawValue < other.rawValue }
}

extension Record {
    /// What its loss would matter.
    package var weight: Weight {
        switch self {
        case .refused, .handshakeFailed: .refusal
        case .registered, .unregistered, .phoneLost, .phoneBack: .registration
        case .banned, .unbanned, .held, .callBegan, .callEnded, .callRefused, .accountBarred,
            .accountReleased, .countryHeld, .asteriskUp, .asteriskDown, .asteriskRefused,
            .contactsLost,
            .trunkUp, .trunkDown, .trunkRefused, .leftOut:
            .defence
        case .daemonReady, .daemonStopping, .daemonFailed, .childStarted, .childEnded,
            .childKilled, .reloaded, .reloadRefused, .degraded, .databaseUp, .databaseDown,
            .certificateLoaded, .certificateRefused, .certificateEnds, .listLoaded, .commanded,
            .addressAbsent, .addressPresent, .programWrote, .settingsFault, .programsReplaced:
            .control
        }
    }
}

/// Records that nobody has taken yet, as they go out, in order and in at most 64 KiB.
struct WaitingRecords {
    struct Waiting {
        let weight: Weight
        /// The descriptor that it goes to as a line; nil: to journald's socket.
        let stream: Int32?
        let bytes: [UInt8]
        /// How many of its bytes are out; such a record is never given up.
        var written = 0

        /// What is not out yet.
        var rest: Span<UInt8> {
            @_lifetime(borrow self)
            get { bytes.span.extracting(written..<bytes.count) }
        }
    }

    /// How many bytes wait at most.
    static let capacity = 65_536
    /// What a record costs beside its bytes.
    private static let overhead = 64

    private var records: [Waiting] = []
    private var size = 0
    /// How many records were given up and not yet told of.
    private(set) var lost = 0

    var isEmpty: Bool { records.isEmpty }
    var first: Waiting? { records.first }

    /// Lets a record wait; for want of room the oldest of the least weight goes, the new one itself when none
    /// weighs less.
    mutating func append(_ record: Waiting) {
        let needed = record.bytes.count + Self.overhead
        while size + needed > Self.capacity {
            guard let least = leastImportant, records[least].weight < record.weight else {
                lost += 1
                return
            }
            remove(at: least)
            lost += 1
        }
        records.append(record)
        size += needed
    }

    private var leastImportant: Int? {
        var least: Int?
        for (place, record) in records.enumerated()
        where record.written == 0 && least.map({ record.weight < records[$0].weight }) ?? true {
            least = place
        }
        return least
    }

    private mutating func remove(at place: Int) {
        size -= records.remove(at: place).bytes.count + Self.overhead
    }

    /// The first is out, or can never be.
    mutating func removeFirst(lost isLost: Bool = false) {
        remove(at: 0)
        if isLost { lost += 1 }
    }

    /// So many bytes more of the first are out.
    mutating func wrote(_ count: Int) { records[0].written += count }

    /// The losses are told of.
    mutating func forgetLost() { lost = 0 }
}
