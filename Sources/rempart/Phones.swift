internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart phones`: the phones that are registered.
struct Phones: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the registered phones.",
        discussion: """
            A phone that came by TCP or TLS cannot be called once its connection is over. It is not reachable \
            until it has connected and registered again.
            """)

    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func run() throws {
        let rows = try daemon.ask(.phones).compactMap { reply in
            if case .phone(let row) = reply { row } else { nil }
        }
        table.show(json: Self.json(rows), text: Self.text(rows))
    }

    /// The phones as JSON.
    static func json(_ rows: [PhoneRow]) -> JSON {
        .array(
            rows.map { row in
                .object([
                    .init("account", .string(row.account)),
                    .init("transport", .string(row.transport.name)),
                    .init("address", .string(row.address.description)),
                    .init("contact", .string(row.contact)),
                    .init("expires", .number(row.expires.seconds)),
                    .init("userAgent", .string(row.userAgent)),
                    .init("reachable", .bool(row.isReachable)),
                ])
            })
    }

    /// The phones as a table.
    static func text(_ rows: [PhoneRow]) -> String {
        var table = Table(
            "ACCOUNT", "TRANSPORT", "ADDRESS", "REACHABLE", "EXPIRES IN", "CONTACT", "USER AGENT")
        for row in rows {
            table.add(
                row.account, row.transport.name, row.address.description,
                row.isReachable ? "yes" : "no", row.expires.spoken, row.contact, row.userAgent)
        }
        return table.isEmpty ? "No phone is registered." : table.text
    }
}
