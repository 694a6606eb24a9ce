internal import Settings
internal import Sys

/// Rows under a heading, in aligned columns, safe for a terminal.
///
/// Cells are kept as the bytes they will be, so that 100,000 rows take no time worth mentioning.
struct Table {
    private struct Cell {
        var length: UInt32
        /// How many characters are shown.
        var width: UInt32
    }

    private var bytes: [UInt8] = []
    private var cells: [Cell] = []
    private var widths: [Int]
    private var column = 0

    /// A table of its headings.
    init(_ headings: String...) {
        widths = headings.map { _ in 0 }
        for heading in headings { add(cell: heading) }
    }

    /// Adds a row; an empty cell is shown as "-".
    mutating func add(_ cells: String...) {
        for cell in cells { add(cell: cell) }
    }

    /// Adds the next cell of a row.
    private mutating func add(cell text: String) {
        let safe = text.isEmpty ? "-" : text.terminalSafe
        bytes.append(contentsOf: safe.utf8)
        end(length: safe.utf8.count, width: safe.count)
    }

    /// Adds the next cell of a row: a text in UTF-8.
    mutating func add(cell text: Span<UInt8>) {
        guard text.isPrintableASCII, !text.isEmpty else { return add(cell: text.text) }
        bytes.append(copying: text)
        end(length: text.count, width: text.count)
    }

    /// Adds the next cell of a row, which `write` writes: at least one printable ASCII character.
    mutating func add(_ write: (inout [UInt8]) -> Void) {
        let before = bytes.count
        write(&bytes)
        end(length: bytes.count - before, width: bytes.count - before)
    }

    private mutating func end(length: Int, width: Int) {
        if width > widths[column] { widths[column] = width }
        column = column + 1 == widths.count ? 0 : column + 1
        cells.append(Cell(length: UInt32(length), width: UInt32(width)))
    }

    /// Whether there is no row but the heading.
    var isEmpty: Bool { cells.count <= widths.count }

    /// The lines, without a space at their end.
    var text: String { String(decoding: lines, as: UTF8.self) }

    /// The lines in UTF-8, but for the end of the last one.
    private var lines: [UInt8] {
        var lines: [UInt8] = []
        forEachPart { lines += $0 }
        if !lines.isEmpty { lines.removeLast() }
        return lines
    }

    /// Hands over the lines in UTF-8, each with its end, as many at a time as are worth a write.
    func forEachPart(_ take: ([UInt8]) -> Void) {
        let spaces = [UInt8](repeating: UInt8(ascii: " "), count: (widths.max() ?? 0) + 2)
        var part: [UInt8] = []
        part.reserveCapacity(Self.partLength + 4096)
        var at = 0
        var column = 0
        for cell in cells {
            part.append(copying: bytes.span.extracting(at..<at + Int(cell.length)))
            at += Int(cell.length)
            column += 1
            if column < widths.count {
                let padding = widths[column - 1] - Int(cell.width) + 2
                part.append(copying: spaces.span.extracting(0..<padding))
                continue
            }
            part.append(UInt8(ascii: "\n"))
            column = 0
            guard part.count >= Self.partLength else { continue }
            take(part)
            part.removeAll(keepingCapacity: true)
        }
        if !part.isEmpty { take(part) }
    }

    /// How much is printed at a time, in bytes.
    static let partLength = 1 << 18
}
