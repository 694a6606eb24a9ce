import Glibc
import Messages
import Spawning
import Sys
import Testing

@testable import supervisor

/// Plays journald: takes records by its native protocol at a path of its own, which a mount namespace puts
/// where the journal's socket is.
private final class JournalSocket {
    let folder = "/tmp/rempart-journal-\(String(Random.word, radix: 16))"
    private let socket: Descriptor
    private var records: [String] = []

    init() throws {
        #expect(unsafe mkdir(folder, 0o755) == 0)
        let raw = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        socket = Descriptor(owning: try SystemError.check(raw, "socket"))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // In bounds: the path is far shorter than the address's 108 bytes.
        let result = unsafe withUnsafeMutableBytes(of: &address) { whole in
            let path = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
            unsafe UnsafeMutableRawBufferPointer(rebasing: whole[path...]).copyBytes(
                from: Array("\(folder)/socket".utf8))
            return unsafe bind(
                raw, whole.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        #expect(result == 0)
        #expect(unsafe chmod("\(folder)/socket", 0o666) == 0)
    }

    deinit { _ = try? Daemon.run("/bin/rm", ["-rf", folder]) }

    /// The command in whose mounts this is the journal.
    var mounts: [String] {
        [
            "unshare", "-m", "--", "sh", "-c",
            "umask 022 && mount -t tmpfs none /run && mkdir -p /run/systemd/journal"
                + " && ln -s \(folder)/socket /run/systemd/journal/socket && exec \"$@\"", "sh",
        ]
    }

    /// Waits for a record that has all these lines; false when none comes within 20 s.
    func has(_ lines: [String]) -> Bool {
        let end = Clock.monotonic + .seconds(20)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let found = records.contains { record in
                let own = record.split(separator: "\n")
                return lines.allSatisfy { wanted in own.contains { $0.hasPrefix(wanted) } }
            }
            if found { return true }
            guard Clock.monotonic < end else { return false }
            var ready = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&ready, 1, 1000) > 0,
                case .moved(let count) = Stream.read(socket.raw, into: &buffer, at: 0)
            else { continue }
            records.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }

    /// What has come, for a failed test's message.
    var log: String { records.joined(separator: "\n") }
}

@Suite(.serialized, .enabled(if: geteuid() == 0, "mounts need root"))
struct ErrorOutputTests {
    private static let environment = ["JOURNAL_STREAM=1:1"]

    @Test("what a component, or its loader, writes to its standard error is a record of its own")
    func component() throws {
        let journal = try JournalSocket()
        let daemon = try Daemon(
            Daemon.plainSettings(), misbehaviours: [.router: "writes"],
            environment: Self.environment,
            inside: journal.mounts
        ) { folder in
            try DegradedTests.breakLibraries("\(folder)/banner")
        }
        #expect(
            journal.has([
                "MESSAGE=sip-router wrote: a library has something to say", "PRIORITY=4",
                "MESSAGE_ID=5b0d2c7a41f34c0e9c1e3c6f0a7d1062", "REMPART_COMPONENT=sip-router",
                "REMPART_PID=",
            ]), "\(journal.log) \(daemon.log)")
        let words = "error while loading shared libraries: libsystemx.so.0"
        #expect(
            journal.has([
                "MESSAGE=banner wrote: \(daemon.folder)/banner: \(words)",
                "REMPART_COMPONENT=banner",
            ]), "\(journal.log) \(daemon.log)")
        let conditions = try daemon.conditions()
        #expect(conditions.contains { $0.text.contains(words) }, "\(conditions)")
    }

    @Test("each fault of the settings is a record, with what it is about and how much it matters")
    func faults() throws {
        let journal = try JournalSocket()
        let built = try Spawner().folder
        let daemon = try Daemon(
            "domainz: [a]\nbase: 1\n", environment: Self.environment, inside: journal.mounts
        ) { folder in try Daemon.copy("\(built)/rempart", to: "\(folder)/rempart") }
        for line in [1, 2] {
            #expect(
                journal.has([
                    "MESSAGE=\(daemon.folder)/settings:\(line):1: error: ", "PRIORITY=3",
                    "MESSAGE_ID=5b0d2c7a41f34c0e9c1e3c6f0a7d1063",
                    "REMPART_FILE=\(daemon.folder)/settings",
                ]), "\(journal.log) \(daemon.log)")
        }
        #expect(daemon.exitCode() == 78)
        #expect(journal.has(["MESSAGE=cannot start: ", "PRIORITY=2"]), "\(journal.log)")
        #expect(!journal.log.contains("MESSAGE=    "))
        #expect(daemon.log.isEmpty)
    }

    @Test(
        "a program that writes without end holds nobody up, and a minute has only some lines of it")
    func flood() throws {
        let (output, writing) = try ErrorOutput.open(waits: false, at: .seconds(0))
        let lines = Array(String(repeating: "line\n", count: 50_000).utf8)
        let written = unsafe write(writing.raw, lines, lines.count)
        // The pipe is full, and who writes is told so at once.
        #expect(written > 0 && written < lines.count)
        #expect(unsafe write(writing.raw, lines, 1) == -1)
        var found: [String] = []
        for _ in 0..<20 { found += output.lines(at: .seconds(1)) }
        #expect(found.count == ErrorOutput.linesPerMinute + 1)
        #expect(found.last == "further lines of this minute are left out")
        let long = Array((String(repeating: "x", count: 5000) + "\n").utf8)
        #expect(unsafe write(writing.raw, long, long.count) == long.count)
        let cut = output.lines(at: .seconds(62)).last
        #expect(cut?.utf8.count == ErrorOutput.longestLine)
    }

    @Test("of a program that waits every line is handed on, up to a number of bytes in all")
    func everyLine() throws {
        let (output, writing) = try ErrorOutput.open(waits: true, at: .seconds(0))
        var found: [String] = []
        for number in 0..<100 {
            let line = Array("fault \(number)\n".utf8)
            #expect(unsafe write(writing.raw, line, line.count) == line.count)
        }
        found += output.lines(at: .seconds(0))
        #expect(found == (0..<100).map { "fault \($0)" })
        let long = Array((String(repeating: "x", count: ErrorOutput.longestLine) + "\n").utf8)
        for _ in 0..<100 {
            #expect(unsafe write(writing.raw, long, long.count) == long.count)
            found += output.lines(at: .seconds(0))
        }
        #expect(found.last == "further lines are left out")
        #expect(found.joined().utf8.count <= ErrorOutput.mostBytes + 100)
    }
}
