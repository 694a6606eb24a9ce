import Glibc
import Messages
import Sys
import Testing
import Wire

@testable import supervisor

@Suite struct SettingsReaderTests {
    private static func framed(_ frames: [[UInt8]]) -> [UInt8] {
        frames.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xFF)] + $0 }
    }

    @Test("settings come out in the order they were written")
    func order() throws {
        let settings: [Setting] = [.sides.domains("a"), .defence.failures(5), .sides.domains("b")]
        #expect(try SettingsReader.decode(Self.framed(settings.map { $0.encoded() })) == settings)
    }

    @Test("a stream cut anywhere but between two settings is refused")
    func truncated() {
        let whole = Self.framed([
            Setting.sides.domains("example.com").encoded(), Setting.defence.failures(5).encoded(),
        ])
        let first = 2 + Setting.sides.domains("example.com").encoded().count
        for length in 1..<whole.count where length != first {
            #expect(throws: WireError.self) { try SettingsReader.decode(Array(whole[..<length])) }
        }
    }

    @Test("a length beyond the longest setting is refused before anything is read")
    func tooLong() {
        #expect(throws: WireError.tooLong("setting")) { try SettingsReader.decode([0xFF, 0xFF]) }
    }
}
