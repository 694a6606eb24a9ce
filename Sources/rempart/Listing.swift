/// Rows that are printed as a table, or as a JSON array.
///
/// There may be 100,000 of them, so an array is printed part by part.
struct Listing {
    /// The rows of the table, unused with JSON.
    var table: Table
    /// The objects that are not handed over yet, each begun by `beginObject`.
    var objects: [UInt8] = []
    /// Whether JSON is printed.
    let isJSON: Bool
    private var isEmpty = true

    /// A listing without a row.
    init(_ table: Table, json isJSON: Bool) {
        self.table = table
        self.isJSON = isJSON
    }

    /// Writes what stands before an object of the array.
    mutating func beginObject() {
        objects.append(UInt8(ascii: isEmpty ? "[" : ","))
        isEmpty = false
    }

    /// What can be printed already, once it is enough for a write.
    mutating func part() -> [UInt8]? {
        guard objects.count >= Table.partLength else { return nil }
        defer { objects.removeAll(keepingCapacity: true) }
        return objects
    }

    /// Hands over what is still to be printed, part by part; `none` is what a table without a row says.
    func rest(none: String, _ write: ([UInt8]) -> Void) {
        if isJSON {
            write(objects + (isEmpty ? "[]\n" : "]\n").utf8)
        } else if table.isEmpty {
            write(Array("\(none)\n".utf8))
        } else {
            table.forEachPart(write)
        }
    }
}
