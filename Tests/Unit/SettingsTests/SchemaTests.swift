import Messages
import Settings
import Sys
import Testing

@Suite struct SchemaTests {
    /// A file of one key, whose group has the name `t` where the file chooses one; all else is missing.
    private static func text(_ key: SettingKey, _ value: String) -> String {
        var text = ""
        for (depth, part) in key.path.split(separator: ".").enumerated() {
            if depth > 0 { text += "\n" + String(repeating: "  ", count: depth) }
            if text.contains("[]") { text += "- " }
            text += part == "NAME" ? "t:" : "\(part):"
        }
        return text.replacing("[]", with: "") + " \(value)"
    }

    @Test(
        "every key's example and default are right in a file, and cross to the processes",
        arguments: Schema.keys.map(\.path))
    func examples(path: String) throws {
        let key = try #require(Schema.key(path))
        for value in [key.example] + (key.byDefault.map { [$0] } ?? []) {
            let text = Self.text(key, value)
            let others = ["missing", "no udp://", "there is no trunk"]
            let told = faults(text).filter { fault in !others.contains { fault.contains($0) } }
            #expect(told == [])
            let values = SettingsFile(Array(text.utf8)).values
            #expect(!values.isEmpty)
            for value in values {
                #expect(value.setting.path == path && !value.setting.readers.isEmpty)
                let frame = value.setting.encoded()
                #expect(try Setting(decoding: frame.span) == value.setting)
            }
        }
    }

    /// A number or a span of a range, in the bytes of a frame.
    private struct Bound {
        let value: Int64
        let length: Int

        init?(_ text: Substring) {
            if let count = Int64(text) {
                (value, length) = (count, 4)
            } else if let span = Milliseconds(duration: text) {
                (value, length) = (span.count, 8)
            } else {
                return nil
            }
        }

        /// The bytes of a value that lies so far from this one; nil where it has none.
        func bytes(_ step: Int64 = 0) -> [UInt8]? {
            guard length == 8 || value + step >= 0 else { return nil }
            return (0..<length).reversed().map {
                UInt8(truncatingIfNeeded: (value + step) >> ($0 * 8))
            }
        }
    }

    /// The bounds that a key is documented with, the lowest and the highest of each field.
    private static func fields(of key: SettingKey) -> [(Bound, Bound)] {
        let word = #"(\d+[smhd]?) to (\d+[smhd]?)"#
        guard let pattern = try? Regex("^(?:\\d+ to \\d+ of )?\(word)(?: in \(word))?$"),
            let match = key.range.wholeMatch(of: pattern)
        else { return [] }
        let ends = (1...4).compactMap { match.output[$0].substring.flatMap(Bound.init) }
        return stride(from: 0, to: ends.count - 1, by: 2).map { (ends[$0], ends[$0 + 1]) }
    }

    private static let bounded = Schema.keys.filter { !fields(of: $0).isEmpty }.map(\.path)

    @Test(
        "the bounds told are the bounds that the processes accept, to the millisecond",
        arguments: bounded)
    func bounds(path: String) throws {
        let key = try #require(Schema.key(path))
        let fields = Self.fields(of: key)
        let head = [key.number] + (path.contains(".NAME.") ? [0, 1, 0x74] : [])
        func isTaken(_ values: [[UInt8]]) -> Bool {
            let frame = head + values.flatMap(\.self)
            return (try? Setting(decoding: frame.span)) != nil
        }
        let lowest = fields.compactMap { $0.0.bytes() }
        let highest = fields.compactMap { $0.1.bytes() }
        #expect(isTaken(lowest) && isTaken(highest))
        for (place, field) in fields.enumerated() {
            for outside in [field.0.bytes(-1), field.1.bytes(1)].compactMap(\.self) {
                var values = lowest
                values[place] = outside
                #expect(!isTaken(values), "\(path) \(values)")
            }
        }
    }

    @Test("the text of a value beyond its bounds is told with them", arguments: bounded)
    func beyond(path: String) throws {
        let key = try #require(Schema.key(path))
        let value = key.example.replacing(#/\d+/#) { _ in "999999999" }
        let told = faults(Self.text(key, value)).filter { $0.contains("out of range") }
        #expect(told.allSatisfy { $0.contains(" to ") })
        #expect(!told.isEmpty)
    }

    @Test("all keys with a number, a span or a limit are among those whose bounds are tried")
    func areBounded() {
        #expect(Self.bounded.count == 37)
    }
}
