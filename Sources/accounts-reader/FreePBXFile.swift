// The file in which FreePBX and Issabel have the login to their database: read by pattern, never by PHP.

/// What a file such as /etc/freepbx.conf says of FreePBX's database.
///
/// In PHP that is `$amp_conf['AMPDBUSER'] = '...';`. In a file without a tag of PHP's, as /etc/amportal.conf, it is
/// `AMPDBUSER=...`. The last assignment of a key counts, as in PHP. Whether PHP would come there is not looked at.
struct FreePBXFile: Equatable {
    /// What is read.
    enum Key: String, CaseIterable {
        case user = "AMPDBUSER"
        case password = "AMPDBPASS"
        case host = "AMPDBHOST"
        case port = "AMPDBPORT"
        case database = "AMPDBNAME"
        case engine = "AMPDBENGINE"
        case socket = "AMPDBSOCK"
    }

    /// What a key was given last.
    enum Value: Equatable {
        /// A text, or the digits of a number.
        case text([UInt8])
        /// Something that PHP would have to compute, in that line.
        case computed(line: Int)
    }

    /// The longest file that is read, in bytes.
    static let longest = 65_536

    private(set) var values: [Key: Value] = [:]
    /// The line with a text of PHP's between two names (`<<<`), behind which nothing is read; nil without one.
    private(set) var unreadFrom: Int?

    /// Reads the bytes of a file.
    init(_ bytes: [UInt8]) {
        if bytes.indices.contains(where: { bytes[$0...].starts(with: "<?".utf8) }) {
            var reader = PHPReader(bytes)
            unreadFrom = reader.forEachAssignment { key, value in
                guard let key else { return values = [:] }
                if let key = Key(rawValue: key.text) { values[key] = value }
            }
        } else {
            bytes.split { $0 == 0x0A || $0 == 0x0D }.forEach { readLine($0) }
        }
    }

    /// Takes a line of NAME=VALUE, the value of which nothing quotes.
    private mutating func readLine(_ line: ArraySlice<UInt8>) {
        let line = line.drop(while: PHPReader.isBlank)
        let name = line.prefix { $0 != UInt8(ascii: "=") }
        guard name.count < line.count, let key = Key(rawValue: name.text) else { return }
        let value = line.dropFirst(name.count + 1)
        let end = value.lastIndex { !PHPReader.isBlank($0) }.map { $0 + 1 } ?? value.startIndex
        values[key] = .text(Array(value[..<end]))
    }
}

