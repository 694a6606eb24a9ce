import Foundation
import Messages
import Synchronization
import Sys
import Testing

@testable import rempart

/// A daemon that takes one request and answers with the frames it was given.
final class Daemon: Sendable {
    let runtime: String
    private let listener: Int32
    private let request = Mutex<ControlRequest?>(nil)

    init() throws {
        runtime = "/tmp/rempart-test-\(Random.word)"
        #expect(unsafe mkdir(runtime, 0o700) == 0)
        listener = try Socket.seqpacketListener(path: "\(runtime)/control").release()
    }

    deinit {
        close(listener)
        _ = unsafe unlink("\(runtime)/control")
        _ = unsafe rmdir(runtime)
    }

    /// The request of the caller that was answered.
    var seen: ControlRequest? { request.withLock { $0 } }

    /// Answers the next caller, then hangs up; on a thread of its own, since the client waits.
    func serve(_ frames: [[UInt8]]) { serve([frames]) }

    /// Answers the next callers, one after the other.
    func serve(_ answers: [[[UInt8]]]) {
        Thread { for frames in answers { try? self.answer(frames) } }.start()
    }

    private func answer(_ frames: [[UInt8]]) throws {
        Self.waitReadable(listener)
        guard let caller = try? Socket.seqpacketAccept(listener) else { return }
        Self.waitReadable(caller.raw)
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        guard case .frame(let length, _) = try Frame.receive(into: &buffer, on: caller.raw)
        else { return }
        let frame = Array(buffer[..<length])
        let decoded = try ControlRequest(decoding: frame.span)
        request.withLock { $0 = decoded }
        for frame in frames { _ = try Frame.send(frame.span, on: caller.raw) }
    }

    private static func waitReadable(_ raw: Int32) {
        var entry = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, 10_000)
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
    func rows() throws {
        let daemon = try Daemon()
        let other = ControlReply.kernelBans(false, "why")
        daemon.serve([row, other, .done].map { $0.encoded() })
        #expect(outcome(daemon.runtime, .restart(.router)) == .success([row, other]))
        #expect(daemon.seen == .restart(.router))
    }

    @Test("a refusal is told in the daemon's own words")
    func refused() throws {
        let daemon = try Daemon()
        daemon.serve([ControlReply.failed("try again").encoded()])
        #expect(outcome(daemon.runtime) == .failure(.refused("try again")))
    }

    @Test("an answer that breaks off is not taken for a whole one")
    func brokenOff() throws {
        let daemon = try Daemon()
        daemon.serve([row.encoded()])
        #expect(outcome(daemon.runtime) == .failure(.ended(.supervisor)))
    }

    @Test("a component that hangs until it is replaced is told as one that does not answer")
    func hung() throws {
        let daemon = try Daemon()
        daemon.serve([[UInt8]]())
        #expect(
            outcome(daemon.runtime, .accounts(after: "")) == .failure(.ended(.directory)))
        #expect(
            ControlError.ended(.directory).description.hasPrefix("directory does not answer"))
    }

    @Test("a frame of another version says to restart the daemon")
    func garbled() throws {
        let daemon = try Daemon()
        daemon.serve([[99]])
        guard case .failure(.garbled(let what)) = outcome(daemon.runtime) else {
            Issue.record("the frame was taken")
            return
        }
        #expect(ControlError.garbled(what).description.contains("restart the daemon"))
    }

    @Test("without a socket both causes are told: no daemon, or one whose folder was removed")
    func noSocket() {
        let path = "/tmp/rempart-test-none/control"
        #expect(outcome("/tmp/rempart-test-none") == .failure(.noSocket(path)))
        let said = ControlError.noSocket(path).description
        #expect(said.contains("systemctl start rempart"))
        #expect(said.contains("systemctl restart rempart"))
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
