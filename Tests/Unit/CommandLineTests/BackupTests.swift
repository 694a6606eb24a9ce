import ArgumentParser
import Foundation
import Glibc
import Messages
import Sys
import Testing

@testable import rempart

/// Settings and state in temporary folders, backed up and put back.
@Suite struct BackupTests {
    private let root = "/tmp/rempart-test-\(Random.word)"
    private let files = [
        "etc/rempart.yaml": "domains: [sip.example.com]\n", "etc/tls/key.pem": "secret key",
        "etc/a-name-of-which-two-and-a-folder-are-more-than-the-hundred-bytes-of-the-first-field/"
            + "a-name-of-which-two-and-a-folder-are-more-than-the-hundred-bytes": "long",
        "var/secret": String(repeating: "s", count: 72),
        "var/banner/bans": "rempart bans 2\nallow\t198.18.0.0/16\n",
    ]

    init() throws { try begin() }

    private func path(_ name: String) -> String { "\(root)/\(name)" }

    private func begin() throws {
        for folder in ["var/directory", "run"] {
            try FileManager.default.createDirectory(
                atPath: path(folder), withIntermediateDirectories: true)
        }
        for (name, text) in files { try write(name, Array(text.utf8)) }
        try write("var/directory/bindings.sqlite", Self.database(format: 1))
        try FileManager.default.createSymbolicLink(
            atPath: path("etc/current.pem"), withDestinationPath: "tls/key.pem")
        _ = unsafe chmod(path("etc/tls/key.pem"), 0o600)
        _ = unsafe chmod(path("etc/rempart.yaml"), 0o644)
        _ = unsafe chmod(path("etc"), 0o750)
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        let url = URL(fileURLWithPath: path(name))
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    private func read(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path(name))))
    }

    /// The first bytes of a SQLite file of a user version, and a little more.
    private static func database(format: UInt8) -> [UInt8] {
        var bytes = Array("SQLite format 3\u{0}".utf8) + [UInt8](repeating: 0, count: 1000)
        bytes[63] = format
        return bytes
    }

    private func places(_ prefix: String = "") throws -> KeptPlaces {
        try KeptPlaces.parse([
            "--settings-folder", path(prefix + "etc"), "--state", path(prefix + "var"), "--runtime",
            path("run"),
        ])
    }

    private func backUp() throws -> [String] {
        try BackupWriter.write(path("backup.tar"), try places())
    }

    private func restore(_ prefix: String = "") throws -> [String] {
        // The users of an installation are the machine's, not these tests'.
        var restoring = try Restoring(path("backup.tar"), try places(prefix), givesOwners: false)
        try restoring.check()
        try restoring.stage()
        return try restoring.swap()
    }

    private func fault(_ body: () throws -> Void) -> String {
        do { try body() } catch let fault as BackupFault { return fault.message } catch {
            return "\(error)"
        }
        return ""
    }

    private func remove() { try? FileManager.default.removeItem(atPath: root) }

    /// Every path below a folder with its mode, what it holds, and where it leads.
    private func tree(_ folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path(folder)).sorted().map { name in
            let whole = path("\(folder)/\(name)")
            let status = FileStatus(whole)
            let text =
                status?.isFolder == true
                ? ""
                : status?.isLink == true
                    ? try Files.target(of: whole) : "\(try read("\(folder)/\(name)"))"
            return "\(name) \(status?.mode ?? 0) \(text)"
        }
    }

    @Test("what was backed up is there again on another machine, with its modes and links")
    func roundTrip() throws {
        defer { remove() }
        #expect(try backUp() == [])
        #expect(FileStatus(path("backup.tar"))?.mode == 0o600)
        #expect(try restore("other-") == [])
        #expect(try tree("other-etc") == tree("etc"))
        #expect(try tree("other-var") == tree("var"))
        #expect(FileStatus(path("other-etc"))?.mode == 0o750)
    }

    @Test("what is replaced is kept aside, twice too, and is in no later backup")
    func aside() throws {
        defer { remove() }
        _ = try backUp()
        try write("etc/rempart.yaml", Array("newer: true\n".utf8))
        try write("etc/more.yaml", [1])
        #expect(try restore().count == 2)
        #expect(try read("etc/rempart.yaml") == Array("domains: [sip.example.com]\n".utf8))
        #expect(FileStatus(path("etc/more.yaml")) == nil)
        #expect(try read("etc/before-restore/rempart.yaml") == Array("newer: true\n".utf8))
        #expect(try read("etc/before-restore/more.yaml") == [1])
        _ = try restore()
        #expect(FileStatus(path("var/before-restore.2/secret")) != nil)
        try FileManager.default.removeItem(atPath: path("backup.tar"))
        _ = try backUp()
        _ = try restore("other-")
        #expect(FileStatus(path("other-etc/before-restore")) == nil)
    }

    @Test("tar(1) reads a backup")
    func tar() throws {
        defer { remove() }
        _ = try backUp()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/tar")
        process.arguments = ["-C", path("run"), "--no-same-owner", "-xf", path("backup.tar")]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(try tree("run/settings") == tree("etc"))
    }

    @Test("a backup is made of no file that is there, and not within what it is of")
    func refusedPlaces() throws {
        defer { remove() }
        _ = try backUp()
        #expect(fault { _ = try backUp() }.contains("is there already"))
        let inside = path("var/backup.tar")
        #expect(
            fault { _ = try BackupWriter.write(inside, try places()) }.contains(
                "name a file elsewhere"))
        #expect(FileStatus(inside) == nil)
    }

    @Test("a backup that cannot be finished leaves no file")
    func unfinished() throws {
        defer { remove() }
        try FileManager.default.removeItem(atPath: path("var"))
        #expect(fault { _ = try backUp() }.contains("--state"))
        #expect(FileStatus(path("backup.tar")) == nil)
    }

    @Test("what the settings name elsewhere is told, and state of a newer version is left out")
    func told() throws {
        defer { remove() }
        let settings = "tls:\n  key: /elsewhere/key.pem\n"
        try write("etc/rempart.yaml", Array(settings.utf8))
        try write("var/banner/bans", Array("rempart bans 3 9.9.9\n".utf8))
        let told = try backUp()
        #expect(told.contains { $0.contains("/elsewhere/key.pem (tls.key)") }, "\(told)")
        #expect(told.contains { $0.contains("not in it") && $0.contains("9.9.9") }, "\(told)")
        _ = try restore("other-")
        #expect(FileStatus(path("other-var/banner/bans")) == nil)
    }

    @Test("a ban that is being written is left out, whole lines are in it")
    func halfALine() throws {
        defer { remove() }
        try write("var/banner/bans", Array("rempart bans 2\nallow\t198.18.0.0/16\nallow\t19".utf8))
        _ = try backUp()
        _ = try restore("other-")
        #expect(
            try read("other-var/banner/bans")
                == Array("rempart bans 2\nallow\t198.18.0.0/16\n".utf8))
    }

    @Test("no link leads a backup out of the state, and no fifo stops it")
    func strangeFiles() throws {
        defer { remove() }
        try FileManager.default.removeItem(atPath: path("var/banner/bans"))
        try FileManager.default.createSymbolicLink(
            atPath: path("var/banner/bans"), withDestinationPath: path("etc/tls/key.pem"))
        #expect(fault { _ = try backUp() }.contains("bans"))
        try FileManager.default.removeItem(atPath: path("var/banner/bans"))
        #expect(unsafe mkfifo(path("etc/pipe"), 0o600) == 0)
        #expect(try backUp().contains { $0.contains("etc/pipe") })
    }

    @Test("what a link of the settings' folder leads to elsewhere is told, for no backup has it")
    func linked() throws {
        defer { remove() }
        try write("live/privkey.pem", [1])
        _ = unsafe symlink(path("live/privkey.pem"), path("etc/privkey.pem"))
        _ = unsafe symlink(path("live"), path("etc/live"))
        _ = unsafe symlink("rempart.yaml", path("etc/beside"))
        let told = try backUp()
        #expect(told.contains { $0.contains("live/privkey.pem, to which") }, "\(told)")
        #expect(told.contains { $0.contains("live, to which") }, "\(told)")
        #expect(told.count == 2, "\(told)")
    }

    @Test(
        "what of the settings' folder cannot be in a backup is told, by its name, and the rest is in it"
    )
    func leftOut() throws {
        defer { remove() }
        let socket = Descriptor(
            owning: try Socket.seqpacketListener(path: path("etc/socket")).release())
        _ = unsafe symlink(String(repeating: "t", count: 101), path("etc/far"))
        try write("etc/" + String(repeating: "n", count: 101), [1])
        try write("etc/before-restore-notes", [2])
        try write("etc/before-restore.2/old", [3])
        let odd = Array(path("etc/odd-").utf8).map(CChar.init(bitPattern:)) + [-1, 0]
        close(unsafe open(odd, O_CREAT | O_WRONLY, 0o600))
        let told = try backUp()
        socket.close()
        for name in ["socket", "far", "nnn", "before-restore.2", "odd-"] {
            #expect(
                told.contains { $0.contains("not in it") && $0.contains("etc/" + name) }, "\(name)")
        }
        #expect(told.count == 5, "\(told)")
        _ = try restore("other-")
        #expect(try read("other-etc/before-restore-notes") == [2])
        #expect(FileStatus(path("other-etc/before-restore.2")) == nil)
    }

    @Test("settings and state in one another are refused, by links too", arguments: [true, false])
    func nested(_ isStateWithin: Bool) throws {
        defer { remove() }
        _ = try backUp()
        let (outer, inner) = isStateWithin ? ("etc", "etc/var") : ("var/etc", "var")
        _ = unsafe symlink(path("etc"), path("link"))
        let settings = isStateWithin ? path("link") : path(outer)
        let places = try KeptPlaces.parse([
            "--settings-folder", settings, "--state", path(inner), "--runtime", path("run"),
        ])
        let other = path("other.tar")
        #expect(fault { _ = try BackupWriter.write(other, places) }.contains("lie in one another"))
        let said = fault { _ = try Restoring(path("backup.tar"), places, givesOwners: false) }
        #expect(said.contains("lie in one another"), "\(said)")
        #expect(FileStatus(other) == nil)
    }

    @Test("a backup of what directory has in memory alone says so")
    func inMemory() throws {
        defer { remove() }
        try write("var/directory/bindings.backup", Self.database(format: 1))
        let daemon = try Daemon()
        let wrong = Condition(.state, "bindings are in memory only: of format 2")
        daemon.serve([
            [ControlReply.done.encoded()],
            [ControlReply.condition(.directory, wrong).encoded(), ControlReply.done.encoded()],
        ])
        let places = try KeptPlaces.parse([
            "--settings-folder", path("etc"), "--state", path("var"), "--runtime", daemon.runtime,
        ])
        let told = try BackupWriter.write(path("backup.tar"), places)
        #expect(told.count == 1 && told[0].contains("of format 2"), "\(told)")
        #expect(FileStatus(path("var/directory/bindings.backup")) == nil)
    }
}

