internal import Foundation
internal import Messages
internal import Reactor
internal import Sys
internal import Testing
internal import Wire

@testable internal import banner

/// Runs a command to its end; what it printed.
@discardableResult
private func shell(_ words: String...) throws -> String {
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
private final class BannerProcess {
    let namespace = "rempart-\(UInt32.random(in: 0 ... .max))"
    private var supervisor: Descriptor
    private var router: Descriptor
    private var process: pid_t = 0

    init() throws {
        (supervisor, router) = try Socket.seqpacketPair()
        try shell("ip", "netns", "add", namespace)
        try inside("ip link set lo up; ip address add 198.18.0.1/32 dev lo")
        try inside("ip address add 198.18.0.7/32 dev lo")
        // What is sent to .1 then comes from .7, through prerouting.
        try inside("ip route replace local 198.18.0.1 dev lo table local src 198.18.0.7")
    }

    deinit {
        end()
        _ = try? shell("ip", "netns", "delete", namespace)
    }

    @discardableResult
    func inside(_ command: String) throws -> String {
        try shell("ip", "netns", "exec", namespace, "bash", "-c", command)
    }

    /// Starts the process with an empty set of settings and a state folder, up to its READY.
    func start(_ folder: Descriptor) throws {
        let (mine, its) = try Socket.seqpacketPair()
        let (routersEnd, bannersEnd) = try Socket.seqpacketPair()
        supervisor = mine
        router = routersEnd
        try spawn(its)
        try send(.hello(.banner))
        try send(.file(.state, folder))
        try send(.peer(.router, bannersEnd))
        try send(.begin)
        try hear(ChildMessage.ready, on: supervisor) { try ChildMessage(decoding: $0) }
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
        try hear(message, on: router) { try BannerToRouter(decoding: $0) }
    }

    /// Takes frames until the message comes, for at most ten seconds.
    private func hear<Message: Equatable>(
        _ message: Message, on end: Descriptor, _ decode: (Span<UInt8>) throws -> Message
    ) throws {
        var poller = try Poller(capacity: 1)
        try poller.add(end.raw, Token(kind: 0), .read)
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        while poller.wait(.seconds(10)) > 0 {
            guard case .frame(let length, _) = try Frame.receive(into: &buffer, on: end.raw) else {
                break
            }
            let frame = buffer
            if try decode(frame.span.extracting(0..<length)) == message { return }
        }
        Issue.record("\(message) has not come")
    }
}

@Suite(
    "banner and the kernel", .serialized,
    .enabled(if: geteuid() == 0, "only root may make a network namespace"))
struct KernelTests {
    @Test("a ban is a dropped packet, another table stays as it is, and kill -9 lifts nothing")
    func kernel() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.inside("nft add table inet neighbour")
        try banner.start(folder.descriptor)
        let source = try ip("198.18.0.7")

        try banner.tell(order(source, .seconds(600)))
        try banner.tell(order(try ip("2001:db8::7"), .seconds(600)))
        let ruleset = try listing(banner) { $0.contains("2001:db8::") }
        #expect(ruleset.contains("198.18.0.7 timeout"))
        #expect(ruleset.contains("priority raw"))
        #expect(try banner.inside("nft list tables").contains("table inet neighbour"))

        try banner.inside("echo test > /dev/udp/198.18.0.1/5060")
        let counted = try listing(banner) { $0.contains("@banned4 counter packets 1") }
        #expect(counted.contains("@banned4 counter packets 1"))

        banner.end()
        #expect(try banner.inside("nft list table inet rempart").contains("198.18.0.7"))
        try banner.start(folder.descriptor)
        try banner.hear(.all)
        #expect(try banner.inside("nft list table inet rempart").contains("198.18.0.7"))

        // Somebody flushes the ruleset, another empties a set: every ban is back without a new one.
        for damage in [
            "nft flush ruleset", "nft flush set inet rempart banned4",
            "nft flush chain inet rempart prerouting",
        ] {
            try banner.inside(damage)
            let rebuilt = try listing(banner) {
                $0.contains("198.18.0.7") && $0.contains("@banned4 counter")
            }
            #expect(rebuilt.contains("198.18.0.7") && rebuilt.contains("@banned4 counter"))
        }
    }

    @Test("a ban that is prolonged has the new timeout, a ban that is lifted is gone")
    func prolongAndLift() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.start(folder.descriptor)
        let source = try ip("198.18.0.7")
        try banner.tell(order(source, .seconds(600)))
        _ = try listing(banner) { $0.contains("198.18.0.7") }
        try banner.tell(order(source, .seconds(6000)))
        let prolonged = try listing(banner) { $0.contains("timeout 1h") }
        #expect(prolonged.contains("198.18.0.7 timeout 1h"))
        try banner.tell(.protect(source, until: Clock.sinceEpoch + .seconds(3600)))
        let protected = try listing(banner) { $0.contains("198.18.0.7 timeout 1h10m") }
        #expect(protected.contains("198.18.0.7 timeout 1h10m") || protected.contains("1h9m"))
    }

    private func order(_ address: IPAddress, _ span: Milliseconds) -> RouterToBanner {
        .ban(
            BanOrder(
                address: address, reason: "digest", evidence: "", count: 5,
                firstSeen: Clock.sinceEpoch, lastSeen: Clock.sinceEpoch, profile: "phones",
                atLeast: span))
    }

    /// The table once it shows what is waited for, or as it is after three hundred looks.
    private func listing(
        _ banner: BannerProcess, until shown: (String) -> Bool
    ) throws -> String {
        var text = ""
        for _ in 0..<300 {
            text = try banner.inside("nft list table inet rempart")
            if shown(text) { break }
        }
        return text
    }
}
