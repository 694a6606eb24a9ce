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

@Suite struct SpellingTests {
    @Test(
        "a letter put in, left out, changed or swapped is one step",
        arguments: [
            ("outside", "outside", 0), ("ouside", "outside", 1), ("outtside", "outside", 1),
            ("outsude", "outside", 1), ("otuside", "outside", 1), ("inside", "outside", 3),
            ("", "abc", 3), ("abc", "", 3),
        ])
    func distance(a: String, b: String, steps: Int) {
        #expect(Spelling.distance(a, b) == steps)
    }

    @Test("the nearest word is found, and none where none is near")
    func nearest() {
        let words = ["domains", "outside", "inside"]
        #expect(Spelling.nearest(to: "Domain", among: words) == "domains")
        #expect(Spelling.nearest(to: "insde", among: words) == "inside")
        #expect(Spelling.nearest(to: "colour", among: words) == nil)
    }
}

@Suite struct DurationTests {
    @Test(
        "a duration is a number and a unit",
        arguments: [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("007s", 7)])
    func good(text: String, seconds: Int64) {
        #expect(Milliseconds(duration: text) == .seconds(seconds))
    }

    @Test(
        "anything else is none",
        arguments: ["", "s", "30", "30 s", "-1s", "+1s", "1.5h", "1w", "1234567890s", "1S", "٣s"])
    func bad(text: String) {
        #expect(Milliseconds(duration: text) == nil)
    }

    @Test("a span is written in the largest unit that divides it, and spoken in the two largest")
    func written() {
        #expect(Milliseconds.seconds(90).duration == "90s")
        #expect(Milliseconds.seconds(7200).duration == "2h")
        #expect(Milliseconds.seconds(0).duration == "0s")
        #expect(Milliseconds.seconds(3900).spoken == "1h 5m")
        #expect(Milliseconds.seconds(90_061).spoken == "1d 1h")
        #expect(Milliseconds.seconds(-5).spoken == "0s")
    }
}
