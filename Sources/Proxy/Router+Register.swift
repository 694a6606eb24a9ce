internal import Journal
package import Messages
internal import Reactor
internal import Registrar
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
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow, _ replayed: Bool
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
        let request: RegisterRequest
        do {
            request = try registerRequest(bytes, index, flow)
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
        apply(request, account, bytes, index)
    }

    private mutating func apply(
        _ request: RegisterRequest, _ account: Int32, _ bytes: Span<UInt8>, _ index: MessageIndex
    ) {
        let flow = request.flow
        var head = accounts[account].bindings
        do {
            let changes = try bindings.apply(
                request, account: account, head: &head, limit: settings.contacts,
                now: now.monotonic)
            accounts[account].bindings = head
            for change in changes { note(change, account) }
            if !changes.isEmpty { bindingsChanged(account) }
            let isOutbound = request.contacts.contains { !$0.instance.isEmpty }
            answerRegister(bytes, index, flow, account, isOutbound: isOutbound)
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

    private mutating func registerRequest(
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow
    ) throws(ContactRefusal) -> RegisterRequest {
        let userAgent = index.value(.userAgent).map { [UInt8](bytes.bytes($0)) } ?? []
        var request = RegisterRequest(
            callID: Array([UInt8](bytes.bytes(index.callID)).prefix(256)),
            sequence: index.sequence, userAgent: Array(userAgent.prefix(128)), flow: flow)
        for position in 0..<index.count where index[position].name == .contact {
            var list = ValueList(index[position].value)
            while let value = list.next(in: bytes) {
                if bytes.bytes(value).isExactly("*") {
                    // RFC 3261 section 10.2.2: alone, and with Expires 0.
                    guard index.expires == 0, request.contacts.isEmpty, !request.all else {
                        throw .badContact
                    }
                    request.all = true
                    continue
                }
                guard !request.all, request.contacts.count < 10 else { throw .badContact }
                request.contacts.append(try contact(value, bytes, index, flow))
            }
        }
        // RFC 5626 section 6: one flow, one registration.
        let flows = request.contacts.count { !$0.instance.isEmpty && $0.expires.count > 0 }
        guard flows <= 1 else { throw .badContact }
        guard flows == 0 || index.hops == 1 else { throw .notFirstHop }
        return request
    }

    private mutating func contact(
        _ value: Slice, _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow
    ) throws(ContactRefusal) -> ContactRequest {
        guard let address = try? NameAddress(value, in: bytes),
            // RFC 5630 section 4: what is to be reached by TLS alone has to come by it.
            address.uri.scheme == .sip || address.uri.scheme == .sips && flow.transport == .tls,
            address.uri.headers.isEmpty, address.uri.whole.length <= 512,
            !isOwn(address.uri, bytes)
        else { throw .badContact }
        var seconds = index.expires.map { UInt64($0) } ?? UInt64(settings.maximumExpires.seconds)
        if let own = address.parameter("expires", in: bytes) {
            guard let number = bytes.bytes(own).decimal(limit: .max) else { throw .badContact }
            seconds = number
        }
        if seconds > 0, seconds < UInt64(settings.minimumExpires.seconds) { throw .tooBrief }
        let granted = min(seconds, UInt64(settings.maximumExpires.seconds))
        let identity = offersOutbound(bytes, index) ? try instance(address, bytes) : []
        let contact = [UInt8](bytes.bytes(address.uri.whole))
        let named = identity.isEmpty ? comparable(address.uri, contact) : identity
        return ContactRequest(
            key: writer.tokens.longMark(named.span), contact: contact,
            instance: identity, expires: .seconds(Int64(granted)), q: quality(address, bytes))
    }

    /// A Contact with its scheme and host in lower case, where case does not matter
    /// (RFC 3261 section 19.1.4).
    private func comparable(_ uri: URI, _ contact: [UInt8]) -> [UInt8] {
        var result = contact
        let scheme = result.firstIndex(of: UInt8(ascii: ":")) ?? 0
        for place in 0..<scheme { result[place] = Characters.lower(result[place]) }
        let host = uri.host.start - uri.whole.start
        for place in host..<host + Int(uri.host.length) {
            result[place] = Characters.lower(result[place])
        }
        return result
    }

    /// `+sip.instance` with its `reg-id`, empty without (RFC 5626 section 6).
    private func instance(
        _ address: NameAddress, _ bytes: Span<UInt8>
    ) throws(ContactRefusal) -> [UInt8] {
        guard let instance = address.parameter("+sip.instance", in: bytes), !instance.isEmpty,
            let flow = address.parameter("reg-id", in: bytes)
        else { return [] }
        guard let number = bytes.bytes(flow).decimal(limit: 2_147_483_647), number > 0,
            instance.length + flow.length < 127
        else { throw .badContact }
        // It is told again in every answer, where a fold or a blank in it would be ours.
        for place in instance.start..<instance.end
        where bytes[place] <= 0x20 || bytes[place] >= 0x7F {
            throw .badContact
        }
        return [UInt8](bytes.bytes(instance)) + [UInt8(ascii: ";")] + [UInt8](bytes.bytes(flow))
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
        guard let ip = IPAddress(parsing: host) else { return isServedHost(host) }
        let port = uri.port == 0 ? 5060 : uri.port
        let address = SocketAddress(ip, port: port)
        return listeners.contains { $0.endpoint.address == address }
            || asterisks.contains { $0.address == address }
    }

    private mutating func answerRegister(
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow, _ account: Int32,
        isOutbound: Bool
    ) {
        beginReply(bytes, index, flow, 200, "OK")
        var at = accounts[account].bindings
        while let binding = bindings[at] {
            writer.append("Contact: <")
            writer.append(binding.contact.span)
            writer.append(">;expires=")
            let left = (binding.expires - now.monotonic).count
            writer.append(decimal: UInt64(max((left + 999) / 1000, 0)))
            if let end = binding.instance.lastIndex(of: UInt8(ascii: ";")) {
                let instance = binding.instance
                writer.append(";+sip.instance=")
                writer.append(instance.span.extracting(0..<end))
                writer.append(";reg-id=")
                writer.append(instance.span.extracting(end + 1..<instance.count))
            }
            writer.endLine()
            at = binding.next
        }
        writer.date(now.sinceEpoch)
        if isOutbound {
            writer.append("Require: outbound\r\nFlow-Timer: ")
            writer.append(decimal: flow.transport.isStream ? Self.streamTimer : Self.datagramTimer)
            writer.endLine()
        }
        endReply(flow)
    }

    // MARK: What follows from a change

    /// Records a change, keeps it in directory, and sets its timer.
    private mutating func note(_ change: BindingChange, _ account: Int32) {
        switch change {
        case .added(let index):
            keep(index)
            if let binding = bindings[index] { registeredRecord(binding, "registered") }
        case .refreshed(let index, let moved):
            keep(index)
            if moved, let binding = bindings[index] { registeredRecord(binding, "moved") }
        case .removed(let binding):
            ended(binding, "unregistered")
        }
    }

    private mutating func keep(_ index: Int32) {
        guard var binding = bindings[index] else { return }
        attach(index, binding)
        timers.cancel(&binding.timer)
        binding.timer = timers.set(
            Handle(index: UInt32(bitPattern: index), generation: 0).payload(.binding),
            at: binding.expires)
        bindings.update(index, binding)
        reside(binding)
        toDirectory.append(.bind(record(binding)))
    }

    /// Remembers which bindings a connection's end concerns.
    private mutating func attach(_ index: Int32, _ binding: Binding) {
        guard binding.flow.connection != 0 else { return }
        connectionBindings[binding.flow.connection, default: []].insert(index)
    }

    private func record(_ binding: Binding) -> BindingRecord {
        BindingRecord(
            account: String(decoding: accounts[binding.account].name, as: UTF8.self),
            key: binding.key,
            contact: String(decoding: binding.contact, as: UTF8.self),
            instance: String(decoding: binding.instance, as: UTF8.self),
            callID: String(decoding: binding.callID, as: UTF8.self),
            sequence: binding.sequence,
            userAgent: String(decoding: binding.userAgent, as: UTF8.self),
            expires: now.sinceEpoch + (binding.expires - now.monotonic), q: binding.q,
            transport: binding.flow.transport, listener: binding.flow.listener,
            address: binding.flow.peer, connection: binding.flow.connection)
    }

    /// A binding is gone from the table: what else held it lets go.
    private mutating func ended(_ binding: Binding, _ how: String) {
        var timer = binding.timer
        timers.cancel(&timer)
        toDirectory.append(
            .unbind(
                account: String(decoding: accounts[binding.account].name, as: UTF8.self),
                key: binding.key))
        registeredRecord(binding, how)
    }

    private mutating func registeredRecord(_ binding: Binding, _ what: String) {
        let name = String(decoding: accounts[binding.account].name, as: UTF8.self)
        audit.add(
            what == "unregistered" || what == "expired" ? .unregistered : .registered, .info,
            "\(name) \(what) from \(binding.flow.peer.ip) over \(binding.flow.transport.name)",
            [
                (.account, name), (.address, "\(binding.flow.peer.ip)"),
                (.port, "\(binding.flow.peer.port)"), (.transport, binding.flow.transport.name),
                (.contact, String(decoding: binding.contact, as: UTF8.self)),
                (.userAgent, String(decoding: binding.userAgent, as: UTF8.self)),
            ])
    }

    /// A binding's time is up, or it was refreshed and its timer is of before.
    mutating func bindingExpired(_ index: Int32) {
        guard let binding = bindings[index], binding.expires <= now.monotonic + Milliseconds(16)
        else {
            return
        }
        var head = accounts[binding.account].bindings
        bindings.remove(index, head: &head)
        accounts[binding.account].bindings = head
        ended(binding, "expired")
        bindingsChanged(binding.account)
    }

    /// An account has other bindings than before: the Asterisks are told whether it is there.
    private mutating func bindingsChanged(_ account: Int32) {
        if accounts[account].bindings >= 0 {
            appearAtAsterisks(account)
        } else {
            leaveAsterisks(account)
        }
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
                if let binding = bindings[index] { toDirectory.append(.bind(self.record(binding))) }
            }
        }
        hasLoaded = true
    }

    private mutating func load(_ record: BindingRecord) {
        let expires = now.monotonic + (record.expires - now.sinceEpoch)
        guard expires > now.monotonic, Int(record.listener) < listeners.count,
            let account = accounts.number(Array(record.account.utf8).span)
        else { return }
        var head = accounts[account].bindings
        guard bindings.find(record.key, head: head) == nil else { return }
        let flow = Flow(
            record.transport, listener: record.listener, peer: record.address,
            connection: record.connection)
        let binding = Binding(
            account: account, key: record.key, contact: Array(record.contact.utf8),
            instance: Array(record.instance.utf8), callID: Array(record.callID.utf8),
            sequence: record.sequence, userAgent: Array(record.userAgent.utf8), expires: expires,
            q: record.q, flow: flow)
        guard let index = bindings.add(binding, head: &head) else { return }
        accounts[account].bindings = head
        // A stream's connection counts as closed until it is seen.
        bindings.setReachable(
            index, flow.transport == .udp || liveConnections.contains(flow.connection))
        guard var kept = bindings[index] else { return }
        attach(index, kept)
        kept.timer = timers.set(
            Handle(index: UInt32(bitPattern: index), generation: 0).payload(.binding), at: expires)
        bindings.update(index, kept)
        reside(kept)
        appearAtAsterisks(account)
    }

    // MARK: Connections

    /// A stream's connection stands: bindings that came by it can be reached.
    package mutating func opened(_ connection: UInt64) {
        liveConnections.insert(connection)
        setReachable(connection, true)
    }

    /// A stream's connection is over.
    package mutating func closed(_ connection: UInt64) {
        liveConnections.remove(connection)
        if sentByConnection[connection] != nil { lostConnections.insert(connection) }
        setReachable(connection, false)
        connectionBindings[connection] = nil
    }

    private mutating func setReachable(_ connection: UInt64, _ reachable: Bool) {
        for index in connectionBindings[connection] ?? []
        where bindings[index]?.flow.connection == connection {
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
                    account: String(decoding: accounts[binding.account].name, as: UTF8.self),
                    transport: binding.flow.transport, address: binding.flow.peer,
                    contact: String(decoding: binding.contact, as: UTF8.self),
                    expires: binding.expires - now.monotonic,
                    userAgent: String(decoding: binding.userAgent, as: UTF8.self)))
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

    /// How many bindings there are.
    package var phoneCount: Int { bindings.count }
}
