internal import Messages
internal import SIP
internal import Sys

/// Requests from the Internet.
extension Router {
    mutating func outsideRequest(_ message: inout Incoming) {
        let key = exchangeKey(message.bytes, message.index)
        if let handle = exchange(of: key, message.flow), absorb(handle, message) { return }
        guard carryOut(admission.checkProfile(message, bench), &message) != nil,
            carryOut(admission.checkWriter(message, bench), &message) != nil
        else { return }
        let trunk = sendingTrunk(message)
        let token = dialogToken(message.bytes, message.index, trunk)
        let registration =
            token == nil ? registrationToken(message.bytes, message.index, trunk) : nil
        let isToken = token != nil || registration != nil
        if !isToken, isLikeToken(message.bytes, message.index) {
            admission.countForgedToken(message, &bench)
            guard carryOut(checkToken(message, trunk), &message) != nil else { return }
        }
        let isFromTrunk = trunk != nil && message.index.method != .register
        guard token != nil || isFromTrunk || isForUs(message.bytes, message.index) else {
            _ = carryOut(foreign(message), &message)
            return
        }
        if message.index.method == .cancel {
            reply(message, .callDoesNotExist)
            return
        }
        let isNew = token == nil
        let isForEdge =
            isNew && message.index.method == .options
            && (trunk != nil || message.index.requestURI.user.isEmpty)
        let endsHere = isForEdge || isNew && message.index.method == .register
        guard carryOut(checkMethod(message), &message) != nil,
            carryOut(validate(message, endsHere: endsHere), &message) != nil
        else { return }
        if let token {
            dialogRequest(&message, token)
            return
        }
        switch message.index.method {
        case .ack: break
        case .register: register(&message)
        case .options where isForEdge: reply(message, .ok)
        default:
            if let trunk {
                trunkRequest(trunk, registration, &message)
            } else {
                newRequest(&message)
            }
        }
    }

    /// Whether a method begins something; BYE, UPDATE, PRACK, INFO, NOTIFY exist inside a dialog only.
    func begins(_ method: Method) -> Bool {
        switch method {
        case .invite, .subscribe, .message, .options, .refer, .publish: true
        default: false
        }
    }

    /// Whether the method is a known one, and the URI can be asked for by this transport.
    private func checkMethod(_ message: borrowing Incoming) -> Verdict<Void> {
        guard message.index.method != .other else { return .refuse(.unknownMethod) }
        // RFC 5630 section 4: nothing is secure that came to us in clear.
        let isInClear = message.index.requestURI.scheme == .sips && message.flow.transport != .tls
        return .refuse(.sipsInClear, if: isInClear)
    }

    /// Whether a Request-URI names a domain that is served here.
    func isServed(_ bytes: Span<UInt8>, _ uri: URI) -> Bool {
        guard uri.scheme == .sip || uri.scheme == .sips else { return false }
        return isServedHost(bytes.bytes(uri.host))
    }

    /// Whether a host is one of the served domains.
    func isServedHost(_ host: Span<UInt8>) -> Bool {
        for position in bench.settings.domains.indices {
            let domain = bench.settings.domains[position]
            if host.equalsCaseless(domain.span) { return true }
        }
        return false
    }

    /// Whether a request is for a served domain, or for a number or an emergency service called by somebody who
    /// names one.
    func isForUs(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        switch index.requestURI.scheme {
        case .sip, .sips: isServed(bytes, index.requestURI)
        case .tel: index.method != .register && namesServed(bytes, index)
        case .other: isEmergencyCall(bytes, index) && namesServed(bytes, index)
        }
    }

    /// Whether a request belongs to a call to an emergency service that is named by its URN (RFC 5031).
    private func isEmergencyCall(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        switch index.method {
        case .invite, .ack, .cancel:
            !bench.settings.calls.plan.firstEmergency.isEmpty
                && bytes.bytes(index.requestURI.whole).isEmergencyService
        default: false
        }
    }

