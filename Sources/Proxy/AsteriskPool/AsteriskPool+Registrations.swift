package import AccountCache
package import Authentication
package import Connections
internal import Journal
internal import Messages
package import ProxyBench
internal import Reactor
package import SIP
package import Sys
package import Transactions

/// The accounts' registrations at the Asterisks, each of which lives as long as the account has a binding.
extension AsteriskPool {
    /// How many challenges in a row are answered before they count as a refusal.
    private static let mostChallenges = 2
    /// How often it is recorded of an account that its call is refused, and of how many accounts.
    private static let refusalInterval = Milliseconds.seconds(60)
    private static let mostRefusals = 256
    /// When what could not be asked is asked again.
    private static let shortWait = Milliseconds.seconds(5)
    /// How much lies between two registrations of many: 500 a second.
    private static let turn = Milliseconds(2)
    /// How often the leaving of an account is told to an Asterisk that does not answer, while it counts as up.
    private static let mostLeavings = 6

    // MARK: Coming and going

    /// Sees to it that an account, which has a binding, is registered at every Asterisk.
    package mutating func appear(
        _ account: AccountID, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        registrations.setBound(account, true)
        var at = registrations.first(of: account)
        while let handle = at {
            at = registrations.next(after: handle)
            guard registrations[handle].isLeaving else { continue }
            registrations[handle].isLeaving = false
            registrations[handle].state = .waiting
            schedule(handle, after: Milliseconds(0), &bench)
        }
        for number in asterisks.indices where registrations.find(account, at: number) == nil {
            let registration = UpstreamRegistration(
                account, asterisk: number, cookie: bench.random())
            guard let handle = registrations.add(registration, &accounts) else {
                bench.shortages.count(.registrations)
                return
            }
            schedule(handle, after: takeTurn(number, bench.now.monotonic), &bench)
        }
    }

    /// Ends the registrations of an account that has no binding any more.
    package mutating func leave(_ account: AccountID, _ bench: inout Bench) {
        registrations.setBound(account, false)
        var at = registrations.first(of: account)
        while let handle = at {
            at = registrations.next(after: handle)
            registrations[handle].isLeaving = true
            // It is told once the Asterisk answers.
            guard registrations[handle].state != .unheard else { continue }
            schedule(handle, after: Milliseconds(0), &bench)
        }
    }

    /// How long a new registration at an Asterisk waits for its turn: there are 500 a second, as after a restart of
    /// sip-router.
    private mutating func takeTurn(_ number: Int, _ now: Milliseconds) -> Milliseconds {
        let turn = max(asterisks[number].nextTurn, now)
        asterisks[number].nextTurn = turn + Self.turn
        return turn - now
    }

    /// An account has a new phone: each Asterisk that has it registered is told once more.
    ///
    /// It then tells the phone what it tells one that registers. That is at most once in five seconds.
    package mutating func renew(_ account: AccountID, _ bench: inout Bench) {
        let wait = registrations.renew(account, bench.now.monotonic)
        var at = registrations.first(of: account)
        while let handle = at {
            at = registrations.next(after: handle)
            guard registrations[handle].state == .registered else { continue }
            schedule(handle, after: wait, &bench)
        }
    }

    /// An account's credentials have come: what waited for them goes on.
    package mutating func refresh(_ account: AccountID, _ bench: inout Bench) {
        var at = registrations.first(of: account)
        while let handle = at {
            at = registrations.next(after: handle)
            guard registrations[handle].state == .waiting else { continue }
            schedule(handle, after: Milliseconds(0), &bench)
        }
    }

    /// Follows a change of the list of Asterisks; `numbers` are the new ones by the old ones, nil for those that went.
    mutating func renumber(
        _ numbers: [Int?], _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        for place in accounts.places {
            let account = AccountID(place)
            var at = registrations.first(of: account)
            guard at != nil else { continue }
            while let handle = at {
                at = registrations.next(after: handle)
                if let number = numbers[registrations[handle].asterisk] {
                    registrations[handle].asterisk = number
                } else {
                    remove(handle, &accounts, &bench)
                }
            }
            if registrations.isBound(account) { appear(account, &accounts, &bench) }
        }
    }

