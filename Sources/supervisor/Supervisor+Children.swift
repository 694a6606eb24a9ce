internal import Glibc
internal import Journal
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// Starting children, and doing what their lives ask for.
extension Supervisor {
    /// Runs an event through a child's life and carries out what comes of it.
    func handle(_ event: ChildEvent, of child: Child) {
        let wasServing = child.life.isServing
        let action = child.life.handle(event, at: now)
        perform(action, on: child)
        if wasServing, !child.life.isServing { lost(child) }
    }

    private func perform(_ action: ChildAction, on child: Child) {
        switch action {
        case .none, .storeStatus: break
        case .start: start(child)
        case .wait(let span):
            journal.write(
                .degraded, .warning, "\(child.role.name) is started again in \(span.seconds) s",
                [(.component, child.role.name), (.seconds, String(span.seconds))])
            replyToRestart(of: child, "\(child.role.name) does not start: see its messages")
        case .waitForSettings(let span):
            journal.write(
                .degraded, .error,
                "\(child.role.name) cannot use its settings: correct them and reload "
                    + "(it is tried again in \(span.seconds) s)",
                [(.component, child.role.name), (.seconds, String(span.seconds))])
            replyToRestart(
                of: child, "\(child.role.name) cannot use its settings: see its messages")
        case .serve: serving(child)
        case .sendReload: sendReload(to: child)
        case .keepOld:
            if child.role == .terminator { certificatesRefused() }
            replyToRestart(of: child, nil)
            refusedReload(child, child.refusal ?? "")
        case .sendStop: send([.stop], to: child)
        case .kill(let why):
            journal.write(
                .childKilled, .error, "\(child.role.name) \(why) and is killed",
                [(.component, child.role.name), (.pid, String(child.pid))])
            child.signal(SIGKILL)
        case .gone: endWhenAlone()
        case .leave:
            journal.write(
                .degraded, .error,
                "\(child.role.name) (\(child.pid)) waits in the kernel and cannot be killed: the daemon ends without it."
                    + " It is gone once the disk or server answers that it waits for",
                [(.component, child.role.name)])
            endWhenAlone()
        }
    }

    /// A child serves with the newest settings.
    private func serving(_ child: Child) {
        replyToRestart(of: child, nil)
        child.refusal = nil
        tookReload(child)
    }

    /// A child that served does so no more.
    private func lost(_ child: Child) {
        refusedReload(child, "ended during the reload")
    }

    /// Notes the end of a child's process.
    func processEnded(_ child: Child, code: Int32, signal: Int32) {
        let pid = child.pid
        pendingLinks.forget(child.role)
        let how = Spawner.words(code: code, signal: signal)
        recordErrors(of: child)
        child.ended(how, at: now)
        let wanted = isStopping ? ", as the daemon stops" : restartWords(child)
        journal.write(
            .childEnded, wanted == nil ? .warning : .info,
            "\(child.role.name) ended (\(how))\(wanted ?? "")",
            [(.component, child.role.name), (.pid, String(pid))])
        if !child.life.hasServed {
            failedReload(child, "ended before it was ready")
        }
        handle(.exited(signal == 0 ? code : -1), of: child)
    }

    /// For whom a child that has ended is started anew; nil when nobody has asked for that.
    private func restartWords(_ child: Child) -> String? {
        guard child.life.state == .restarting else { return nil }
        return restartCallers[child.role]?.last.map { ", restarted for \($0.asker.name)" } ?? ""
    }

    private func start(_ child: Child) {
        lookAtPrograms()
        child.beginGeneration()
        do {
            let (ours, theirs) = try Link.pair()
            if child.role == .terminator { forgetCertificates() }
            let messages = try startSet(for: child)
            let keepsNetAdmin = child.role == .banner && spawner.isRoot && Spawner.hasNetAdmin
            let errors = try errorOutput(waits: false)
            let pid = try spawner.start(
                child.role, user: child.user, link: theirs, errors: errors?.writing,
                keepingNetAdmin: keepsNetAdmin)
            child.began(pid: pid, link: Link(ours))
            child.errors = errors?.output
            try watchNew(child)
            journal.write(
                .childStarted, .info, "\(child.role.name) started",
                [(.component, child.role.name), (.pid, String(pid))])
            send(messages, to: child)
        } catch {
            journal.write(
                .degraded, .error,
                "\(child.role.name) cannot be started: \(error.withRemedy)",
                [(.component, child.role.name)])
            child.signal(SIGKILL)
            pendingLinks.forget(child.role)
            if child.pid == 0 { handle(.exited(-1), of: child) }
        }
    }

