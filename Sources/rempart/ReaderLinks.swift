internal import Messages
internal import Reactor
internal import Spawning
internal import Sys
internal import Wire

/// Our ends of the links of an accounts-reader: as its supervisor, and as directory.
struct ReaderLinks {
    /// The supervisor's.
    let supervision: Link
    /// directory's.
    let directory: Link

    /// How long it may say nothing, heartbeats included: as long as the supervisor waits for one.
    static let patience = Role.accountsReader.heartbeatLimit

    /// Tells it what the supervisor does at the start; `peer` is its end of directory's link.
    func begin(_ settings: [Setting], peer: Descriptor) {
        let role = Role.accountsReader
        let set: [SupervisorMessage] =
            [.hello(role), .peer(.directory, peer)]
            + SupervisorMessage.settings(settings, for: role) + SourceSecret.messages(settings)
            + [.begin]
        for message in set {
            let (frame, passing) = message.encoded()
            // One that is gone is found by the next receive.
            _ = supervision.send(frame, passing: passing)
        }
    }

    /// Carries out a look: asks, and waits for the answers.
    ///
    /// Each link is read to its end before silence counts: this process itself may have been stopped.
    func carryOut(
        _ begun: SourceLook, patience: Milliseconds = Self.patience
    ) throws(SourceProblem) -> SourceFindings {
        var look = begun
        var poller = try watched()
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        var lastHeard = Clock.monotonic
        _ = directory.send(DirectoryToReader.hello.encoded())
        while !look.isDone {
            _ = poller.wait(min(lastHeard + patience, look.deadline) - Clock.monotonic)
            var hasHeard = false
            // What it has found comes before its end.
            for link in [directory, supervision] {
                while !look.isDone, let length = try receive(link, &buffer) {
                    hasHeard = true
                    guard link === directory else { continue }
                    let question = try look.take(try Self.answer(buffer, length))
                    if let question { _ = directory.send(question.encoded()) }
                }
            }
            let now = Clock.monotonic
            if hasHeard { lastHeard = now }
            guard now - lastHeard < patience else { throw .hangs(patience) }
            try look.expire(at: now)
        }
        return look.findings
    }

    private func watched() throws(SourceProblem) -> Poller {
        do throws(SystemError) {
            let poller = try Poller(capacity: 2)
            for (index, link) in [directory, supervision].enumerated() {
                try poller.add(
                    link.descriptor.raw, Token(kind: 0, index: UInt32(index)), .read)
            }
            return poller
        } catch {
            throw .notWatched(error.withRemedy)
        }
    }

    /// The length of the next frame; nil when none waits.
    private func receive(_ link: Link, _ buffer: inout [UInt8]) throws(SourceProblem) -> Int? {
        // A link that fails is over too.
        switch (try? link.receive(into: &buffer)) ?? .ended {
        case .frame(let length, _), .cut(let length): return length
        case .nothing: return nil
        case .ended: throw .ended
        }
    }

    private static func answer(
        _ frame: [UInt8], _ length: Int
    ) throws(SourceProblem) -> ReaderToDirectory {
        do throws(WireError) {
            return try ReaderToDirectory(decoding: frame.span.extracting(0..<length))
        } catch {
            throw .garbled("\(error)")
        }
    }
}
