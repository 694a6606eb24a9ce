internal import Foundation
internal import Messages
internal import SmallDisk
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import banner

/// Bans on a disk that takes nothing.
@Suite(
    "banner and a full disk",
    .enabled(if: SmallDisk.isPossible, "only root may mount a file system"))
struct DiskTests {
    private func sources(_ bench: Bench) -> Set<String> {
        var names: Set<String> = []
        for case .ban(let row) in bench.ask(.bans) { names.insert(row.source.name) }
        return names
    }

    private func state(_ bench: Bench) -> [String] {
        bench.service.conditions.filter { $0.kind == .state }.map(\.text)
    }

    /// Two bans on a disk, as an earlier process left them.
    private func kept(_ disk: SmallDisk) throws -> TemporaryFolder {
        let folder = try TemporaryFolder(in: disk.path)
        let bench = try Bench([.ban(.seconds(600))], folder: folder)
        try bench.tell(.hello, try order("198.18.0.7"))
        bench.clock.passed = .seconds(2)
        try bench.tell(try order("198.18.0.8"))
        return folder
    }

    @Test(
        "bans are read from a full disk, those since are kept in memory and written once there is room"
    )
    func atStart() throws {
        let disk = try SmallDisk(kilobytes: 64)
        let folder = try kept(disk)
        try disk.fill()
        let bench = try Bench([.ban(.seconds(600))], folder: folder, hearing: true)
        #expect(sources(bench) == ["198.18.0.7", "198.18.0.8"])
        try bench.tell(.hello)
        // The file is as long as it is: some changes may fit its last page, these do not.
        var told = 0
        for host in 1...200 {
            try bench.tell(try order("10.0.\(host).1"))
            told += bench.records("bans are not kept over a restart").count
        }
        bench.pass(.seconds(2))
        told += bench.records("bans are not kept over a restart").count
        #expect(told == 1)
        #expect(state(bench).first?.contains("No space left on device") == true)
        _ = bench.ask(.unban(try ip("198.18.0.8")))
        for _ in 0..<3 { bench.pass(.seconds(61)) }
        #expect(bench.records("not kept").isEmpty && state(bench).count == 1)

        disk.free()
        bench.pass(.seconds(61))
        #expect(state(bench).isEmpty)
        #expect(bench.records("bans are kept over a restart again").count == 1)
        let again = try Bench([.ban(.seconds(600))], folder: folder)
        #expect(sources(again) == sources(bench) && sources(again).count == 201)
    }

    @Test(
        "a disk that fills while running keeps what it has, and its fault costs no other file's room"
    )
    func whileRunning() throws {
        let disk = try SmallDisk(kilobytes: 64)
        let folder = try kept(disk)
        let bench = try Bench([.ban(.seconds(600))], folder: folder, hearing: true)
        try bench.tell(.hello)
        try disk.fill()
        for host in 1...200 { try bench.tell(try order("10.0.\(host).1")) }
        bench.pass(.seconds(61))
        #expect(state(bench).count == 1 && sources(bench).count == 202)
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(files == ["bans"])
        #expect(sources(try Bench(folder: folder)).isSuperset(of: ["198.18.0.7", "198.18.0.8"]))
        // As it ends, a process tries once more.
        disk.free()
        bench.service.stop()
        #expect(sources(try Bench(folder: folder)) == sources(bench))
    }

    @Test("bans are read where nothing may be written, and written once it may")
    func readOnly() throws {
        let disk = try SmallDisk(kilobytes: 64)
        let folder = try kept(disk)
        try disk.permitWriting(false)
        let bench = try Bench([.ban(.seconds(600))], folder: folder, hearing: true)
        #expect(sources(bench) == ["198.18.0.7", "198.18.0.8"] && state(bench).count == 1)
        try bench.tell(.hello, try order("198.18.0.9"))
        try disk.permitWriting(true)
        bench.pass(.seconds(61))
        #expect(state(bench).isEmpty)
        #expect(
            sources(try Bench(folder: folder)) == ["198.18.0.7", "198.18.0.8", "198.18.0.9"])
    }

    @Test("a country database is used though there is no room for its copy, by the copy of before")
    func countries() throws {
        let disk = try SmallDisk(kilobytes: 64)
        let folder = try TemporaryFolder(in: disk.path)
        let elsewhere = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(elsewhere.path)/country.mmdb")
        try countryDatabase([("198.18.0.0/16", "FR")]).write(to: url)
        let settings: [BannerSetting] = [.country("FR"), .geoip(url.path)]
        _ = try Bench(settings, folder: folder)
        try disk.fill()
        let bench = try Bench(settings, folder: folder, hearing: true)
        #expect(bench.records("the copy of before is used").count == 1)
        #expect(
            bench.firewall.ranges[.country4]?.contains(AddressRange(try net("198.18.0.0/16")))
                == true)
        try countryDatabase([("198.19.0.0/16", "FR")]).write(to: url, options: .atomic)
        bench.second()
        #expect(
            bench.firewall.ranges[.country4]?.contains(AddressRange(try net("198.18.0.0/16")))
                == true)
        disk.free()
        bench.pass(.seconds(61))
        #expect(
            bench.firewall.ranges[.country4]?.contains(AddressRange(try net("198.19.0.0/16")))
                == true)
        #expect(bench.service.conditions.isEmpty)
    }
}
