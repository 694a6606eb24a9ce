internal import Digest
internal import Journal
internal import Messages
internal import Reactor
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// An answer to an Asterisk's challenge, as a header line.
struct ChallengeAnswer {
    var header: [UInt8]
}

/// The edge as a user agent toward the Asterisks: it registers each account that has a binding, answers
/// their challenges, and asks whether they are there.
extension Router {
    /// How often each Asterisk is asked whether it answers.
    static let probeInterval = Milliseconds.seconds(2)
    /// How many unanswered questions in a row put an Asterisk out of use.
    static let missesToDown = 3
    /// How long a registration is asked for.
    static let presenceExpires: UInt64 = 3600

    // MARK: Is it there?

    /// Counts what was not answered since the last time, and asks again.
    mutating func probeAsterisks() {
        _ = timers.set(Handle.none.payload(.probe), at: now.monotonic + Self.probeInterval)
        for number in asterisks.indices {
            let last = asterisks[number].probe
            if clients.contains(last) {
                endClient(last)
                missed(number)
            }
            let flow = way(inside, to: asterisks[number].address)
            let client = Client(
                owner: .probe(number), method: .options, flow: flow, cookie: random())
            guard let handle = clients.take(client) else { continue }
            asterisks[number].probe = handle
            writeOwn("OPTIONS", handle, account: -1, sequence: 1, callID: random())
            writer.endEmpty()
            if writer.isWhole { outbox.append(writer.buffer, to: flow) }
        }
    }

    /// Counts an unanswered question; the third in a row puts the Asterisk out of use.
    mutating func missed(_ number: Int) {
        asterisks[number].missed += 1
        guard asterisks[number].missed >= Self.missesToDown, asterisks[number].state != .down else {
            return
        }
        asterisks[number].state = .down
        let address = asterisks[number].address
        writer.wildcards.forget(toward: address.ip)
        audit.add(
            .asteriskDown, .error,
            "Asterisk \(address) does not answer; it gets no calls until it does",
            [(.asterisk, "\(address)")])
    }

    mutating func probeAnswered(_ number: Int, _ handle: Handle) {
        endClient(handle)
        guard number < asterisks.count, asterisks[number].probe == handle else { return }
        asterisks[number].missed = 0
        guard asterisks[number].state != .up else { return }
        asterisks[number].state = .up
        let address = asterisks[number].address
        audit.add(
            .asteriskUp, .notice, "Asterisk \(address) answers", [(.asterisk, "\(address)")])
        // It may have been started anew and know nobody: all are registered again, 500 a second.
        var count: Int64 = 0
        for account in accounts.indices {
            guard let presence = presence(of: account, at: number) else { continue }
            schedule(presence, after: Milliseconds(count * 2))
            count += 1
        }
    }

    /// Begins a request of our own to an Asterisk, in the name of an account or, for -1, in ours.
    private mutating func writeOwn(
        _ method: StaticString, _ handle: Handle, account: Int32, sequence: UInt32, callID: UInt64
    ) {
        writer.begin(to: clients[handle].flow.peer.ip)
        Self.writeOwn(
            &writer, accounts, account, method, clients[handle].flow, handle,
            cookie: clients[handle].cookie, own: writer.shown(clients[handle].flow),
            sequence: sequence, callID: callID)
    }

