package import AccountCache
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

/// Requests: each path is a list of the steps that a request goes through, and of the owners that take them.
extension Paths {
    /// What a verdict lets pass; nil when the message goes no further, and then what follows from that is done.
    mutating func carryOut<Pass>(
        _ verdict: Verdict<Pass>, _ message: inout Incoming, _ bench: inout Bench
    ) -> Pass? {
        switch verdict {
        case .pass(let pass): return pass
        case .observed(let pass, let refusal):
            ground.observe(message, refusal, &bench)
            return pass
        case .challenge(let challenge): ground.challenge(&message, challenge, &bench)
        case .refuse(let refusal): ground.refuse(&message, refusal, &bench)
        case .silence(let refusal): ground.drop(message, refusal, &bench)
        case .refuseCall(let call):
            calls.refused(call, message, &core, &ground, &bench)
            ground.reply(message, .forbidden, &bench)
        case .observedCall(let pass, let call):
            calls.refused(call, message, &core, &ground, &bench)
            return pass
        case .later: break
        }
        return nil
    }

    /// Lets a response context have a request that belongs to it; false when it belongs to none.
    mutating func absorb(
        _ message: borrowing Incoming, _ bench: inout Bench
    ) -> Bool {
        switch core.absorb(message, &ground, &bench) {
        case .foreign: return false
        case .absorbed: break
        case .cancels(let handle):
            ground.reply(message, .ok, &bench)
            guard core.isOpen(handle), !core[handle].isCancelled else { break }
            calls.cancelled(handle, message, core)
            core.cancel(handle, message.reasons, &ground, &bench)
        case .again(let handle, let length):
            // Anybody can repeat what was seen on the way: for each sender there are only so many answers.
            let isAnswered =
                length == 0
                || ground.admission.takeAnswer(to: message, length: length, isCompact: false, bench)
            if isAnswered { core.answerAgain(handle, &ground, &bench) }
        }
        return true
    }

    // MARK: From outside

    /// What a request from outside is for, by its sender and by what it brings back of what we have handed out.
    private struct Aim {
        /// The trunk that sends it.
        var trunk: TrunkID?
        /// The token of its dialog.
        var dialog: AsteriskToken?
        /// The Contact by which an Asterisk has registered at the trunk.
        var registration: RegistrationToken?
        /// Whether the edge itself is asked whether it is there.
        var isForEdge = false
    }

    private func aim(_ message: borrowing Incoming, _ bench: inout Bench) -> Aim {
        let trunk = message.sender.standing.trunk
        var aim = Aim(trunk: trunk)
        aim.dialog = calls.dialogToken(message, trunk, ground, &bench)
        guard aim.dialog == nil else { return aim }
        aim.registration = calls.registrationToken(message, trunk, ground, &bench)
        aim.isForEdge =
            message.index.method == .options
            && (trunk != nil || message.index.requestURI.user.isEmpty)
        return aim
    }

    /// Takes a request from the Internet.
    package mutating func requestFromOutside(_ message: inout Incoming, _ bench: inout Bench) {
        guard !absorb(message, &bench),
            carryOut(ground.admission.checkProfile(message, bench), &message, &bench) != nil,
            carryOut(ground.admission.checkWriter(message, bench), &message, &bench) != nil
        else { return }
        let aim = aim(message, &bench)
        // A trunk keeps its connection open between its calls.
        if aim.trunk != nil { ground.connections.authenticated(message.flow) }
        if aim.dialog == nil, aim.registration == nil, message.isLikeToken {
            ground.admission.countForgedToken(message, &bench)
            guard carryOut(message.checkToken(bench), &message, &bench) != nil else { return }
        }
        let isFromTrunk = aim.trunk != nil && message.index.method != .register
        guard aim.dialog != nil || isFromTrunk || bench.isForUs(message.bytes, message.index)
        else {
            _ = carryOut(message.foreign(bench), &message, &bench)
            return
        }
        guard message.index.method != .cancel else {
            ground.reply(message, .callDoesNotExist, &bench)
            return
        }
        let endsHere =
            aim.isForEdge || aim.dialog == nil && message.index.method == .register
        guard carryOut(message.checkMethod(), &message, &bench) != nil,
            carryOut(
                ProxyCore.validate(message, endsHere: endsHere, ground, bench), &message, &bench)
                != nil
        else { return }
        follow(aim, &message, &bench)
    }

    private mutating func follow(
        _ aim: Aim, _ message: inout Incoming, _ bench: inout Bench
    ) {
        if let token = aim.dialog {
            requestInDialog(&message, token, &bench)
            return
        }
        switch message.index.method {
        case .ack: break
        case .register: register(&message, &bench)
        case .options where aim.isForEdge: ground.reply(message, .ok, &bench)
        default:
            if let trunk = aim.trunk {
                requestOfTrunk(&message, trunk, aim.registration, &bench)
            } else {
                requestOfPhone(&message, &bench)
            }
        }
    }

