internal import AccountCache
internal import Admission
internal import AsteriskPool
internal import Calls
internal import Connections
internal import Dialling
internal import LocationService
internal import Messages
package import ProxyBench
internal import ProxyCore
internal import SIP
internal import SIPWriting
internal import Sys
internal import Trunks

/// Requests of Asterisks: to a phone, to a trunk, or to the edge itself.
extension Paths {
    /// Takes a request from an Asterisk.
    package mutating func requestFromInside(_ message: inout Incoming, _ bench: inout Bench) {
        guard !absorb(message, &bench) else { return }
        guard message.index.method != .cancel else {
            ground.reply(message, .callDoesNotExist, &bench)
            return
        }
        let token = calls.routeToken(message, &bench)
        let trunk = token == nil ? ground.trunks.calledTrunk(message) : nil
        let endsHere = token == nil && trunk == nil && message.index.method == .options
        guard
            carryOut(
                ProxyCore.validate(message, endsHere: endsHere, ground, bench), &message, &bench)
                != nil
        else { return }
        if let token {
            requestInDialog(&message, token, &bench)
        } else if let trunk {
            requestToTrunk(&message, trunk, &bench)
        } else {
            switch message.index.method {
            case .ack: break
            case .register: ground.refuse(&message, .registerFromInside, &bench)
            case .options: answerOptions(message, &bench)
            default: requestToPhones(&message, &bench)
            }
        }
    }

    /// A request inside a dialog: the Route says which phone, by which way.
    private mutating func requestInDialog(
        _ message: inout Incoming, _ token: PhoneToken, _ bench: inout Bench
    ) {
        let party = ground.party(named: token.account.span, &bench)
        guard let open = ground.openWay(token.flow, party, bench) else {
            // RFC 5626 section 5.3.1: the way to this phone is closed, and it has no other.
            ground.refuse(&message, .flowFailed, &bench)
            return
        }
        let way =
            party.trunk.map { ground.trunks.way(open, of: $0, message.bytes, message.index) }
            ?? open
        let call = calls.find(message)
        guard message.index.method != .ack else {
            calls.heard(call, bench)
            core.forwardACK(
                message, by: way, token.owner, isTrunk: party.isTrunk, &ground, &bench)
            return
        }
        guard
            carryOut(.refuse(.sessionDescription, if: !message.hasReadableBody), &message, &bench)
                != nil
        else { return }
        guard
            carryOut(
                calls.follow(inside: message, way, party, call, &core, &ground, &bench), &message,
                &bench) != nil,
            let handle = carryOut(
                core.open(message, .outward, of: party, in: token.dialog, &ground, &bench),
                &message, &bench)
        else { return }
        core.setDialog(handle, sequenceShift: token.sequenceShift, owner: token.owner)
        bench.scratch.removeAll()
        bench.scratch.append(message.bytes.bytes(message.index.requestURI.whole))
        if !core.forwardOutward(handle, way, message, &ground, &bench) {
            core.finish(handle, .serverInternalError, &ground, &bench)
        }
        if message.index.method == .bye {
            calls.hungUp(handle, call, message, &core, ground, &bench)
        }
    }

    /// A request of an Asterisk that begins something at a trunk, registers there, or asks whether it is there.
    private mutating func requestToTrunk(
        _ message: inout Incoming, _ trunk: TrunkID, _ bench: inout Bench
    ) {
        guard message.index.method != .ack,
            carryOut(.refuse(.noDialog, if: !message.index.to.tag.isEmpty), &message, &bench)
                != nil,
            carryOut(calls.checkRoom(for: message, of: trunk, ground, &bench), &message, &bench)
                != nil,
            let handle = carryOut(
                core.open(message, .outward, of: .trunk(trunk), &ground, &bench), &message, &bench)
        else { return }
        ground.admission.decided(
            "passed on to the trunk \(ground.trunks.name(trunk))", 100, message, bench)
        let isReaddressed = ground.trunks.writeTarget(trunk, message, &bench)
        core.setTarget(handle, isReaddressed: isReaddressed, &bench)
        if calls.begin(handle, .received, Dialled(.home), message, &core, &ground, &bench) {
            core.forwardToTrunk(handle, trunk, message, &ground, &bench)
        }
    }

    /// An OPTIONS for an account asks whether its phone can be reached; one without asks for us.
    ///
    /// Any response means that it can, to chan_sip and to PJSIP without qualify_2xx_only: of who is not there nothing
    /// is said.
    private mutating func answerOptions(
        _ message: borrowing Incoming, _ bench: inout Bench
    ) {
        let user = UserPart(message.bytes.bytes(message.index.requestURI.user))
        let isThere =
            user.isEmpty
            || ground.accounts.find(user.span).map { ground.location.hasReachablePhone($0) }
                ?? false
        if isThere { ground.reply(message, .ok, &bench) }
    }

    /// A request for `sip:account@edge`: to all of the account's phones at once.
    private mutating func requestToPhones(
        _ message: inout Incoming, _ bench: inout Bench
    ) {
        // An Asterisk may have escaped what we have registered.
        let name = UserPart(message.bytes.bytes(message.index.requestURI.user))
        let account = ground.accounts.find(name.span)
        if let account, message.index.method == .invite { ground.asterisks.calls(account, bench) }
        let targets = account.map { ground.location.targets($0) } ?? Targets()
        guard let account, targets.count > 0 else {
            ground.refuse(&message, .notRegistered, &bench)
            return
        }
        let party = Party.account(account)
        // RFC 5393 section 5.3.3.2: what the request may still be split into is divided among the phones.
        let most = ProxyCore.defaultBreadth
        let breadth = min(message.index.maxBreadth ?? most, most) / UInt8(targets.count)
        guard carryOut(.refuse(.maxBreadth, if: breadth == 0), &message, &bench) != nil else {
            return
        }
        if message.index.method == .invite {
            guard carryOut(calls.checkRoom(party, &bench), &message, &bench) != nil else { return }
        }
        guard
            let handle = carryOut(
                core.open(message, .outward, of: party, &ground, &bench), &message, &bench)
        else { return }
        core.setBreadth(handle, breadth)
        if calls.begin(handle, .received, Dialled(.home), message, &core, &ground, &bench) {
            core.fork(handle, to: targets, message, &ground, &bench)
        }
    }
}
