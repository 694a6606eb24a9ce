package import AccountCache
package import Messages
package import ProxyBench
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPWriting
package import Sys

/// Whether phones are there, and what follows from it.
extension LocationService {
    /// How often `keepAlive` is called.
    package static let keepAliveInterval = Keepalives.interval
    /// How long after an account went it comes back at the Asterisks at the earliest.
    private static let shortestAbsence = Milliseconds.seconds(5)
    /// How many accounts a second come or go at the Asterisks.
    private static let settleRate = Rate(perSecond: 500, burst: 500)

    // MARK: Asking

    /// Asks the phones that are due whether they are there, and keeps their ways open.
    package mutating func keepAlive(_ accounts: inout AccountCache, _ bench: inout Bench) {
        keepalives.advance(bindings, bench)
        for position in keepalives.due.indices {
            let due = keepalives.due[position]
            guard let binding = bindings[due.place] else { continue }
            switch due.step {
            case .nothing: break
            case .ask: ask(due.place, binding, &bench)
            case .keepOpen: keepOpen(binding, &bench)
            case .lost: lost(due.place, binding, &accounts, &bench)
            }
        }
    }

    private func ask(_ place: Int32, _ binding: Binding, _ bench: inout Bench) {
        let asked = keepalives[place].asked
        let mark = Keepalives.mark(place, binding, asked: asked, &bench)
        let name = bench.random()
        let domain = bench.settings.domains.first ?? []
        bench.writer.begin(to: binding.flow.peer.ip)
        bench.writer.append("OPTIONS ")
        bench.writer.append(bindings.contact(binding))
        bench.writer.append(" SIP/2.0\r\n")
        bench.writer.keepAliveVia(binding.flow, place, mark)
        bench.writer.maxForwards(70)
        bench.writer.append("From: <sip:")
        bench.writer.append(domain.span)
        bench.writer.append(">;tag=")
        bench.writer.append(hex: name, digits: 16)
        bench.writer.append("\r\nTo: <")
        bench.writer.append(bindings.contact(binding))
        bench.writer.append(">\r\nCall-ID: ")
        bench.writer.append(hex: name, digits: 16)
        bench.writer.append("\r\nCSeq: 1 OPTIONS\r\nAccept: application/sdp\r\n")
        bench.writer.endEmpty()
        bench.sendWritten(to: binding.flow)
    }

    /// Sends what nobody answers (RFC 5626 section 3.5.1 has it for connections; every phone by UDP drops it).
    private func keepOpen(_ binding: Binding, _ bench: inout Bench) {
        bench.scratch.removeAll()
        bench.scratch.append("\r\n\r\n")
        bench.effects.outbox.append(bench.scratch, to: binding.flow)
    }

    private mutating func lost(
        _ place: Int32, _ binding: Binding, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        bindings.setReachable(place, false)
        records.add(.lost, place, binding, bindings, &accounts, &bench)
        unsettled.append(AccountID(binding.account))
    }

    // MARK: Signs of life

    /// Takes the answer to one of our questions; false when it is none.
    ///
    /// By UDP the port may be another one, and what it says does not matter.
    package mutating func answered(
        _ message: borrowing Incoming, _ accounts: inout AccountCache, _ bench: inout Bench
    ) -> Bool {
        let branch = message.bytes.bytes(message.index.via.branch)
        guard message.index.sequenceMethod == .options, branch.count == Self.branchLength,
            branch.extracting(0..<8).isExactly("z9hG4bKk"),
            let number = branch.extracting(8..<16).hexadecimal(),
            let mark = branch.extracting(16..<Self.branchLength).hexadecimal(),
            let place = Int32(exactly: number), let binding = bindings[place],
            message.flow.transport == .udp, message.flow.listener == binding.flow.listener,
            message.flow.peer.ip == binding.flow.peer.ip,
            keepalives[place].isAnswerable,
            mark == Keepalives.mark(place, binding, asked: keepalives[place].asked, &bench)
        else { return false }
        let isFirst = !keepalives[place].hasAnswered
        heard(place, .answer, &accounts, &bench)
        // The next process is to know that this one's silence means something.
        if isFirst { store(place, binding, accounts, &bench) }
        return true
    }

    private static let branchLength = 32

    /// A phone by UDP has proven itself by a flow, or answered what was sent to it there.
    package mutating func proven(
        by flow: Flow, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        // Most of what is answered was asked of Asterisks.
        guard bench.listeners[Int(flow.listener)].side == .outside,
            let place = bindings.place(by: flow)
        else { return }
        heard(place, .proof, &accounts, &bench)
    }

    /// Something that keeps a way open has come by a flow of UDP.
    package mutating func keptAlive(
        by flow: Flow, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        guard let place = bindings.place(by: flow) else { return }
        heard(place, .keepAlive, &accounts, &bench)
    }

