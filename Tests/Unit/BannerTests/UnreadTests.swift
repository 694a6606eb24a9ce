internal import Foundation
internal import Messages
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import banner

/// Kept bans that cannot be read as the process starts.
@Suite("a bans' file that cannot be read")
struct UnreadTests {
    private let folder: TemporaryFolder

    /// A ban as an earlier process left it, then a folder in its file's place: what no user can read.
    init() throws {
        folder = try TemporaryFolder()
        let bench = try Bench([.ban(.seconds(600))], folder: folder)
        try bench.tell(.hello, try order("198.18.0.7"))
        try FileManager.default.moveItem(atPath: path("bans"), toPath: path("away"))
        try FileManager.default.createDirectory(
            atPath: path("bans"), withIntermediateDirectories: false)
    }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    @Test("it is left alone, and joined with the bans since once it can be read")
    func comesBack() throws {
        let bench = try Bench([.ban(.seconds(600))], folder: folder, hearing: true)
        #expect(bench.records("the kept bans cannot be read").count == 1)
        #expect(bench.states.first?.hasPrefix("the kept bans are not in force") == true)
        try bench.tell(.hello, try order("198.18.0.8"))
        bench.pass(.seconds(2))
        #expect(FileManager.default.fileExists(atPath: path("bans")))
        try FileManager.default.removeItem(atPath: path("bans"))
        try FileManager.default.moveItem(atPath: path("away"), toPath: path("bans"))
        bench.pass(.seconds(61))
        #expect(bench.sources == ["198.18.0.7", "198.18.0.8"] && bench.states.isEmpty)
        // The kernel and sip-router have it too.
        bench.second()
        let kept = bench.firewall.kept[.banned4] ?? [:]
        #expect(Set(kept.keys) == [try ip("198.18.0.7"), try ip("198.18.0.8")])
        let told = try bench.heard().contains { message in
            if case .banned(let source, _) = message { source.name == "198.18.0.7" } else { false }
        }
        #expect(told)
        let again = try Bench(folder: folder)
        #expect(again.sources == ["198.18.0.7", "198.18.0.8"])
    }

    @Test("it is renamed when it still cannot be read a minute later, and bans are kept again")
    func isPutAside() throws {
        let bench = try Bench([.ban(.seconds(600))], folder: folder, hearing: true)
        try bench.tell(.hello, try order("198.18.0.8"))
        bench.pass(.seconds(61))
        #expect(bench.records("was renamed to bans.unread").count == 1)
        #expect(FileManager.default.fileExists(atPath: path("bans.unread")))
        #expect(bench.states.isEmpty && bench.sources == ["198.18.0.8"])
        #expect(try Bench(folder: folder).sources == ["198.18.0.8"])
    }
}
