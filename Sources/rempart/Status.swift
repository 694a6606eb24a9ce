internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart status`: the components, the Asterisks, the trunks, the barred accounts, and who enforces the bans.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the state of the edge, of the Asterisks behind it, and of the trunks.",
        discussion: """
            What is wrong stands first, the worst before all. With --check one line is printed. Its exit \
            code is 0 when all is good, 1 when something is degraded, and 2 when no phone is served. It is 3 when \
            the daemon does not answer.
            """)

    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions
    @Flag(help: "Print one line, and tell by the exit code whether all is good.")
    var check = false

    func validate() throws {
        guard !check || !table.json else {
            throw ValidationError("--check prints one line: leave --json out")
        }
    }

    func run() throws {
        guard !check else { throw Self.checked(ControlClient(runtime: daemon.runtime)) }
        var report = StatusReport(try daemon.ask(.status))
        // A component that is down cannot answer; the rest of the state is worth showing then.
        let client = ControlClient(runtime: daemon.runtime)
        do throws(ControlError) {
            report.add(try client.ask(.asterisks))
        } catch {
            report.gaps.append(error.description)
        }
        do throws(ControlError) {
            report.add(try client.ask(.certificates))
        } catch {
            report.gaps.append(error.description)
        }
        do throws(ControlError) {
            report.add([try client.enforcement()].compactMap(\.self))
        } catch {
            report.gaps.append(error.description)
        }
        table.show(json: report.json, text: report.text)
    }

    /// Prints the line of `--check`; the exit code that goes with it.
    private static func checked(_ client: ControlClient) -> ExitCode {
        do throws(ControlError) {
            let report = StatusReport(try client.ask(.status))
            print(report.summary)
            return ExitCode(report.health.exitCode)
        } catch {
            print("cannot ask: \(error.description)")
            return ExitCode(3)
        }
    }
}

/// How the edge is, taken all in all.
enum Health: String {
    /// Nothing is known to be wrong.
    case good
    /// It serves, and something is wrong.
    case degraded
    /// No phone is served.
    case noSIP = "no SIP"

    /// What `rempart status --check` exits with.
    var exitCode: Int32 {
        switch self {
        case .good: 0
        case .degraded: 1
        case .noSIP: 2
        }
    }
}

/// What `rempart status` shows.
struct StatusReport {
    private var components: [Component] = []
    private var asterisks: [AsteriskRow] = []
    private var trunks: [TrunkRow] = []
    private var standings: [AccountStanding] = []
    private var certificates: [CertificateRow] = []
    private var kernelBans = false
    private var whyNoKernelBans = ""
    /// What is wrong, the worst first, and which component says so.
    private var conditions: [(role: Role, condition: Condition)] = []
    /// What is no fault of the edge's, and yet should be known.
    private var warnings: [String] = []
    /// What could not be found out, and why.
    var gaps: [String] = []

    private struct Component {
        let role: Role
        let pid: Int32
        let state: ComponentState
        let restarts: UInt32
        let status: String
    }

    /// A report of the supervisor's rows.
    init(_ rows: [ControlReply]) { add(rows) }

    /// Takes in the rows of an answer; those that `status` does not show are left out.
    mutating func add(_ rows: [ControlReply]) {
        for row in rows {
            switch row {
            case .component(let role, let pid, let state, let restarts, let status):
                components.append(
                    Component(
                        role: role, pid: pid, state: state, restarts: restarts, status: status))
            case .asterisk(let row): asterisks.append(row)
            case .trunk(let row): trunks.append(row)
            case .certificate(let row): certificates.append(row)
            case .standing(let standing): standings.append(standing)
            case .condition(let role, let condition): conditions.append((role, condition))
            case .finding(ControlReply.warning, let value): warnings.append(value)
            case .kernelBans(let active, let why): (kernelBans, whyNoKernelBans) = (active, why)
            default: break
            }
        }
    }

    /// "ready" when every component is, else the state of the one farthest from it.
    private var state: ComponentState {
        for state in [ComponentState.waiting, .stopping, .starting]
        where components.contains(where: { $0.state == state }) {
            return state
        }
        return components.isEmpty ? .starting : .ready
    }

    /// How the edge is, by the worst that is wrong.
    var health: Health {
        guard let worst = conditions.first?.condition else {
            return state == .ready ? .good : .degraded
        }
        return worst.kind == .noSIP ? .noSIP : .degraded
    }

    /// How the edge is in one line, with the worst that is wrong.
    var summary: String {
        let more = conditions.count > 1 ? " (and \(conditions.count - 1) more)" : ""
        let worst = conditions.first.map { "\($0.condition.text.terminalSafe)\(more)" }
        return "\(health.rawValue): \(worst ?? "the components are \(state.name)")"
    }

    /// The report as JSON.
    var json: JSON {
        .object([
            .init("state", .string(state.name)),
            .init("version", .string(productVersion)),
            .init(
                "components",
                .array(
                    components.map { component in
                        .object([
                            .init("name", .string(component.role.name)),
                            .init("pid", .number(Int64(component.pid))),
                            .init("state", .string(component.state.name)),
                            .init("restarts", .number(Int64(component.restarts))),
                            .init("status", .string(component.status)),
                        ])
                    })),
            .init("kernelBans", .bool(kernelBans)),
            .init("asterisk", .array(asterisks.map(\.json))),
            .init("trunks", .array(trunks.map(Self.json))),
            .init("certificates", .array(certificates.map { Self.json($0, Clock.sinceEpoch) })),
            .init("barred", .array(standings.map(Self.json))),
            .init("warnings", .array(warnings.map { .string($0) })),
            .init("health", .string(health == .noSIP ? "no-sip" : health.rawValue)),
            .init("conditions", .array(conditions.map(Self.json))),
        ])
    }

    private static func json(_ row: (role: Role, condition: Condition)) -> JSON {
        .object([
            .init("kind", .string(row.condition.kind.name)),
            .init("component", .string(row.role.name)),
            .init("text", .string(row.condition.text)),
        ])
    }

    private static func json(_ row: TrunkRow) -> JSON {
        .object([
            .init("trunk", .string(row.name)), .init("server", .string(row.server.description)),
            .init("state", .string(row.state.name)), .init("calls", .number(Int64(row.calls))),
        ])
    }

    /// What stands against an account, as JSON.
    static func json(_ standing: AccountStanding) -> JSON {
        .object([
            .init("account", .string(standing.account)),
            .init("barred", .bool(standing.barredSince.count > 0)),
            .init("reason", .string(standing.reason)),
            .init("evidence", .string(standing.evidence)),
            .init("since", .number(standing.barredSince.seconds)),
            .init("heldUntil", .number(standing.heldUntil.seconds)),
            .init("countries", .string(standing.countries)),
        ])
    }

    /// A component's own line, without what a condition above it has said already.
    private func short(_ status: String) -> String {
        for (_, condition) in conditions {
            var told = Substring(condition.text)
            // The cause behind "consequence: " stands in the lines of several components.
            while told.utf8.count > Self.shortestRepeated {
                if let at = status.firstRange(of: told) {
                    return status[..<at.lowerBound] + "see above" + status[at.upperBound...]
                }
                guard let colon = told.firstRange(of: ": ") else { break }
                told = told[colon.upperBound...]
            }
        }
        return status
    }

    /// From how many bytes on a text is not said twice.
    private static let shortestRepeated = 30

    /// The report as tables.
    var text: String {
        var table = Table("COMPONENT", "STATE", "PID", "RESTARTS", "STATUS")
        for one in components {
            let pid = one.pid > 0 ? "\(one.pid)" : ""
            table.add(one.role.name, one.state.name, pid, "\(one.restarts)", short(one.status))
        }
        let head = conditions.isEmpty ? state.name : summary
        var parts = ["Rempart \(productVersion): \(head)"]
        parts += conditions.dropFirst().map { "Also: \($0.condition.text.terminalSafe)" }
        parts += warnings.map { "Warning: \($0.terminalSafe)" }
        parts.append(table.text)
        if !asterisks.isEmpty {
            parts.append(AsteriskRow.text(asterisks, now: Clock.sinceEpoch))
        }
        if !trunks.isEmpty {
            var table = Table("TRUNK", "SERVER", "STATE", "CALLS")
            for row in trunks {
                table.add(row.name, row.server.description, row.state.name, "\(row.calls)")
            }
            parts.append(table.text)
        }
        if !certificates.isEmpty { parts.append(Self.text(certificates, Clock.sinceEpoch)) }
        if !standings.isEmpty {
            var table = Table("ACCOUNT", "MAY NOT CALL", "REASON", "EVIDENCE")
            for one in standings {
                let isBarred = one.barredSince.count > 0
                table.add(
                    one.account, isBarred ? "anybody" : "abroad",
                    isBarred ? one.reason : "new-country", one.evidence)
            }
            parts.append(table.text + "\n\n`rempart release ACCOUNT` lets one call again.")
        }
        if !gaps.isEmpty {
            parts.append(gaps.map { "Not known: \($0.terminalSafe)" }.joined(separator: "\n"))
        } else if kernelBans {
            parts.append("Bans are enforced by the kernel.")
        } else {
            let why = whyNoKernelBans.isEmpty ? "" : " (\(whyNoKernelBans.terminalSafe))"
            parts.append("Bans are enforced by sip-router, not by the kernel\(why).")
        }
        return parts.joined(separator: "\n\n")
    }
}
