import Glibc
import Messages
import Spawning
import Sys
import Testing
import Wire

@testable import supervisor

/// A supervisor with stand-ins for its children, in a folder of its own, without root.
///
/// The stand-ins are one program under every name; see Tests/Support/SupervisedChild.
final class Daemon {
    let folder: String
    private(set) var pid: Int32 = 0
    private let output: Descriptor
    private let user: User?
    private var text = ""

    /// A loopback address that no other test has, so that any port of it is free.
    static func ownAddress() -> String {
        "127.\(Random.word % 250 + 1).\(Random.word % 250).\(Random.word % 250 + 2)"
    }

    /// Settings at such an address, or at a given one.
    static func plainSettings(at own: String = ownAddress()) -> String {
        "domain example.com\noutside udp://\(own):5060\ninside udp://\(own):5070"
    }

    /// A daemon for settings of the stand-in's form.
    ///
    /// `misbehaviours` are what children do wrong, `environment` is what systemd would leave there, `inside`
    /// is a command that runs the rest of its words, as root: the daemon is nobody's all the same. `arguments`
    /// are the daemon's beside its places.
    /// `prepare` gets the folder before the daemon starts.
    init(
        _ settings: String, misbehaviours: [Role: String] = [:], environment: [String] = [],
        inside: [String] = [], arguments: [String] = [], prepare: (String) throws -> Void = { _ in }
    ) throws {
        folder = "/tmp/rempart-test-\(String(Random.word, radix: 16))"
        #expect(unsafe mkdir(folder, 0o755) == 0)
        let built = try Spawner().folder
        try Self.copy("\(built)/supervisor", to: "\(folder)/supervisor")
        for name in ["rempart"] + Role.children.map(\.name) {
            try Self.copy("\(built)/supervised-child", to: "\(folder)/\(name)")
        }
        try Self.write(settings, to: "\(folder)/settings")
        for (role, word) in misbehaviours {
            try Self.write(word, to: "\(folder)/misbehave-\(role.name)")
        }
        let pipe = try Stream.pipe()
        output = pipe.reading
        // Tests may run as root; the daemon then runs as nobody, for its users need not exist.
        user = geteuid() == 0 ? User(named: "nobody") : nil
        if let nobody = user { #expect(unsafe chown(folder, nobody.uid, nobody.gid) == 0) }
        try prepare(folder)
        var command = inside
        if !inside.isEmpty { command += ["setpriv", "--reuid=nobody", "--clear-groups"] }
        command += ["env"] + environment
        command += [
            "\(folder)/supervisor", "--settings", "\(folder)/settings", "--state",
            "\(folder)/state", "--runtime", "\(folder)/run",
        ]
        command += arguments
        pid = try Spawner(folder: "/usr/bin", isRoot: false).start(
            command[0], Array(command.dropFirst()), user: inside.isEmpty ? user : nil,
            descriptors: [nil, nil, pipe.writing.raw, nil])
    }

    deinit {
        if pid > 0 {
            _ = kill(pid, SIGKILL)
            _ = waitpid(pid, nil, 0)
        }
        _ = try? Self.run("/bin/rm", ["-rf", folder])
    }

    /// Waits until a text stands in what the daemon has written, in so many lines; false after `limit`.
    func says(_ wanted: String, times: Int = 1, within limit: Milliseconds = .seconds(20)) -> Bool {
        let end = Clock.monotonic + limit
        while Self.count(wanted, in: text) < times {
            guard Clock.monotonic < end else { return false }
            guard wait(for: output.raw) else { continue }
            var buffer = [UInt8](repeating: 0, count: 4096)
            guard case .moved(let count) = Stream.read(output.raw, into: &buffer, at: 0) else {
                return Self.count(wanted, in: text) >= times
            }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        return true
    }

    /// Everything that the daemon has written so far, for a failed test's message.
    var log: String { text }

    /// Sends the daemon a signal.
    func signal(_ number: Int32) { _ = kill(pid, number) }

    /// Waits for the daemon's end and returns its exit code; -1 for a signal.
    func exitCode() -> Int32 {
        var status: Int32 = 0
        _ = unsafe waitpid(pid, &status, 0)
        pid = 0
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
    }

    /// Asks over the control socket and returns the whole answer.
    func ask(_ request: ControlRequest) throws -> [ControlReply] {
        let socket = try Socket.seqpacketConnected(path: "\(folder)/run/control")
        let frame = request.encoded()
        #expect(try Frame.send(frame.span, on: socket.raw))
        var replies: [ControlReply] = []
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        while case .frame(let length, _) = try Frame.receive(into: &buffer, on: socket.raw) {
            let received = Array(buffer[..<length])
            try Parcel.forEach(in: received.span) { row throws(WireError) in
                replies.append(try ControlReply(decoding: row))
            }
            switch replies.last {
            case .done, .failed: return replies
            default: break
            }
        }
        return replies
    }

    /// A component's row of `rempart status`.
    func component(
        _ role: Role
    ) throws -> (pid: Int32, state: ComponentState, restarts: UInt32, status: String) {
        for case .component(role, let pid, let state, let restarts, let status) in try ask(.status)
        {
            return (pid, state, restarts, status)
        }
        throw StartFailure("no row for \(role.name)")
    }

    /// Asks until a component's status line is the wanted one; false after 20 s.
    func shows(_ status: String, _ role: Role) throws -> Bool {
        let end = Clock.monotonic + .seconds(20)
        while try component(role).status != status {
            guard Clock.monotonic < end else { return false }
            sched_yield()
        }
        return true
    }

    /// Asks until the components' rows, and what is wrong, are as wanted; false after `limit`.
    func comes(
        within limit: Milliseconds = .seconds(20), _ isAsWanted: ([ControlReply]) -> Bool
    ) throws -> Bool {
        let end = Clock.monotonic + limit
        while !isAsWanted(try ask(.status)) {
            guard Clock.monotonic < end else { return false }
            _ = usleep(20_000)
        }
        return true
    }

    /// What is wrong, the worst first.
    func conditions() throws -> [Condition] { Self.conditions(try ask(.status)) }

    /// What the rows of an answer say is wrong.
    static func conditions(_ rows: [ControlReply]) -> [Condition] {
        rows.compactMap { row in
            if case .condition(_, let condition) = row { condition } else { nil }
        }
    }

    /// Allows the daemon, or a child of it, so many descriptors from now on.
    func limit(descriptors count: Int, of child: Int32? = nil) throws {
        let words = ["--pid", "\(child ?? pid)", "--nofile=\(count):"]
        #expect(try Self.run("/usr/bin/prlimit", words, user) == 0)
    }

    /// Allows the daemon, or a child of it, no descriptor more than it has open.
    func limitDescriptorsToThoseOpen(of child: Int32? = nil) throws {
        // Numbers are given out from the lowest on.
        let folder = "/proc/\(child ?? pid)/fd"
        let free = (0..<1024).first { unsafe access("\(folder)/\($0)", F_OK) != 0 }
        try limit(descriptors: try #require(free), of: child)
    }

    /// Replaces the settings file.
    func rewrite(_ settings: String) throws { try Self.write(settings, to: "\(folder)/settings") }

    private func wait(for raw: Int32) -> Bool {
        var wanted = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&wanted, 1, 1000) > 0
    }

    private static func count(_ wanted: String, in text: String) -> Int {
        text.split(separator: "\n").count { $0.contains(wanted) }
    }

    /// Writes a file.
    static func write(_ text: String, to path: String) throws {
        let raw = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        let file = Descriptor(owning: try SystemError.check(raw, path))
        let bytes = Array(text.utf8)
        #expect(unsafe Glibc.write(file.raw, bytes, bytes.count) == bytes.count)
    }

    /// Copies a program.
    static func copy(_ from: String, to: String) throws {
        #expect(try run("/bin/cp", ["-p", from, to]) == 0)
    }

    /// Runs a program of the system to its end.
    static func run(
        _ path: String, _ arguments: [String], _ user: User? = nil
    ) throws -> Int32 {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let spawner = Spawner(folder: String(path[..<slash]), isRoot: false)
        let pid = try spawner.start(
            String(path[path.index(after: slash)...]), arguments, user: user,
            descriptors: [nil, nil, 2, nil])
        var status: Int32 = 0
        _ = unsafe waitpid(pid, &status, 0)
        return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
    }
}
