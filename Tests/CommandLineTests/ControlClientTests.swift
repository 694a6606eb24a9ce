import Glibc
import Messages
import Sys
import Testing

@testable import rempart

/// A daemon that takes one request and answers with the frames it was given.
private final class Daemon {
    let runtime: String
    private let listener: Descriptor

    init() throws {
        runtime = "/tmp/rempart-test-\(Random.word)"
        #expect(unsafe mkdir(runtime, 0o700) == 0)
        listener = try Socket.seqpacketListener(path: "\(runtime)/control")
    }

    deinit {
        _ = unsafe unlink("\(runtime)/control")
        _ = unsafe rmdir(runtime)
    }

    /// Answers the next caller on a thread of its own, then hangs up; gives the request it saw.
    func serve(_ frames: [[UInt8]]) -> Task<ControlRequest?, any Error> {
        let listening = listener.raw
        return Task.detached {
            var entry = pollfd(fd: listening, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, 10_000)
            guard let caller = Socket.seqpacketAccept(listening) else { return nil }
            entry.fd = caller.raw
            _ = unsafe poll(&entry, 1, 10_000)
            var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
            guard case .frame(let length, _) = try Frame.receive(into: &buffer, on: caller.raw)
            else { return nil }
            for frame in frames { _ = try Frame.send(frame.span, on: caller.raw) }
            let request = Array(buffer[..<length])
            return try ControlRequest(decoding: request.span)
        }
    }
}

/// What a question came to.
private func outcome(
    _ runtime: String, _ request: ControlRequest = .status
) -> Result<[ControlReply], ControlError> {
    do throws(ControlError) {
        return .success(try ControlClient(runtime: runtime).ask(request))
    } catch {
        return .failure(error)
    }
}

@Suite struct ControlClientTests {
    private let row = ControlReply.component(.router, pid: 7, .ready, restarts: 0, "")

    @Test("the rows of an answer come back in order, up to its end")
    func rows() async throws {
        let daemon = try Daemon()
        let other = ControlReply.kernelBans(false, "why")
        let served = daemon.serve([row, other, .done].map { $0.encoded() })
        #expect(outcome(daemon.runtime, .restart(.router)) == .success([row, other]))
        #expect(try await served.value == .restart(.router))
    }

    @Test("a refusal is told in the daemon's own words")
    func refused() async throws {
        let daemon = try Daemon()
        let served = daemon.serve([ControlReply.failed("try again").encoded()])
        #expect(outcome(daemon.runtime) == .failure(.refused("try again")))
        _ = try await served.value
    }

    @Test("an answer that breaks off is not taken for a whole one")
    func brokenOff() async throws {
        let daemon = try Daemon()
        let served = daemon.serve([row.encoded()])
        #expect(outcome(daemon.runtime) == .failure(.ended))
        _ = try await served.value
    }

    @Test("a frame of another version says to restart the daemon")
    func garbled() async throws {
        let daemon = try Daemon()
        let served = daemon.serve([[99]])
        guard case .failure(.garbled(let what)) = outcome(daemon.runtime) else {
            Issue.record("the frame was taken")
            return
        }
        #expect(ControlError.garbled(what).description.contains("restart the daemon"))
        _ = try await served.value
    }

    @Test("a daemon that is not running is told as such, with how to start it")
    func notRunning() {
        let path = "/tmp/rempart-test-none/control"
        #expect(outcome("/tmp/rempart-test-none") == .failure(.notRunning(path)))
        #expect(ControlError.notRunning(path).description.contains("systemctl start rempart"))
    }

    @Test("a socket that was left behind by a daemon that ended is told as not running")
    func leftBehind() throws {
        let runtime = "/tmp/rempart-test-\(Random.word)"
        #expect(unsafe mkdir(runtime, 0o700) == 0)
        let path = "\(runtime)/control"
        try Socket.seqpacketListener(path: path).close()
        #expect(outcome(runtime) == .failure(.notRunning(path)))
        _ = unsafe unlink(path)
        _ = unsafe rmdir(runtime)
    }
}
