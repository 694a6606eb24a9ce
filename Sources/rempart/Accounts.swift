internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// `rempart accounts`: the accounts that the source has, or how one is looked up.
struct Accounts: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the accounts, or tell why a name is one or is none.",
        discussion: """
            The source of the accounts is read for it. AGE is how long ago it confirmed the row that directory \
            has, and CONFIRMED whether that row serves without another look. Of a name each look-up that it \
            takes is told. No secret is shown, and no hash.
            """)

    @Argument(help: "The name, as the phone has it; without one all are listed.")
    var name: String?
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func validate() throws {
        guard (1...Bounds.longestName).contains((name ?? "x").utf8.count) else {
            throw ValidationError("an account's name has 1 to \(Bounds.longestName) bytes")
        }
    }

    func run() throws {
        let now = Clock.sinceEpoch
        if let name {
            let explanation = AccountExplanation(try daemon.ask(.account(name)))
            table.show(json: explanation.json(now), text: explanation.text(now))
            return
        }
        var list = AccountList(json: table.json, now: now)
        var isTaken = true
        try Self.pages {
            try daemon.ask($0)
        } _: { row in
            list.add(row)
            if let part = list.part() { isTaken = isTaken && write(STDOUT_FILENO, part) }
        }
        list.rest { isTaken = isTaken && write(STDOUT_FILENO, $0) }
        guard isTaken else { throw ExitCode(1) }
    }

    /// Hands over each row, page by page.
    static func pages(
        _ ask: (ControlRequest) throws -> [ControlReply], _ take: (AccountRow) -> Void
    ) throws {
        var last = ""
        while true {
            let rows = try ask(.accounts(after: last))
            let before = last
            for case .account(let row) in rows {
                take(row)
                last = row.name
            }
            guard rows.contains(.isMore), last != before else { return }
        }
    }
}

/// The accounts as they are printed.
struct AccountList {
    private var listing: Listing
    private let now: Milliseconds

    /// A list without a row; spans are told from `now`, since 1970.
    init(json isJSON: Bool, now: Milliseconds) {
        listing = Listing(
            Table(
                "ACCOUNT", "USER", "ALGORITHMS", "REGISTERS", "PHONES", "ACCESS", "LIMITS", "AGE",
                "CONFIRMED", "REMARK"), json: isJSON)
        self.now = now
    }

    /// Adds an account.
    mutating func add(_ row: AccountRow) {
        guard !listing.isJSON else {
            listing.beginObject()
            listing.objects.append(contentsOf: JSON.object(row.members(now)).text.utf8)
            return
        }
        listing.table.add(
            row.name, row.user, row.algorithms.joined(separator: ", "),
            row.isAccount ? row.mayRegister ? "yes" : "no" : "", "\(row.kept.phones)",
            row.isAccount ? row.access.short : "", row.limits(now).joined(separator: ", "),
            row.kept.age?.spoken ?? "",
            row.kept.age == nil ? "" : row.kept.isConfirmed ? "yes" : "no",
            row.why?.short ?? "")
    }

    /// What can be printed already, once it is enough for a write.
    mutating func part() -> [UInt8]? { listing.part() }

    /// Hands over what is still to be printed, part by part.
    func rest(_ write: ([UInt8]) -> Void) {
        listing.rest(none: "The source has no account.", write)
    }
}

/// How a name is looked up, and what comes of it.
struct AccountExplanation {
    private var steps: [TraceStep] = []
    private(set) var row: AccountRow?

    /// The explanation of an answer's rows.
    init(_ rows: [ControlReply]) {
        for reply in rows {
            switch reply {
            case .step(let step): steps.append(step)
            case .account(let row): self.row = row
            default: break
            }
        }
    }

    /// The explanation as JSON; `now` is since 1970.
    func json(_ now: Milliseconds) -> JSON {
        let lookUps = steps.map { step in
            JSON.object([
                .init("lookUp", .string(step.what)), .init("found", .bool(step.found)),
                .init("microseconds", .number(Int64(step.microseconds))),
                .init("remark", .string(step.remark)),
            ])
        }
        let remedy = row.flatMap { row in row.why?.remedy }
        return .object(
            (row?.members(now) ?? [])
                + [.init("remedy", .string(remedy ?? "")), .init("lookUps", .array(lookUps))])
    }

    /// The explanation as text; `now` is since 1970.
    func text(_ now: Milliseconds) -> String {
        var table = Table("LOOK-UP", "ROW", "TIME", "IT SAYS")
        for step in steps {
            table.add(
                step.what, step.found ? "found" : "none", step.microseconds.inMilliseconds,
                step.remark)
        }
        guard let row else { return table.text }
        return ([table.text, verdict(row).terminalSafe] + [facts(row, now)])
            .joined(separator: "\n\n")
    }

    /// Whether the name is an account, and why not, with the remedy.
    func verdict(_ row: AccountRow) -> String {
        let head = "\(row.name) is \(row.isAccount ? "an account" : "no account")"
        guard let why = row.why else { return "\(head)." }
        let link = row.isAccount ? ", but" : ":"
        return "\(head)\(link) \(why.long(row))\(missing(why)). \(why.remedy)"
    }

    /// The rows that an endpoint names and that are not there, where that is why there is no account.
    private func missing(_ why: AccountAbsence) -> String {
        guard why == .noAuthRow else { return "" }
        let rows = steps.filter {
            !$0.found && !$0.remark.isEmpty && !$0.remark.hasPrefix(TraceStep.whyNotRegister)
        }
        return rows.isEmpty ? "" : ": " + rows.map(\.what).joined(separator: ", ")
    }

    /// Whether its row has type=peer: such phones register and ring, and cannot call.
    var isPeerAlone: Bool {
        steps.contains { $0.found && $0.remark.hasPrefix(TraceStep.peerAlone) }
    }

    /// Whether phones may register it, and why not as far as the look-ups tell.
    func mayRegister(_ row: AccountRow) -> String {
        guard !row.mayRegister else { return "yes" }
        let why = steps.lazy.compactMap { step -> String? in
            guard let at = step.remark.firstRange(of: TraceStep.whyNotRegister) else { return nil }
            return "\(step.remark[at.upperBound...]) (\(step.what))"
        }.first
        return why.map { "no: \($0)" } ?? "no"
    }

    private func facts(_ row: AccountRow, _ now: Milliseconds) -> String {
        let limits = row.limits(now)
        let account = [
            ("digest user", row.user),
            ("algorithms", row.algorithms.joined(separator: ", ")),
            ("may register", mayRegister(row)),
            ("access", row.access.long),
        ]
        let confirmed =
            row.kept.isConfirmed ? "serves at once" : "is looked up again when it is asked for"
        let facts = [
            (
                "phones",
                row.kept.phones == 0 ? "none is registered" : "\(row.kept.phones) registered"
            ),
            ("limits", limits.isEmpty ? "none of its own" : limits.joined(separator: ", ")),
            (
                "directory has",
                row.kept.age.map { "a row confirmed \($0.spoken) ago, which \(confirmed)" }
                    ?? "no row of it"
            ),
        ]
        return Why.text(
            ((row.isAccount ? account : []) + facts).map { ($0.0, $0.1.isEmpty ? "none" : $0.1) },
            now: now)
    }
}
