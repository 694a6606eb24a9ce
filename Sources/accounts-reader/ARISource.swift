// The accounts that Asterisk itself tells, whatever it has them in.
internal import AsteriskFiles
internal import Messages
internal import Sys

/// The accounts of one or several Asterisks, asked through ARI in the order of the settings.
///
/// Where one does not answer, the next one is asked, and a look-up lasts `AskingTimes.lookUp` in all. One that is away is looked
/// at again each 10 s, for 0.2 s at most as long as another one answers.
final class ARISource: AccountSource {
    private let settings: AccountSettings
    private let times: AskingTimes
    private let servers: [ARIServer]
    private let manager: Manager?
    private var hasChanged = false
    private var told: SourceState?
    private var events: [AccountEvent] = []
    private var complaints = ListComplaints()
    /// The accounts whose access lists are there and are not told, at most `mostClosed`.
    private var closed: Set<String> = []
    /// The names that were listed last, in the order of their bytes, and when.
    private var listed: (names: [String], at: Milliseconds)?

    /// How many look-ups go side by side.
    private static let batch = 8
    private static let mostClosed = 100
    /// How long a list serves the pages after its first.
    private static let listStands = Milliseconds.seconds(30)

    /// The Asterisks that the settings name, none of which is tried before it is first needed.
    init(
        _ settings: AccountSettings, _ asterisks: ARIServers, _ times: AskingTimes = AskingTimes()
    ) {
        self.settings = settings
        self.times = times
        servers = asterisks.names.map { ARIServer($0, asterisks, settings, times) }
        manager = Manager(settings, driver: .pjsip, times)
    }

    /// The one that is asked first now.
    private var current: ARIServer? { servers.first { $0.standing == .up } }

    var state: SourceState? {
        if current != nil {
            return .up(
                layout: AccountSchema.pjsip.name, source: settings.url,
                // Of several the reloads of one alone are heard.
                tellsOfChanges: servers.count == 1 && manager?.tellsOfChanges == true)
        }
        let faults = servers.compactMap { server in
            if case .down(let why) = server.standing { why } else { nil }
        }
        guard faults.count == servers.count else { return nil }
        var seen: Set<String> = []
        let distinct = faults.filter { seen.insert($0).inserted }
        return .down(why: distinct.joined(separator: "; "), source: settings.url)
    }

    var failing: String? { current?.trouble.map { "look-ups fail: \($0)" } }

    var lack: String? { current?.lack }

    var unread: [String] {
        var result = servers.compactMap { server -> String? in
            guard current != nil, case .down(let why) = server.standing else { return nil }
            return "\(why). Another Asterisk is asked meanwhile"
        }
        if let fault = manager?.fault { result.append(fault) }
        if let first = closed.sorted().first {
            if let hidden = manager?.hidden { result.append(hidden) }
            let rest = closed.count > 1 ? " and \(closed.count - 1) more" : ""
            result.append(
                "account \(first)\(rest): let in from nowhere: \(settings.remedyOfLists)")
        }
        return result
    }

    func drainEvents() -> [AccountEvent] {
        var all: [AccountEvent] = []
        if let state, state != told {
            let wasUp = if case .up? = told { true } else { false }
            told = state
            all.append(.source(state))
            if case .up = state, !wasUp { hasChanged = true }
        }
        all += events + (hasChanged ? [.changed] : [])
        (events, hasChanged) = ([], false)
        return all
    }

    func tick(_ now: Milliseconds) {
        if manager?.tick(now) == true {
            hasChanged = true
            complaints.forget()
        }
        // Those that are left out are looked at in the next second, while the others rest.
        let end = Clock.monotonic + Milliseconds(times.look.count * 2)
        for server in servers where Clock.monotonic < end {
            server.look(now, beside: servers.contains { $0 !== server && $0.standing == .up })
        }
    }

    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds?, now: Milliseconds,
        steps: TraceSteps?
    ) -> [ReadAccount] {
        let end = span.map { Clock.monotonic + $0 }
        var answers: [ReadAccount] = []
        while answers.count < queries.count {
            if let end, !answers.isEmpty, Clock.monotonic >= end { break }
            answers += lookUp(queries.dropFirst(answers.count).prefix(Self.batch), now, steps)
        }
        for (query, answer) in zip(queries, answers) { note(query.name, answer) }
        events += complaints.events(queries, answers)
        return answers
            + Array(repeating: .unavailable, count: queries.count - answers.count)
    }

    /// Asks one Asterisk after the other for what none before has answered.
    private func lookUp(
        _ queries: ArraySlice<AccountQuery>, _ now: Milliseconds, _ steps: TraceSteps?
    ) -> [ReadAccount] {
        let end = Clock.monotonic + times.lookUp
        let lookUps = queries.map { query in
            LookUp(query, settings, steps)
        }
        let access = ARIAccessLists(
            rules: settings.access, files: manager?.files,
            areAwaited: manager?.isAwaited == true)
        var answers = [ReadAccount?](repeating: nil, count: lookUps.count)
        var open = Array(answers.indices)
        // Those that are away are looked at by `tick`, unless nobody else answers.
        let up = servers.filter { $0.standing == .up }
        let asked = up.isEmpty ? servers.filter { $0.isOpen(now) } : up
        for (index, server) in asked.enumerated() where !open.isEmpty {
            let isLast = index == asked.count - 1
            let until = isLast ? end : min(end, Clock.monotonic + times.lookUpOfOne)
            guard Clock.monotonic < until else { break }
            let found = server.lookUp(open.map { lookUps[$0] }, until: until, access, now)
            for (place, answer) in zip(open, found) { answers[place] = answer }
            open = open.filter { answers[$0] == nil }
        }
        return answers.map { $0 ?? .unavailable }
    }

    /// Remembers of an account whether its list keeps everybody out.
    private func note(_ name: String, _ answer: ReadAccount) {
        if answer.why != .unreadableAccessList {
            if answer != .unavailable { closed.remove(name) }
        } else if closed.count < Self.mostClosed {
            closed.insert(name)
        }
    }

    func names(after name: String, limit: Int, now: Milliseconds) -> [String]? {
        let isStale = listed.map { now - $0.at >= Self.listStands } ?? true
        if name.isEmpty || isStale {
            let end = Clock.monotonic + times.lookUp
            let all = manager?.endpoints(until: end, now) ?? current?.names(until: end, now)
            guard let all, current != nil else { return nil }
            let names = all.filter { (1...Bounds.longestName).contains($0.utf8.count) }
            listed = (names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }, now)
        }
        let all = listed?.names ?? []
        return Array(
            all.lazy.filter { name.utf8.lexicographicallyPrecedes($0.utf8) }.prefix(limit))
    }
}
