import Glibc
import Messages
import SmallDisk
import Spawning
import Sys
import Testing

@testable import supervisor

@Suite struct StateFolderTests {
    private let path = "/tmp/rempart-test-\(String(Random.word, radix: 16))"

    private func write(_ secret: [UInt8]) throws {
        _ = unsafe mkdir(path, 0o711)
        let raw = unsafe open("\(path)/secret", O_WRONLY | O_CREAT, 0o600)
        let file = Descriptor(owning: raw)
        // In bounds: the array's own storage and length.
        let count = unsafe Glibc.write(file.raw, secret, secret.count)
        #expect(count == secret.count)
    }

    /// What is kept on disk.
    private func kept() throws -> [UInt8] {
        let raw = unsafe open("\(path)/secret", O_RDONLY)
        let file = Descriptor(owning: raw)
        var bytes = [UInt8](repeating: 0, count: 100)
        guard case .moved(let count) = Stream.read(file.raw, into: &bytes, at: 0) else { return [] }
        return Array(bytes.prefix(count))
    }

    private func remove() {
        for name in ["directory", "banner"] { _ = unsafe rmdir("\(path)/\(name)") }
        for name in ["secret", "secret.new"] { _ = unsafe unlink("\(path)/\(name)") }
        _ = unsafe rmdir(path)
    }

    @Test("a new installation makes its secret once, and has no tokens that are bound to no dialog")
    func new() throws {
        defer { remove() }
        let secret = try StateFolder(path, users: [:]).secret
        #expect(secret.count == 72 && secret.suffix(8) == [UInt8](repeating: 0, count: 8)[...])
        #expect(try kept() == secret)
        #expect(try StateFolder(path, users: [:]).secret == secret)
    }

    @Test("a secret of before tokens were bound to dialogs gets the moment of the upgrade, once")
    func upgraded() throws {
        defer { remove() }
        let keys = (0..<64).map { UInt8($0) }
        try write(keys)
        let before = Clock.sinceEpoch
        let secret = try StateFolder(path, users: [:]).secret
        let moment = secret.dropFirst(64).reduce(Int64(0)) { $0 << 8 | Int64($1) }
        #expect(secret.count == 72 && Array(secret.prefix(64)) == keys)
        #expect(moment >= before.count && moment <= Clock.sinceEpoch.count)
        #expect(try kept() == secret)
        var status = stat()
        let isThere = unsafe stat("\(path)/secret", &status) == 0
        #expect(isThere && status.st_mode & 0o777 == 0o600)
        #expect(try StateFolder(path, users: [:]).secret == secret)
    }

    @Test("a secret of another length is damaged and stays", arguments: [0, 1, 63, 65, 71, 73, 80])
    func damaged(_ length: Int) throws {
        defer { remove() }
        let secret = [UInt8](repeating: 7, count: length)
        try write(secret)
        #expect(throws: StartFailure.self) { try StateFolder(path, users: [:]) }
        #expect(try kept() == secret)
    }
}

/// A secret of a newer version.
extension StateFolderTests {
    @Test(
        "a secret of a newer version stays, however long, and the edge serves with another until it is moved away",
        arguments: [113, 72, 64])
    func newer(_ length: Int) throws {
        defer { remove() }
        let head = Array("rempart secret 2 9.9.9\n".utf8)
        let bytes = head + [UInt8](repeating: 7, count: length - head.count)
        try write(bytes)
        var state = try StateFolder(path, users: [:])
        #expect(state.secret.count == 72 && state.secretTrouble?.contains("Rempart 9.9.9") == true)
        #expect(state.troubles.allSatisfy { $0.utf8.count <= 400 })
        let isKept = state.writeSecret()
        #expect(!isKept)
        #expect(try kept().starts(with: "rempart secret 2 9.9.9\n".utf8))
        _ = unsafe unlink("\(path)/secret")
        let isKeptThen = state.writeSecret()
        #expect(isKeptThen)
        #expect(try kept() == state.secret)
    }
}

@Suite(.enabled(if: SmallDisk.isPossible, "only root may mount a file system"))
struct FullStateFolderTests {
    private let nobody = User(named: "nobody")

    private var users: [Role: User] {
        nobody.map { [.directory: $0, .banner: $0] } ?? [:]
    }

    @Test(
        "a folder that was made is used on a disk that takes nothing more",
        arguments: [true, false])
    func used(_ isFull: Bool) throws {
        let disk = try SmallDisk(kilobytes: 64)
        let path = try disk.folder("state")
        let first = try StateFolder(path, users: users)
        #expect(first.troubles.isEmpty && first.secretTrouble == nil)
        if isFull { try disk.fill() } else { try disk.permitWriting(false) }
        let second = try StateFolder(path, users: users)
        #expect(second.secret == first.secret && second.troubles.isEmpty)
        #expect(second.folder(for: .directory) != nil && second.folder(for: .banner) != nil)
    }

    @Test("a secret that finds no room is told, and written once there is some")
    func secret() throws {
        let disk = try SmallDisk(kilobytes: 64)
        let path = try disk.folder("state")
        try disk.fill()
        var state = try StateFolder(path, users: users)
        #expect(state.secret.count == 72 && state.secretTrouble != nil)
        #expect(state.troubles.contains { $0.contains("secret cannot be written") })
        #expect(state.troubles.allSatisfy { !$0.contains("--state") })
        let early = state.writeSecret()
        #expect(!early)
        disk.free()
        let late = state.writeSecret()
        #expect(late)
        #expect(try StateFolder(path, users: users).secret == state.secret)
    }

    @Test("what cannot be made where nothing may be written is told, and the rest is used")
    func readOnly() throws {
        let disk = try SmallDisk(kilobytes: 64)
        let path = try disk.folder("state")
        try disk.permitWriting(false)
        let state = try StateFolder(path, users: users)
        #expect(state.folder(for: .banner) == nil && state.secret.count == 72)
        #expect(state.troubles.count == 3)
        #expect(
            state.troubles.contains { $0.contains("/banner cannot be made: Read-only file system") }
        )
    }

    @Test("a state folder that is not there and cannot be made says to make room")
    func missing() throws {
        let disk = try SmallDisk(kilobytes: 64)
        try disk.permitWriting(false)
        let error = #expect(throws: StartFailure.self) {
            _ = try StateFolder("\(disk.path)/state", users: users)
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("make room for it, or choose another"))
    }
}
