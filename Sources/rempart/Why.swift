internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart why`: what happens to the packets of an address, and what for.
struct Why: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain what happens to an address: banned, dropped, allowed, and why.")

    @Argument(help: "The IP address.")
    var address: String
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func validate() throws { _ = try Ban.address(address) }

    func run() throws {
        let rows = try daemon.ask(.why(try Ban.address(address))).compactMap { reply in
            if case .finding(let name, let value) = reply { (name, value) } else { nil }
        }
        table.show(json: Self.json(rows), text: Self.text(rows, now: Clock.sinceEpoch))
    }

    /// The findings whose value is a moment in seconds since 1970.
    private static let moments: Set<String> = [
        "first seen", "last seen", "banned", "ended", "ends", "protected until",
    ]

    /// The findings as one JSON object; moments are numbers, in seconds since 1970.
    static func json(_ rows: [(name: String, value: String)]) -> JSON {
        .object(
            rows.map { name, value in
                if moments.contains(name) || ["offences", "times banned"].contains(name),
                    let number = Int64(value)
                {
                    return JSON.Member(name, .number(number))
                }
                return JSON.Member(name, .string(value))
            })
    }

    /// The findings as lines, moments told from `now`.
    static func text(_ rows: [(name: String, value: String)], now: Milliseconds) -> String {
        let width = rows.map(\.name.count).max() ?? 0
        return rows.map { name, value in
            let padding = String(repeating: " ", count: width - name.count + 2)
            return name + padding + said(name, value, now).terminalSafe
        }.joined(separator: "\n")
    }

    private static func said(_ name: String, _ value: String, _ now: Milliseconds) -> String {
        guard moments.contains(name), let seconds = Int64(value) else { return value }
        let moment = Milliseconds.seconds(seconds)
        return moment > now ? "in \((moment - now).spoken)" : "\((now - moment).spoken) ago"
    }
}

/// `rempart allow`: lets a network pass, whatever it does.
struct Allow: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Never ban a network or address, beside those of defence.allow.",
        discussion: "Its bans are lifted. It is remembered over a restart until --remove.")

    @Argument(help: "The IP address, or a network such as 192.0.2.0/24.")
    var network: String
    @Flag(help: "Take it back: what the network does counts again.")
    var remove = false
    @OptionGroup var daemon: DaemonOptions

    func validate() throws { _ = try target() }

    func run() throws {
        let target = try target()
        _ = try daemon.ask(.allow(target, !remove))
        print(remove ? "\(target) is judged like any other again." : "\(target) is never banned.")
    }

    private func target() throws -> Network {
        guard let target = Network(network) else {
            throw ValidationError("`\(network.terminalSafe)` is not an IP address or network")
        }
        return target
    }
}