/// Backups that are not put back.
extension BackupTests {
    /// The bytes of a backup whose member is replaced.
    private func forge(_ change: (inout [UInt8]) -> Void) throws {
        var bytes = try read("backup.tar")
        change(&bytes)
        try write("backup.tar", bytes)
    }

    /// Appends a member before the end of a backup.
    private func add(_ header: TarHeader, _ content: [UInt8] = []) throws {
        try forge { bytes in
            bytes.removeLast(2 * TarHeader.length)
            bytes += header.encoded() ?? []
            bytes +=
                content
                + [UInt8](repeating: 0, count: TarHeader.padded(content.count) - content.count)
            bytes += [UInt8](repeating: 0, count: 2 * TarHeader.length)
        }
    }

    private func isUntouched(_ before: [String]) throws -> Bool {
        try tree("etc") + tree("var") == before
    }

    @Test(
        "what is no part of a backup is refused, and nothing is changed",
        arguments: [
            "settings/../../escaped", "/etc/passwd", "settings//x", "state/other",
            "state/directory/x",
            "other", "settings/current.pem/x", "settings/absent/x", "settings/rempart.yaml",
        ])
    func foreign(_ member: String) throws {
        defer { remove() }
        _ = try backUp()
        try add(
            TarHeader(
                path: member, kind: .file(length: 0), mode: 0o644, user: "root", group: "root",
                modified: 0))
        let before = try tree("etc") + tree("var")
        #expect(fault { _ = try restore() }.contains("no part of a backup"))
        #expect(try isUntouched(before))
    }

