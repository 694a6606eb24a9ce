internal import Messages
internal import Registrar
internal import SIP
internal import Sys

/// Requests from the Asterisks.
extension Router {
    mutating func insideRequest(_ message: inout Incoming) {
        let key = exchangeKey(message.bytes, message.index)
        if let handle = exchange(of: key, message.flow), absorb(handle, message) { return }
        if message.index.method == .cancel {
            reply(message, .callDoesNotExist)
            return
        }
        let token = routeToken(message.bytes, message.index)
        let trunk = token == nil ? calledTrunk(message) : nil
        let endsHere = token == nil && trunk == nil && message.index.method == .options
        guard carryOut(validate(message, endsHere: endsHere), &message) != nil else { return }
        if let token {
            insideDialogRequest(&message, token)
            return
        }
        if let trunk {
            callTrunk(trunk, &message)
            return
        }
        switch message.index.method {
        case .ack: break
        case .register:
            refuse(message, .registerFromInside)
        case .options: answerInsideOptions(message)
        default: callPhones(&message)
        }
    }

    /// A request inside a dialog: the Route says which phone, by which way.
    private mutating func insideDialogRequest(
        _ message: inout Incoming, _ token: PhoneToken
    ) {
        let account = number(ofToken: token.account.span)
        guard let last = openWay(token.flow, account) else {
            // RFC 5626 section 5.3.1: the way to this phone is closed, and it has no other.
            refuse(message, .flowFailed)
            return
        }
        let way = trunkWay(last, account, message.bytes, message.index)
        guard message.index.method != .ack else {
            callConfirmed(message.bytes, message.index)
            forwardInsideACK(
                message, way, token.owner, isTrunk: trunk(of: account) != nil)
            return
        }
        guard hasReadableBody(message) else {
            refuse(message, .sessionDescription)
            return
        }
        let found = calls.find(message.bytes, message.index) ?? .none
        followInside(message, way, account, found)
        guard
            let handle = carryOut(
                open(message, .outward, of: account, in: token.dialog), &message)
        else { return }
        exchanges[handle].sequenceShift = token.sequenceShift
        exchanges[handle].dialogOwner = token.owner
        bench.scratch.removeAll()
        bench.scratch.append(message.bytes.bytes(message.index.requestURI.whole))
        if !forwardOutward(handle, way, message.bytes, message.index) {
            finishLocally(handle, .serverInternalError)
        }
        if message.index.method == .bye { hungUp(handle, found, message.bytes, message.index) }
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
        _ message: borrowing Incoming, _ way: Flow,
        _ owner: DialogOwner, isTrunk: Bool
    ) {
        bench.writer.begin(isTrunk: isTrunk, to: way.peer.ip)
        bench.writer.append("ACK ")
        bench.writer.append(message.bytes.bytes(message.index.requestURI.whole))
        bench.writer.append(" SIP/2.0\r\n")
        bench.writer.via(way, .none, bench.random())
        bench.writer.maxForwards(min(message.index.maxForwards ?? 70, 70) - 1)
        bench.writer.routes(message.bytes, message.index)
        bench.writer.identity(
            message.bytes, message.index, .outward, sequence: message.index.sequence, owner: owner)
        bench.writer.rest(message.bytes, message.index, .outward)
        noteMedia(of: message.flow.peer)
        if bench.writer.isWhole { bench.effects.outbox.append(bench.writer.buffer, to: way) }
    }

    /// An OPTIONS for an account asks whether its phone can be reached; one without asks for us.
    private mutating func answerInsideOptions(
        _ message: borrowing Incoming
    ) {
        let user = UserPart(message.bytes.bytes(message.index.requestURI.user))
        let isThere =
            user.isEmpty || accounts.find(user.span).map { hasReachablePhone($0) } ?? false
        if isThere {
            reply(message, .ok)
        } else {
            reply(message, .temporarilyUnavailable)
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
    private mutating func callPhones(_ message: inout Incoming) {
        // An Asterisk may have escaped what we have registered.
        let name = UserPart(message.bytes.bytes(message.index.requestURI.user))
        guard let account = accounts.find(name.span),
            hasReachablePhone(account)
        else {
            refuse(message, .notRegistered)
            return
        }
        let targets = targets(account)
        // RFC 5393 section 5.3.3.2: what the request may still be split into is divided among the phones.
        let share =
            min(message.index.maxBreadth ?? Self.defaultBreadth, Self.defaultBreadth)
            / UInt8(targets.count)
        guard share > 0 else {
            refuse(message, .maxBreadth)
            return
        }
        if message.index.method == .invite {
            guard carryOut(checkRoom(account), &message) != nil else { return }
        }
        guard let handle = carryOut(open(message, .outward, of: account), &message) else { return }
        exchanges[handle].breadth = share
        guard beginCall(handle, .received, Dialled(.home), message.bytes, message.index) else {
            return
        }
        // Counted as a branch itself: a phone without room ends nothing while others follow.
        exchanges[handle].open += 1
        for position in 0..<targets.count {
            guard let binding = bindings[targets.places[position]] else { continue }
            takeContact(binding)
            _ = forwardOutward(handle, binding.flow, message.bytes, message.index)
        }
        exchanges[handle].open -= 1
        if exchanges[handle].clientCount == 0 {
            finishLocally(handle, .serviceUnavailable)
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
