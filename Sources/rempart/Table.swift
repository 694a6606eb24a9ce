internal import Settings

/// Rows under a heading, in aligned columns, safe for a terminal.
struct Table {
    private var rows: [[String]]

    /// A table of its headings.
    init(_ headings: String...) { rows = [headings] }

    /// Adds a row; an empty cell is shown as "-".
    mutating func add(_ cells: String...) {
        rows.append(cells.map { $0.isEmpty ? "-" : $0.terminalSafe })
    }

    /// Whether there is no row but the heading.
    var isEmpty: Bool { rows.count == 1 }

    /// The lines, without a space at their end.
    var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            let cells = row.indices.map { column in
                let isLast = column == row.count - 1
                let padding = isLast ? 0 : widths[column] - row[column].count
                return row[column] + String(repeating: " ", count: padding)
            }
            return cells.joined(separator: "  ")
        }
        return lines.joined(separator: "\n")
    }
}
