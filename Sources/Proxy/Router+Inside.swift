internal import Dialling
internal import Messages
internal import Registrar
internal import SIP
internal import SIPWriting
internal import Sys

/// Requests from the Asterisks.
extension Router {
    mutating func insideRequest(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow)
    {
        let key = exchangeKey(bytes, index)
        if let handle = exchange(of: key, flow), absorb(handle, index, bytes, flow) { return }
        if index.method == .cancel {
            reply(bytes, index, flow, 481, "Call/Transaction Does Not Exist")
            return
        }
        let token = routeToken(bytes, index)
        let trunk = token == nil ? calledTrunk(bytes, index, flow) : nil
        let endsHere = token == nil && trunk == nil && index.method == .options
        guard isValid(bytes, index, flow, endsHere: endsHere) else { return }
        if let token {
            insideDialogRequest(bytes, index, flow, token)
            return
        }
        if let trunk {
            callTrunk(trunk, bytes, index, flow)
            return
        }
        switch index.method {
        case .ack: break
        case .register:
            refuse(bytes, index, flow, 405, "Method Not Allowed", "register-from-inside")
        case .options: answerInsideOptions(bytes, index, flow)
        default: callPhones(bytes, index, flow)
        }
    }

    /// A request inside a dialog: the Route says which phone, by which way.
    private mutating func insideDialogRequest(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ token: PhoneToken
    ) {
        let account = number(ofToken: token.account.span)
        guard let last = openWay(token.flow, account) else {
            // RFC 5626 section 5.3.1: the way to this phone is closed, and it has no other.
            refuse(bytes, index, flow, 430, "Flow Failed", "flow-failed")
            return
        }
        let way = trunkWay(last, account, bytes, index)
        guard index.method != .ack else {
            callConfirmed(bytes, index)
            forwardInsideACK(
                bytes, index, flow, way, token.owner, isTrunk: trunk(of: account) != nil)
            return
        }
        guard hasReadableBody(bytes, index, flow) else { return }
        let found = calls.find(bytes, index) ?? .none
        followInside(bytes, index, flow, way, account, found)
        guard let handle = open(bytes, index, flow, .outward, of: account, in: token.dialog)
        else { return }
        exchanges[handle].sequenceShift = token.sequenceShift
        exchanges[handle].dialogOwner = token.owner
        scratch.removeAll()
        scratch.append(bytes.bytes(index.requestURI.whole))
        if !forwardOutward(handle, way, bytes, index) {
            finishLocally(handle, 500, "Server Internal Error")
        }
        if index.method == .bye { hungUp(handle, found, bytes, index) }
    }

    /// The way itself while it is open, else that of the account's latest binding that can be reached.
    func openWay(_ flow: Flow, _ account: Int32) -> Flow? {
        if !flow.transport.isStream || liveConnections.contains(flow) { return flow }
        guard account >= 0 else { return nil }
        if let way = openWay(toTrunk: account) { return way }
        var best: Binding?
        var at = accounts[account].bindings
        while let binding = bindings[at] {
            let isLater = best.map { binding.expires > $0.expires } ?? true
            if binding.reachable, isLater { best = binding }
            at = binding.next
        }
        return best?.flow
    }

    private mutating func forwardInsideACK(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ way: Flow,
        _ owner: DialogOwner, isTrunk: Bool
    ) {
        writer.begin(isTrunk: isTrunk, to: way.peer.ip)
        writer.append("ACK ")
        writer.append(bytes.bytes(index.requestURI.whole))
        writer.append(" SIP/2.0\r\n")
        writer.via(way, .none, random())
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.routes(bytes, index)
        writer.identity(bytes, index, .outward, sequence: index.sequence, owner: owner)
        writer.rest(bytes, index, .outward)
        noteMedia(of: flow.peer)
        if writer.isWhole { outbox.append(writer.buffer, to: way) }
    }

    /// An OPTIONS for an account asks whether its phone can be reached; one without asks for us.
    private mutating func answerInsideOptions(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        let user = UserPart(bytes.bytes(index.requestURI.user))
        let isThere =
            user.isEmpty || accounts.find(user.span).map { hasReachablePhone($0) } ?? false
        if isThere {
            reply(bytes, index, flow, 200, "OK")
        } else {
            reply(bytes, index, flow, 480, "Temporarily Unavailable")
        }
    }

    private func hasReachablePhone(_ account: Int32) -> Bool {
        var at = accounts[account].bindings
        while let binding = bindings[at] {
            if binding.reachable { return true }
            at = binding.next
        }
        return false
    }

    /// A request for `sip:account@edge`: to all of the account's phones at once.
    private mutating func callPhones(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        // An Asterisk may have escaped what we have registered.
        let name = UserPart(bytes.bytes(index.requestURI.user))
        guard let account = accounts.find(name.span),
            hasReachablePhone(account)
        else {
            refuse(bytes, index, flow, 480, "Temporarily Unavailable", "not-registered")
            return
        }
        let targets = targets(account)
        // RFC 5393 section 5.3.3.2: what the request may still be split into is divided among the phones.
        let share =
            min(index.maxBreadth ?? Self.defaultBreadth, Self.defaultBreadth)
            / UInt8(targets.count)
        guard share > 0 else {
            refuse(bytes, index, flow, 440, "Max-Breadth Exceeded", "max-breadth")
            return
        }
        guard hasRoom(account, bytes, index, flow),
            let handle = open(bytes, index, flow, .outward, of: account)
        else { return }
        exchanges[handle].breadth = share
        guard beginCall(handle, .received, Dialled(.home), bytes, index) else { return }
        // Counted as a branch itself: a phone without room ends nothing while others follow.
        exchanges[handle].open += 1
        for position in 0..<targets.count {
            guard let binding = bindings[targets.places[position]] else { continue }
            takeContact(binding)
            _ = forwardOutward(handle, binding.flow, bytes, index)
        }
        exchanges[handle].open -= 1
        if exchanges[handle].clientCount == 0 {
            finishLocally(handle, 503, "Service Unavailable")
        } else {
            conclude(handle)
        }
    }

    /// Bindings that are called at once.
    private struct Targets {
        var places = InlineArray<12, Int32>(repeating: -1)
        var count = 0
    }

    /// Every binding that can be reached, but of the flows of one phone the one it refreshed last
    /// (RFC 5626 section 7): it would ring twice.
    private func targets(_ account: Int32) -> Targets {
        var targets = Targets()
        var at = accounts[account].bindings
        while let binding = bindings[at] {
            defer { at = binding.next }
            guard binding.reachable else { continue }
            var place = targets.count
            for position in 0..<targets.count
            where bindings.isSamePhone(targets.places[position], at) {
                let isLater = isLater(at, than: targets.places[position])
                place = isLater ? position : Exchange.maximumBranches
            }
            guard place < Exchange.maximumBranches else { continue }
            targets.places[place] = at
            if place == targets.count { targets.count += 1 }
        }
        return targets
    }
}
