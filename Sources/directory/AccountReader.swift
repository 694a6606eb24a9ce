// directory's side of its link to accounts-reader: asks, and never waits.
internal import Messages
internal import Privsep
internal import Sys
internal import Wire

/// The link to accounts-reader, which may hang, die and come back at any moment.
///
/// At most `Line.mostUnderWay` look-ups of a line are under way; the others wait here, each line in its order. Over a new
/// link what was under way is asked again. What has waited for `longestWait` is unavailable; the answer
/// to what was sent is told all the same when it comes, so that a slow source is not asked in vain.
final class AccountReader {
    /// What accounts-reader tells unasked.
    enum Event: Equatable {
        /// Whether the source can be read has changed.
        case source(SourceState)
        /// Rows have, or may have, changed.
        case changed
        /// It has answered nothing for `longestSilence`, and is to be replaced.
        case hangs
    }

    /// Where look-ups wait.
    enum Line: Int, CaseIterable {
        /// What is asked of accounts that are known, in a round, and by the administrator.
        case first
        /// What sip-router asks, which anybody may have caused.
        case last

        /// How many look-ups are under way at most.
        ///
        /// accounts-reader answers in the order in which it is asked: so the first waits for few of the last at any time,
        /// and the last has its part of a slow source beside whatever the first asks.
        var mostUnderWay: Int { self == .first ? AccountQuery.most : 16 }
    }

    /// How many look-ups wait in a line at most: as many as sip-router has under way, and rounds.
    static let mostWaiting = 16_384
    /// How long a question waits.
    static let longestWait = Milliseconds.seconds(2)
    /// How long accounts-reader owes an answer and gives none before it counts as one that hangs: a source of some seconds
    /// is slow, and its answers are worth waiting for.
    static let longestSilence = Milliseconds.seconds(10)

    let link: PeerLink
    /// What is asked for `rempart accounts`.
    let inquiries: ReaderInquiries
    /// Whether the accounts can be read, as far as it was told.
    private(set) var state: SourceState?
    private var events: [Event] = []
    private var underWay: [UInt32: Question] = [:]
    private var lines = [WaitingLine](repeating: WaitingLine(), count: Line.allCases.count)
    private var lastID: UInt32 = 0
    /// Since when it owes an answer and has given none; nil while it owes none.
    private var silentSince: Milliseconds?
    private var isReportedHung = false

    /// No link stands yet.
    init() {
        link = PeerLink(.accountsReader)
        inquiries = ReaderInquiries(link)
    }

    /// Has `then` called with the answers, as many as there are queries (1 to `AccountQuery.most`), in that order.
    ///
    /// That is in a later turn of the loop, or at once when too many wait. After answers that nothing could be said,
    /// others may follow.
    func ask(
        _ queries: [AccountQuery], _ line: Line, now: Milliseconds,
        _ then: @escaping ([ReadAccount]) -> Void
    ) {
        guard lines[line.rawValue].count + queries.count <= Self.mostWaiting else {
            return then(Self.unavailable(queries.count))
        }
        lines[line.rawValue].append(
            Question(queries: queries, line: line, asked: now, then: then))
    }

    /// Whether a look-up that was given up is still to be answered.
    func owes(_ query: AccountQuery) -> Bool {
        underWay.values.contains { $0.isGivenUp && $0.queries.contains(query) }
    }

    /// For how long accounts-reader has owed an answer; nil when it owes none, or not for long.
    func silence(_ now: Milliseconds) -> Milliseconds? {
        silentSince.map { now - $0 }.flatMap { $0 >= Self.longestWait ? $0 : nil }
    }

    /// A new link stands: what was under way is asked again, before what has waited.
    func linked(_ now: Milliseconds) {
        link.send(DirectoryToReader.hello.encoded())
        let again = inOrder.filter { !$0.isGivenUp }
        for line in Line.allCases {
            lines[line.rawValue].putBack(again.filter { $0.line == line })
        }
        underWay = [:]
        silentSince = nil
        isReportedHung = false
        inquiries.relinked()
        send(now)
    }

