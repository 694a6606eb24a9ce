import Foundation
import Glibc
import Messages
import Spawning
import Sys
import Testing

/// The password to the accounts' source, as the supervisor hands it over.
@Suite struct SourceSecretTests {
    private func handedOver(_ mode: mode_t, _ text: String = "secret\n") throws -> [UInt8]? {
        let path = "/tmp/rempart-secret-\(String(Random.word, radix: 16))"
        defer { _ = unsafe unlink(path) }
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let changed = unsafe chmod(path, mode)
        #expect(changed == 0)
        guard
            case .file(.secret, let file, place: 0)? =
                SourceSecret.messages([.accounts.secretFile(path)]).first
        else { return nil }
        // Who writes the file over changes nothing in what was handed over.
        try Data("another".utf8).write(to: URL(fileURLWithPath: path))
        #expect(lseek(file.raw, 0, SEEK_SET) == 0)
        var bytes = [UInt8](repeating: 0, count: 64)
        guard case .moved(let count) = Stream.read(file.raw, into: &bytes, at: 0) else { return [] }
        return Array(bytes[..<count])
    }

    @Test("a file of its owner and group comes as it was, sealed")
    func kept() throws {
        #expect(try handedOver(0o600) == Array("secret\n".utf8))
        #expect(try handedOver(0o640) == Array("secret\n".utf8))
    }

    @Test(
        "one that others may read or write, or the group may write, does not",
        arguments: [0o604, 0o602, 0o620, 0o644, 0o666] as [mode_t])
    func open(_ mode: mode_t) throws {
        #expect(try handedOver(mode) == nil)
    }

    @Test(
        "one that is too long, no file, or not there does not either, and without the setting nothing comes"
    )
    func none() throws {
        #expect(try handedOver(0o600, String(repeating: "a", count: 4097)) == nil)
        #expect(SourceSecret.messages([.accounts.secretFile("/tmp")]).isEmpty)
        #expect(SourceSecret.messages([.accounts.secretFile("/nowhere/secret")]).isEmpty)
        #expect(SourceSecret.messages([.accounts.user("rempart")]).isEmpty)
    }

    @Test(
        "what is wrong with the file is told with what to do, each fault by itself",
        arguments: [
            (0o600, "secret\n", nil), (0o640, "secret", nil), (0o644, "secret\n", "'chmod 600 "),
            (0o620, "secret\n", "'chmod 600 "), (0o600, "", "first line"),
            (0o600, "\nsecret\n", "first line"), (0o600, "\r\nsecret", "first line"),
            (0o600, String(repeating: "a", count: 4096), nil),
            (0o600, String(repeating: "a", count: 4097), "more than 4096 bytes"),
        ] as [(mode_t, String, String?)])
    func faults(_ mode: mode_t, _ text: String, _ told: String?) throws {
        let path = "/tmp/rempart-secret-\(String(Random.word, radix: 16))"
        defer { _ = unsafe unlink(path) }
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let changed = unsafe chmod(path, mode)
        #expect(changed == 0)
        let fault = SourceSecret.fault(of: path)
        #expect((fault == nil) == (told == nil) && fault?.contains(told ?? "") != false)
        #expect(fault?.contains(path) != false)
        #expect(SourceSecret.fault(of: "/tmp")?.contains("no regular file") == true)
        #expect(SourceSecret.fault(of: "/nowhere/secret") == nil)
    }
}