    private static func writeOwn(
        _ writer: inout MessageWriter, _ accounts: borrowing Accounts, _ account: Int32,
        _ method: StaticString, _ flow: Flow, _ handle: Handle, cookie: UInt64,
        own: SocketAddress, sequence: UInt32, callID: UInt64
    ) {
        let isOurs = account < 0
        let host = SocketAddress(flow.peer.ip, port: 0)
        let user = isOurs ? Span() : accounts.name(account)
        writer.append(method)
        writer.append(" ")
        writer.append(uriOf: flow.peer, user: Span())
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, handle, cookie)
        writer.maxForwards(70)
        writer.append("From: <")
        writer.append(uriOf: isOurs ? own : host, user: user)
        writer.append(">;tag=")
        writer.append(hex: callID, digits: 16)
        writer.append("\r\nTo: <")
        writer.append(
            uriOf: isOurs ? flow.peer : host, user: isOurs ? Span() : accounts.aor(account))
        writer.append(">\r\nCall-ID: ")
        writer.append(hex: callID, digits: 16)
        writer.append("\r\nCSeq: ")
        writer.append(decimal: UInt64(sequence))
        writer.append(" ")
        writer.append(method)
        writer.append("\r\n")
        writer.ownContact(flow, user: user)
        writer.append("User-Agent: Rempart\r\n")
    }

    // MARK: Registrations

    /// Sees to it that an account with a binding is registered at every Asterisk.
    mutating func appearAtAsterisks(_ account: Int32) {
        var at = accounts[account].presences
        while let handle = presence(at) {
            at = presences[handle].next
            guard presences[handle].leaving else { continue }
            presences[handle].leaving = false
            schedule(handle, after: Milliseconds(0))
        }
        for number in asterisks.indices where presence(of: account, at: number) == nil {
            var presence = Presence()
            presence.account = account
            presence.asterisk = number
            presence.cookie = random()
            presence.sequence = 1
            guard let handle = presences.take(presence) else { return }
            append(handle, to: account)
            schedule(handle, after: Milliseconds(0))
        }
    }

    /// An account's registration at an Asterisk, or nil.
    private func presence(of account: Int32, at number: Int) -> Handle? {
        var at = accounts[account].presences
        while let handle = presence(at) {
            if presences[handle].asterisk == number { return handle }
            at = presences[handle].next
        }
        return nil
    }

    /// The registration at a place of an account's list; nil for -1, its end.
    private func presence(_ place: Int32) -> Handle? {
        place < 0 ? nil : presences.handle(at: UInt32(place))
    }

    /// Puts a registration at the end of an account's list.
    private mutating func append(_ handle: Handle, to account: Int32) {
        presences[handle].next = -1
        var last: Handle?
        var at = accounts[account].presences
        while let next = presence(at) {
            last = next
            at = presences[next].next
        }
        if let last {
            presences[last].next = Int32(handle.index)
        } else {
            accounts[account].presences = Int32(handle.index)
        }
    }

    /// Follows a change of the list of Asterisks, which were `old`: registrations at those that stay go on,
    /// at those that went they are let go of, at new ones they begin.
    mutating func renumberPresences(_ account: Int32, _ old: [SocketAddress]) {
        var at = accounts[account].presences
        accounts[account].presences = -1
        while let handle = presence(at) {
            at = presences[handle].next
            let address = old[presences[handle].asterisk]
            if let number = asterisks.firstIndex(where: { $0.address == address }) {
                presences[handle].asterisk = number
                append(handle, to: account)
            } else {
                timers.cancel(&presences[handle].timer)
                presences.release(handle)
            }
        }
        if accounts[account].bindings >= 0 { appearAtAsterisks(account) }
    }

    /// Ends the registrations of an account that has no binding any more.
    mutating func leaveAsterisks(_ account: Int32) {
        var at = accounts[account].presences
        while let handle = presence(at) {
            at = presences[handle].next
            presences[handle].leaving = true
            schedule(handle, after: Milliseconds(0))
        }
    }

    private mutating func schedule(_ handle: Handle, after: Milliseconds) {
        guard presences.contains(handle) else { return }
        timers.cancel(&presences[handle].timer)
        presences[handle].challenges = 0
        presences[handle].timer = timers.set(
            handle.payload(.presence), at: now.monotonic + after)
    }

    /// The account's credentials have come: what waited for them goes on.
    mutating func refreshPresences(_ account: Int32) {
        var at = accounts[account].presences
        while let handle = presence(at) {
            at = presences[handle].next
            if presences[handle].state == .waiting { schedule(handle, after: Milliseconds(0)) }
        }
    }

    mutating func presenceTimer(_ handle: Handle) {
        guard presences.contains(handle) else { return }
        presences[handle].timer = .none
        let presence = presences[handle]
        guard presence.asterisk < asterisks.count else {
            endPresence(handle)
            return
        }
        // To an Asterisk that is down nothing is sent; coming up, it brings everybody back.
        guard asterisks[presence.asterisk].state != .down else {
            if presence.leaving { endPresence(handle) }
            return
        }
        if accounts[presence.account].state != .found {
            // After a restart the bindings come before the credentials.
            presences[handle].state = .waiting
            if accounts[presence.account].state != .asked { ask(presence.account) }
            schedule(handle, after: .seconds(5))
            return
        }
        sendPresence(handle, answering: nil)
    }

    private mutating func sendPresence(_ handle: Handle, answering answer: ChallengeAnswer?) {
        presences[handle].sequence += 1
        presences[handle].state = .trying
        let presence = presences[handle]
        let flow = way(inside, to: asterisks[presence.asterisk].address)
        let client = Client(
            owner: .presence(handle), method: .register, flow: flow, cookie: random())
        guard let place = clients.take(client) else {
            schedule(handle, after: .seconds(5))
            return
        }
        presences[handle].client = place
        presences[handle].isEnding = presence.leaving
        writeOwn(
            "REGISTER", place, account: presence.account, sequence: presence.sequence,
            callID: presence.cookie)
        writer.append("Expires: ")
        writer.append(decimal: presence.leaving ? 0 : Self.presenceExpires)
        writer.endLine()
        if let answer { writer.append(answer.header.span) }
        writer.endEmpty()
        send(place)
    }

    mutating func presenceAnswered(
        _ handle: Handle, _ client: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        guard presences.contains(handle), presences[handle].client == client else { return }
        let presence = presences[handle]
        switch index.status {
        case 200..<300:
            presences[handle].succeed()
            presences[handle].challenges = 0
            // The account may have come or gone since this was asked; its timer then asks for the rest.
            guard presence.isEnding == presence.leaving else { return }
            guard !presence.leaving else {
                endPresence(handle)
                return
            }
            presences[handle].state = .registered
            schedule(handle, after: Milliseconds(granted(bytes, index) * 750))
        case 401, 407:
            guard presence.challenges < 2 else {
                refusedPresence(handle, index.status)
                return
            }
            let uri = ownURI(presence.asterisk)
            switch answer(bytes, index, presence.account, "REGISTER", uri) {
            case .answer(let answer):
                presences[handle].challenges += 1
                sendPresence(handle, answering: answer)
            case .asked: schedule(handle, after: .seconds(1))
            case .impossible: refusedPresence(handle, index.status)
            }
        default: refusedPresence(handle, index.status)
        }
    }

    private func ownURI(_ number: Int) -> [UInt8] { Array("sip:\(asterisks[number].address)".utf8) }

    /// The seconds that a 200 to our REGISTER grants: of our Contact, of Expires, or what we asked for.
    private func granted(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Int64 {
        var seconds = index.expires.map { Int64($0) } ?? Int64(Self.presenceExpires)
        if let value = index.value(.contact) {
            var list = ValueList(value)
            if let first = list.next(in: bytes), let contact = try? NameAddress(first, in: bytes),
                let own = contact.parameter("expires", in: bytes),
                let number = bytes.bytes(own).decimal()
            {
                seconds = Int64(number)
            }
        }
        return min(max(seconds, 20), Int64(Self.presenceExpires))
    }

    private mutating func refusedPresence(_ handle: Handle, _ status: UInt16) {
        let presence = presences[handle]
        let name = accounts.name(presence.account).text
        let address = asterisks[presence.asterisk].address
        if presence.failures == 0 {
            audit.add(
                .asteriskRefused, .warning,
                "Asterisk \(address) refuses to register \(name) with \(status): is its account table the one of accounts.database?",
                [(.account, name), (.asterisk, "\(address)"), (.status, "\(status)")])
        }
        presenceFailed(handle, presence.client)
    }

    /// A registration came to nothing: it is tried again, ever later, up to every 5 minutes.
    mutating func presenceFailed(_ handle: Handle, _ client: Handle) {
        guard presences.contains(handle), presences[handle].client == client else { return }
        presences[handle].state = .waiting
        presences[handle].fail()
        if presences[handle].leaving {
            endPresence(handle)
            return
        }
        let step = min(presences[handle].failures, 6)
        schedule(handle, after: .seconds(Int64(5 << step)))
    }

    private mutating func endPresence(_ handle: Handle) {
        let account = presences[handle].account
        timers.cancel(&presences[handle].timer)
        remove(handle, from: account)
        presences.release(handle)
        // One that is to come back is begun anew as a whole.
        if accounts[account].presences < 0, accounts[account].bindings >= 0 {
            appearAtAsterisks(account)
        }
    }

    private mutating func remove(_ handle: Handle, from account: Int32) {
        let next = presences[handle].next
        if accounts[account].presences == Int32(handle.index) {
            accounts[account].presences = next
            return
        }
        var at = accounts[account].presences
        while let other = presence(at) {
            at = presences[other].next
            if at == Int32(handle.index) {
                presences[other].next = next
                return
            }
        }
    }
}