/// Reads what a file of PHP assigns to `$amp_conf`, and nothing else of it.
private struct PHPReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), 0x80...: true
        default: false
        }
    }

    /// Gives each assignment to `body`, in order: key and value; a key of nil when the whole array is assigned.
    ///
    /// Returns the line of the first thing behind which nothing can be read; nil when all was read.
    mutating func forEachAssignment(
        _ body: (_ key: [UInt8]?, _ value: FreePBXFile.Value) -> Void
    ) -> Int? {
        while enterPHP() {
            while position < bytes.count, !take("?>") {
                let begin = position
                skipBlanks()
                guard position == begin else { continue }
                if sees("<<<") { return line }
                switch bytes[position] {
                case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"): _ = readText()
                case UInt8(ascii: "$") where takeArray(): readAssignment(body)
                default: position += 1
                }
            }
        }
        return nil
    }

    /// Goes behind the next tag that begins PHP.
    private mutating func enterPHP() -> Bool {
        while position < bytes.count {
            if take("<?") { return true }
            position += 1
        }
        return false
    }

    /// Reads on behind the name of the array.
    private mutating func readAssignment(
        _ body: (_ key: [UInt8]?, _ value: FreePBXFile.Value) -> Void
    ) {
        skipBlanks()
        let begin = line
        guard take("[") else {
            if takeAssignment() { body(nil, .computed(line: begin)) }
            return
        }
        skipBlanks()
        guard let key = readText() else { return }
        skipBlanks()
        guard take("]") else { return }
        skipBlanks()
        if takeAssignment() {
            skipBlanks()
            let value = readText() ?? readDigits()
            skipBlanks()
            let isWhole = position == bytes.count || sees(";") || sees("?>")
            body(key, value.flatMap { isWhole ? .text($0) : nil } ?? .computed(line: begin))
        } else if [".=", "??=", "+="].contains(where: sees) {
            body(key, .computed(line: begin))
        }
    }

    /// Goes behind an `=` that assigns.
    private mutating func takeAssignment() -> Bool {
        !sees("==") && !sees("=>") && take("=")
    }

    /// Goes behind the array's name.
    private mutating func takeArray() -> Bool {
        let name = "$amp_conf"
        let next = position + name.utf8.count
        guard sees(name), next == bytes.count || !Self.isOfName(bytes[next]) else { return false }
        position = next
        return true
    }

    private mutating func readDigits() -> [UInt8]? {
        let digits = bytes[position...].prefix { (0x30...0x39).contains($0) }
        position += digits.count
        return digits.isEmpty ? nil : Array(digits)
    }

    /// Reads a text in quotes; nil, and behind it all the same, when it ends nowhere or PHP would compute it.
    private mutating func readText() -> [UInt8]? {
        guard position < bytes.count else { return nil }
        let quote = bytes[position]
        guard "'\"`".utf8.contains(quote) else { return nil }
        position += 1
        var text: [UInt8] = []
        var isPlain = quote != UInt8(ascii: "`")
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == quote { return isPlain ? text : nil }
            guard byte == UInt8(ascii: "\\"), position < bytes.count else {
                let isVariable = quote == UInt8(ascii: "\"") && byte == UInt8(ascii: "$")
                if isVariable, position < bytes.count, Self.begins(bytes[position]) {
                    isPlain = false
                }
                if quote == UInt8(ascii: "\""), byte == UInt8(ascii: "{"), sees("$") {
                    isPlain = false
                }
                text.append(byte)
                continue
            }
            let next = bytes[position]
            position += 1
            switch Self.meaning(of: next, in: quote) {
            case .itself: text.append(next)
            case .both: text += [byte, next]
            case .other: isPlain = false
            }
        }
        return nil
    }

    /// Whether a variable begins with this byte behind a `$`.
    private static func begins(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "{") || isOfName(byte) && !(0x30...0x39).contains(byte)
    }

    /// What stands for a backslash and the byte behind it.
    private enum Escape {
        /// That byte.
        case itself
        /// The two, as they stand.
        case both
        /// Another character.
        case other
    }

    private static func meaning(of byte: UInt8, in quote: UInt8) -> Escape {
        if byte == quote || byte == UInt8(ascii: "\\") { return .itself }
        guard quote == UInt8(ascii: "\"") else { return .both }
        if byte == UInt8(ascii: "$") { return .itself }
        return "nrtvef01234567xu".utf8.contains(byte) ? .other : .both
    }

    // MARK: Bytes

    /// The number of the line at hand.
    private var line: Int { bytes[..<position].count { $0 == 0x0A } + 1 }

    private func sees(_ text: String) -> Bool { bytes[position...].starts(with: text.utf8) }

    private mutating func take(_ text: String) -> Bool {
        guard sees(text) else { return false }
        position += text.utf8.count
        return true
    }

    /// Goes behind blanks and comments.
    private mutating func skipBlanks() {
        while position < bytes.count {
            if Self.isBlank(bytes[position]) {
                position += 1
            } else if sees("//") || sees("#") {
                // The tag that ends PHP ends a comment too.
                while position < bytes.count, bytes[position] != 0x0A, bytes[position] != 0x0D,
                    !sees("?>")
                {
                    position += 1
                }
            } else if take("/*") {
                while position < bytes.count, !take("*/") { position += 1 }
            } else {
                return
            }
        }
    }
}
