internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart manual`: a man page, for installers and packages; made from what `--help` and
/// `rempart settings` show.
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a man page as roff.", shouldDisplay: false)

    /// The pages there are.
    enum Page: String, CaseIterable, ExpressibleByArgument {
        case command = "rempart"
        case settings = "rempart.yaml"
        case reasons = "rempart-reasons"

        /// The section of the manual.
        var section: Int {
            switch self {
            case .command: 8
            case .settings: 5
            case .reasons: 7
            }
        }

        /// The page.
        var text: String {
            switch self {
            case .command: Manual.command
            case .settings: Manual.settings
            case .reasons: Manual.reasons
            }
        }
    }

    @Argument(help: "\(Page.allCases.map(\.rawValue).joined(separator: ", ")).")
    var page: Page
    @Flag(help: .hidden)
    var markdown = false

    func validate() throws {
        guard !markdown || page == .reasons else {
            throw ValidationError(
                "--markdown goes with \(Page.reasons.rawValue); `rempart settings --markdown` prints the settings"
            )
        }
    }

    func run() throws { print(markdown ? ReasonsDocument.markdown : page.text, terminator: "") }

    private static func others(_ own: Page) -> [(name: String, section: Int)] {
        Page.allCases.filter { $0 != own }.map { ($0.rawValue, $0.section) }.sorted { $0.1 < $1.1 }
            + [("journalctl", 1), ("systemctl", 1), ("nft", 8)].sorted { $0.1 < $1.1 }
    }
}

/// rempart(8).
extension Manual {
    private static var command: String {
        var page = Roff(
            "rempart", section: 8, "checks, starts, shows and steers a SIP security edge")
        page.heading("SYNOPSIS")
        page.code("rempart COMMAND [OPTIONS]")
        page.heading("DESCRIPTION")
        page.paragraphs(
            """
            Rempart is the wall in front of an Asterisk: the only thing of a telephony that the Internet can reach. \
            It ends TLS, checks every password, keeps registrations, passes clean calls on, and shuts attackers out \
            in the kernel's firewall. It runs as the service `rempart`; this command starts it, asks it and tells it.

            `rempart COMMAND --help` shows one command. The commands that ask the daemon need root.
            """)
        page.heading("COMMANDS")
        for each in CommandDescription.all { add(each, to: &page) }
        addExitStatus(to: &page)
        addFiles(to: &page)
        page.seeAlso(others(.command))
        return page.text
    }

    private static func add(_ command: CommandDescription, to page: inout Roff) {
        let usages = command.arguments.map(\.usage)
        page.subheading((["rempart", command.name] + usages).joined(separator: " "))
        page.paragraphs(command.abstract)
        page.paragraphs(command.discussion, isFirst: false)
        for argument in command.arguments {
            let standard = argument.byDefault.isEmpty ? [] : ["Default: `\(argument.byDefault)`."]
            page.item(argument.heading, [argument.meaning] + standard)
        }
    }

    /// The exit codes; `status --check` has its own (`Health.exitCode`), `run` those of the supervisor.
    private static func addExitStatus(to page: inout Roff) {
        page.heading("EXIT STATUS")
        page.item("0", ["Done. With `status --check`: all is good."])
        page.item(
            "1",
            [
                "Not done; standard error says why and what to do. Settings are wrong, or the daemon is not running,"
                    + " does not answer within \(ControlClient.patience.seconds) s, or refuses. With"
                    + " `status --check`: something is degraded. `run`: another try may do (a port is taken, a"
                    + " disk is full)."
            ])
        page.item("2", ["`status --check`: no phone is served."])
        page.item("3", ["`status --check`: the daemon could not be asked."])
        page.item("64", ["The command line is wrong."])
        page.item(
            "78",
            [
                "`run`: somebody has to mend something first, such as wrong settings or a missing user. systemd does"
                    + " not try again."
            ])
    }

    private static func addFiles(to page: inout Roff) {
        page.heading("FILES")
        page.item(Standard.settings, ["The settings, rempart.yaml(5)."])
        let kept = StateFile.allCases.map { "`\($0.path)`" }.joined(separator: ", ")
        page.item(
            Standard.state,
            [
                "What outlives a restart: \(kept). A file of a newer version is left alone, and `rempart status` tells"
                    + " of it."
            ])
        page.item("\(Standard.runtime)/control", ["The socket at which the daemon is asked."])
        page.item(
            "/usr/lib/systemd/catalog/rempart.catalog",
            ["What each kind of record means; `journalctl -x` shows it."])
        page.item(
            "/usr/share/doc/rempart", ["README, architecture, security, examples for Asterisk."])
    }
}

/// rempart.yaml(5).
extension Manual {
    private static var settings: String {
        var page = Roff("rempart.yaml", section: 5, "settings of the SIP security edge rempart")
        page.heading("SYNOPSIS")
        page.code(Standard.settings)
        page.heading("DESCRIPTION")
        page.paragraphs(SettingsDocument.introduction)
        page.heading("EXAMPLE")
        page.paragraphs("The shortest file that serves:")
        page.example(SettingsDocument.shortest)
        page.heading("KEYS")
        for key in Schema.keys {
            let standard = key.byDefault.map { ["Default: `\($0)`."] } ?? []
            page.item(
                key.path,
                [
                    key.meaning, "(\(ShowSettings.need(key)))", "Range: \(key.range).",
                    "Example: `\(key.example)`.",
                ] + standard)
        }
        page.heading("FILES")
        page.item(Standard.settings, ["The settings that the service reads."])
        page.seeAlso(others(.settings))
        return page.text
    }
}

/// rempart-reasons(7).
extension Manual {
    private static var reasons: String {
        var page = Roff("rempart-reasons", section: 7, "why rempart refuses, bans and warns")
        page.heading("DESCRIPTION")
        page.paragraphs(
            ReasonsDocument.introduction + " A number in brackets after a code is a status.")
        for group in Reason.Group.allCases {
            page.heading(ReasonsDocument.title(of: group).uppercased())
            if let note = ReasonsDocument.note(on: group) { page.paragraphs(note) }
            for reason in Reason.all where reason.group == group {
                let statuses = ReasonsDocument.statuses(of: reason)
                page.item(
                    statuses.isEmpty ? reason.code : "\(reason.code) (\(statuses))",
                    [reason.meaning, reason.remedy])
            }
        }
        page.heading(ReasonsDocument.conditionsTitle.uppercased())
        page.paragraphs(ReasonsDocument.conditions)
        for kind in Condition.Kind.allCases { page.item(kind.name, [kind.meaning]) }
        page.seeAlso(others(.reasons))
        return page.text
    }
}
