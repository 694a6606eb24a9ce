package import Journal
package import Sys

/// One record for the journal, as the core wants it written.
package struct AuditRecord: Sendable {
    /// Which.
    package var record: Record
    /// How much it matters.
    package var priority: Priority
    /// The sentence.
    package var message: String
    /// The fields.
    package var fields: [(Field, String)]
}

/// The records that wait to be written; refusals are bounded, since whoever floods us makes them.
package struct Audit: ~Copyable {
    /// How many refusals a second are written one by one.
    package static let refusalsPerSecond = 50

    /// The records that wait.
    package private(set) var records: [AuditRecord] = []
    private var second: Int64 = 0
    private var refusals = 0

    /// Nothing to write.
    package init() {}

    /// Adds a record.
    package mutating func add(
        _ record: Record, _ priority: Priority, _ message: String, _ fields: [(Field, String)]
    ) {
        records.append(
            AuditRecord(record: record, priority: priority, message: message, fields: fields))
    }

    /// Whether a refusal may be written now; the surplus of a second is told in one record.
    package mutating func allowsRefusal(_ now: Milliseconds) -> Bool {
        if now.seconds != second {
            let surplus = refusals - Self.refusalsPerSecond
            if surplus > 0 {
                add(
                    .refused, .notice, "\(surplus) more refusals in one second",
                    [(.count, "\(surplus)")])
            }
            second = now.seconds
            refusals = 0
        }
        refusals += 1
        return refusals <= Self.refusalsPerSecond
    }

    /// Forgets the records, which are written.
    package mutating func removeAll() { records.removeAll(keepingCapacity: true) }
}
