internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart calls`: the calls that are under way, or the end of one.
struct Calls: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the calls that are under way, or end one.",
        discussion:
            "A call that is older than sip-router is listed once one of its phones says something.")

    @Option(help: ArgumentHelp("End the call of this Call-ID.", valueName: "call-id"))
    var end: String?
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func validate() throws {
        guard (end ?? "x").utf8.count <= 255, end != "" else {
            throw ValidationError("a Call-ID has 1 to 255 bytes")
        }
    }

    func run() throws {
        if let end {
            _ = try daemon.ask(.endCall(end))
            print("The call is ended.")
            return
        }
        let rows = try daemon.ask(.calls).compactMap { reply in
            if case .call(let row) = reply { row } else { nil }
        }
        table.show(json: Self.json(rows), text: Self.text(rows, now: Clock.sinceEpoch))
    }

    /// The calls as JSON; moments in seconds since 1970.
    static func json(_ rows: [CallRow]) -> JSON {
        .array(
            rows.map { row in
                .object([
                    .init("account", .string(row.account)),
                    .init("direction", .string(row.direction.name)),
                    .init("peer", .string(row.peer)),
                    .init("answered", .bool(row.isAnswered)),
                    .init("abroad", .bool(row.isAbroad)),
                    .init("since", .number(row.since.seconds)),
                    .init("asterisk", .string(row.asterisk.description)),
                    .init("phone", .string(row.phoneWords)),
                    .init("callID", .string(row.callID)),
                    .init("phones", .number(Int64(row.phones))),
                ])
            })
    }

    /// The calls as a table, moments told from `now`.
    static func text(_ rows: [CallRow], now: Milliseconds) -> String {
        var table = Table(
            "ACCOUNT", "DIRECTION", "WITH", "STATE", "SINCE", "PHONE", "ASTERISK", "CALL-ID")
        for row in rows {
            table.add(
                row.account, row.direction.name, row.peer + (row.isAbroad ? " (abroad)" : ""),
                row.isAnswered ? "answered" : "ringing", "\((now - row.since).spoken) ago",
                row.phoneWords, row.asterisk.description, row.callID)
        }
        return table.isEmpty ? "No call is under way." : table.text
    }
}

extension CallRow {
    /// The phone's address, or at how many it rings.
    var phoneWords: String {
        phones == 1 ? phone.description : Int(phones).counted("phone")
    }
}

/// `rempart release`: lets an account call again.
struct Release: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let an account call again that was barred, or has a country hold.",
        discussion: "Change its password first: somebody else may have it.")

    @Argument(help: "The account's name.")
    var account: String
    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard (1...64).contains(account.utf8.count) else {
            throw ValidationError("an account's name has 1 to 64 bytes")
        }
    }

    func run() throws {
        _ = try daemon.ask(.release(account))
        print("\(account.terminalSafe) may call again.")
    }
}
