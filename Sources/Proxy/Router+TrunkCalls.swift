internal import Dialling
internal import Journal
package import Messages
internal import Reactor
internal import SIP
internal import SIPWriting
internal import Sys

/// What the Asterisks send to trunks.
extension Router {
    /// The number of the trunk that a request out of any dialog is for: by the socket it came by, else by the
    /// host that it names.
    func calledTrunk(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Int? {
        guard !trunks.isEmpty else { return nil }
        if let own = trunks.firstIndex(where: { $0.inside == flow.listener }) { return own }
        let host = bytes.bytes(index.requestURI.host)
        let ip = IPAddress(parsing: host)
        return trunks.firstIndex { trunk in
            let domain = trunk.settings.domain
            return !domain.isEmpty && host.equalsCaseless(domain.span)
                || trunk.servers.contains { $0.address.ip == ip }
        }
    }

    /// A request of an Asterisk that begins something at a trunk, registers there, or asks whether it is there.
    mutating func callTrunk(
        _ number: Int, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        guard index.method != .ack else { return }
        guard index.to.tag.isEmpty else {
            refuse(bytes, index, flow, 481, "Call/Transaction Does Not Exist", "no-dialog")
            return
        }
        guard hasRoom(number, bytes, index, flow),
            let handle = open(bytes, index, flow, .outward, of: trunks[number].account)
        else { return }
        decided("passed on to the trunk \(trunks[number].settings.name)", 100, index, bytes, flow)
        takeTarget(number, bytes, index, handle)
        exchanges[handle].user = Self.store(&texts, scratch)
        guard beginCall(handle, .received, Dialled(.home), bytes, index) else { return }
        guard let server = chooseServer(handle, number) else {
            finishLocally(handle, 503, "Service Unavailable")
            return
        }
        if !forwardOutward(handle, server, bytes, index) {
            finishLocally(handle, 500, "Server Internal Error")
        }
    }

    /// Puts the Request-URI that a trunk gets into `scratch`: what the Asterisk wrote, but for our own address and
    /// for hosts that only the inside knows.
    private mutating func takeTarget(
        _ number: Int, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ handle: Handle
    ) {
        let uri = index.requestURI
        scratch.removeAll()
        let host = bytes.bytes(uri.host)
        if let server = trunks[number].servers.first { writer.face(server.address.ip) }
        guard !host.isEmpty, !writer.hosts.leaves(host, .target) else {
            scratch.append(bytes.bytes(uri.whole))
            return
        }
        exchanges[handle].isReaddressed = true
        scratch.append("sip:")
        if !uri.user.isEmpty {
            scratch.append(bytes.bytes(uri.user))
            scratch.append("@")
        }
        let trunk = trunks[number]
        if trunk.settings.domain.isEmpty, let server = trunk.servers.first {
            scratch.append(text: server.address.description)
        } else {
            scratch.append(trunk.settings.domain.span)
        }
    }

    private static func store(_ texts: inout TextStore, _ buffer: borrowing ByteBuffer) -> Text {
        texts.store(buffer.span) ?? .none
    }

    // MARK: Servers

    /// Takes the server that a request has not tried yet and that answers best; nil when there is none.
    private mutating func chooseServer(_ handle: Handle, _ number: Int) -> Flow? {
        let servers = trunks[number].servers
        let tried = exchanges[handle].tried
        let left = servers.indices.filter { tried >> UInt64($0) & 1 == 0 }
        let best = left.first { servers[$0].avoidedUntil <= now.monotonic } ?? left.first
        guard let place = best, let flow = flow(to: servers[place].address) else { return nil }
        exchanges[handle].tried |= 1 << UInt64(place)
        return flow
    }

    /// The way to a trunk's address: by the first outside UDP endpoint of its family.
    private func flow(to address: SocketAddress) -> Flow? {
        let listener = listeners.first {
            $0.side == .outside && $0.endpoint.transport == .udp
                && $0.endpoint.address.ip.isV4 == address.ip.isV4
        }
        return listener.map { way($0.index, to: address) }
    }

    /// Sends an exchange's request to the next server of its trunk; false when there is none.
    mutating func tryNextServer(_ handle: Handle) -> Bool {
        // A Request-URI too long to be kept is tried once.
        guard exchanges[handle].user.length > 0,
            let number = trunk(of: exchanges[handle].account),
            let server = chooseServer(handle, number)
        else { return false }
        scratch.removeAll()
        Self.append(&scratch, texts, exchanges[handle].user)
        return forwardKept(handle, server)
    }

    private static func append(
        _ buffer: inout ByteBuffer, _ texts: borrowing TextStore, _ text: Text
    ) {
        buffer.append(texts.span(text))
    }

    /// Whether another server of its trunk may get an exchange's request.
    func hasOtherServer(_ handle: Handle) -> Bool {
        guard let number = trunk(of: exchanges[handle].account) else { return false }
        return trunks[number].servers.count > exchanges[handle].tried.nonzeroBitCount
    }

    /// A server has answered a request, or has not.
    mutating func note(_ client: Handle, answers: Bool) {
        guard case .exchange(let owner) = clients[client].owner, exchanges.contains(owner),
            exchanges[owner].isTrunk, exchanges[owner].direction == .outward,
            let number = trunk(of: exchanges[owner].account),
            let place = trunks[number].servers.firstIndex(where: {
                $0.address == clients[client].flow.peer
            })
        else { return }
        trunks[number].servers[place].avoidedUntil =
            answers ? Milliseconds(0) : now.monotonic + TrunkServer.avoidance
        let state: AsteriskState = answers ? .up : .down
        let old = trunks[number].servers[place].state
        guard old != state else { return }
        trunks[number].servers[place].state = state
        // The first answer of one that was never silent is nothing to tell.
        guard !answers || old == .down else { return }
        let address = trunks[number].servers[place].address
        let name = trunks[number].settings.name
        if !answers { writer.wildcards.forget(toward: address.ip) }
        audit.add(
            answers ? .trunkUp : .trunkDown, answers ? .notice : .error,
            answers
                ? "\(address) of the trunk \(name) answers again"
                : "\(address) of the trunk \(name) does not answer; it is called last for a while",
            [(.trunk, name), (.address, "\(address.ip)"), (.port, "\(address.port)")])
    }

    /// A trunk asks for a password for a request that the Asterisk has addressed to us: its answer would be
    /// computed from that address, and be wrong.
    mutating func cannotAuthenticate(_ owner: Handle) {
        guard audit.allowsRefusal(now.monotonic) else { return }
        let name = trunkName(exchanges[owner].account)
        audit.add(
            .trunkRefused, .warning,
            "the trunk \(name) asks for a password, but Asterisk addresses the edge instead of it:"
                + " give Asterisk the trunk's own host, and the edge as outbound proxy",
            [(.trunk, name), (.asterisk, "\(exchanges[owner].flow.peer)")])
    }

    // MARK: Inside a dialog

    /// The way of a trunk's dialog: where the next Route leads, or without one the Request-URI, if that is an
    /// address of the trunk; else where its last message came from.
    func trunkWay(
        _ way: Flow, _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Flow {
        guard !way.transport.isStream, let number = trunk(of: account) else { return way }
        let next = Self.nextRoute(bytes, index) ?? index.requestURI
        guard let ip = IPAddress(parsing: bytes.bytes(next.host)), trunk(at: ip) == number else {
            return way
        }
        let peer = SocketAddress(ip, port: next.port == 0 ? 5060 : next.port)
        return Flow(.udp, listener: way.listener, peer: peer, connection: way.connection)
    }

    /// The URI of the Route after the topmost, which is ours.
    private static func nextRoute(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> URI? {
        var values = FieldValues(.route)
        guard values.next(bytes, index) != nil, let next = values.next(bytes, index) else {
            return nil
        }
        return (try? NameAddress(next, in: bytes))?.uri
    }

    /// The values of all fields of a name but the first few, as one; what a BYE of ours needs as Route.
    static func values(
        _ name: HeaderName, dropping count: Int = 0, reversed: Bool = false, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) -> [UInt8] {
        var list: [[UInt8]] = []
        var values = FieldValues(name)
        while let value = values.next(bytes, index) { list.append([UInt8](bytes.bytes(value))) }
        let left = list.dropFirst(count)
        return Array((reversed ? left.reversed() : Array(left)).joined(separator: Array(", ".utf8)))
    }

    /// The way to a trunk whose connection has closed.
    func openWay(toTrunk account: Int32) -> Flow? {
        guard let number = trunk(of: account), let server = trunks[number].servers.first else {
            return nil
        }
        return flow(to: server.address)
    }

    /// Every server of every trunk, for `rempart status`.
    package func trunkRows() -> [ControlReply] {
        trunks.flatMap { trunk in
            trunk.servers.map { server in
                .trunk(
                    TrunkRow(
                        name: trunk.settings.name, server: server.address, state: server.state,
                        calls: calls.gate[trunk.account].all))
            }
        }
    }
}