    /// A request has waited for directory, and goes on where it asked: what was counted of it before is not counted
    /// again.
    ///
    /// Meanwhile its source may have been banned or held, others may have taken the room, and the settings may have
    /// changed.
    package mutating func resume(_ parked: ParkedRequest, _ bench: inout Bench) {
        var block = parked.block
        let copy = [UInt8](copying: bench.blocks.span(block))
        bench.blocks.release(&block)
        var message = Incoming(
            copy.span, parked.flow, moment: parked.moment, number: parked.number,
            isResumed: true, sender: parked.sender)
        message.sender.standing = ground.standing(of: parked.flow.peer.ip, bench)
        let isRegistered = ground.location.isRegistered(by: parked.flow, ground.connections)
        message.sender.isStranger = !isRegistered
        guard ground.admission.letIn(parked.flow, isStranger: !isRegistered, bench),
            (try? bench.parser.parse(message.bytes, into: &message.index)) != nil,
            !absorb(message, &bench)
        else { return }
        let aim = aim(message, &bench)
        if parked.step == .caller, let trunk = aim.trunk {
            begin(&message, of: trunk, aim.registration, &bench)
        } else {
            follow(aim, &message, &bench)
        }
    }

    private mutating func register(_ message: inout Incoming, _ bench: inout Bench) {
        guard bench.isServed(message.bytes, message.index.to.uri) else {
            ground.refuse(&message, .foreignAddressOfRecord, &bench)
            return
        }
        guard
            let account = carryOut(ground.authenticate(&message, &bench), &message, &bench)?
                .account,
            carryOut(
                .refuse(.otherAccount, if: !ground.isOwn(message, of: account)), &message, &bench)
                != nil
        else { return }
        do throws(Refusal) {
            try ground.location.check(message, account, ground.accounts)
            try ground.location.read(message, &bench)
            // A repetition gets the bindings as they stand: they may have changed since, and no answer was kept.
            if !message.sender.isRepetition {
                follow(
                    try ground.location.apply(
                        message, account, &ground.accounts, &ground.connections, &bench), &bench)
            }
        } catch {
            ground.refuse(&message, error, &bench)
            return
        }
        ground.beginReply(message, .ok, &bench)
        ground.location.writeAnswer(message, account, &bench)
        ground.endReply(message, &bench)
    }

    /// A request that begins something: authenticated, judged, then to one of the Asterisks.
    private mutating func requestOfPhone(
        _ message: inout Incoming, _ bench: inout Bench
    ) {
        guard carryOut(message.checkBeginning(), &message, &bench) != nil,
            let sender = carryOut(ground.authenticate(&message, &bench), &message, &bench)
        else { return }
        let account = sender.account
        let user = bench.dialledUser(message.bytes, message.index)
        guard user.isDialable, message.isToCallable else {
            ground.refuse(&message, .dialString, &bench)
            return
        }
        guard
            let dialled = carryOut(
                calls.judge(request: message, of: account, to: user, &ground, &bench), &message,
                &bench),
            let handle = carryOut(
                core.open(
                    message, .inward, of: .account(account), unmerged: true, &ground, &bench),
                &message, &bench)
        else { return }
        let decision =
            dialled.kind == .abroad
            ? "passed on to an Asterisk, as a call abroad" : "passed on to an Asterisk"
        ground.admission.decided(decision, 100, message, bench)
        core.setCaller(handle, sender.caller)
        guard core.setUser(user.span, handle, &ground, &bench),
            calls.begin(handle, .made, dialled, message, &core, &ground, &bench),
            let asterisk = core.chooseAsterisk(
                handle, first: calls.asterisk(for: handle, core, ground, bench), &ground, &bench)
        else { return }
        core.forward(handle, to: asterisk, message, &ground, &bench)
    }

    /// A request of a trunk that begins something: it needs no password, and goes to an Asterisk by the
    /// trunk's own listener.
    private mutating func requestOfTrunk(
        _ message: inout Incoming, _ trunk: TrunkID, _ token: RegistrationToken?,
        _ bench: inout Bench
    ) {
        let isOwn = token.map { ground.isNamed($0.account, .trunk(trunk), &bench) }
        guard carryOut(message.checkOfTrunk(isCalled: isOwn), &message, &bench) != nil,
            carryOut(ground.trunks.takeFromRate(trunk, message, bench), &message, &bench) != nil
        else { return }
        begin(&message, of: trunk, token, &bench)
    }