    @Test("a link in the state, and a device, are refused")
    func foreignKinds() throws {
        defer { remove() }
        _ = try backUp()
        let whole = try read("backup.tar")
        try FileManager.default.removeItem(atPath: path("var/banner/bans"))
        try FileManager.default.removeItem(atPath: path("backup.tar"))
        _ = try backUp()
        try add(
            TarHeader(
                path: "state/banner/bans", kind: .link("/etc/passwd"), mode: 0o777, user: "root",
                group: "root", modified: 0))
        #expect(fault { _ = try restore() }.contains("no part of a backup"))
        try write("backup.tar", whole)
        try forge { bytes in
            // The kind of the second member, and the sum that goes with it.
            bytes[1024 + 156] = UInt8(ascii: "3")
            let sum = String(
                Int(String(decoding: bytes[1024 + 148..<1024 + 155], as: UTF8.self), radix: 8).map {
                    $0 - 2
                } ?? 0, radix: 8)
            bytes.replaceSubrange(
                1024 + 148..<1024 + 155,
                with: (String(repeating: "0", count: 7 - sum.count) + sum).utf8)
        }
        #expect(fault { _ = try restore() }.contains("no part of a backup"))
    }

    @Test(
        "a damaged backup, one that is cut short, and what is none are refused; nothing is changed")
    func damaged() throws {
        defer { remove() }
        _ = try backUp()
        let whole = try read("backup.tar")
        let before = try tree("etc") + tree("var")
        for length in [0, 100, 512, 1024, 1500, whole.count - 1024] {
            try write("backup.tar", Array(whole.prefix(length)))
            #expect(fault { _ = try restore() } != "", "\(length)")
        }
        var bent = whole
        bent[1024 + 5] ^= 1
        try write("backup.tar", bent)
        #expect(fault { _ = try restore() }.contains("damaged"))
        try write("backup.tar", [UInt8](repeating: 7, count: 4096))
        #expect(fault { _ = try restore() }.contains("no backup of Rempart"))
        #expect(try isUntouched(before))
    }

