/// A place in the settings text; lines and columns count from 1, columns in Unicode scalars.
package struct Position: Comparable, Hashable, Sendable {
    /// The line.
    package let line: Int
    /// The column.
    package let column: Int

    /// A place of a line and a column.
    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (a: Position, b: Position) -> Bool {
        (a.line, a.column) < (b.line, b.column)
    }
}

/// Something to say about a settings text, at a place in it.
package struct Diagnostic: Equatable, Sendable {
    /// How much it matters.
    package enum Severity: String, Sendable {
        /// The settings cannot be used.
        case error
        /// The settings can be used, but not all of them do what they say.
        case warning
    }

    /// How much it matters.
    package let severity: Severity
    /// Where it is.
    package let position: Position
    /// What is wrong and what would be right, in one line.
    package let message: String

    /// A diagnostic of a severity, a place and a message.
    package init(_ severity: Severity, at position: Position, _ message: String) {
        self.severity = severity
        self.position = position
        self.message = message
    }
}

/// A text in lines, cut where YAML cuts them, so that a mark's line is found again.
package struct SourceLines: Sendable {
    private var lines: [[Unicode.Scalar]] = [[]]

    /// The longest part of a line that is shown, in columns.
    private static let window = 100

    /// The lines of a text: CR LF, CR, LF, NEL, LS and PS end one (YAML 1.1, section 4.2).
    package init(_ text: String) {
        var afterReturn = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n" where afterReturn: break
            case "\r", "\n", "\u{85}", "\u{2028}", "\u{2029}": lines.append([])
            default: lines[lines.count - 1].append(scalar)
            }
            afterReturn = scalar == "\r"
        }
    }

    /// The place of the last line's end.
    package var end: Position {
        Position(line: lines.count, column: lines[lines.count - 1].count + 1)
    }

    /// "FILE:LINE:COLUMN: error: MESSAGE", the line itself, and a caret under the place.
    package func rendered(_ diagnostic: Diagnostic, file: String) -> String {
        let place = diagnostic.position
        let index = place.line - 1
        let line = lines.indices.contains(index) ? lines[index] : []
        let column = min(max(place.column - 1, 0), line.count)
        // A long line is shown from a little before the place.
        let start = column > Self.window - 20 ? column - 20 : 0
        let before = Self.shown(line[start..<column])
        let after = Self.shown(line[column..<min(line.count, start + Self.window)])
        let head = "\(file.terminalSafe):\(place.line):\(place.column): "
        let message = diagnostic.message.terminalSafe
        let caret = String(repeating: " ", count: before.unicodeScalars.count) + "^"
        return
            "\(head)\(diagnostic.severity.rawValue): \(message)\n    \(before)\(after)\n    \(caret)"
    }

    private static func shown(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars.lazy.map { $0 == "\t" ? " " : $0 })
        return String(text).terminalSafe
    }
}
