internal import Glibc
internal import Journal
internal import Messages
internal import Reactor
internal import Sys

/// Callers of the control socket.
extension Supervisor {
    /// Takes the callers that wait.
    func acceptCallers() {
        guard let control else { return }
        while let caller = nextCaller(control) {
            if (try? poller.add(caller.descriptor.raw, caller.token, .read)) == nil {
                control.forget(caller)
            }
        }
        sayShortage()
    }

    private func nextCaller(_ control: ControlSocket) -> ControlSocket.Caller? {
        acceptance.accept(control.raw, now, poller) { _ throws(SystemError) in
            try control.accept(at: now)
        }
    }

    /// Lets the control socket go on after a want of descriptors.
    func endShortage() {
        if control?.reserveSpare() == true { acceptance.freed(now, poller) }
        acceptance.tick(now, poller)
        sayShortage()
    }

    private func sayShortage() {
        switch acceptance.dequeueNews() {
        case .begun(let why):
            journal.write(.degraded, .error, "callers of the control socket wait: \(why)")
        case .over: journal.write(.degraded, .notice, "the control socket takes callers again")
        case nil: break
        }
    }

    /// Waits for a caller's request no more.
    func forget(_ caller: ControlSocket.Caller) {
        poller.remove(caller.descriptor.raw)
        control?.forget(caller)
    }

    /// Takes a caller's request.
    func hear(_ token: Token) {
        guard let caller = control?.caller(token) else { return }
        var frame = [UInt8](repeating: 0, count: 4096)
        let received: Frame.Received
        do {
            received = try Frame.receive(into: &frame, on: caller.descriptor.raw)
        } catch {
            return forget(caller)
        }
        guard case .frame(let length, nil) = received else {
            if case .nothing = received { return }
            return forget(caller)
        }
        forget(caller)
        do {
            let request = try ControlRequest(decoding: frame.span.extracting(0..<length))
            reply(to: request, caller)
        } catch {
            caller.reply([
                .failed("the daemon does not know this request: is it of the same version?")
            ])
        }
    }

    private func reply(to request: ControlRequest, _ caller: ControlSocket.Caller) {
        let refusal = refusal(of: request, to: caller.asker)
        record(request, of: caller.asker, refusal: refusal)
        if let refusal { return caller.reply([.failed(refusal)]) }
        switch request {
        case .status:
            let wrong = conditions.map { ControlReply.condition($0.role, $0.condition) }
            caller.reply([ownRow] + children.map(\.row) + wrong + [.done])
        case .restart(let role): restart(role, caller)
        case .reload: reload(for: caller)
        default:
            for child in children where child.role == request.answeredBy {
                send([.client(request, caller.descriptor)], to: child)
            }
        }
    }

    private var ownRow: ControlReply {
        .component(
            .supervisor, pid: getpid(), isReady ? .ready : .starting, restarts: 0, statusLine)
    }

    private func restart(_ role: Role, _ caller: ControlSocket.Caller) {
        restartCallers[role, default: []].append(caller)
        for child in children where child.role == role { handle(.restart, of: child) }
    }

    /// Replies to the callers that wait for a child's restart; `why` is nil when it went well.
    func replyToRestart(of child: Child, _ why: String?) {
        for caller in restartCallers.removeValue(forKey: child.role) ?? [] {
            caller.reply([why.map { .failed($0) } ?? .done])
        }
    }
}
