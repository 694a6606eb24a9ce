package import Wire

/// One look-up: a name and the realm that its HA1s are for.
package struct AccountQuery: Hashable, Sendable {
    /// The account's name, as the phone gave it; at most `Bounds.longestName` bytes.
    package var name: String
    /// The digest realm, at most 128 bytes.
    package var realm: String

    /// A look-up of a name for a realm.
    package init(name: String, realm: String) {
        self.name = name
        self.realm = realm
    }

    /// How many look-ups one frame carries at most, so that the answers fit into one frame.
    package static let most = 56
}

/// What directory asks of accounts-reader.
package enum DirectoryToReader: Equatable, Sendable {
    /// The first frame on a new link; accounts-reader answers with `source`.
    case hello
    /// 1 to `AccountQuery.most` look-ups, which are answered together.
    case lookUp(id: UInt32, [AccountQuery])
    /// Which look-ups a name takes, and what each found.
    case trace(id: UInt32, name: String)
    /// The names after this one in the order of their bytes, a page of them; empty: from the first on.
    case list(id: UInt32, after: String)
}

/// What accounts-reader answers to directory.
package enum ReaderToDirectory: Equatable, Sendable {
    /// The answers to `lookUp` of that id: as many as were asked, in that order.
    case answers(id: UInt32, [ReadAccount])
    /// Whether the source can be read; after the hello, and whenever it changes.
    case source(SourceState)
    /// Rows have, or may have, changed.
    case changed
    /// The answer to `trace` of that id, at most `TraceStep.most`.
    case trace(id: UInt32, [TraceStep])
    /// The answer to `list` of that id, at most `SourceState.namesOfPage`; `isLast` when none follows.
    case names(id: UInt32, [String], isLast: Bool)
    /// What of a source that can be read is not read, before `source`: for `rempart check --live`, which has no other
    /// word of it; at most `SourceState.mostRemarks` of at most 400 bytes.
    case remarks([String])
}

/// Whether the accounts can be read.
package enum SourceState: Equatable, Sendable {
    /// They can: the layout's name, as in the settings, and the file or URL that has them.
    ///
    /// It tells of changes when `changed` follows each change of a row: a file shows that it has been written, a server
    /// does not.
    case up(layout: String, source: String, tellsOfChanges: Bool = true)
    /// They cannot: what is wrong and what to do, at most 1,600 bytes, and the file or URL.
    case down(why: String, source: String)

    /// The file of a database, or the URL of another source.
    package var file: String {
        let source =
            switch self {
            case .up(_, let source, _), .down(_, let source): source
            }
        let scheme = "sqlite://"
        return source.hasPrefix(scheme) ? String(source.dropFirst(scheme.count)) : source
    }

    /// The layout's name where `accounts.query` finds the accounts.
    package static let query = "query"

    /// Whether the accounts can be listed: a query tells of a name that it is asked for alone.
    package var listsAccounts: Bool {
        if case .up(Self.query, _, _) = self { false } else { true }
    }

    /// How many remarks one message has at most.
    package static let mostRemarks = Condition.most
    /// The longest remark, in bytes.
    static let longestRemark = 400

    /// Whether `changed` follows each change of a row; true while nothing can be read.
    package var tellsOfChanges: Bool {
        if case .up(_, _, let tells) = self { tells } else { true }
    }

    /// How many names one answer has at most.
    package static let namesOfPage = 512
    /// The longest word, in bytes, for a source: a URL or a path, cut.
    static let longestName = 1024
    /// The longest reason, in bytes.
    static let longestReason = 1600
}

/// Why a name is no account, or why one that stands serves nobody.
package enum AccountAbsence: UInt8, CaseIterable, Sendable {
    /// No row has the name.
    case noRow = 1
    /// Its row has no secret, which is "anyone" to Asterisk and nobody here.
    case noSecret = 2
    /// How its row wants to be authenticated is not understood here.
    case wrongKind = 3
    /// Its digest user or address of record is longer than 255 bytes.
    case tooLong = 4
    /// Its stored hashes are for another realm: the account stands, without HA1s for the asked one.
    case realmBound = 5
    /// Its access lists let nobody in or cannot be read: the account stands, and no address may use it.
    case unreadableAccessList = 6
    /// A row that should have its secret is not there: its endpoint names it.
    case noAuthRow = 7
    /// Its stored hash is none.
    case brokenHash = 8
    /// It is another exchange: Asterisk registers there, or knows it by its address.
    case trunk = 9
    /// Several rows have its name, where one has to say who may come in.
    case severalRows = 10
}

