// JSON as Asterisk writes it (RFC 8259), read strictly: it comes from another machine.

/// A value of a JSON text.
enum JSONValue: Equatable {
    case null
    case truth(Bool)
    /// A number, as it is written.
    case number(String)
    case text(String)
    case array([JSONValue])
    /// The members in their order; of two of one name both.
    case object([(name: String, value: JSONValue)])

    /// The value of a text; nil for what is no JSON, is no UTF-8, or is nested deeper than `deepest`.
    init?(_ bytes: [UInt8]) {
        var reader = JSONReader(bytes: bytes)
        guard let value = reader.value(depth: 0), reader.isAtEnd else { return nil }
        self = value
    }

    /// The first member of a name; nil when there is none.
    subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The text; nil for another value.
    var text: String? { if case .text(let text) = self { text } else { nil } }

    /// The items; nil for what is no array.
    var items: [JSONValue]? { if case .array(let items) = self { items } else { nil } }

    static func == (a: JSONValue, b: JSONValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.truth(let a), .truth(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.text(let a), .text(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0 == $1 }
        default: false
        }
    }
}

/// Reads one text.
private struct JSONReader {
    let bytes: [UInt8]
    private var at = 0

    /// How deep values may lie in each other; Asterisk's answers are three deep.
    private static let deepest = 16

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// Whether nothing but blanks is left.
    var isAtEnd: Bool {
        mutating get {
            skipBlanks()
            return at == bytes.count
        }
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
            at += 1
        }
    }

    /// Takes a character when it comes next, blanks before it or not.
    private mutating func takes(_ character: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard next == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    /// Takes a word when it comes next.
    private mutating func takes(word: String) -> Bool {
        guard bytes[at...].starts(with: word.utf8) else { return false }
        at += word.utf8.count
        return true
    }

    mutating func value(depth: Int) -> JSONValue? {
        guard depth < Self.deepest else { return nil }
        if takes("{") { return object(depth) }
        if takes("[") { return array(depth) }
        if takes("\"") { return text().map(JSONValue.text) }
        if takes(word: "null") { return .null }
        if takes(word: "true") { return .truth(true) }
        if takes(word: "false") { return .truth(false) }
        return number()
    }

    private mutating func object(_ depth: Int) -> JSONValue? {
        var members: [(name: String, value: JSONValue)] = []
        if takes("}") { return .object([]) }
        repeat {
            guard takes("\""), let name = text(), takes(":"), let value = value(depth: depth + 1)
            else { return nil }
            members.append((name, value))
        } while takes(",")
        return takes("}") ? .object(members) : nil
    }

    private mutating func array(_ depth: Int) -> JSONValue? {
        var items: [JSONValue] = []
        if takes("]") { return .array([]) }
        repeat {
            guard let value = value(depth: depth + 1) else { return nil }
            items.append(value)
        } while takes(",")
        return takes("]") ? .array(items) : nil
    }

    // MARK: Numbers

    private mutating func digits() -> Bool {
        let begin = at
        while let byte = next, (0x30...0x39).contains(byte) { at += 1 }
        return at > begin
    }

    private mutating func number() -> JSONValue? {
        let begin = at
        if next == UInt8(ascii: "-") { at += 1 }
        let isZero = next == UInt8(ascii: "0")
        let first = at
        guard digits(), !isZero || at == first + 1 else { return nil }
        if next == UInt8(ascii: ".") {
            at += 1
            guard digits() else { return nil }
        }
        if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
            at += 1
            if let sign = next, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { at += 1 }
            guard digits() else { return nil }
        }
        return .number(bytes[begin..<at].text)
    }

    // MARK: Texts

    /// What stands up to the next quotation mark, which is taken too.
    private mutating func text() -> String? {
        var result: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: result, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escaped() else { return nil }
                result += Array(String(Character(scalar)).utf8)
            case 0..<0x20: return nil
            default: result.append(byte)
            }
        }
        return nil
    }

    /// The character of an escape whose backslash has been taken.
    private mutating func escaped() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return unicode()
        default: return nil
        }
    }

    /// The character of four hexadecimal digits, or of two such escapes that are one pair of surrogates.
    private mutating func unicode() -> Unicode.Scalar? {
        guard let high = fourDigits() else { return nil }
        guard (0xD800..<0xDC00).contains(high) else { return Unicode.Scalar(high) }
        guard bytes[at...].starts(with: "\\u".utf8) else { return nil }
        at += 2
        guard let low = fourDigits(), (0xDC00..<0xE000).contains(low) else { return nil }
        return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    }

    private mutating func fourDigits() -> UInt32? {
        guard at + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for byte in bytes[at..<(at + 4)] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
            value = value << 4 | UInt32(digit)
        }
        at += 4
        return value
    }
}
