package import AccountCache
package import Connections
internal import Journal
package import Messages
package import ProxyBench
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPWriting
package import Sys

/// Where phones are: the registrar's bindings and what is asked of them (RFC 3261 sections 10.3 and 16.5).
package struct LocationService: ~Copyable {
    private let anchor = Anchor()

    var bindings = Bindings(capacity: Capacity.bindings)
    /// The place of each account's first binding plus one; 0 is none.
    ///
    /// An account that has one stays in the cache.
    private var heads = ReservedArray<Int32>(zeros: Capacity.accounts)
    /// The REGISTER at hand.
    private var request = RegisterRequest()
    /// The accounts whose bindings have changed lately, and what the journal is still to be told of them.
    var records = RegistrationRecords(capacity: Capacity.accounts)
    /// Whether their phones are there.
    var keepalives = Keepalives()
    /// The accounts that no Asterisk is told to be there, since no phone of theirs is; since when, on the monotonic clock.
    var away: [AccountID: Milliseconds] = [:]
    /// The accounts of which a phone has come or gone, and what Asterisks are told has not followed yet.
    var unsettled = Queue<AccountID>()
    /// How many accounts a second are told of to Asterisks.
    var settleTokens = TokenBucket()
    /// How many bindings late answers would have ended.
    private var lateEnds = LateEnds()
    /// Whether the bindings that directory had stored have been taken over.
    private var hasLoaded = false

    /// No bindings.
    package init() {}

    /// How many bindings there are.
    package var count: Int { bindings.count }

    func first(_ account: AccountID) -> Int32 { heads[Int(account.place)] - 1 }

    // MARK: REGISTER

    /// Whether phones may register an account, and its access lists let the hosts of a REGISTER's Contacts in.
    ///
    /// A host name may mean any address, so it passes only where nothing is said of Contacts. A Contact that cannot be
    /// read is left to `read`, which refuses it.
    package func check(
        _ message: borrowing Incoming, _ account: AccountID, _ accounts: borrowing AccountCache
    ) throws(Refusal) {
        guard accounts.mayRegister(account) else { throw .mayNotRegister }
        guard AccessList.limits(accounts.access(account), .contact) else { return }
        var values = FieldValues(.contact)
        while let value = values.next(message.bytes, message.index) {
            guard let address = try? NameAddress(value, in: message.bytes) else { continue }
            guard let ip = address.uri.ip(in: message.bytes),
                AccessList.admits(accounts.access(account), .contact, ip)
            else { throw .contactAccess }
        }
    }

    /// Reads what a REGISTER asks for; it is the one at hand from then on.
    package mutating func read(
        _ message: borrowing Incoming, _ bench: inout Bench
    ) throws(Refusal) {
        try request.read(message, &bench)
    }

    /// Carries the REGISTER at hand out, all of it or nothing; nil when it changes nothing.
    package mutating func apply(
        _ message: borrowing Incoming, _ account: AccountID, _ accounts: inout AccountCache,
        _ connections: inout Connections,
        _ bench: inout Bench
    ) throws(Refusal) -> RegistrationChange? {
        var head = first(account)
        request.prove(
            secret: accounts.secret(account), isUnconfirmed: message.sender.isUnconfirmed)
        do {
            try bindings.apply(
                &request, account: account.place, head: &head, limit: bench.settings.contacts,
                now: bench.now.monotonic)
        } catch {
            switch error {
            case .outOfOrder: throw .registerOutOfOrder
            case .tooMany: throw .tooManyBindings
            case .full:
                bench.shortages.count(.bindings)
                throw .tableFull
            }
        }
        return follow(account, head, .unregistered, &accounts, &connections, &bench)
    }

    /// Writes the lines of the 200 to the REGISTER at hand that follow those of every answer: the bindings as they
    /// stand.
    package func writeAnswer(
        _ message: borrowing Incoming, _ account: AccountID, _ bench: inout Bench
    ) {
        bench.writer.date(bench.now.sinceEpoch)
        if request.isOutbound {
            bench.writer.append("Require: outbound\r\nFlow-Timer: ")
            bench.writer.append(
                decimal: message.flow.transport.isStream ? Self.streamTimer : Self.datagramTimer)
            bench.writer.endLine()
        }
        bench.writer.contacts(
            bindings, request, first: first(account), bench.now.monotonic)
    }

    /// After how many seconds of silence a phone is to send a keep-alive on a connection
    /// (RFC 5626 section 4.4.1).
    private static let streamTimer: UInt64 = 120
    /// And by UDP, whose way through a NAT closes after half a minute.
    private static let datagramTimer: UInt64 = 25

    /// A binding's timer has fired: its time is up, or it was refreshed and the timer is of before.
    package mutating func expired(
        _ timer: Handle, _ accounts: inout AccountCache, _ connections: inout Connections,
        _ bench: inout Bench
    ) -> RegistrationChange? {
        let place = Int32(bitPattern: timer.index)
        guard let binding = bindings[place],
            binding.expires <= bench.now.monotonic + Self.timerPrecision
        else { return nil }
        let account = AccountID(binding.account)
        var head = first(account)
        bindings.expire(place, head: &head)
        return follow(account, head, .expired, &accounts, &connections, &bench)
    }

    /// How much too early a timer may fire: a tick of the wheel.
    private static let timerPrecision = Milliseconds(16)

    // MARK: What directory takes back

    /// Ends the bindings of an account that its row would not let in as it stands; nil when none ends.
    ///
    /// Those are the bindings that another secret has made, or an unknown one, and those from where its access list lets
    /// nobody in; all when the account is gone or phones may not register it. With `isLate` only those of them end that
    /// the row before has let in unconfirmed.
    package mutating func revoke(
        _ account: AccountID, isLate: Bool = false, _ accounts: inout AccountCache,
        _ connections: inout Connections, _ bench: inout Bench
    ) -> RegistrationChange? {
        var head = first(account)
        guard head >= 0 else { return nil }
        Self.remove(from: &bindings, of: account, &head, isLate: isLate, accounts)
        return follow(account, head, .revoked, &accounts, &connections, &bench)
    }

    private static func remove(
        from bindings: inout Bindings, of account: AccountID, _ head: inout Int32, isLate: Bool,
        _ accounts: borrowing AccountCache
    ) {
        let secret = accounts.secret(account)
        let isOver = accounts.state(account) != .found || !accounts.mayRegister(account)
        bindings.remove(head: &head) { binding in
            guard !isLate || binding.isUnconfirmed else { return false }
            return isOver || binding.secret == 0 || binding.secret != secret
                || !accounts.admits(account, binding.flow.peer.ip)
        }
    }

    /// Whether what an account's row has let in unconfirmed may be taken back at once; else directory decides it.
    package mutating func mayTakeBack(_ account: AccountID, _ bench: inout Bench) -> Bool {
        var unconfirmed = 0
        var at = first(account)
        while let binding = bindings[at] {
            if binding.isUnconfirmed { unconfirmed += 1 }
            at = binding.next
        }
        return lateEnds.add(unconfirmed, of: count, &bench)
    }

    /// The source has confirmed an account's row: what it let in stays.
    package mutating func confirm(_ account: AccountID) {
        var at = first(account)
        while let binding = bindings[at] {
            if binding.isUnconfirmed { bindings.confirm(at) }
            at = binding.next
        }
    }

    // MARK: What follows from a change

    /// Follows what has changed of an account, whose first binding is `head` now: in directory, in timers, in the
    /// journal.
    private mutating func follow(
        _ account: AccountID, _ head: Int32, _ end: BindingEvent,
        _ accounts: inout AccountCache, _ connections: inout Connections, _ bench: inout Bench
    ) -> RegistrationChange? {
        guard !bindings.changes.isEmpty else { return nil }
        let was = first(account)
        setFirst(account, head)
        if was < 0, head >= 0 { accounts.retain(account) }
        var residence: Residence?
        var isNewPhone = false
        for position in bindings.changes.indices {
            let (place, event, isOther): (Int32, BindingEvent?, Bool) =
                switch bindings.changes[position] {
                case .added(let place): (place, .registered, true)
                case .refreshed(let place, let moved, let isNewCall):
                    (
                        place, moved ? .moved : keepalives[place].isGone ? .back : nil,
                        isNewCall
                    )
                case .removed(let place): (place, end, false)
                }
            guard let binding = bindings[place] else { continue }
            if event?.isEnd ?? false {
                remove(binding, accounts, &bench)
            } else {
                stand(place, binding, &connections, &bench)
                isNewPhone = isNewPhone || isOther
                keepalives[place].registered(
                    bench.now.monotonic, isOther: isOther, hasPush: hasPush(binding))
                store(place, binding, accounts, &bench)
                let until = max(residence?.until ?? binding.expires, binding.expires)
                residence = Residence(flow: binding.flow, until: until)
            }
            if let event { records.add(event, place, binding, bindings, &accounts, &bench) }
        }
        bindings.forgetRemoved()
        if was >= 0, head < 0 { accounts.release(account) }
        // The phones that are left may all be gone.
        if head >= 0, residence == nil { unsettled.append(account) }
        // Its phone is there again, or it has none: what Asterisks are told follows from that alone.
        if residence != nil || head < 0 { away[account] = nil }
        return RegistrationChange(
            account: account, isRegistered: head >= 0 && away[account] == nil,
            residence: residence, isNewPhone: isNewPhone)
    }

    private mutating func setFirst(_ account: AccountID, _ head: Int32) {
        heads[Int(account.place)] = head + 1
    }

    /// A binding stands until its timer fires, and by a connection until that is over.
    private mutating func stand(
        _ place: Int32, _ binding: Binding, _ connections: inout Connections, _ bench: inout Bench
    ) {
        if connections.attach(place, binding.flow) {
            bench.effects.boundConnections.append(binding.flow)
        }
        var timer = binding.timer
        bench.timers.cancel(&timer)
        timer = bench.timers.set(
            Handle(index: UInt32(bitPattern: place), generation: 0).payload(.binding),
            at: binding.expires)
        bindings.setTimer(place, timer)
    }

    /// Has directory store a binding.
    func store(
        _ place: Int32, _ binding: Binding, _ accounts: borrowing AccountCache,
        _ bench: inout Bench
    ) {
        bench.effects.toDirectory.bind(
            BindingColumns(
                account: accounts.name(AccountID(binding.account)), key: binding.key,
                secret: binding.secret, contact: bindings.contact(binding),
                instance: bindings.instance(binding),
                callID: bindings.callID(binding), sequence: binding.sequence,
                userAgent: bindings.userAgent(binding),
                expires: bench.now.sinceEpoch + (binding.expires - bench.now.monotonic),
                q: binding.q, transport: binding.flow.transport, listener: binding.flow.listener,
                address: binding.flow.peer, connection: binding.flow.connection,
                hasAnswered: keepalives[place].hasAnswered))
    }

    /// A binding has ended: its timer goes, and directory forgets it.
    private func remove(
        _ binding: Binding, _ accounts: borrowing AccountCache, _ bench: inout Bench
    ) {
        var timer = binding.timer
        bench.timers.cancel(&timer)
        bench.effects.toDirectory.append(
            .unbind(
                account: accounts.name(AccountID(binding.account)).text, key: binding.key))
    }

    /// Tells the journal of the accounts whose changes of the last ten seconds it has not been told of, or of all that
    /// have such, as far as the loop has room for the records; whether there are more.
    @discardableResult
    package mutating func reportRegistrations(
        all: Bool = false, _ accounts: inout AccountCache, _ bench: inout Bench
    ) -> Bool {
        records.report(all: all, bindings, &accounts, &bench)
    }

    // MARK: directory

    /// Takes back a binding that directory had stored; nil when that changes nothing.
    ///
    /// Only a router that has just begun learns from it. Later directory is the one that was started anew,
    /// perhaps a second behind: what it holds too much is taken from it.
    package mutating func restore(
        _ record: BindingRecord, _ accounts: inout AccountCache,
        _ connections: inout Connections, _ bench: inout Bench
    ) -> RegistrationChange? {
        guard hasLoaded else { return load(record, &accounts, &connections, &bench) }
        let account = accounts.find(Array(record.account.utf8).span)
        if bindings.find(record.key, head: account.map { first($0) } ?? -1) == nil {
            bench.effects.toDirectory.append(.unbind(account: record.account, key: record.key))
        }
        return nil
    }

    /// directory has told every binding it holds; whether it was started anew, and so has been given those it lacks.
    package mutating func restored(
        _ accounts: borrowing AccountCache, _ bench: inout Bench
    ) -> Bool {
        guard hasLoaded else {
            hasLoaded = true
            return false
        }
        for place in bindings.indices {
            if let binding = bindings[place] { store(place, binding, accounts, &bench) }
        }
        return true
    }

    private mutating func load(
        _ record: BindingRecord, _ accounts: inout AccountCache, _ connections: inout Connections,
        _ bench: inout Bench
    ) -> RegistrationChange? {
        let expires = bench.now.monotonic + (record.expires - bench.now.sinceEpoch)
        // An older file of directory's may hold what no phone of these listeners can have made.
        guard expires > bench.now.monotonic, record.isTimely(bench.now.sinceEpoch),
            Int(record.listener) < bench.listeners.count,
            bench.listeners[Int(record.listener)].side == .outside,
            bench.listeners[Int(record.listener)].endpoint.transport == record.transport,
            let account = accounts.account(of: Array(record.account.utf8).span, &bench)
        else { return nil }
        let flow = Flow(
            record.transport, listener: record.listener, peer: record.address,
            connection: record.connection)
        guard let place = add(record, flow, expires: expires, to: account, &accounts),
            let binding = bindings[place]
        else {
            accounts.forgetIfIdle(account, bench.now.monotonic)
            return nil
        }
        // A stream's connection counts as closed until it is seen.
        let isOpen = flow.transport == .udp || connections.isLive(flow)
        bindings.setReachable(place, isOpen)
        keepalives[place].restored(
            bench.now.monotonic, hasAnswered: record.hasAnswered, hasPush: hasPush(binding))
        if !isOpen { keepalives[place].closed(bench.now.monotonic) }
        stand(place, binding, &connections, &bench)
        return RegistrationChange(
            account: account, isRegistered: true,
            residence: Residence(flow: flow, until: expires), isNewPhone: false)
    }

    /// Adds a stored binding to an account's; nil when it has one of that key, or there is no room.
    private mutating func add(
        _ record: BindingRecord, _ flow: Flow, expires: Milliseconds, to account: AccountID,
        _ accounts: inout AccountCache
    ) -> Int32? {
        var head = first(account)
        guard bindings.find(record.key, head: head) == nil else { return nil }
        let binding = Binding(
            account: account.place, key: record.key, sequence: record.sequence,
            secret: record.secret, expires: expires, q: record.q, flow: flow)
        let contact = Array(record.contact.utf8)
        let instance = Array(record.instance.utf8)
        let callID = Array(record.callID.utf8)
        let userAgent = Array(record.userAgent.utf8)
        let texts = BindingTexts(
            contact: contact.span, instance: instance.span, callID: callID.span,
            userAgent: userAgent.span)
        let isFirst = head < 0
        guard let place = bindings.add(binding, texts, head: &head) else { return nil }
        if isFirst { accounts.retain(account) }
        setFirst(account, head)
        return place
    }

    // MARK: Who is registered

    /// Whether a phone has registered by a flow of UDP.
    package func hasFlow(_ flow: Flow) -> Bool { bindings.hasFlow(flow) }

    /// Whether a phone has registered by a flow.
    package func isRegistered(by flow: Flow, _ connections: borrowing Connections) -> Bool {
        flow.transport.isStream ? connections.isRegistered(by: flow) : hasFlow(flow)
    }

    /// Whether an account is registered by a flow, which is open.
    package func isRegistered(_ account: AccountID, by flow: Flow) -> Bool {
        binding(of: account) { $0.reachable && $0.flow == flow } != nil
    }

    /// Whether an account has a binding.
    package func isRegistered(_ account: AccountID) -> Bool { first(account) >= 0 }

    /// Whether an account has a phone that can be reached.
    package func hasReachablePhone(_ account: AccountID) -> Bool {
        binding(of: account) { $0.reachable } != nil
    }

    /// The place of the first of an account's bindings that a condition holds for.
    private func binding(
        of account: AccountID, where holds: (Binding) -> Bool
    ) -> Int32? {
        var at = first(account)
        while let binding = bindings[at] {
            if holds(binding) { return at }
            at = binding.next
        }
        return nil
    }

    // MARK: Targets

    /// Every binding of an account that can be reached, but of the flows of one phone the one it refreshed last
    /// (RFC 5626 section 7): it would ring twice.
    package func targets(_ account: AccountID) -> Targets {
        var targets = Targets()
        var at = first(account)
        while let binding = bindings[at] {
            defer { at = binding.next }
            guard binding.reachable else { continue }
            var number = targets.count
            for other in 0..<targets.count where bindings.isSamePhone(targets[other], at) {
                number = isLater(at, than: targets[other]) ? other : Targets.most
            }
            targets.put(at, at: number)
        }
        return targets
    }

    /// The flow of the account's binding that lasts longest of those that can be reached; nil when none can.
    package func latestFlow(_ account: AccountID) -> Flow? {
        var best: Binding?
        var at = first(account)
        while let binding = bindings[at] {
            let isLater = best.map { binding.expires > $0.expires } ?? true
            if binding.reachable, isLater { best = binding }
            at = binding.next
        }
        return best?.flow
    }

    /// The place of the binding that a phone refreshed before the one of a flow, which has failed, and that can be
    /// reached; nil when there is none (RFC 5626 section 5.3.1).
    package func target(_ account: AccountID, before flow: Flow) -> Int32? {
        guard let failed = binding(of: account, where: { $0.flow == flow }) else { return nil }
        var next: Int32?
        var at = first(account)
        while let other = bindings[at] {
            defer { at = other.next }
            // Only backwards, so that flows which all stay silent are tried once each.
            guard other.reachable, bindings.isSamePhone(at, failed), isLater(failed, than: at),
                next.map({ isLater(at, than: $0) }) ?? true
            else { continue }
            next = at
        }
        return next
    }

    /// Whether one binding was refreshed after another one.
    private func isLater(_ one: Int32, than other: Int32) -> Bool {
        guard let first = bindings[one], let second = bindings[other] else { return false }
        return (first.expires, one) > (second.expires, other)
    }

    /// The flow of the binding in a place; nil when it is gone.
    package func flow(_ place: Int32) -> Flow? { bindings[place]?.flow }

    /// Writes the Contact URI of the binding in a place; nothing when it is gone.
    package func writeContact(_ place: Int32, into buffer: inout ByteBuffer) {
        guard let binding = bindings[place] else { return }
        buffer.append(bindings.contact(binding))
    }
}
