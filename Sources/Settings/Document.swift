internal import Yams

/// The tree of a settings text, with every key given twice still in it.
///
/// Yams gives up at the first key that a mapping has twice. So that all faults are told at once, such
/// a key is overwritten with a stand-in of the same length, remembered, and the text composed again.
struct Document {
    /// The root, nil when the text holds nothing.
    private(set) var root: Node?
    /// What makes it no YAML, if anything.
    private(set) var fault: Diagnostic?
    /// The right names of the keys that were overwritten, by place.
    private var overwritten: [Position: String] = [:]

    /// How many keys given twice are told apart; a text with more is told to have one.
    private static let limit: UInt32 = 64

    /// The tree of a text.
    init(_ text: String) {
        var scalars = Array(text.unicodeScalars)
        while true {
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars)
            do {
                root = try compose(yaml: String(view))
                return
            } catch {
                guard case YamlError.duplicatedKeysInMapping(let names, let context) = error else {
                    fault = Self.fault(error, text)
                    return
                }
                let place = Position(context.mark)
                let name = names.first ?? ""
                guard let standIn = Unicode.Scalar(0xE000 + UInt32(overwritten.count)),
                    overwritten.count < Self.limit,
                    let range = Self.range(of: name, at: place, in: scalars)
                else {
                    let message = "`\(name)` is given twice: leave one out"
                    fault = Diagnostic(.error, at: place, message)
                    return
                }
                for index in range { scalars[index] = standIn }
                overwritten[place] = name
            }
        }
    }

    /// The key as it was written, and its place; nil when it is not a plain word.
    func name(of key: Node) -> (name: String, position: Position)? {
        guard let scalar = key.scalar, let mark = scalar.mark else { return nil }
        let position = Position(mark)
        return (overwritten[position] ?? scalar.string, position)
    }

    /// Where a key stands in the text, without its quotes.
    private static func range(
        of name: String, at place: Position, in scalars: [Unicode.Scalar]
    ) -> Range<Int>? {
        var line = 1
        var start = 0
        for index in scalars.indices where line < place.line && scalars[index] == "\n" {
            line += 1
            start = index + 1
        }
        start += place.column - 1
        guard line == place.line, scalars.indices.contains(start) else { return nil }
        if scalars[start] == "\"" || scalars[start] == "'" { start += 1 }
        let word = Array(name.unicodeScalars)
        guard !word.isEmpty, scalars[start...].starts(with: word) else { return nil }
        return start..<start + word.count
    }

    private static func fault(_ error: any Error, _ text: String) -> Diagnostic {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _),
            YamlError.composer(let context, let problem, let mark, _):
            let place = Position(mark)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            let line = lines.indices.contains(place.line - 1) ? lines[place.line - 1] : ""
            let tab = line.prefix { $0.isWhitespace }.contains("\t")
            let hint = tab ? " (indent with spaces, not with tabs)" : ""
            let around = context.map { "\($0.text) at line \($0.mark.line), " } ?? ""
            return Diagnostic(.error, at: place, "not YAML: \(around)\(problem)\(hint)")
        case YamlError.reader(let problem, let offset, _, _):
            let before = text.prefix(offset ?? 0)
            let place = SourceLines(String(before)).end
            return Diagnostic(.error, at: place, "not YAML: \(problem)")
        default:
            return Diagnostic(.error, at: Position(line: 1, column: 1), "not YAML: \(error)")
        }
    }
}

extension Position {
    init(_ mark: Mark) { self.init(line: mark.line, column: mark.column) }
}
