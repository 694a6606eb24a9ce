// The lines of the bans' file, read and written by the byte: a start waits for 100,000 of them.
internal import Messages
internal import Sys

/// How a change stands in the file `bans`; `BanStore` says what a line is.
enum BanLines {
    static let newline = UInt8(ascii: "\n")
    private static let tab = UInt8(ascii: "\t")
    private static let head = (StateFile.bans.head ?? "") + "\(StateFile.bans.format)\n"
    private static let mostColumns = 11

    /// Hands over each line without its end; empty ones are passed over.
    static func forEach(in text: Span<UInt8>, _ take: (Span<UInt8>) -> Void) {
        var start = 0
        for index in text.indices where text[index] == newline {
            if index > start { take(text.extracting(start..<index)) }
            start = index + 1
        }
        if start < text.count { take(text.extracting(start..<text.count)) }
    }

    /// Whether a line is the first of a file of this version.
    static func isHead(_ line: Span<UInt8>) -> Bool {
        let wanted = head.utf8.dropLast()
        return line.count == wanted.count && zip(line.indices, wanted).allSatisfy { line[$0] == $1 }
    }

    /// Begins a file.
    static func appendHead(to bytes: inout [UInt8]) { bytes.append(contentsOf: head.utf8) }

    // MARK: Writing

    /// Adds the line of a change, its end included.
    static func append(_ change: BanStore.Change, to bytes: inout [UInt8]) {
        switch change {
        case .ban(let row): append(row, to: &bytes)
        case .lifted(let source): append("-", source, to: &bytes)
        case .allowed(let network, let isAllowed):
            append(isAllowed ? "allow" : "disallow", network, to: &bytes)
        }
        bytes.append(newline)
    }

    private static func append(
        _ verb: String, _ network: Network, to bytes: inout [UInt8]
    ) {
        bytes.append(contentsOf: verb.utf8)
        bytes.append(tab)
        network.append(to: &bytes)
    }

    private static func append(_ row: BanRow, to bytes: inout [UInt8]) {
        append("+", row.source, to: &bytes)
        for moment in [row.since, row.until, row.firstSeen, row.lastSeen] {
            bytes.append(tab)
            bytes.append(decimal: moment.count)
        }
        for number in [row.count, row.level] {
            bytes.append(tab)
            bytes.append(decimal: Int64(number))
        }
        for text in [row.profile, row.reason, row.evidence] {
            bytes.append(tab)
            bytes.append(contentsOf: text.utf8)
        }
    }

    // MARK: Reading

    /// The change of a line; nil when it is none.
    static func change(_ line: Span<UInt8>) -> BanStore.Change? {
        var columns = InlineArray<11, Range<Int>>(repeating: 0..<0)
        var count = 0
        var start = 0
        for index in 0...line.count where index == line.count || line[index] == tab {
            guard count < mostColumns else { return nil }
            columns[count] = start..<index
            count += 1
            start = index + 1
        }
        guard count >= 2, let network = Network(parsing: line.extracting(columns[1])) else {
            return nil
        }
        if count == mostColumns, line[0] == UInt8(ascii: "+"), columns[0].count == 1 {
            return row(network, line, columns).map(BanStore.Change.ban)
        }
        switch (text(line, columns[0], 8), count) {
        case ("-", 2): return .lifted(network)
        case ("allow", 2): return .allowed(network, true)
        case ("disallow", 2): return .allowed(network, false)
        default: return nil
        }
    }

    private static func row(
        _ source: Network, _ line: Span<UInt8>, _ columns: InlineArray<11, Range<Int>>
    ) -> BanRow? {
        let isSource =
            source.address.isV4
            ? source.prefix == 24 || source.prefix == 32
            : source.prefix == 48 || source.prefix == 64
        guard isSource, let since = number(line, columns[2]), let until = number(line, columns[3]),
            let firstSeen = number(line, columns[4]), let lastSeen = number(line, columns[5]),
            let count = number(line, columns[6]).flatMap({ UInt32(exactly: $0) }),
            let level = number(line, columns[7]).flatMap({ UInt32(exactly: $0) }),
            let profile = text(line, columns[8], BanOrder.profileLimit),
            let reason = text(line, columns[9], 400),
            let evidence = text(line, columns[10], BanOrder.evidenceLimit)
        else { return nil }
        return BanRow(
            source: source, reason: reason, evidence: evidence, profile: profile,
            since: Milliseconds(since), until: Milliseconds(until),
            firstSeen: Milliseconds(firstSeen), lastSeen: Milliseconds(lastSeen), count: count,
            level: level)
    }

    /// A number of at most 18 digits.
    private static func number(_ line: Span<UInt8>, _ column: Range<Int>) -> Int64? {
        let isNegative = !column.isEmpty && line[column.lowerBound] == UInt8(ascii: "-")
        let digits = isNegative ? column.dropFirst() : column
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var value: Int64 = 0
        for index in digits {
            guard (0x30...0x39).contains(line[index]) else { return nil }
            value = value * 10 + Int64(line[index] - 0x30)
        }
        return isNegative ? -value : value
    }

    private static func text(_ line: Span<UInt8>, _ column: Range<Int>, _ limit: Int) -> String? {
        guard column.count <= limit else { return nil }
        // In bounds: the span's own storage and length.
        return unsafe line.extracting(column).withUnsafeBufferPointer {
            unsafe String(validating: $0, as: UTF8.self)
        }
    }
}
