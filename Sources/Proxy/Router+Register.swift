internal import Journal
package import Messages
internal import Reactor
package import Registrar
internal import SIP
internal import Sys

/// The registrar (RFC 3261 section 10.3).
extension Router {
    /// After how many seconds of silence a phone is to send a keep-alive on a connection
    /// (RFC 5626 section 4.4.1).
    private static let streamTimer: UInt64 = 120
    /// And by UDP, whose way through a NAT closes after half a minute.
    private static let datagramTimer: UInt64 = 25

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
                endReply(flow)
                refuseRecord("interval-too-brief", 423, index, bytes, flow)
            case .badContact:
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
            case .full: refuseForNow(bytes, index, flow, "table-full")
            }
        }
    }

    private enum ContactRefusal: Error {
        case tooBrief
        case badContact
        /// Outbound is asked for through another proxy, whose flow is not the phone's (RFC 5626 section 6).
        case notFirstHop
    }

    /// Reads what a REGISTER asks for into `request`.
    private mutating func readRegister(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) throws(ContactRefusal) {
        request.begin(
            callID: bytes.bytes(index.callID), sequence: index.sequence,
            userAgent: bytes.bytes(index.value(.userAgent) ?? .empty), flow: flow)
        var values = FieldValues(.contact)
        while let value = values.next(bytes, index) {
            if bytes.bytes(value).isExactly("*") {
                // RFC 3261 section 10.2.2: alone, and with Expires 0.
                guard index.expires == 0, request.count == 0, !request.all else {
                    throw .badContact
                }
                request.all = true
                continue
            }
            guard !request.all, request.count < RegisterRequest.maximumContacts else {
                throw .badContact
            }
            try readContact(value, bytes, index, flow)
        }
        // RFC 5626 section 6: one flow, one registration.
        let flows = request.outboundFlows
        guard flows <= 1 else { throw .badContact }
        guard flows == 0 || index.hops == 1 else { throw .notFirstHop }
    }

    private mutating func readContact(
        _ value: Slice, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) throws(ContactRefusal) {
        guard let address = try? NameAddress(value, in: bytes),
            // RFC 5630 section 4: what is to be reached by TLS alone has to come by it.
            address.uri.scheme == .sip || address.uri.scheme == .sips && flow.transport == .tls,
            address.uri.headers.isEmpty,
            address.uri.whole.length <= BindingTexts.longestContact, !isOwn(address.uri, bytes)
        else { throw .badContact }
        var seconds = index.expires.map { UInt64($0) } ?? UInt64(settings.maximumExpires.seconds)
        if let own = address.parameter("expires", in: bytes) {
            guard let number = bytes.bytes(own).decimal(limit: .max) else { throw .badContact }
            seconds = number
        }
        if seconds > 0, seconds < UInt64(settings.minimumExpires.seconds) { throw .tooBrief }
        let granted = min(seconds, UInt64(settings.maximumExpires.seconds))
        var identity = Identity()
        if offersOutbound(bytes, index) { identity = try self.identity(address, bytes) }
        scratch.removeAll()
        if identity.instance.isEmpty {
            writeComparable(address.uri, bytes)
        } else {
            scratch.append(bytes.bytes(identity.instance))
            scratch.append(UInt8(ascii: ";"))
            scratch.append(bytes.bytes(identity.regID))
        }
        request.add(
            key: Self.longMark(&writer, scratch), contact: bytes.bytes(address.uri.whole),
            instance: bytes.bytes(identity.instance), regID: bytes.bytes(identity.regID),
            expires: .seconds(Int64(granted)), q: quality(address, bytes))
    }

    private static func longMark(
        _ writer: inout MessageWriter, _ name: borrowing ByteBuffer
    ) -> UInt64 {
        writer.tokens.longMark(name.span)
    }

    /// Writes a Contact with its scheme and host in lower case, where case does not matter
    /// (RFC 3261 section 19.1.4).
    private mutating func writeComparable(_ uri: URI, _ bytes: Span<UInt8>) {
        var isScheme = true
        for place in uri.whole.start..<uri.whole.end {
            if bytes[place] == UInt8(ascii: ":") { isScheme = false }
            // The dot that may end a domain name.
            if place == uri.host.end, bytes[place] == UInt8(ascii: ".") { continue }
            let isHost = place >= uri.host.start && place < uri.host.end
            scratch.append(isScheme || isHost ? Characters.lower(bytes[place]) : bytes[place])
        }
    }

    /// What tells a phone's flow from its other ones (RFC 5626 section 6).
    private struct Identity {
        var instance = Slice.empty
        var regID = Slice.empty
    }

    /// `+sip.instance` with its `reg-id`, both empty without.
    private func identity(
        _ address: NameAddress, _ bytes: Span<UInt8>
    ) throws(ContactRefusal) -> Identity {
        guard let instance = address.parameter("+sip.instance", in: bytes), !instance.isEmpty,
            let flow = address.parameter("reg-id", in: bytes)
        else { return Identity() }
        guard let number = bytes.bytes(flow).decimal(limit: 2_147_483_647), number > 0,
            Int(instance.length) + Int(flow.length) < BindingTexts.longestInstance - 1
        else { throw .badContact }
        // It is told again in every answer, where a fold or a blank in it would be ours.
        for place in instance.start..<instance.end
        where bytes[place] <= 0x20 || bytes[place] >= 0x7F {
            throw .badContact
        }
        return Identity(instance: instance, regID: flow)
    }

    /// `q` in thousandths; 1000 without, or when it is not one.
    private func quality(_ address: NameAddress, _ bytes: Span<UInt8>) -> UInt16 {
        guard let q = address.parameter("q", in: bytes), q.length >= 1, q.length <= 5,
            bytes[q.start] == UInt8(ascii: "0")
        else { return 1000 }
        var value: UInt16 = 0
        var scale: UInt16 = 100
        for position in (q.start + 2)..<max(q.end, q.start + 2) {
            guard bytes[position] &- 0x30 <= 9 else { return 1000 }
            value += UInt16(bytes[position] - 0x30) * scale
            scale /= 10
        }
        return value
    }

    /// Whether a Contact's host is this edge itself, which would make calls go in circles.
    private func isOwn(_ uri: URI, _ bytes: Span<UInt8>) -> Bool {
        let host = bytes.bytes(uri.host)
        guard let ip = uri.ip(in: bytes) else { return isServedHost(host) }
        let port = uri.port == 0 ? 5060 : uri.port
        let address = SocketAddress(ip, port: port)
        return listeners.contains { $0.endpoint.address == address }
            || asterisks.contains { $0.address == address }
    }

    private mutating func answerRegister(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ account: Int32
    ) {
        beginReply(bytes, index, flow, 200, "OK")
        Self.writeContacts(&writer, bindings, first: accounts[account].bindings, now.monotonic)
        writer.date(now.sinceEpoch)
        if request.isOutbound {
            writer.append("Require: outbound\r\nFlow-Timer: ")
            writer.append(decimal: flow.transport.isStream ? Self.streamTimer : Self.datagramTimer)
            writer.endLine()
        }
        endReply(flow)
    }

    private static func writeContacts(
        _ writer: inout MessageWriter, _ bindings: borrowing Bindings, first: Int32,
        _ now: Milliseconds
    ) {
        var at = first
        while let binding = bindings[at] {
            writer.append("Contact: <")
            writer.append(bindings.contact(binding))
            writer.append(">;expires=")
            let left = (binding.expires - now).count
            writer.append(decimal: UInt64(max((left + 999) / 1000, 0)))
            let instance = bindings.instance(binding)
            if let end = instance.lastIndex(of: UInt8(ascii: ";")) {
                writer.append(";+sip.instance=")
                writer.append(instance.extracting(0..<end))
                writer.append(";reg-id=")
                writer.append(instance.extracting(end + 1..<instance.count))
            }
            writer.endLine()
            at = binding.next
        }
    }

    // MARK: What follows from a change

    /// Follows what a REGISTER or an expiry has changed: in directory, in timers, at the Asterisks.
    private mutating func noteChanges(_ how: StaticString = "unregistered") {
        var account: Int32 = -1
        for position in bindings.changes.indices {
            switch bindings.changes[position] {
            case .added(let index):
                keep(index)
                if let binding = bindings[index] {
                    registeredRecord(binding, "registered", ended: false)
                }
                account = bindings[index]?.account ?? account
            case .refreshed(let index, let moved):
                keep(index)
                if moved, let binding = bindings[index] {
                    registeredRecord(binding, "moved", ended: false)
                }
                account = bindings[index]?.account ?? account
            case .removed(let index):
                if let binding = bindings[index] { ended(binding, how) }
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
        guard binding.flow.connection != 0 else { return }
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
    private mutating func ended(_ binding: Binding, _ how: StaticString) {
        var timer = binding.timer
        timers.cancel(&timer)
        toDirectory.append(
            .unbind(account: accounts.name(binding.account).text, key: binding.key))
        registeredRecord(binding, how, ended: true)
    }

    private mutating func registeredRecord(_ binding: Binding, _ what: StaticString, ended: Bool) {
        Self.record(
            &audit.records, accounts, bindings, binding, what,
            ended ? .unregistered : .registered)
    }

    private static func record(
        _ records: inout RecordBatch, _ accounts: borrowing Accounts,
        _ bindings: borrowing Bindings, _ binding: Binding, _ what: StaticString,
        _ record: Record
    ) {
        let name = accounts.name(binding.account)
        records.begin(record, .info)
        records.append(name)
        records.append(" ")
        records.append(what)
        records.append(" from ")
        records.append(binding.flow.peer.ip)
        records.append(" over ")
        records.append(text: binding.flow.transport.name)
        records.field(.account)
        records.append(name)
        records.source(binding.flow)
        records.field(.contact)
        records.append(bindings.contact(binding))
        records.field(.userAgent)
        records.append(bindings.userAgent(binding))
        records.end()
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
        noteChanges("expired")
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
    /// Those of the same handle and another peer or listener came by another connection.
    package mutating func opened(_ flow: Flow) {
        liveConnections.insert(flow)
        setReachable(flow, true)
    }

    /// A stream's connection is over.
    package mutating func closed(_ flow: Flow) {
        liveConnections.remove(flow)
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
                    userAgent: bindings.userAgent(binding).text))
        }
    }

    /// Every Asterisk with its state, for `rempart status`.
    package func asteriskRows() -> [ControlReply] {
        asterisks.map { .asterisk($0.address, $0.state) } + insideMediaRows()
    }

    /// How many Asterisks answer, of how many.
    package var asterisksUp: (up: Int, all: Int) {
        (asterisks.count { $0.state == .up }, asterisks.count)
    }

    /// How many bindings there are.
    package var phoneCount: Int { bindings.count }
}