    /// Everything a child is told first.
    private func startSet(for child: Child) throws(SystemError) -> [SupervisorMessage] {
        var messages: [SupervisorMessage] = [.hello(child.role)]
        if let (form, descriptor) = recordOutput() { messages.append(.journal(form, descriptor)) }
        for (listener, socket) in sockets?.served(by: child.role) ?? [] {
            messages.append(.listener(listener, socket))
        }
        for peer in Self.peers(of: child.role) {
            messages.append(.peer(peer, try link(from: child.role, to: peer)))
        }
        messages += try settingsSet(for: child, atStart: true)
        // Last, so that what a child cannot do without has its descriptors first.
        if child.role == .router { messages += keptConnections.messages }
        return messages + [.begin]
    }

    /// What a child is told at its start and at a reload alike.
    private func settingsSet(
        for child: Child, atStart: Bool
    ) throws(SystemError) -> [SupervisorMessage] {
        var messages = SupervisorMessage.settings(configuration?.settings ?? [], for: child.role)
        if child.role == .terminator {
            messages += try configuration?.handOver(atStart: atStart) ?? []
            certificateWatch.began()
        }
        if let folder = state?.folder(for: child.role) { messages.append(.file(.state, folder)) }
        if child.role == .banner { messages.append(.table(firewallTable)) }
        if child.role == .accountsReader {
            messages += SourceSecret.messages(configuration?.settings ?? [])
        }
        if child.role == .router {
            if let secret = state?.secret { messages.append(.secret(secret)) }
            messages.append(.ways(findWays()))
        }
        return messages
    }

    /// The children that a child has links to.
    static func peers(of role: Role) -> [Role] {
        Role.links.compactMap { a, b in a == role ? b : b == role ? a : nil }
    }

    /// A child's end of a new link to a peer; the other end goes to the peer, now or when it starts.
    private func link(from role: Role, to peer: Role) throws(SystemError) -> Descriptor {
        if let end = pendingLinks.remove(role, to: peer) { return end }
        let (end, other) = try Link.pair()
        if let child = children.first(where: { $0.role == peer }), child.life.isListening,
            child.link != nil
        {
            send([.peer(role, other)], to: child)
        } else {
            pendingLinks.store(other, for: peer, to: role)
        }
        return end
    }

    /// Gives a child that had no room for it another link to a peer; one that cannot be made now is wanted again.
    func relink(_ child: Child, to peer: Role) {
        // Ends that it does not take would gather here.
        guard child.life.isServing, child.link?.isWaiting == false,
            let end = try? link(from: child.role, to: peer)
        else { return }
        send([.peer(peer, end)], to: child)
    }

    /// Has a child killed that serves and, as a peer of it says, answers nothing.
    func replaceHung(_ role: Role) {
        // One that is being replaced already has a successor which is not meant.
        guard let child = children.first(where: { $0.role == role }), child.life.isServing else {
            return
        }
        handle(.broken("has answered nothing for 10 s"), of: child)
    }

    private func sendReload(to child: Child) {
        do {
            send([.reload] + (try settingsSet(for: child, atStart: false)) + [.begin], to: child)
        } catch {
            handle(.broken("cannot be sent its settings (\(error))"), of: child)
        }
    }

    /// Sends messages; a child that leaves too many unread has broken its protocol.
    func send(_ messages: [SupervisorMessage], to child: Child) {
        guard let link = child.link else { return }
        for message in messages {
            let (frame, passing) = message.encoded()
            if case .full = link.send(frame, passing: passing) {
                return handle(.broken("does not read its link"), of: child)
            }
        }
        watch(child)
    }

    private func watchNew(_ child: Child) throws(SystemError) {
        guard let link = child.link else { return }
        try poller.add(link.descriptor.raw, token(child), .read)
        if let errors = child.errors { try poller.add(errors.raw, errorToken(child), .read) }
    }

    /// Waits for room on a child's link while messages wait.
    func watch(_ child: Child) {
        guard let link = child.link else { return }
        let interest: Interest = link.isWaiting ? [.read, .write] : .read
        try? poller.modify(link.descriptor.raw, token(child), interest)
    }

    private func token(_ child: Child) -> Token {
        let index = children.firstIndex { $0 === child } ?? 0
        return Token(
            kind: TokenKind.child.rawValue, index: UInt32(index), generation: child.generation)
    }
}
