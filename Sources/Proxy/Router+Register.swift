package import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPWriting
package import Sys

/// The registrar (RFC 3261 section 10.3).
extension Router {
    mutating func register(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ replayed: Bool
    ) {
        guard isServed(bytes, index.to.uri) else {
            refuse(bytes, index, flow, 404, "Not Found", "foreign-domain")
            return
        }
        guard let account = authenticate(bytes, index, flow, replayed) else { return }
        guard accounts[account].mayRegister else {
            refuse(bytes, index, flow, 403, "Forbidden", "may-not-register")
            return
        }
        guard admitsContacts(bytes, index, account) else {
            refuse(bytes, index, flow, 403, "Forbidden", "contact-acl")
            return
        }
        do {
            try readRegister(bytes, index, flow)
        } catch {
            switch error {
            case .tooBrief:
                beginReply(bytes, index, flow, 423, "Interval Too Brief")
                writer.append("Min-Expires: ")
                writer.append(decimal: UInt64(settings.minimumExpires.seconds))
                writer.endLine()
                let isSent = endReply(flow)
                refuseRecord("interval-too-brief", isSent ? 423 : 0, index, bytes, flow)
            case .badContact: refuse(bytes, index, flow, 400, "Bad Contact", "contact")
            case .ownContact:
                refuse(bytes, index, flow, 400, "Bad Contact", "contact")
                offence(.contactInjection, flow)
            case .notFirstHop:
                refuse(
                    bytes, index, flow, 439, "First Hop Lacks Outbound Support", "not-first-hop")
            }
            return
        }
        guard !arrival.isRepetition else {
            // The bindings as they stand: they may have changed since, and no answer was kept.
            answerRegister(bytes, index, flow, account)
            return
        }
        applyRegister(account, bytes, index)
    }

    private mutating func applyRegister(
        _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let flow = request.flow
        var head = accounts[account].bindings
        do {
            try bindings.apply(
                &request, account: account, head: &head, limit: settings.contacts,
                now: now.monotonic)
            accounts[account].bindings = head
            noteChanges()
            answerRegister(bytes, index, flow, account)
        } catch {
            switch error {
            case .outOfOrder:
                refuse(bytes, index, flow, 500, "Server Internal Error", "register-out-of-order")
            case .tooMany: refuse(bytes, index, flow, 403, "Too Many Bindings", "too-many-bindings")
            case .full:
                shortages.count(.bindings)
                refuseFull(bytes, index, flow)
            }
        }
    }

    // MARK: What follows from a change

    /// Follows what a REGISTER or an expiry has changed: in directory, in timers, at the Asterisks.
    private mutating func noteChanges(_ how: RegistrationChange = .unregistered) {
        var account: Int32 = -1
        for position in bindings.changes.indices {
            switch bindings.changes[position] {
            case .added(let index):
                keep(index)
                if let binding = bindings[index] { note(.registered, index, binding) }
                account = bindings[index]?.account ?? account
            case .refreshed(let index, let moved):
                keep(index)
                if moved, let binding = bindings[index] { note(.moved, index, binding) }
                account = bindings[index]?.account ?? account
            case .removed(let index):
                if let binding = bindings[index] { ended(index, binding, how) }
                account = bindings[index]?.account ?? account
            }
        }
        bindings.forgetRemoved()
        guard account >= 0 else { return }
        if accounts[account].bindings >= 0 {
            appearAtAsterisks(account)
        } else {
            leaveAsterisks(account)
        }
    }

    private mutating func keep(_ index: Int32) {
        guard let binding = bindings[index] else { return }
        attach(index, binding)
        startTimer(index, binding)
        reside(binding)
        tell(binding)
    }

    private mutating func startTimer(_ index: Int32, _ binding: Binding) {
        var timer = binding.timer
        timers.cancel(&timer)
        timer = timers.set(
            Handle(index: UInt32(bitPattern: index), generation: 0).payload(.binding),
            at: binding.expires)
        bindings.setTimer(index, timer)
    }

    /// Remembers which bindings a connection's end concerns.
    private mutating func attach(_ index: Int32, _ binding: Binding) {
        guard binding.flow.transport.isStream else { return }
        if binding.flow.transport == .tcp, connectionBindings[binding.flow] == nil {
            boundConnections.append(binding.flow)
        }
        connectionBindings[binding.flow, default: []].insert(index)
    }

    /// Has directory keep a binding.
    private mutating func tell(_ binding: Binding) {
        Self.bind(
            &toDirectory, accounts, bindings, binding,
            expires: now.sinceEpoch + (binding.expires - now.monotonic))
    }

    private static func bind(
        _ queue: inout DirectoryQueue, _ accounts: borrowing Accounts,
        _ bindings: borrowing Bindings, _ binding: Binding, expires: Milliseconds
    ) {
        queue.bind(
            BindingColumns(
                account: accounts.name(binding.account), key: binding.key,
                contact: bindings.contact(binding), instance: bindings.instance(binding),
                callID: bindings.callID(binding), sequence: binding.sequence,
                userAgent: bindings.userAgent(binding), expires: expires, q: binding.q,
                transport: binding.flow.transport, listener: binding.flow.listener,
                address: binding.flow.peer, connection: binding.flow.connection))
    }

    /// A binding is gone from the table: what else held it lets go.
    private mutating func ended(_ index: Int32, _ binding: Binding, _ how: RegistrationChange) {
        var timer = binding.timer
        timers.cancel(&timer)
        toDirectory.append(
            .unbind(account: accounts.name(binding.account).text, key: binding.key))
        note(how, index, binding)
    }

