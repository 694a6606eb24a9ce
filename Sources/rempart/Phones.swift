internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart phones`: the phones that are registered.
struct Phones: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the registered phones.",
        discussion: """
            A phone by UDP is asked by OPTIONS each 25 to 30 s; after three without an answer it is not reachable. \
            One that answers no OPTIONS at all is called all the same: its state is unknown. A phone by TCP or TLS \
            is not reachable once its connection is over, until it has connected and registered again.
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
                var members: [JSON.Member] = [
                    .init("account", .string(row.account)),
                    .init("transport", .string(row.transport.name)),
                    .init("address", .string(row.address.description)),
                    .init("contact", .string(row.contact)),
                    .init("expires", .number(row.expires.seconds)),
                    .init("userAgent", .string(row.userAgent)),
                    .init("reachable", .bool(row.presence != .gone)),
                    .init("answers", .bool(row.presence == .there)),
                ]
                if let silence = row.silence {
                    members.append(.init("heard", .number(silence.seconds)))
                }
                return .object(members)
            })
    }

    /// The word for whether a phone can be called.
    private static func reachable(_ presence: PhonePresence) -> String {
        switch presence {
        case .there: "yes"
        case .mute: "unknown"
        case .gone: "no"
        }
    }

    /// The phones as a table.
    static func text(_ rows: [PhoneRow]) -> String {
        var table = Table(
            "ACCOUNT", "TRANSPORT", "ADDRESS", "REACHABLE", "HEARD", "EXPIRES IN", "CONTACT",
            "USER AGENT")
        for row in rows {
            table.add(
                row.account, row.transport.name, row.address.description,
                reachable(row.presence), row.silence.map { "\($0.spoken) ago" } ?? "-",
                row.expires.spoken, row.contact, row.userAgent)
        }
        return table.isEmpty ? "No phone is registered." : table.text
    }
}
