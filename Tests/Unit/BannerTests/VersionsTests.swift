internal import Foundation
internal import Messages
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import banner

/// Kept bans of a newer version.
@Suite("bans of a newer version")
struct VersionsTests {
    private let folder: TemporaryFolder
    private let newer = "rempart bans 3 9.9.9\n+\t198.18.0.7\tof another form\n"

    init() throws {
        folder = try TemporaryFolder()
        try Data(newer.utf8).write(to: URL(fileURLWithPath: path("bans")))
    }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    private func kept() throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path("bans"))), as: UTF8.self)
    }

    @Test("the file is told, left alone for good, and bans begin beside it")
    func leftAlone() throws {
        let bench = try Bench([.ban(.seconds(600))], folder: folder, hearing: true)
        #expect(bench.records("is of format 3, which Rempart 9.9.9 has written").count == 1)
        try bench.tell(.hello, try order("198.18.0.8"))
        for _ in 0..<3 { bench.pass(.seconds(61)) }
        #expect(bench.sources == ["198.18.0.8"])
        let told = bench.states
        #expect(
            told.count == 1 && told[0].contains("move the file away") && told[0].utf8.count <= 400)
        bench.service.stop()
        #expect(try kept() == newer)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names == ["bans"])
    }

    @Test("once it is moved away, the bans since are kept, without a restart")
    func movedAway() throws {
        let bench = try Bench([.ban(.seconds(600))], folder: folder, hearing: true)
        try bench.tell(.hello, try order("198.18.0.8"))
        try FileManager.default.moveItem(atPath: path("bans"), toPath: path("away"))
        bench.pass(.seconds(61))
        #expect(bench.states.isEmpty)
        #expect(try kept().hasPrefix("rempart bans 2\n"))
        #expect(try Bench(folder: folder).sources == ["198.18.0.8"])
    }
}