    @Test(
        "a backup of a newer version, and state of a newer format, are refused; nothing is changed")
    func newer() throws {
        defer { remove() }
        _ = try backUp()
        let whole = try read("backup.tar")
        let before = try tree("etc") + tree("var")
        try forge { bytes in
            let text = Array("rempart backup 1\nversion 9.9.9\n".utf8)
            bytes.replaceSubrange(512..<512 + text.count, with: text)
        }
        #expect(fault { _ = try restore() }.contains("written by Rempart 9.9.9, which is newer"))
        try write("backup.tar", whole)
        try forge { bytes in
            let start = Array("SQLite format 3".utf8)
            let place = bytes.indices.first { bytes[$0...].starts(with: start) } ?? 0
            bytes[place + 63] = 4
        }
        #expect(fault { _ = try restore() }.contains("is of format 4"))
        #expect(try isUntouched(before))
    }

    @Test(
        "versions are compared number by number",
        arguments: [
            ("0.1.1", true), ("0.10.0", true), ("1.0", true), ("0.1.0", false), ("0.0.9", false),
            ("0.1.0~rc1", false),
        ])
    func versions(_ version: String, _ isNewer: Bool) {
        #expect(BackupReader.isNewer(version, than: "0.1.0") == isNewer)
    }

    @Test("a restore that fails on its way undoes what it did")
    func undone() throws {
        defer { remove() }
        _ = try backUp()
        try write("etc/rempart.yaml", [1, 2, 3])
        let before = try tree("etc") + tree("var")
        var restoring = try Restoring(path("backup.tar"), try places(), givesOwners: false)
        try restoring.check()
        try restoring.stage()
        // The settings cannot follow the state: what was staged of them is gone.
        Files.removeTree(path("etc/.restoring"))
        _ = unsafe chmod(path("etc"), 0o700)
        #expect(fault { _ = try restoring.swap() }.contains("all is as it was"))
        #expect(FileStatus(path("etc"))?.mode == 0o700)
        let after = try tree("etc") + tree("var")
        #expect(after == before)
    }

    @Test("a running Rempart is refused, with the command that stops it")
    func running() throws {
        defer { remove() }
        _ = try backUp()
        let daemon = try Daemon()
        daemon.serve([ControlReply.done.encoded()])
        let places = try KeptPlaces.parse([
            "--settings-folder", path("etc"), "--state", path("var"), "--runtime", daemon.runtime,
        ])
        let said = fault { _ = try Restoring(path("backup.tar"), places, givesOwners: false) }
        #expect(said.contains("systemctl stop rempart"), "\(said)")
    }
}
