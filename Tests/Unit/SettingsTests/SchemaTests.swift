import Messages
import Settings
import Sys
import Testing

@Suite struct SchemaTests {
    @Test("every key's example and default are right in a file", arguments: Schema.keys.map(\.path))
    func examples(path: String) throws {
        let key = try #require(Schema.key(path))
        for value in [key.example] + (key.byDefault.map { [$0] } ?? []) {
            var text = ""
            for (depth, part) in path.split(separator: ".").enumerated() {
                if depth > 0 { text += "\n" + String(repeating: "  ", count: depth) }
                if text.contains("[]") { text += "- " }
                text += "\(part):"
            }
            text = text.replacing("[]", with: "") + " \(value)"
            let others = ["missing", "no udp://", "there is no trunk"]
            let told = faults(text).filter { fault in !others.contains { fault.contains($0) } }
            #expect(told == [])
        }
    }

    @Test(
        "the bounds told are the bounds the other processes accept",
        arguments: [
            "defence.window", "defence.ban", "registration.minimum", "registration.maximum",
        ])
    func bounds(path: String) throws {
        let key = try #require(Schema.key(path))
        let ends = key.range.split(separator: " ")
        let parts = path.split(separator: ".")
        for end in [try #require(ends.first), try #require(ends.last)] {
            // The other lifetime is stretched, so that this one alone is judged.
            let other =
                parts[1] == "minimum"
                ? ", maximum: 7d" : parts[1] == "maximum" ? ", minimum: 30s" : ""
            let text = shortest + "\(parts[0]): {\(parts[1]): \(end)\(other)}\n"
            let file = SettingsFile(Array(text.utf8))
            #expect(file.diagnostics == [])
            let value = try #require(file.values.first { $0.path == path }?.setting)
            let frame = value.encoded()
            #expect(try Setting(decoding: frame.span) == value)
        }
    }

    @Test("no two keys have one name")
    func unique() {
        #expect(Set(Schema.keys.map(\.path)).count == Schema.keys.count)
    }
}
