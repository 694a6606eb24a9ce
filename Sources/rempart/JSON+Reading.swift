extension JSON {
    /// The value of a text, as swift-argument-parser describes commands: without null, fractions and exponents.
    ///
    /// Nil when it is none.
    init?(_ text: String) {
        var reader = Reader(rest: Substring(text).unicodeScalars)
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipBlank()
        guard reader.rest.isEmpty else { return nil }
        self = value
    }

    /// The value of a member, nil when there is none of that name.
    subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The text of a string, empty for anything else.
    var string: String { if case .string(let text) = self { text } else { "" } }

    /// The values of an array, none for anything else.
    var items: [JSON] { if case .array(let items) = self { items } else { [] } }

    private struct Reader {
        var rest: Substring.UnicodeScalarView
        private static let deepest = 32

        mutating func skipBlank() {
            while let next = rest.first, " \n\r\t".unicodeScalars.contains(next) {
                rest.removeFirst()
            }
        }

        private mutating func consume(_ text: String) -> Bool {
            skipBlank()
            guard rest.starts(with: text.unicodeScalars) else { return false }
            rest.removeFirst(text.unicodeScalars.count)
            return true
        }

        mutating func value(depth: Int) -> JSON? {
            guard depth < Self.deepest else { return nil }
            if consume("{") { return object(depth) }
            if consume("[") { return array(depth) }
            if consume("true") { return .bool(true) }
            if consume("false") { return .bool(false) }
            if let text = string() { return .string(text) }
            let digits = rest.prefix { $0 == "-" || $0.properties.numericType == .decimal }
            rest.removeFirst(digits.count)
            return Int64(String(digits)).map { .number($0) }
        }

        private mutating func object(_ depth: Int) -> JSON? {
            var members: [Member] = []
            if consume("}") { return .object([]) }
            repeat {
                guard let name = string(), consume(":"), let value = value(depth: depth + 1) else {
                    return nil
                }
                members.append(Member(name, value))
            } while consume(",")
            return consume("}") ? .object(members) : nil
        }

        private mutating func array(_ depth: Int) -> JSON? {
            var items: [JSON] = []
            if consume("]") { return .array([]) }
            repeat {
                guard let value = value(depth: depth + 1) else { return nil }
                items.append(value)
            } while consume(",")
            return consume("]") ? .array(items) : nil
        }

        private mutating func string() -> String? {
            guard consume("\"") else { return nil }
            var text = String.UnicodeScalarView()
            while let next = rest.popFirst() {
                switch next {
                case "\"": return String(text)
                case "\\":
                    guard let escaped = escaped() else { return nil }
                    text.append(escaped)
                default: text.append(next)
                }
            }
            return nil
        }

        private mutating func escaped() -> Unicode.Scalar? {
            guard let letter = rest.popFirst() else { return nil }
            switch letter {
            case "n": return "\n"
            case "t": return "\t"
            case "r": return "\r"
            case "b": return "\u{8}"
            case "f": return "\u{C}"
            case "u":
                let digits = String(rest.prefix(4))
                guard digits.count == 4, let number = UInt32(digits, radix: 16) else { return nil }
                rest.removeFirst(4)
                return Unicode.Scalar(number)
            default: return letter
            }
        }
    }
}