    private mutating func heard(
        _ place: Int32, _ sign: PhoneState.Sign, _ accounts: inout AccountCache,
        _ bench: inout Bench
    ) {
        guard keepalives[place].heard(sign, bench.now.monotonic) else { return }
        back(place, &accounts, &bench)
    }

    private mutating func back(
        _ place: Int32, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        bindings.setReachable(place, true)
        guard let binding = bindings[place] else { return }
        records.add(.back, place, binding, bindings, &accounts, &bench)
        unsettled.append(AccountID(binding.account))
    }

    // MARK: Connections

    /// A connection stands, by which bindings in these places came: they can be reached.
    ///
    /// Those of the same handle and another peer or listener came by another connection.
    package mutating func opened(
        _ flow: Flow, _ places: Set<Int32>, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        for place in places where bindings[place]?.flow == flow {
            if keepalives[place].opened(bench.now.monotonic) {
                back(place, &accounts, &bench)
            } else {
                bindings.setReachable(place, true)
            }
        }
    }

    /// A connection is over, by which bindings in these places came: they cannot be reached.
    package mutating func closed(
        _ flow: Flow, _ places: Set<Int32>, _ bench: borrowing Bench
    ) {
        for place in places where bindings[place]?.flow == flow {
            keepalives[place].closed(bench.now.monotonic)
            bindings.setReachable(place, false)
        }
    }

    // MARK: At the Asterisks

    /// Whether a phone of an account is not taken to be gone.
    func hasPhone(_ account: AccountID) -> Bool {
        var at = first(account)
        while let binding = bindings[at] {
            if !keepalives[at].isGone { return true }
            at = binding.next
        }
        return false
    }

    /// The accounts that have come or gone for the Asterisks: an account has gone when none of its phones is there, and
    /// comes back at the first sign of one.
    ///
    /// At most 500 a second; one that went comes back after five seconds at the earliest.
    package mutating func settle(_ bench: borrowing Bench) -> [RegistrationChange] {
        let now = bench.now.monotonic
        var changes: [RegistrationChange] = []
        for _ in 0..<unsettled.count {
            guard let account = unsettled.first else { break }
            let isThere = hasPhone(account)
            let since = away[account]
            guard isThere == (since != nil), first(account) >= 0 else {
                unsettled.removeFirst()
                continue
            }
            if let since, now - since < Self.shortestAbsence {
                unsettled.removeFirst()
                unsettled.append(account)
                continue
            }
            guard settleTokens.take(Self.settleRate, now) else { break }
            unsettled.removeFirst()
            away[account] = isThere ? nil : now
            changes.append(
                RegistrationChange(
                    account: account, isRegistered: isThere, residence: nil, isNewPhone: false))
        }
        return changes
    }

    // MARK: The command line

    /// What is wrong with asking the phones; nil when nothing is.
    package var keepAliveCondition: Condition? {
        keepalives.delay.map { delay in
            Condition(
                .component,
                "\(count) phones are asked up to \(delay.seconds) s later than each 30 s whether they are there:"
                    + " more of them by TCP or TLS, or a second edge, would help")
        }
    }

    /// Every binding, for `rempart phones`.
    package func phones(
        _ accounts: borrowing AccountCache, _ bench: borrowing Bench
    ) -> [ControlReply] {
        var rows: [ControlReply] = []
        for place in bindings.indices {
            if let row = row(place, accounts, bench) { rows.append(row) }
        }
        return rows
    }

    /// The bindings of an account, for `rempart explain`.
    package func phones(
        of account: AccountID, _ accounts: borrowing AccountCache, _ bench: borrowing Bench
    ) -> [ControlReply] {
        var rows: [ControlReply] = []
        var at = first(account)
        while let binding = bindings[at] {
            if let row = row(at, accounts, bench) { rows.append(row) }
            at = binding.next
        }
        return rows
    }

    /// The binding at a place; nil when there is none.
    private func row(
        _ place: Int32, _ accounts: borrowing AccountCache, _ bench: borrowing Bench
    ) -> ControlReply? {
        guard let binding = bindings[place] else { return nil }
        let state = keepalives[place]
        return .phone(
            PhoneRow(
                account: accounts.name(AccountID(binding.account)).text,
                transport: binding.flow.transport, address: binding.flow.peer,
                contact: bindings.contact(binding).text,
                expires: binding.expires - bench.now.monotonic,
                userAgent: bindings.userAgent(binding).text,
                presence: binding.reachable ? state.isMute ? .mute : .there : .gone,
                silence: binding.flow.transport == .udp
                    ? state.silence(bench.now.monotonic) : nil))
    }

    /// Whether a phone says that it is woken by a push notification (RFC 8599 section 4.1).
    func hasPush(_ binding: Binding) -> Bool {
        let contact = bindings.contact(binding)
        let word: StaticString = ";pn-prid="
        let length = word.utf8CodeUnitCount
        guard contact.count > length else { return false }
        for start in 0...(contact.count - length)
        where contact.extracting(start..<start + length).isCaseless(word) {
            return true
        }
        return false
    }
}