    /// Takes one frame.
    func receive(_ frame: Span<UInt8>, _ now: Milliseconds) throws(WireError) {
        switch try ReaderToDirectory(decoding: frame) {
        case .answers(let id, let answers):
            let question = underWay.removeValue(forKey: id)
            endSilence(now)
            // One of before the link.
            guard let question else { return }
            lines[question.line.rawValue].underWay -= question.queries.count
            guard answers.count == question.queries.count else {
                if question.isGivenUp { throw .badValue("answers") }
                question.then(Self.unavailable(question.queries.count))
                throw .badValue("answers")
            }
            question.then(answers)
        case .source(let state): change(state)
        case .changed: events.append(.changed)
        // The supervisor knows it as conditions of accounts-reader.
        case .remarks: break
        case .trace(let id, let steps):
            endSilence(now)
            try inquiries.receive(id, steps)
        case .names(let id, let names, let isLast):
            endSilence(now)
            try inquiries.receive(id, names, isLast: isLast)
        }
    }

    /// It has answered something; `endOfTurn` begins anew for what is asked of it in an inquiry.
    private func endSilence(_ now: Milliseconds) { silentSince = underWay.isEmpty ? nil : now }

    /// What has been told since the last call.
    func drainEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    /// Sends what has room, and gives up what has waited for too long; to be called at the end of each turn.
    func endOfTurn(_ now: Milliseconds) {
        if silentSince == nil, inquiries.isUnderWay { silentSince = now }
        if let since = silentSince, now - since >= Self.longestSilence, !isReportedHung {
            isReportedHung = true
            events.append(.hangs)
            change(
                .down(
                    why:
                        "accounts-reader has not answered for \(Self.longestSilence.seconds) s and is "
                        + "replaced: see whether the disk or server that has the accounts does",
                    source: state?.file ?? ""))
        }
        giveUp(now)
        inquiries.giveUp(now)
        send(now)
    }

    /// When `endOfTurn` has something to do although nothing comes, as a span from now; nil: never.
    func patience(_ now: Milliseconds) -> Milliseconds? {
        let open = underWay.values.filter { !$0.isGivenUp }
        let oldest = (open.map(\.asked) + lines.compactMap(\.oldest)).min()
        let silentUntil = isReportedHung ? nil : silentSince.map { $0 + Self.longestSilence }
        let ends = [oldest.map { $0 + Self.longestWait }, silentUntil, inquiries.deadline]
        return ends.compactMap(\.self).min().map { max($0 - now, Milliseconds(0)) }
    }

    /// What is under way, in the order in which it was asked.
    private var inOrder: [Question] { underWay.sorted { $0.key < $1.key }.map(\.value) }

    private func change(_ new: SourceState) {
        guard new != state else { return }
        state = new
        events.append(.source(new))
    }

    private func send(_ now: Milliseconds) {
        guard link.link != nil else { return }
        for line in Line.allCases {
            for question in lines[line.rawValue].takeFirst(of: line.mostUnderWay) {
                lastID &+= 1
                underWay[lastID] = question
                silentSince = silentSince ?? now
                link.send(DirectoryToReader.lookUp(id: lastID, question.queries).encoded())
            }
        }
    }

    private func giveUp(_ now: Milliseconds) {
        let end = now - Self.longestWait
        func isLate(_ question: Question) -> Bool { question.asked <= end && !question.isGivenUp }
        let late =
            inOrder.filter(isLate) + lines.indices.flatMap { lines[$0].takeAsked(until: end) }
        guard !late.isEmpty else { return }
        for (id, question) in underWay where isLate(question) { underWay[id]?.isGivenUp = true }
        for question in late { question.then(Self.unavailable(question.queries.count)) }
    }

    private static func unavailable(_ count: Int) -> [ReadAccount] {
        Array(repeating: .unavailable, count: count)
    }
}
