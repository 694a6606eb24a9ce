internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart bans`: the bans in force.
struct Bans: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the banned addresses, with reason and end.")

    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func run() throws {
        let answer = try daemon.ask(.bans)
        let rows = answer.compactMap { if case .ban(let row) = $0 { row } else { nil } }
        table.show(json: Self.json(rows), text: Self.text(rows, now: Clock.sinceEpoch))
    }

    /// The bans as JSON; moments in seconds since 1970.
    static func json(_ rows: [BanRow]) -> JSON {
        .array(
            rows.map { row in
                .object([
                    .init("address", .string(row.name)),
                    .init("reason", .string(row.reason)),
                    .init("evidence", .string(row.evidence)),
                    .init("profile", .string(row.profile)),
                    .init("since", .number(row.since.seconds)),
                    .init("until", .number(row.until.seconds)),
                    .init("firstSeen", .number(row.firstSeen.seconds)),
                    .init("lastSeen", .number(row.lastSeen.seconds)),
                    .init("count", .number(Int64(row.count))),
                    .init("level", .number(Int64(row.level))),
                ])
            })
    }

    /// The bans as a table, moments told from `now`.
    static func text(_ rows: [BanRow], now: Milliseconds) -> String {
        var table = Table("ADDRESS", "REASON", "OFFENCES", "TIMES", "SINCE", "ENDS IN", "EVIDENCE")
        for row in rows {
            table.add(
                row.name, row.reason, "\(row.count)", "\(row.level)",
                "\((now - row.since).spoken) ago", (row.until - now).spoken, row.evidence)
        }
        return table.isEmpty ? "No address is banned." : table.text
    }
}

extension BanRow {
    /// The source as it is written: an IPv4 address by itself, anything else as a network.
    var name: String {
        source.address.isV4 && source.prefix == 32 ? "\(source.address)" : "\(source)"
    }
}

/// `rempart ban`: shuts an address out.
struct Ban: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ban an address.")

    @Argument(help: "The IP address to ban.")
    var address: String
    @Option(name: .customLong("for"), help: "How long: 30s, 5m, 2h or 1d, at most 365d.")
    var span: String?
    @Option(help: "Why, for whoever reads the list; at most 100 characters.")
    var reason = "by hand"
    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        _ = try Self.address(address)
        _ = try Self.span(span)
        guard reason.count <= 100 else {
            throw ValidationError("the reason is longer than 100 characters")
        }
    }

    func run() throws {
        let ip = try Self.address(address)
        let time = try Self.span(span)
        _ = try daemon.ask(.ban(ip, time, reason))
        let length = time.count == 0 ? "for the time set in defence.ban" : "for \(time.spoken)"
        print("\(ip) is banned \(length).")
    }

    /// The IP address of an argument.
    static func address(_ text: String) throws -> IPAddress {
        guard let ip = IPAddress(text) else {
            throw ValidationError("`\(text.terminalSafe)` is not an IP address")
        }
        return ip
    }

    /// The span of an argument; 0 stands for the daemon's own.
    private static func span(_ text: String?) throws -> Milliseconds {
        guard let text else { return .seconds(0) }
        guard let span = Milliseconds(duration: text),
            span >= .seconds(1), span <= .seconds(31_536_000)
        else {
            throw ValidationError(
                "`\(text.terminalSafe)` is not a duration from 1s to 365d, such as 30s, 5m, 2h, 1d")
        }
        return span
    }
}

/// `rempart unban`: lets an address, or all of them, in again.
struct Unban: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lift the ban of an address, or all.")

    @Argument(help: "The IP address, or `all`.")
    var address: String
    @OptionGroup var daemon: DaemonOptions

    func validate() throws { _ = try target() }

    func run() throws {
        let ip = try target()
        _ = try daemon.ask(.unban(ip))
        print(ip.map { "\($0) is not banned any more." } ?? "No address is banned any more.")
    }

    /// The address to let in, nil for all.
    private func target() throws -> IPAddress? {
        address == "all" ? nil : try Ban.address(address)
    }
}
