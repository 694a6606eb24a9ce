package import Journal
package import Messages
package import Sys

/// The records that wait to be written; refusals are bounded, since a flood makes them.
package struct Audit: ~Copyable {
    /// How many refusals a second are written one by one.
    package static let refusalsPerSecond = 50

    /// The records that wait.
    package var records = RecordBatch(capacity: 1 << 19, records: Audit.mostRecords)
    private static let mostRecords = 4096
    private var second: Int64 = 0
    private var refusals = 0

    /// Nothing to write.
    package init() {}

    /// Whether the loop should take what waits before more is added.
    package var isHalfFull: Bool { records.count >= Self.mostRecords / 2 }

    /// Adds a record; not for what happens many times a second.
    package mutating func add(
        _ record: Record, _ priority: Priority, _ message: String, _ fields: [(Field, String)]
    ) {
        records.add(record, priority, message, fields)
    }

    /// Whether a refusal may be written now; the surplus of a second is told in one record.
    package mutating func allowsRefusal(_ now: Milliseconds) -> Bool {
        if now.seconds != second {
            let surplus = refusals - Self.refusalsPerSecond
            if surplus > 0 {
                add(
                    .leftOut, .notice, "\(surplus) more refusals in one second",
                    [(.count, "\(surplus)")])
            }
            second = now.seconds
            refusals = 0
        }
        refusals += 1
        return refusals <= Self.refusalsPerSecond
    }

    /// Forgets the records, which are written, and tells of those that found no room.
    package mutating func removeAll() {
        let lost = records.lost
        records.removeAll()
        guard lost > 0 else { return }
        add(
            .degraded, .warning, "\(lost) records found no room and are lost", [(.count, "\(lost)")]
        )
    }
}

extension RecordBatch {
    /// Adds the fields of where a message came from.
    package mutating func source(_ flow: Flow) {
        field(.address)
        append(flow.peer.ip)
        field(.port)
        append(decimal: UInt64(flow.peer.port))
        field(.transport)
        switch flow.transport {
        case .udp: append("udp")
        case .tcp: append("tcp")
        case .tls: append("tls")
        }
    }
}