    /// What a phone's request dials: the user of its Request-URI, or for an emergency service its number.
    private func dialledUser(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> UserPart {
        guard index.requestURI.scheme == .other else {
            return UserPart(bytes.bytes(index.requestURI.user))
        }
        return UserPart(bench.settings.calls.plan.firstEmergency.span)
    }

    /// Whether From or To names a served domain, as a scan that only tries addresses does not.
    func namesServed(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        isServed(bytes, index.from.uri) || isServed(bytes, index.to.uri)
    }

    /// Most scans address a bare IP or somebody else's domain: on UDP they learn nothing, not even that
    /// somebody is here.
    private func foreign(_ message: borrowing Incoming) -> Verdict<Void> {
        let scheme = message.index.requestURI.scheme
        let isStream = message.flow.transport.isStream
        if scheme == .other || scheme == .tel,
            isStream || namesServed(message.bytes, message.index)
        {
            return .refuse(.scheme)
        }
        return isStream ? .refuse(.foreignDomain) : .silence(.foreignDomain)
    }

    /// Whether a token may be used for a request inside its dialog.
    private mutating func checkDialog(
        _ message: borrowing Incoming, _ token: AsteriskToken, _ call: Handle
    ) -> Verdict<Void> {
        guard isAsterisk(token.asterisk.ip) else { return .refuse(.asteriskGone) }
        // What begins something has to prove who it is, and a token proves only a dialog.
        guard !message.index.to.tag.isEmpty, message.index.method != .register else {
            return .refuse(.noDialog)
        }
        guard mayUse(token, message.index) else { return .refuse(.oldToken) }
        return .refuse(.otherAccount, if: call.exists && !isOf(call, token))
    }

    /// A request inside a dialog: the token says where it goes.
    private mutating func dialogRequest(_ message: inout Incoming, _ token: AsteriskToken) {
        let found = calls.find(message.bytes, message.index) ?? .none
        guard carryOut(checkDialog(message, token, found), &message) != nil else { return }
        let trunk = trunkAccount(token, message.flow)
        let isFromDialog =
            trunk != nil || bench.writer.tokens.mark(message.flow.peer.ip) == token.source
        if message.index.method == .ack {
            // Nobody can be asked for a password here, and its CSeq would be taken for the dialog's last.
            guard isFromDialog else {
                drop(message, .ackFromElsewhere)
                return
            }
            guard carryOut(admission.takeDialogRequest(message, bench), &message) != nil else {
                return
            }
            heard(found)
            forwardACK(message.bytes, message.index, token, trunk)
            return
        }
        let account = trunk ?? number(of: token, message.bytes, message.index, found)
        // A request that comes from elsewhere than the dialog's phone must prove who it is: the token
        // travels in clear over UDP, and whoever reads it could end or turn the call.
        // And a transfer begins a call: by UDP, where the dialog's address may be forged, it is asked for too.
        let mustProve =
            !isFromDialog
            || message.index.method == .refer && message.flow.transport == .udp && trunk == nil
        if mustProve {
            guard let proven = carryOut(authenticate(&message), &message) else { return }
            guard proven == account else {
                refuse(message, .otherAccount)
                return
            }
        }
        guard carryOut(admission.takeDialogRequest(message, bench), &message) != nil else {
            return
        }
        guard hasReadableBody(message) else {
            refuse(message, .sessionDescription)
            return
        }
        guard carryOut(follow(message, token, account, found), &message) != nil,
            let handle = carryOut(
                open(message, .inward, of: account, in: token.dialog), &message)
        else { return }
        exchanges[handle].caller = caller(message.bytes, message.index, trunk)
        guard keepUser(token.user.span, handle) else { return }
        exchanges[handle].sequenceShift = token.sequenceShift
        forward(handle, to: token.asterisk, message.bytes, message.index)
        if message.index.method == .bye { hungUp(handle, found, message.bytes, message.index) }
    }

    /// Whether a request out of any dialog may begin something, whoever sends it.
    private func checkBeginning(_ message: borrowing Incoming) -> Verdict<Void> {
        guard message.index.to.tag.isEmpty, begins(message.index.method) else {
            return .refuse(.noDialog)
        }
        // Old Asterisks find another caller in it than we do, or none, who is then a guest.
        let scheme = message.index.from.uri.scheme
        return .refuse(.fromScheme, if: scheme != .sip && scheme != .sips)
    }

    /// A request that begins something: authenticated, then to one of the Asterisks.
    private mutating func newRequest(_ message: inout Incoming) {
        guard carryOut(checkBeginning(message), &message) != nil,
            let account = carryOut(authenticate(&message), &message)
        else { return }
        let user = dialledUser(message.bytes, message.index)
        guard user.isDialable, isCallable(message.bytes, message.index.to.uri) else {
            refuse(message, .dialString)
            return
        }
        guard let dialled = carryOut(judgeRequest(account, user, message), &message),
            let handle = carryOut(openUnmerged(message, of: account), &message)
        else { return }
        let decision =
            dialled.kind == .abroad
            ? "passed on to an Asterisk, as a call abroad" : "passed on to an Asterisk"
        admission.decided(decision, 100, message, bench)
        guard keepUser(user.span, handle),
            beginCall(handle, .made, dialled, message.bytes, message.index),
            let asterisk = chooseAsterisk(handle)
        else { return }
        forward(handle, to: asterisk, message.bytes, message.index)
    }

    /// Whether whom a To names is safe for any dialplan; it may name nobody.
    func isCallable(_ bytes: Span<UInt8>, _ uri: URI) -> Bool {
        uri.user.isEmpty || UserPart(bytes.bytes(uri.user)).isDialable
    }
}

extension Array where Element == UInt8 {
    /// A copy of the bytes.
    package init(_ bytes: Span<UInt8>) {
        self = []
        reserveCapacity(bytes.count)
        for index in bytes.indices { append(bytes[index]) }
    }
}