    private mutating func begin(
        _ message: inout Incoming, of trunk: TrunkID, _ token: RegistrationToken?,
        _ bench: inout Bench
    ) {
        let party = Party.trunk(trunk)
        let room = calls.checkRoom(for: message, of: trunk, ground, &bench)
        guard carryOut(room, &message, &bench) != nil,
            let caller = carryOut(ground.caller(of: trunk, message, &bench), &message, &bench)
        else { return }
        if message.index.method == .refer {
            let verdict = calls.judge(transfer: message, of: party, in: .none, &ground, &bench)
            guard carryOut(verdict, &message, &bench) != nil else { return }
        }
        guard
            let handle = carryOut(
                core.open(message, .inward, of: party, unmerged: true, &ground, &bench), &message,
                &bench)
        else { return }
        ground.admission.decided("passed on to an Asterisk, as of a trunk", 100, message, bench)
        core.setCaller(handle, caller)
        let user = UserPart(message.bytes.bytes(message.index.requestURI.user))
        let isStored =
            token.map { core.setUser($0.user.span, handle, &ground, &bench) }
            ?? core.setUser(user.span, handle, &ground, &bench)
        guard isStored,
            calls.begin(handle, .made, Dialled(.home), message, &core, &ground, &bench),
            let asterisk = core.chooseAsterisk(handle, first: token?.asterisk, &ground, &bench)
        else { return }
        core.forward(handle, to: asterisk, message, &ground, &bench)
    }

    /// A request inside a dialog: the token says where it goes.
    private mutating func requestInDialog(
        _ message: inout Incoming, _ token: AsteriskToken, _ bench: inout Bench
    ) {
        let call = calls.find(message)
        guard
            carryOut(calls.check(token, message, call, core, ground, &bench), &message, &bench)
                != nil
        else { return }
        var trunk = message.sender.standing.trunk
        if let from = trunk, !ground.isNamed(token.account, .trunk(from), &bench) { trunk = nil }
        let isFromDialog =
            trunk != nil || bench.writer.tokens.mark(message.flow.peer.ip) == token.source
        guard message.index.method != .ack else {
            guard isFromDialog else {
                // Nobody can be asked for a password here, and its CSeq would be taken for the dialog's last.
                ground.drop(message, .ackFromElsewhere, &bench)
                return
            }
            acknowledge(&message, token, trunk, call, &bench)
            return
        }
        var party =
            trunk.map { .trunk($0) } ?? calls.account(of: token, message, call, &ground, &bench)
        // A request that comes from elsewhere than the dialog's phone must prove who it is: the token
        // travels in clear over UDP, and whoever reads it could end or turn the call.
        // And a transfer begins a call: by UDP, where the dialog's address may be forged, it is asked for too.
        let mustProve =
            !isFromDialog
            || message.index.method == .refer && message.flow.transport == .udp && trunk == nil
        if mustProve {
            guard
                let sender = carryOut(ground.authenticate(&message, &bench), &message, &bench)
            else { return }
            let proven = Party.account(sender.account)
            let isOther = !ground.isNamed(token.account, proven, &bench)
            guard carryOut(.refuse(.otherAccount, if: isOther), &message, &bench) != nil else {
                return
            }
            party = proven
        }
        guard
            carryOut(ground.admission.takeDialogRequest(message, bench), &message, &bench) != nil,
            carryOut(
                .refuse(.sessionDescription, if: !message.hasReadableBody), &message, &bench)
                != nil,
            carryOut(
                calls.follow(message, token, party, call, &core, &ground, &bench), &message,
                &bench) != nil,
            let handle = carryOut(
                core.open(message, .inward, of: party, in: token.dialog, &ground, &bench),
                &message, &bench)
        else { return }
        core.setCaller(handle, message.caller(trunk))
        guard core.setUser(token.user.span, handle, &ground, &bench) else { return }
        core.setDialog(handle, sequenceShift: token.sequenceShift)
        core.forward(handle, to: token.asterisk, message, &ground, &bench)
        if message.index.method == .bye {
            calls.hungUp(handle, call, message, &core, ground, &bench)
        }
    }

    /// The ACK of a success inside a dialog, of a trunk or else of a phone.
    private mutating func acknowledge(
        _ message: inout Incoming, _ token: AsteriskToken, _ trunk: TrunkID?, _ call: Handle,
        _ bench: inout Bench
    ) {
        guard
            carryOut(ground.admission.takeDialogRequest(message, bench), &message, &bench) != nil
        else { return }
        calls.heard(call, bench)
        let party =
            trunk.map { .trunk($0) } ?? calls.account(of: token, message, call, &ground, &bench)
        core.forwardACK(message, token, party, message.caller(trunk), ground, &bench)
    }
}

extension Incoming {
    /// Who stands as the caller inside a dialog: no Asterisk looks at who calls any more, and nobody is asked.
    fileprivate func caller(_ trunk: TrunkID?) -> WrittenCaller {
        guard trunk != nil else { return .account }
        return Trunks.writtenCaller(UserPart(bytes.bytes(index.from.uri.user)))
    }
}
