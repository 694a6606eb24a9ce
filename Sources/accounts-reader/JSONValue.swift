// JSON as Asterisk writes it (RFC 8259), read by the library that writes it there.
internal import CJansson

/// A value of a JSON text, as far as it is asked for.
enum JSONValue: Equatable {
    case text(String)
    case array([JSONValue])
    /// The members by their names.
    case object([String: JSONValue])
    /// A number, a truth value or null.
    case other

    /// How deep values may lie in each other; Asterisk's answers are three deep.
    private static let deepest = 16

    /// The value of a text; nil for what is no JSON, is no UTF-8, names a member twice, has a zero character, or is
    /// nested deeper than `deepest`.
    init?(_ bytes: [UInt8]) {
        // In bounds: the array's own bytes and length, read before the call returns.
        let root = unsafe bytes.withUnsafeBytes { text in
            unsafe json_loadb(
                text.baseAddress, text.count, Int(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY), nil)
        }
        guard let root = unsafe root else { return nil }
        defer { unsafe json_decref(root) }
        guard let value = unsafe JSONValue(root, depth: 0) else { return nil }
        self = value
    }

    /// A copy of a value of Jansson's, which is whole as long as its root is held.
    private init?(_ value: UnsafeMutablePointer<json_t>, depth: Int) {
        guard depth < Self.deepest else { return nil }
        switch unsafe value.pointee.type {
        case JSON_STRING: unsafe self = .text(String(cString: json_string_value(value)))
        case JSON_ARRAY:
            var items: [JSONValue] = []
            let count = unsafe json_array_size(value)
            for index in 0..<count {
                guard let item = unsafe json_array_get(value, index),
                    let item = unsafe JSONValue(item, depth: depth + 1)
                else { return nil }
                items.append(item)
            }
            self = .array(items)
        case JSON_OBJECT:
            var members: [String: JSONValue] = [:]
            var place = unsafe json_object_iter(value)
            while let member = unsafe place {
                guard let key = unsafe json_object_iter_key(member),
                    let item = unsafe json_object_iter_value(member),
                    let item = unsafe JSONValue(item, depth: depth + 1)
                else { return nil }
                unsafe members[String(cString: key)] = item
                unsafe place = unsafe json_object_iter_next(value, member)
            }
            self = .object(members)
        default: self = .other
        }
    }

    /// The member of a name; nil when there is none.
    subscript(_ name: String) -> JSONValue? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    /// The text; nil for another value.
    var text: String? { if case .text(let text) = self { text } else { nil } }

    /// The items; nil for what is no array.
    var items: [JSONValue]? { if case .array(let items) = self { items } else { nil } }
}