    /// A binding's time is up, or it was refreshed and its timer is of before.
    mutating func bindingExpired(_ index: Int32) {
        guard let binding = bindings[index], binding.expires <= now.monotonic + Milliseconds(16)
        else {
            return
        }
        var head = accounts[binding.account].bindings
        bindings.expire(index, head: &head)
        accounts[binding.account].bindings = head
        noteChanges(.expired)
    }

    /// Takes back a binding that directory kept.
    ///
    /// Only a router that has just begun learns from it. Later directory is the one that was started anew,
    /// perhaps a second behind: what it holds too much is taken from it.
    mutating func restore(_ record: BindingRecord) {
        if hasLoaded {
            let account = accounts.find(Array(record.account.utf8).span)
            let head = account.map { accounts[$0].bindings } ?? -1
            if bindings.find(record.key, head: head) == nil {
                toDirectory.append(.unbind(account: record.account, key: record.key))
            }
            return
        }
        load(record)
    }

    /// directory has told every binding it holds; what it lacks is given to it.
    mutating func restored() {
        if hasLoaded {
            for index in bindings.indices {
                if let binding = bindings[index] { tell(binding) }
            }
            tellStandings()
        }
        hasLoaded = true
    }

    private mutating func load(_ record: BindingRecord) {
        let expires = now.monotonic + (record.expires - now.sinceEpoch)
        // An older file of directory's may hold what no phone of these listeners can have made.
        guard expires > now.monotonic, record.isTimely(now.sinceEpoch),
            Int(record.listener) < listeners.count,
            listeners[Int(record.listener)].side == .outside,
            listeners[Int(record.listener)].endpoint.transport == record.transport,
            let account = accounts.number(Array(record.account.utf8).span)
        else { return }
        var head = accounts[account].bindings
        guard bindings.find(record.key, head: head) == nil else { return }
        let flow = Flow(
            record.transport, listener: record.listener, peer: record.address,
            connection: record.connection)
        let binding = Binding(
            account: account, key: record.key, sequence: record.sequence, expires: expires,
            q: record.q, flow: flow)
        let contact = Array(record.contact.utf8)
        let instance = Array(record.instance.utf8)
        let callID = Array(record.callID.utf8)
        let userAgent = Array(record.userAgent.utf8)
        let texts = BindingTexts(
            contact: contact.span, instance: instance.span, callID: callID.span,
            userAgent: userAgent.span)
        guard let index = bindings.add(binding, texts, head: &head) else { return }
        accounts[account].bindings = head
        // A stream's connection counts as closed until it is seen.
        bindings.setReachable(
            index, flow.transport == .udp || liveConnections.contains(flow))
        attach(index, binding)
        startTimer(index, binding)
        reside(binding)
        appearAtAsterisks(account)
    }

    // MARK: Connections

    /// A stream's connection stands: bindings that came by it can be reached.
    ///
    /// Those of the same handle and another peer or listener came by another connection. `own` is the address of
    /// this machine that a connection to a wildcard endpoint has.
    package mutating func opened(_ flow: Flow, at own: IPAddress? = nil) {
        liveConnections.insert(flow)
        if let own {
            noteAsked(own, by: flow)
            writer.wildcards.opened(flow, at: own)
        }
        setReachable(flow, true)
    }

    /// A stream's connection is over.
    package mutating func closed(_ flow: Flow) {
        liveConnections.remove(flow)
        writer.wildcards.closed(flow)
        if sentByConnection[flow] != nil { lostConnections.insert(flow) }
        setReachable(flow, false)
        connectionBindings[flow] = nil
        authenticatedConnections.remove(flow)
    }

    private mutating func setReachable(_ flow: Flow, _ reachable: Bool) {
        for index in connectionBindings[flow] ?? [] where bindings[index]?.flow == flow {
            bindings.setReachable(index, reachable)
        }
    }

    // MARK: The command line

    /// Every live binding, for `rempart phones`.
    package func phones() -> [ControlReply] {
        bindings.indices.compactMap { index in
            guard let binding = bindings[index] else { return nil }
            return .phone(
                PhoneRow(
                    account: accounts.name(binding.account).text,
                    transport: binding.flow.transport, address: binding.flow.peer,
                    contact: bindings.contact(binding).text,
                    expires: binding.expires - now.monotonic,
                    userAgent: bindings.userAgent(binding).text,
                    isReachable: binding.reachable))
        }
    }

    /// Every Asterisk with its state, for `rempart status`.
    package func asteriskRows() -> [ControlReply] {
        asterisks.map { .asterisk($0.address, $0.state) }
    }

    /// How many Asterisks answer, of how many.
    package var asterisksUp: (up: Int, all: Int) {
        (asterisks.count { $0.state == .up }, asterisks.count)
    }

    /// What is wrong now: Asterisks that do not answer.
    package var conditions: [Condition] {
        let down = asterisks.filter { $0.state == .down }.map(\.address.description)
        guard !down.isEmpty else { return [] }
        if down.count == asterisks.count {
            return [Condition(.noAsterisk, "no Asterisk answers (\(Self.some(of: down)))")]
        }
        let answer =
            down.count == 1
            ? "one Asterisk does not answer" : "\(down.count) Asterisks do not answer"
        return [Condition(.asterisk, "\(answer) (\(Self.some(of: down)))")]
    }

    /// The first of some addresses, with how many more there are.
    private static func some(of addresses: [String]) -> String {
        let more = addresses.count - 3
        return addresses.prefix(3).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }

    /// How many bindings there are.
    package var phoneCount: Int { bindings.count }
}
