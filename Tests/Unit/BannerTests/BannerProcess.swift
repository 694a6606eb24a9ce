internal import Foundation
internal import Messages
internal import Reactor
internal import Sys
internal import Testing
internal import Wire

@testable internal import banner

/// Runs a command to its end; what it printed.
@discardableResult
func shell(_ words: String...) throws -> String {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self)
}

/// The real banner process in a network namespace of its own, with the test as its supervisor.
final class BannerProcess {
    let namespace: String
    private let isOwner: Bool
    private var supervisor: Descriptor
    private var router: Descriptor
    private var process: pid_t = 0

    /// A process in a namespace of its own, or in that of another one.
    init(in other: String? = nil) throws {
        namespace = other ?? "rempart-\(UInt32.random(in: 0 ... .max))"
        isOwner = other == nil
        (supervisor, router) = try Socket.seqpacketPair()
        if isOwner { try makeNamespace() }
    }

    private func makeNamespace() throws {
        try shell("ip", "netns", "add", namespace)
        try inside("ip link set lo up; ip address add 198.18.0.1/32 dev lo")
        // What is sent to the first address of a pair comes from the second, through prerouting.
        for (to, from) in [
            ("198.18.0.1", "198.18.0.7"), ("198.18.0.2", "198.18.0.8"),
            ("2001:db8::1", "2001:db8:7::9"), ("2001:db8::2", "2001:db8:8::9"),
        ] {
            try inside("ip address add \(from) dev lo nodad || ip address add \(from) dev lo")
            try inside("ip route replace local \(to) dev lo table local src \(from)")
        }
    }

    deinit {
        end()
        if isOwner { _ = try? shell("ip", "netns", "delete", namespace) }
    }

    @discardableResult
    func inside(_ command: String) throws -> String {
        try shell("ip", "netns", "exec", namespace, "bash", "-c", command)
    }

    /// Starts the process with settings and a state folder, up to its READY.
    func start(
        _ folder: Descriptor, _ settings: [Setting] = [], table: String = FirewallTable.standard
    ) throws {
        let (mine, its) = try Socket.seqpacketPair()
        let (routersEnd, bannersEnd) = try Socket.seqpacketPair()
        supervisor = mine
        router = routersEnd
        try spawn(its)
        try send(.hello(.banner))
        for setting in settings { try send(.setting(setting)) }
        try send(.file(.state, folder))
        try send(.table(table))
        try send(.peer(.router, bannersEnd))
        try send(.begin)
        try hear(ChildMessage.ready, on: supervisor) { frame throws(WireError) in
            try ChildMessage(decoding: frame)
        }
        try tell(.hello)
    }

    private func spawn(_ link: Descriptor) throws {
        let folder = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let banner = URL(fileURLWithPath: folder).deletingLastPathComponent().path + "/banner"
        var actions = unsafe posix_spawn_file_actions_t()
        _ = unsafe posix_spawn_file_actions_init(&actions)
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, link.raw, 3)
        let words = ["ip", "netns", "exec", namespace, banner]
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        let code = unsafe posix_spawnp(&process, "ip", &actions, nil, &arguments, nil)
        unsafe arguments.forEach { unsafe free($0) }
        _ = unsafe posix_spawn_file_actions_destroy(&actions)
        try #require(code == 0)
    }

    /// Waits until the process has once more done what it does once a second.
    func nextSecond() throws {
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        while case .frame = try Frame.receive(into: &buffer, on: supervisor.raw) {}
        try hear(ChildMessage.watchdog, on: supervisor) { frame throws(WireError) in
            try ChildMessage(decoding: frame)
        }
    }

    /// Ends the process as the supervisor does.
    func stop() throws {
        try send(.stop)
        _ = waitpid(process, nil, 0)
        process = 0
    }

    /// Kills the process, as with kill -9.
    func end() {
        guard process > 0 else { return }
        kill(process, SIGKILL)
        _ = waitpid(process, nil, 0)
        process = 0
    }

    private func send(_ message: SupervisorMessage) throws {
        let (frame, passing) = message.encoded()
        #expect(try Frame.send(frame.span, passing: passing, on: supervisor.raw))
    }

    func tell(_ message: RouterToBanner) throws {
        let frame = message.encoded()
        #expect(try Frame.send(frame.span, on: router.raw))
    }

    func hear(_ message: BannerToRouter) throws {
        try hear(message, on: router) { frame throws(WireError) in
            try BannerToRouter(decoding: frame)
        }
    }

    /// The output of a command in the namespace once it shows what is waited for, or as it is after
    /// three hundred looks.
    func output(of command: String, until shown: (String) -> Bool) throws -> String {
        var text = ""
        for _ in 0..<300 {
            text = try inside(command)
            if shown(text) { break }
        }
        return text
    }

    /// The table, in the same way.
    func listing(until shown: (String) -> Bool) throws -> String {
        try output(of: "nft list table inet rempart", until: shown)
    }

    /// Takes frames until the message comes, for at most ten seconds.
    private func hear<Message: Equatable>(
        _ message: Message, on end: Descriptor, _ decode: (Span<UInt8>) throws(WireError) -> Message
    ) throws {
        var poller = try Poller(capacity: 1)
        try poller.add(end.raw, Token(kind: 0), .read)
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        while poller.wait(.seconds(10)) > 0 {
            guard case .frame(let length, _) = try Frame.receive(into: &buffer, on: end.raw) else {
                break
            }
            let frame = buffer
            var isThere = false
            try Parcel.forEach(in: frame.span.extracting(0..<length)) { part throws(WireError) in
                isThere = try decode(part) == message || isThere
            }
            if isThere { return }
        }
        Issue.record("\(message) has not come")
    }
}
