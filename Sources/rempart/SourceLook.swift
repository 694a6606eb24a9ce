internal import Messages
internal import Sys

/// Why an accounts-reader that was started did not look at the source, as far as its links tell.
enum SourceProblem: Error, Equatable {
    /// Its links cannot be watched: why, and what to do.
    case notWatched(String)
    /// It cannot read the source: its own words.
    case down(String)
    /// It has said nothing for this long.
    case hangs(Milliseconds)
    /// It goes on, and has not opened the source within this time.
    case slow(Milliseconds)
    /// It closed its links by itself.
    case ended
    /// It says what it should not: it is of another build.
    case garbled(String)
}

/// What accounts-reader finds at the source of the accounts.
struct SourceFindings: Equatable {
    /// Accounts that nobody can use, all for the same reason.
    struct Unusable: Equatable {
        let why: AccountAbsence
        /// How many there are.
        var count = 0
        /// The first of their names.
        var names: [String] = []
    }

    /// The layout's name, as in the settings, and the file or URL.
    var layout = "", source = ""
    /// Whether the source can list its accounts.
    var isListed = true
    /// What of the source is not read, and what to do.
    var remarks: [String] = []
    /// How many accounts were counted.
    var count = 0
    /// Whether that is all of them.
    var isWhole = false
    /// How many of them were looked up.
    var lookedUp = 0
    /// Those of them that nobody can use.
    var unusable: [Unusable] = []

    /// How many names are kept for a reason.
    static let mostNames = 3

    /// Adds what a look-up has found.
    fileprivate mutating func add(_ name: String, _ read: ReadAccount) {
        lookedUp += 1
        guard let why = read.why else { return }
        let index = unusable.firstIndex { $0.why == why } ?? unusable.endIndex
        if index == unusable.endIndex { unusable.append(Unusable(why: why)) }
        unusable[index].count += 1
        if unusable[index].names.count < Self.mostNames { unusable[index].names.append(name) }
    }
}

/// One look at the source of the accounts: what accounts-reader is asked next, and what it has found.
///
/// First the accounts are counted, page by page, and then looked up. What the reader had no time for is asked again.
/// What has taken too long is left out.
struct SourceLook {
    private enum Step: Equatable {
        case opening
        case counting
        case lookingUp([String])
        case done
    }

    /// How long it takes at most.
    static let longest = Milliseconds.seconds(20)
    /// How many names are kept to be looked up.
    private static let mostKept = 100_000

    /// What has been found up to now.
    private(set) var findings = SourceFindings()
    /// When it ends at the latest.
    let deadline: Milliseconds
    private let span: Milliseconds
    private let realm: String
    private var step = Step.opening
    private var names: [String] = []
    private var next = 0
    /// The names of the last frame that were not looked up in the time which the reader has for one.
    private var again: [String] = []
    private var id: UInt32 = 0

    /// A look that begins now and takes so long at most; HA1s are asked for in this realm.
    init(realm: String, at now: Milliseconds, for span: Milliseconds = Self.longest) {
        self.realm = realm
        self.span = span
        deadline = now + span
    }

    /// Whether nothing more is asked.
    var isDone: Bool { step == .done }

    /// Ends what has taken too long; an error when the source was not even opened.
    mutating func expire(at now: Milliseconds) throws(SourceProblem) {
        guard now >= deadline else { return }
        if step == .opening { throw .slow(span) }
        step = .done
    }

    /// Takes an answer, and returns what to ask next.
    mutating func take(_ message: ReaderToDirectory) throws(SourceProblem) -> DirectoryToReader? {
        switch (message, step) {
        case (.source(.down(let why, _)), _): throw .down(why)
        case (.source(let state), _): return isUp(state)
        case (.remarks(let remarks), _):
            findings.remarks = remarks
            return nil
        case (.changed, _), (_, .done): return nil
        case (.names(id, let page, let isLast), .counting): return count(page, isLast)
        case (.answers(id, let answers), .lookingUp(let asked)) where answers.count == asked.count:
            for (name, read) in zip(asked, answers) {
                if case .unavailable = read.answer {
                    again.append(name)
                } else {
                    findings.add(name, read)
                }
            }
            return lookUp()
        case (.names, _), (.answers, _), (.trace, _):
            throw .garbled("an answer that nobody has asked for")
        }
    }

    /// The source can be read: its accounts are counted next, if it can list them.
    private mutating func isUp(_ state: SourceState) -> DirectoryToReader? {
        if case .up(let layout, let source, _) = state {
            (findings.layout, findings.source) = (layout, source)
        }
        findings.isListed = state.listsAccounts
        guard step == .opening else { return nil }
        guard findings.isListed else {
            // A name that nobody has was asked for when it was opened.
            step = .done
            return nil
        }
        step = .counting
        return list(after: "")
    }

    private mutating func count(_ page: [String], _ isLast: Bool) -> DirectoryToReader? {
        findings.count += page.count
        names += page.prefix(max(Self.mostKept - names.count, 0))
        if !isLast, let last = page.last { return list(after: last) }
        findings.isWhole = isLast
        return lookUp()
    }

    private mutating func list(after name: String) -> DirectoryToReader {
        id += 1
        return .list(id: id, after: name)
    }

    private mutating func lookUp() -> DirectoryToReader? {
        let new = names[next...].prefix(AccountQuery.most - again.count)
        let asked = again + new
        guard !asked.isEmpty else {
            step = .done
            return nil
        }
        next += new.count
        again = []
        id += 1
        step = .lookingUp(asked)
        return .lookUp(id: id, asked.map { AccountQuery(name: $0, realm: realm) })
    }
}
