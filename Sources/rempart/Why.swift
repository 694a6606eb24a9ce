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
        let rows = try Self.rows(of: try Ban.address(address)) { try daemon.ask($0) }
        table.show(json: Self.json(rows), text: Self.text(rows, now: Clock.sinceEpoch))
    }

    /// What banner knows of an address, and what sip-router says of the answers that it got.
    ///
    /// What banner knows is told even when sip-router says nothing.
    static func rows(
        of address: IPAddress, _ ask: (ControlRequest) throws -> [ControlReply]
    ) throws -> [(name: String, value: String)] {
        let known = findings(try ask(.why(address)))
        let decided = findings((try? ask(.explain("\(address)"))) ?? [])
        return known + decided.filter { $0.name == ControlReply.unusualAnswers }
    }

    /// The findings among the rows of an answer.
    static func findings(_ rows: [ControlReply]) -> [(name: String, value: String)] {
        rows.compactMap { reply in
            if case .finding(let name, let value) = reply { (name, value) } else { nil }
        }
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
