import Messages
import Sys
import Testing
import Wire

@Suite struct SettingRowTests {
    @Test("no two keys have one name, nor one number, and no number is anybody's but theirs")
    func unique() {
        let keys = SettingKey.all
        #expect(Set(keys.map(\.path)).count == keys.count)
        #expect(Set(keys.map(\.number)).count == keys.count)
        for number in UInt8.min...UInt8.max where !keys.contains(where: { $0.number == number }) {
            let frame = [number, 0, 0, 0, 1]
            #expect(throws: WireError.unknownKind(number)) { try Setting(decoding: frame.span) }
        }
    }

    @Test("each property of a group is a key, in the order in which they are written")
    func order() {
        let paths = SettingKey.all.map(\.path)
        #expect(paths.first == "domains" && paths.last == "registration.contacts")
        #expect(
            paths.filter { $0.hasPrefix("registration.") } == [
                "registration.minimum", "registration.maximum", "registration.contacts",
            ])
        #expect(
            paths.filter { $0.hasPrefix("limits.") }
                == Detector.allCases.dropFirst().map { "limits.\($0.key)" })
    }

    @Test(
        "every key says what it means, which values it has, and one of them",
        arguments: SettingKey.all.map(\.path))
    func documented(path: String) throws {
        let key = try #require(SettingKey.all.first { $0.path == path })
        #expect(key.meaning.hasSuffix(".") && !key.range.isEmpty && !key.example.isEmpty)
        #expect((key.items != nil) == key.example.hasPrefix("["))
    }

    @Test(
        "what holds when a key is left out is told to a process, and crosses as it is",
        arguments: SettingKey.all.map(\.path))
    func standards(path: String) throws {
        let key = try #require(SettingKey.all.first { $0.path == path })
        #expect(key.standards.isEmpty || key.byDefault != nil)
        for setting in key.standards {
            #expect(setting.path == path && !setting.readers.isEmpty)
            let frame = setting.encoded()
            #expect(try Setting(decoding: frame.span) == setting)
        }
    }

    @Test("a frame that is cut, or has a byte more, is none", arguments: MessagesTests.settings)
    func whole(_ setting: Setting) {
        let frame = setting.encoded()
        let longer = frame + [0]
        #expect(throws: WireError.self) { try Setting(decoding: longer.span) }
        for length in 0..<frame.count {
            #expect(throws: WireError.self) {
                try Setting(decoding: frame.span.extracting(0..<length))
            }
        }
    }

    @Test("every key has a frame among those that the tests of frames try")
    func tried() {
        let tried = Set(MessagesTests.settings.map(\.path))
        let untried = SettingKey.all.map(\.path).filter {
            !tried.contains($0) && !$0.hasPrefix("limits.")
        }
        #expect(untried == [])
    }
}