    /// Registers every account at an Asterisk again, or those alone of which it has missed something while it was down.
    ///
    /// There are 500 a second; it says how many they are, and how long that takes. Where all are, the Asterisk is asked for
    /// nothing meanwhile.
    @discardableResult
    mutating func registerAgain(
        _ number: Int, _ places: Range<Int32>, missedAlone: Bool, _ bench: inout Bench
    ) -> (count: Int64, span: Milliseconds) {
        var count: Int64 = 0
        for place in places {
            guard let handle = registrations.find(AccountID(place), at: number),
                !missedAlone || hasMissed(registrations[handle])
            else { continue }
            if !missedAlone { registrations[handle].isGranted = false }
            // Until its turn comes, what the Asterisk has of it says nothing.
            if !registrations[handle].isLeaving { registrations[handle].state = .waiting }
            schedule(handle, after: Milliseconds(count * Self.turn.count), &bench)
            count += 1
        }
        let span = Milliseconds(count * Self.turn.count)
        asterisks[number].contacts.missing = 0
        // Soon after the last of them it is seen whether that has helped; one that was silent may have kept all that it had.
        asterisks[number].contacts.due =
            bench.now.monotonic + (missedAlone ? Milliseconds(0) : span + Self.verification)
        return (count, span)
    }

    /// Whether something of a registration could not be told while its Asterisk was down.
    private func hasMissed(_ registration: UpstreamRegistration) -> Bool {
        switch registration.state {
        case .waiting, .unheard: true
        // Its request is sent again until it is answered.
        case .trying: false
        case .registered: registration.timer == .none
        }
    }

    /// Asterisks at an address are called from elsewhere than before, until now from `former`: all accounts are
    /// registered there anew, and no longer at that.
    package mutating func moved(
        _ ip: IPAddress, from former: SocketAddress, _ accounts: borrowing AccountCache,
        _ bench: inout Bench
    ) {
        // Where nobody is registered yet, nothing has moved.
        for number in asterisks.indices
        where asterisks[number].address.ip == ip && registrations.granted(at: number) > 0 {
            asterisks[number].former = former
            asterisks[number].formerUntil = bench.now.monotonic + .seconds(Int64(Self.expires))
            registerAgain(number, accounts.places, missedAlone: false, &bench)
        }
    }

    mutating func schedule(
        _ handle: Handle, after span: Milliseconds, _ bench: inout Bench
    ) {
        guard registrations.contains(handle) else { return }
        bench.timers.cancel(&registrations[handle].timer)
        registrations[handle].challenges = 0
        registrations[handle].timer = bench.setTimer(
            handle.payload(.registration), after: span)
    }

    private mutating func remove(
        _ handle: Handle, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        bench.timers.cancel(&registrations[handle].timer)
        registrations.remove(handle, &accounts)
    }

    /// Ends a registration; one that is to come back is begun anew as a whole.
    private mutating func end(
        _ handle: Handle, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        let account = registrations[handle].account
        remove(handle, &accounts, &bench)
        if registrations.first(of: account) == nil, registrations.isBound(account) {
            appear(account, &accounts, &bench)
        }
    }

    // MARK: Asking

    /// A registration's timer has fired.
    package mutating func registrationDue(
        _ handle: Handle, _ accounts: inout AccountCache, _ transactions: inout ClientTransactions,
        _ connections: inout Connections, _ bench: inout Bench
    ) {
        guard registrations.contains(handle) else { return }
        registrations[handle].timer = .none
        registrations[handle].isQuestion = false
        let registration = registrations[handle]
        // To an Asterisk that is down nothing is sent; coming up, it hears what it has missed.
        guard !isDown(registration.asterisk) else {
            if registration.isLeaving { leaveUnheard(handle, &accounts, &bench) }
            return
        }
        if registration.state == .unheard { registrations[handle].state = .waiting }
        let state = accounts.state(registration.account)
        // One that ends with its account is taken back by what was known of it.
        guard state == .found || state == .unknown && registration.isLeaving else {
            // After a restart the bindings come before the credentials.
            registrations[handle].state = .waiting
            if state != .asked { accounts.ask(registration.account, &bench) }
            schedule(handle, after: Self.shortWait, &bench)
            return
        }
        registrations[handle].namesDomain = asterisks[registration.asterisk].namesDomain
        registrations[handle].hasNamedBoth = false
        send(handle, answering: nil, &accounts, &transactions, &connections, &bench)
    }

    /// An Asterisk that is down cannot be told that an account leaves: it is told when it comes up, unless what it had of
    /// the account has run out by then.
    private mutating func leaveUnheard(
        _ handle: Handle, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        guard registrations[handle].isGranted, registrations[handle].state != .unheard else {
            end(handle, &accounts, &bench)
            return
        }
        registrations[handle].state = .unheard
        schedule(handle, after: .seconds(Int64(Self.expires)), &bench)
    }