/// What the source says of a name.
package struct ReadAccount: Equatable, Sendable {
    /// The account, with its HA1s for the asked realm.
    package var answer: AccountAnswer
    /// The table or file that was read, at most 128 bytes.
    package var source: String
    /// A hash of all that the answer says: the same for the same rows, also in the next process.
    package var version: UInt64
    /// Why it is none, or serves nobody; nil for an account that can be used, and while nothing can be read.
    package var why: AccountAbsence?

    /// An answer of its parts.
    package init(
        answer: AccountAnswer, source: String, version: UInt64, why: AccountAbsence? = nil
    ) {
        self.answer = answer
        self.source = source
        self.version = version
        self.why = why
    }

    /// What is said while nothing can be read.
    package static let unavailable = ReadAccount(answer: .unavailable, source: "", version: 0)

    /// The longest name of a table or file, in bytes.
    static let longestSource = 128
}

/// One look-up in a source.
package struct TraceStep: Equatable, Sendable {
    /// What was asked for, as "ps_endpoints id=102"; at most 200 bytes.
    package var what: String
    /// Whether there was such a row.
    package var found: Bool
    /// How long it took.
    package var microseconds: UInt32
    /// What the row says that matters, or what its want means; never a secret or a hash, at most 300 bytes.
    package var remark: String

    /// A step of its parts.
    package init(what: String, found: Bool, microseconds: UInt32, remark: String) {
        self.what = what
        self.found = found
        self.microseconds = microseconds
        self.remark = remark
    }

    /// What stands in a remark before the reason why phones may not register the account.
    package static let whyNotRegister = "phones may not register: "
    /// How the remark on a row of chan_sip begins whose phones register, and cannot call.
    package static let peerAlone = "type=peer "

    /// How many steps one answer has at most.
    package static let most = 64
    private static let longestWhat = 200
    private static let longestRemark = 300
}

extension DirectoryToReader {
    /// The message's frame; of look-ups the first `AccountQuery.most`.
    package func encoded() -> [UInt8] {
        switch self {
        case .hello: return WireWriter.hello.bytes
        case .lookUp(let id, let queries):
            var writer = WireWriter(kind: 2)
            writer.u32(id)
            let first = queries.prefix(AccountQuery.most)
            writer.u8(UInt8(first.count))
            for query in first {
                writer.name(query.name)
                writer.name(query.realm, limit: Bounds.longestRealm)
            }
            return writer.bytes
        case .trace(let id, let name): return Self.frame(3, id, name)
        case .list(let id, let after): return Self.frame(4, id, after)
        }
    }

