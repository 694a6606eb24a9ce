internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart explain`: what sip-router has decided about an address or a call, and by which rule.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain what was decided about an address or a Call-ID, and by which rule.")

    @Argument(help: "An IP address, or a Call-ID.")
    var what: String
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func validate() throws {
        guard (1...255).contains(what.utf8.count) else {
            throw ValidationError("a Call-ID has 1 to 255 bytes")
        }
    }

    func run() throws {
        let rows = Why.findings(try daemon.ask(.explain(what)))
        table.show(json: Why.json(rows), text: Why.text(rows, now: Clock.sinceEpoch))
    }
}