    /// Sends the request of a registration, or its question.
    mutating func send(
        _ handle: Handle, answering answer: ChallengeAnswer?, _ accounts: inout AccountCache,
        _ transactions: inout ClientTransactions, _ connections: inout Connections,
        _ bench: inout Bench
    ) {
        registrations[handle].sequence += 1
        let isQuestion = registrations[handle].isQuestion
        if !isQuestion { registrations[handle].state = .trying }
        let flow = bench.way(
            toAsterisk: asterisks[registrations[handle].asterisk].address)
        guard
            let request = transactions.begin(
                .registration(handle), .register, flow, &accounts, &bench)
        else {
            // A question is for another time.
            if isQuestion {
                registrations[handle].isQuestion = false
            } else {
                schedule(handle, after: Self.shortWait, &bench)
            }
            return
        }
        registrations[handle].request = request
        registrations[handle].isEnding = registrations[handle].isLeaving
        writeRegister(
            registrations[handle], flow, transactions[request].cookie, answer, accounts, &bench)
        if case .failed = transactions.send(request, &accounts, &connections, &bench) {
            registrationFailed(handle, request, &accounts, &bench)
            transactions.end(request, &accounts, &connections, &bench)
        }
    }

    // MARK: What came of it

    /// A registration's request, a transaction that the caller finishes, has its final response.
    package mutating func registrationAnswered(
        _ handle: Handle, _ request: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ accounts: inout AccountCache, _ authentication: inout Authentication,
        _ transactions: inout ClientTransactions, _ connections: inout Connections,
        _ bench: inout Bench
    ) {
        guard isLast(request, of: handle) else { return }
        let isQuestion = registrations[handle].isQuestion
        switch index.status {
        case 200..<300 where isQuestion:
            contactsTold(handle, bytes, index, accounts.places, &bench)
        case 200..<300: succeeded(handle, Self.granted(bytes, index), &accounts, &bench)
        case 401 where registrations[handle].challenges < Self.mostChallenges,
            407 where registrations[handle].challenges < Self.mostChallenges:
            let registration = registrations[handle]
            let outcome = authentication.answerChallenge(
                bytes, index, registration.account, "REGISTER", uri(registration.asterisk),
                &accounts, &bench)
            switch outcome {
            case .answer(let answer):
                registrations[handle].challenges += 1
                send(handle, answering: answer, &accounts, &transactions, &connections, &bench)
            case .asked where isQuestion, .impossible where isQuestion:
                registrations[handle].isQuestion = false
            case .asked:
                // It is asked for them once more when they have come.
                registrations[handle].state = .waiting
                schedule(handle, after: .seconds(1), &bench)
            case .impossible: refused(handle, index.status, &accounts, &bench)
            }
        // Of what it has it says nothing.
        case _ where isQuestion: registrations[handle].isQuestion = false
        case 403 where !registrations[handle].hasNamedBoth,
            404 where !registrations[handle].hasNamedBoth:
            // chan_sip with domain= in its sip.conf has no accounts under a name that it does not list, such as its address.
            registrations[handle].hasNamedBoth = true
            registrations[handle].namesDomain.toggle()
            registrations[handle].challenges = 0
            send(handle, answering: nil, &accounts, &transactions, &connections, &bench)
        default: refused(handle, index.status, &accounts, &bench)
        }
    }

    /// Whether a request is the last one of a registration that stands.
    private func isLast(_ request: Handle, of handle: Handle) -> Bool {
        registrations.contains(handle) && registrations[handle].request == request
    }

    private mutating func succeeded(
        _ handle: Handle, _ seconds: Int64, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        registrations[handle].succeed()
        let registration = registrations[handle]
        if registration.namesDomain != asterisks[registration.asterisk].namesDomain {
            setNamesDomain(registration.asterisk, registration.namesDomain, &bench)
        }
        // The account may have come or gone since this was asked; its timer then asks for the rest.
        guard registration.isEnding == registration.isLeaving else { return }
        guard !registration.isLeaving else {
            end(handle, &accounts, &bench)
            return
        }
        registrations[handle].state = .registered
        schedule(handle, after: Milliseconds(seconds * 750), &bench)
    }

    /// An Asterisk takes registrations under the served domain where it has refused its own address, or the other way
    /// round: the next ones begin with that.
    private mutating func setNamesDomain(_ number: Int, _ namesDomain: Bool, _ bench: inout Bench) {
        asterisks[number].namesDomain = namesDomain
        guard namesDomain else { return }
        let address = asterisks[number].address
        let domain = bench.settings.domains.first ?? []
        bench.effects.journal.add(
            .degraded, .warning,
            "Asterisk \(address) registers nobody under its own address, so accounts are registered there under"
                + " \(domain.span.text): write autodomain=yes or domain=\(address.ip) into [general] of its sip.conf",
            [(.asterisk, "\(address)")])
    }

