import Foundation

/// Reads the names of a source in Python, C or the shell, line by line.
enum ScriptSource {
    private static let declarations = [
        "py": #"^\s*(?:def|class)\s+(\w+)|^([A-Za-z_]\w*)(?:\s*:[^=]+)?\s*=[^=]"#,
        "c": #"^[A-Za-z_][\w\s*]*?(\w+)\("#,
        "h": #"^[A-Za-z_][\w\s*]*?(\w+)\(|^(?:struct|enum) (\w+)"#,
        "sh": #"^(\w+)\(\)"#,
    ]

    /// The names of a source; its kind is the end of its file's name.
    static func names(_ text: String, kind: String) throws -> Names {
        var names = Names()
        var isText = false
        let declaration = try declarations[kind].map { try NSRegularExpression(pattern: $0) }
        for (index, line) in text.components(separatedBy: "\n").enumerated() {
            let (code, comment) = split(line, kind, &isText)
            if !comment.isEmpty { names.comments.append(Comment(line: index + 1, text: comment)) }
            for word in code.utf8.split(whereSeparator: { !$0.isWord }) {
                names.words.insert(String(word) ?? "")
            }
            let whole = NSRange(code.startIndex..., in: code)
            guard let match = declaration?.firstMatch(in: code, range: whole) else { continue }
            for group in 1..<match.numberOfRanges {
                if let range = Range(match.range(at: group), in: code) {
                    names.declared.insert(String(code[range]))
                }
            }
        }
        return names
    }

    /// Code and comment of a line; a text of several lines that stands by itself is a comment of Python's.
    private static func split(
        _ line: String, _ kind: String, _ isText: inout Bool
    ) -> (code: String, comment: String) {
        let trimmed = line.trimmingCharacters(in: .whitespaces)
        if kind == "py" {
            let marks = line.components(separatedBy: "\"\"\"").count - 1
            if isText || trimmed.hasPrefix("\"\"\"") {
                if marks % 2 == 1 { isText.toggle() }
                return ("", line)
            }
            if marks % 2 == 1 { isText = true }
        }
        let mark = kind == "c" || kind == "h" ? "//" : "#"
        if trimmed.hasPrefix(mark) || mark == "//" && trimmed.hasPrefix("*") { return ("", line) }
        guard let start = line.range(of: " \(mark) ") else { return (line, "") }
        return (String(line[..<start.lowerBound]), String(line[start.lowerBound...]))
    }
}
