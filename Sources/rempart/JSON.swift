internal import Settings
internal import Sys

/// A JSON value (RFC 8259); members keep their order.
enum JSON: Equatable {
    case object([Member])
    case array([JSON])
    case string(String)
    case number(Int64)
    case bool(Bool)

    /// A name and a value of an object.
    struct Member: Equatable {
        let name: String
        let value: JSON

        init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// The value in one line.
    var text: String {
        switch self {
        case .object(let members):
            let parts = members.map { "\(Self.quoted($0.name)):\($0.value.text)" }
            return "{" + parts.joined(separator: ",") + "}"
        case .array(let items): return "[" + items.map(\.text).joined(separator: ",") + "]"
        case .string(let text): return Self.quoted(text)
        case .number(let number): return String(number)
        case .bool(let value): return value ? "true" : "false"
        }
    }

    /// Adds a string of bytes in UTF-8.
    static func append(quoted text: Span<UInt8>, to bytes: inout [UInt8]) {
        var isPlain = text.isPrintableASCII
        for index in text.indices
        where text[index] == UInt8(ascii: "\"") || text[index] == UInt8(ascii: "\\") {
            isPlain = false
        }
        guard isPlain else { return bytes.append(contentsOf: quoted(text.text).utf8) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(copying: text)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Escapes what JSON must have escaped, and what a terminal would act on.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            // All such scalars have at most four hexadecimal digits.
            case _ where scalar.isTerminalControl:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