    /// The seconds that a 200 to our REGISTER grants: of our Contact, of Expires, or what we asked for.
    private static func granted(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Int64 {
        var seconds = index.expires.map { Int64($0) } ?? Int64(expires)
        if let value = index.value(.contact) {
            var list = ValueList(value)
            if let first = list.next(in: bytes), let contact = try? NameAddress(first, in: bytes),
                let own = contact.parameter("expires", in: bytes),
                let number = bytes.bytes(own).decimal()
            {
                seconds = Int64(number)
            }
        }
        return min(max(seconds, 20), Int64(expires))
    }

    private mutating func refused(
        _ handle: Handle, _ status: UInt16, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        let registration = registrations[handle]
        if registration.failures == 0 {
            let name = accounts.name(registration.account).text
            let address = asterisks[registration.asterisk].address
            bench.effects.journal.add(
                .asteriskRefused, .warning,
                "Asterisk \(address) refuses to register \(name) with \(status): is its account table the one of accounts.source?"
                    + Self.remedy(status, name),
                [(.account, name), (.asterisk, "\(address)"), (.status, "\(status)")])
        }
        failed(handle, status, &accounts, &bench)
    }

    /// What else may help, by what an Asterisk has refused with.
    private static func remedy(_ status: UInt16, _ name: String) -> String {
        switch status {
        case 403: " Was the password changed? \(pruning(name))"
        case 404: " If its sip.conf has domain=, write autodomain=yes beside it"
        default: ""
        }
    }

    /// How chan_sip is brought to read an account's row again, which it holds with `rtcachefriends=yes`.
    private static func pruning(_ name: String) -> String {
        "chan_sip reads it again after: asterisk -rx 'sip prune realtime peer \(name)'"
    }

    /// An Asterisk has refused a call of an account with 403, although it had the account's credentials.
    package mutating func callRefused(
        _ account: AccountID, by asterisk: SocketAddress, _ accounts: borrowing AccountCache,
        _ bench: inout Bench
    ) {
        let now = bench.now.monotonic
        callRefusals.removeAll { now - $0.moment >= Self.refusalInterval }
        guard callRefusals.count < Self.mostRefusals,
            !callRefusals.contains(where: { $0.account == account })
        else { return }
        callRefusals.append((account, now))
        let name = accounts.name(account).text
        bench.effects.journal.add(
            .asteriskRefused, .warning,
            "Asterisk \(asterisk) refuses a call of \(name) with 403, although it was given the password."
                + " In chan_sip its row must have type=friend, not peer. Was the password changed? "
                + Self.pruning(name),
            [(.account, name), (.asterisk, "\(asterisk)"), (.status, "403")])
    }

    /// A registration's request has come to nothing, or its answer cannot be read; the caller ends the transaction.
    package mutating func registrationFailed(
        _ handle: Handle, _ request: Handle, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        guard isLast(request, of: handle) else { return }
        if registrations[handle].isQuestion {
            registrations[handle].isQuestion = false
        } else {
            failed(handle, 0, &accounts, &bench)
        }
    }

    /// The REGISTER by which an account leaves has failed; without an answer nobody knows whether the Asterisk has heard it.
    private mutating func leavingFailed(
        _ handle: Handle, isHeard: Bool, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        guard !isHeard, registrations[handle].failures < Self.mostLeavings else {
            end(handle, &accounts, &bench)
            return
        }
        registrations[handle].isGranted = true
        if isDown(registrations[handle].asterisk) {
            leaveUnheard(handle, &accounts, &bench)
        } else {
            schedule(handle, after: Self.shortWait, &bench)
        }
    }

    /// A registration is tried again, ever later, up to every 5 minutes; `status` is 0 without an answer.
    private mutating func failed(
        _ handle: Handle, _ status: UInt16, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        let hadIt = registrations[handle].isGranted
        registrations[handle].state = .waiting
        registrations[handle].fail(status)
        guard !registrations[handle].isLeaving else {
            leavingFailed(handle, isHeard: status > 0 || !hadIt, &accounts, &bench)
            return
        }
        let step = min(registrations[handle].failures, 6)
        schedule(handle, after: .seconds(Int64(5 << step)), &bench)
    }
}
