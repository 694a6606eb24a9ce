internal import Messages
internal import Sys

/// The certificates in `rempart status`; moments are since 1970.
extension StatusReport {
    private static let day = Milliseconds.seconds(86_400)

    /// How many whole days a certificate has left, negative after its end; nil when none can be used.
    private static func daysLeft(_ row: CertificateRow, _ now: Milliseconds) -> Int64? {
        guard row.until.count > 0 else { return nil }
        let left = row.until - now
        // Rounded down: what ended an hour ago has no day left.
        return left.count >= 0 ? left.count / day.count : -1 - (-left.count - 1) / day.count
    }

    /// A certificate as JSON.
    static func json(_ row: CertificateRow, _ now: Milliseconds) -> JSON {
        var members: [JSON.Member] = [
            .init("names", .array(row.names.map { .string($0) })), .init("file", .string(row.file)),
            .init("key", .string(row.key)), .init("until", .number(row.until.seconds)),
            .init("unused", .string(row.unused)),
        ]
        if let days = daysLeft(row, now) { members.append(.init("daysLeft", .number(days))) }
        return .object(members)
    }

    /// The certificates as a table, the default first.
    static func text(_ rows: [CertificateRow], _ now: Milliseconds) -> String {
        var table = Table("CERTIFICATE FOR", "DAYS LEFT", "KEY", "FILE", "NOT USED")
        for row in rows {
            table.add(
                row.names.joined(separator: " "), daysLeft(row, now).map { "\($0)" } ?? "", row.key,
                row.file, row.unused)
        }
        return table.text
    }
}