    private static func frame(_ kind: UInt8, _ id: UInt32, _ name: String) -> [UInt8] {
        var writer = WireWriter(kind: kind)
        writer.u32(id)
        writer.name(name)
        return writer.bytes
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            try reader.version()
            self = .hello
        case 2:
            let id = try reader.u32()
            let count = Int(try reader.u8())
            guard (1...AccountQuery.most).contains(count) else { throw .badValue("queries") }
            var queries: [AccountQuery] = []
            for _ in 0..<count {
                let name = try reader.string("name", limit: Bounds.longestName)
                let realm = try reader.string("realm", limit: Bounds.longestRealm)
                queries.append(AccountQuery(name: name, realm: realm))
            }
            self = .lookUp(id: id, queries)
        case 3:
            let id = try reader.u32()
            self = .trace(id: id, name: try reader.string("name", limit: Bounds.longestName))
        case 4:
            let id = try reader.u32()
            self = .list(id: id, after: try reader.string("after", limit: Bounds.longestName))
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension ReaderToDirectory {
    /// The message's frame; of answers, steps and names as many as one frame has.
    package func encoded() -> [UInt8] {
        switch self {
        case .answers(let id, let answers):
            var writer = WireWriter(kind: 1)
            writer.u32(id)
            let first = answers.prefix(AccountQuery.most)
            writer.u8(UInt8(first.count))
            for answer in first { answer.write(to: &writer) }
            return writer.bytes
        case .source(let state):
            var writer = WireWriter(kind: 2)
            state.write(to: &writer)
            return writer.bytes
        case .changed: return WireWriter(kind: 3).bytes
        case .trace(let id, let steps):
            var writer = WireWriter(kind: 4)
            writer.u32(id)
            let first = steps.prefix(TraceStep.most)
            writer.u8(UInt8(first.count))
            for step in first { step.write(to: &writer) }
            return writer.bytes
        case .names(let id, let names, let isLast):
            var writer = WireWriter(kind: 5)
            writer.u32(id)
            writer.bool(isLast)
            let first = names.prefix(SourceState.namesOfPage)
            writer.u16(UInt16(first.count))
            for name in first { writer.name(name) }
            return writer.bytes
        case .remarks(let remarks):
            var writer = WireWriter(kind: 6)
            let first = remarks.prefix(SourceState.mostRemarks)
            writer.u8(UInt8(first.count))
            for remark in first { writer.string(remark, cutTo: SourceState.longestRemark) }
            return writer.bytes
        }
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            let id = try reader.u32()
            let count = Int(try reader.u8())
            guard (1...AccountQuery.most).contains(count) else { throw .badValue("answers") }
            var answers: [ReadAccount] = []
            for _ in 0..<count { answers.append(try ReadAccount(from: &reader)) }
            self = .answers(id: id, answers)
        case 2: self = .source(try SourceState(from: &reader))
        case 3: self = .changed
        case 4:
            let id = try reader.u32()
            let count = Int(try reader.u8())
            guard count <= TraceStep.most else { throw .badValue("steps") }
            var steps: [TraceStep] = []
            for _ in 0..<count { steps.append(try TraceStep(from: &reader)) }
            self = .trace(id: id, steps)
        case 5:
            let id = try reader.u32()
            let isLast = try reader.bool()
            let count = Int(try reader.u16())
            guard count <= SourceState.namesOfPage else { throw .badValue("names") }
            var names: [String] = []
            for _ in 0..<count {
                names.append(try reader.string("name", limit: Bounds.longestName))
            }
            self = .names(id: id, names, isLast: isLast)
        case 6:
            let count = Int(try reader.u8())
            guard count <= SourceState.mostRemarks else { throw .badValue("remarks") }
            var remarks: [String] = []
            for _ in 0..<count {
                remarks.append(try reader.string("remark", limit: SourceState.longestRemark))
            }
            self = .remarks(remarks)
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension SourceState {
    /// Writes the state, its texts cut.
    fileprivate func write(to writer: inout WireWriter) {
        switch self {
        case .up(let layout, let source, let tellsOfChanges):
            writer.u8(1)
            writer.string(layout, cutTo: Self.longestName)
            writer.string(source, cutTo: Self.longestName)
            writer.bool(tellsOfChanges)
        case .down(let why, let source):
            writer.u8(2)
            writer.string(why, cutTo: Self.longestReason)
            writer.string(source, cutTo: Self.longestName)
        }
    }

    /// Reads the state.
    fileprivate init(from reader: inout WireReader) throws(WireError) {
        switch try reader.u8() {
        case 1:
            let layout = try reader.string("layout", limit: Self.longestName)
            self = .up(
                layout: layout, source: try reader.string("source", limit: Self.longestName),
                tellsOfChanges: try reader.bool())
        case 2:
            let why = try reader.string("why", limit: Self.longestReason)
            self = .down(why: why, source: try reader.string("source", limit: Self.longestName))
        default: throw .badValue("state")
        }
    }
}

extension ReadAccount {
    /// Writes the answer.
    fileprivate func write(to writer: inout WireWriter) {
        answer.write(to: &writer)
        writer.string(source, cutTo: Self.longestSource)
        writer.u64(version)
        writer.u8(why?.rawValue ?? 0)
    }

    /// Reads the answer.
    fileprivate init(from reader: inout WireReader) throws(WireError) {
        answer = try AccountAnswer(from: &reader)
        source = try reader.string("source", limit: Self.longestSource)
        version = try reader.u64()
        why = try AccountAbsence.read(from: &reader)
    }
}

extension AccountAbsence {
    /// Reads a reason, or that there is none.
    static func read(from reader: inout WireReader) throws(WireError) -> AccountAbsence? {
        let number = try reader.u8()
        guard number > 0 else { return nil }
        guard let why = AccountAbsence(rawValue: number) else { throw .badValue("why") }
        return why
    }
}

extension TraceStep {
    /// Writes the step, its texts cut.
    func write(to writer: inout WireWriter) {
        writer.string(what, cutTo: Self.longestWhat)
        writer.bool(found)
        writer.u32(microseconds)
        writer.string(remark, cutTo: Self.longestRemark)
    }

    /// Reads the step.
    init(from reader: inout WireReader) throws(WireError) {
        what = try reader.string("what", limit: Self.longestWhat)
        found = try reader.bool()
        microseconds = try reader.u32()
        remark = try reader.string("remark", limit: Self.longestRemark)
    }
}
