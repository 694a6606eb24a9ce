/// What a document in Markdown is made of.
enum Markdown {
    /// How many characters a line has at most; the rows of tables have more.
    static let width = 100

    /// The lines of a paragraph, none of which begins anything but a line.
    static func filled(_ paragraph: String) -> [String] {
        wrapped(escaped(paragraph), width: width - 1).map { line in
            guard let first = line.first, "+-#*".contains(first), line.dropFirst().first == " "
            else { return line }
            return "\\" + line
        }
    }

    /// The text with its backslashes as they are read.
    static func escaped(_ text: String) -> String { text.replacing("\\", with: "\\\\") }

    /// The lines of a table; a column without any text is left out.
    static func table(_ heads: [String], _ rows: [[String]]) -> [String] {
        let columns = heads.indices.filter { column in rows.contains { !$0[column].isEmpty } }
        let line = { (cells: [String]) in
            columns.reduce("|") { line, column in
                let text = escaped(cells[column]).replacing("|", with: "\\|")
                return line + (text.isEmpty ? " |" : " \(text) |")
            }
        }
        return [line(heads), "|" + columns.map { _ in "---|" }.joined()] + rows.map(line)
    }
}
