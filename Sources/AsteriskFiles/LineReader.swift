// A file's bytes cut into the lines that mean something.

extension Variable {
    /// What Asterisk reads of a line that a program has written as a name, `=` and these bytes.
    package static func value(written bytes: [UInt8]) -> [UInt8] {
        var reader = LineReader(Array("name=".utf8) + bytes)
        var state = LineReader.Continued()
        guard let line = try? reader.next(&state) else { return [] }
        let value = line.text.dropFirst("name=".utf8.count)
        return Array((value.first == UInt8(ascii: ">") ? value.dropFirst() : value).stripped)
    }
}

/// A file being cut into lines, and its comments off them, as `config_text_file_load` does.
///
/// A line ends with a line feed alone. It ends for Asterisk at its first NUL too, and one of more than 8,191
/// bytes, its end among them, is skipped.
struct LineReader {
    /// What files that one pattern names have in common: Asterisk reads them as one in this.
    struct Continued {
        /// How many comments of several lines are open; `--;` without one makes it negative.
        var depth = 0
        /// Whether nothing was read yet: a byte order mark is one there alone.
        var isAtStart = true
    }

    /// A line that is not empty.
    struct Line {
        /// The line's number, from 1.
        let number: Int
        /// Its text without comments, and without blanks at the ends.
        let text: ArraySlice<UInt8>
    }

    /// Comments that are nested deeper than Asterisk survives.
    struct TooDeep: Error {
        /// The line's number, from 1.
        let number: Int
    }

    /// How many bytes Asterisk reads at once.
    private static let chunk = 8_191
    private static let lineFeed = UInt8(ascii: "\n")
    private static let semicolon = UInt8(ascii: ";")
    private static let dash = UInt8(ascii: "-")
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private let bytes: [UInt8]
    private var position = 0
    private var number = 1

    /// The lines of a file.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The next line with something in it; nil at the end.
    mutating func next(_ state: inout Continued) throws(TooDeep) -> Line? {
        while position < bytes.count {
            let number = number
            var raw = nextChunk()
            if isTooLong(raw) {
                state.isAtStart = false
                repeat { raw = nextChunk() } while isTooLong(raw)
                continue
            }
            raw = raw.prefix { $0 != 0 }
            if state.isAtStart, raw.starts(with: Self.byteOrderMark) { raw = raw.dropFirst(3) }
            state.isAtStart = false
            guard let text = try text(of: raw, &state.depth, number) else { continue }
            let stripped = text.stripped
            if !stripped.isEmpty { return Line(number: number, text: stripped) }
        }
        return nil
    }

    /// What fgets(3) would give: up to a line feed, or as much as fits.
    private mutating func nextChunk() -> ArraySlice<UInt8> {
        let rest = bytes[position..<min(position + Self.chunk, bytes.count)]
        let end = rest.firstIndex(of: Self.lineFeed).map { $0 + 1 } ?? rest.endIndex
        defer { position = end }
        if rest.last == Self.lineFeed || end < rest.endIndex { number += 1 }
        return bytes[position..<end]
    }

    private func isTooLong(_ chunk: ArraySlice<UInt8>) -> Bool {
        chunk.count == Self.chunk && chunk.last != Self.lineFeed && !chunk.contains(0)
    }

    /// The text of a line outside comments; nil when it has begun and ended inside one.
    private func text(
        of line: ArraySlice<UInt8>, _ depth: inout Int, _ number: Int
    ) throws(TooDeep) -> ArraySlice<UInt8>? {
        guard depth != 0 || line.contains(Self.semicolon) else { return line }
        var kept: [UInt8]? = depth == 0 ? [] : nil
        // Whether what follows belongs to the text, which is then from `begin` on.
        var isOpen = depth == 0
        var begin = line.startIndex
        var start = line.startIndex
        func keep(_ end: Int) { if isOpen { kept?.append(contentsOf: line[begin..<end]) } }
        while let found = line[start...].firstIndex(of: Self.semicolon) {
            if found > start, line[found - 1] == UInt8(ascii: "\\") {
                keep(found - 1)
                begin = found
                start = found + 1
            } else if opensComment(line, found) {
                guard depth < ConfigurationLimits.commentDepth else {
                    throw TooDeep(number: number)
                }
                keep(found)
                isOpen = false
                depth += 1
                start = found + 3
            } else if found >= start + 2, line[found - 1] == Self.dash,
                line[found - 2] == Self.dash
            {
                depth -= 1
                start = found + 1
                guard depth == 0 else { continue }
                kept = kept ?? []
                isOpen = true
                begin = start
            } else if depth == 0 {
                keep(found)
                return kept?[...]
            } else {
                start = found + 1
            }
        }
        keep(line.endIndex)
        return kept?[...]
    }

    /// Whether `;--` begins a comment of several lines there; `;---` does not.
    private func opensComment(_ line: ArraySlice<UInt8>, _ found: Int) -> Bool {
        let after = line[(found + 1)...].prefix(3)
        return after.starts(with: [Self.dash, Self.dash])
            && (after.count < 3 || after.last != Self.dash)
    }
}
