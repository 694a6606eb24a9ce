internal import Dialling
internal import Messages
internal import SIP
internal import SIPWriting
internal import Sys

/// Requests from the Internet.
extension Router {
    mutating func outsideRequest(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ replayed: Bool
    ) {
        let key = exchangeKey(bytes, index)
        if let handle = exchange(of: key, flow), absorb(handle, index, bytes, flow) { return }
        guard passesProfile(bytes, index, flow), !isScanner(bytes, index, flow) else { return }
        let trunk = sendingTrunk(flow)
        let token = dialogToken(bytes, index, trunk)
        let registration = token == nil ? registrationToken(bytes, index, trunk) : nil
        if token == nil, registration == nil, isForeignToken(bytes, index, flow, trunk, replayed) {
            return
        }
        guard token != nil || trunk != nil && index.method != .register || isForUs(bytes, index)
        else {
            foreign(bytes, index, flow)
            return
        }
        if index.method == .cancel {
            reply(bytes, index, flow, 481, "Call/Transaction Does Not Exist")
            return
        }
        guard isUnderstood(bytes, index, flow) else { return }
        let isNew = token == nil
        let isForEdge =
            isNew && index.method == .options && (trunk != nil || index.requestURI.user.isEmpty)
        let endsHere = isForEdge || isNew && index.method == .register
        guard isValid(bytes, index, flow, endsHere: endsHere) else { return }
        if let token {
            dialogRequest(bytes, index, flow, token, replayed)
            return
        }
        switch index.method {
        case .ack: break
        case .register: register(bytes, index, flow, replayed)
        case .options where isForEdge: answerOptions(bytes, index, flow)
        default:
            if let trunk {
                trunkRequest(trunk, registration, bytes, index, flow, replayed)
            } else {
                newRequest(bytes, index, flow, key, replayed)
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

    /// Whether the method is a known one, and the URI can be asked for by this transport; what is not has
    /// been answered.
    private mutating func isUnderstood(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard index.method != .other else {
            refuse(bytes, index, flow, 501, "Not Implemented", "unknown-method")
            return false
        }
        // RFC 5630 section 4: nothing is secure that came to us in clear.
        guard index.requestURI.scheme != .sips || flow.transport == .tls else {
            refuse(bytes, index, flow, 416, "Unsupported URI Scheme", "sips-in-clear")
            return false
        }
        return true
    }

    /// Whether a Request-URI names a domain that is served here.
    func isServed(_ bytes: Span<UInt8>, _ uri: URI) -> Bool {
        guard uri.scheme == .sip || uri.scheme == .sips else { return false }
        return isServedHost(bytes.bytes(uri.host))
    }

    /// Whether a host is one of the served domains.
    func isServedHost(_ host: Span<UInt8>) -> Bool {
        for position in settings.domains.indices {
            let domain = settings.domains[position]
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
            !settings.calls.plan.firstEmergency.isEmpty
                && bytes.bytes(index.requestURI.whole).isEmergencyService
        default: false
        }
    }

    /// What a phone's request dials: the user of its Request-URI, or for an emergency service its number.
    private func dialledUser(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> UserPart {
        guard index.requestURI.scheme == .other else {
            return UserPart(bytes.bytes(index.requestURI.user))
        }
        return UserPart(settings.calls.plan.firstEmergency.span)
    }

    /// Whether From or To names a served domain, as a scan that only tries addresses does not.
    func namesServed(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        isServed(bytes, index.from.uri) || isServed(bytes, index.to.uri)
    }

    /// Most scans address a bare IP or somebody else's domain: on UDP they learn nothing, not even that
    /// somebody is here.
    private mutating func foreign(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        let scheme = index.requestURI.scheme
        if scheme == .other || scheme == .tel, flow.transport.isStream || namesServed(bytes, index)
        {
            refuse(bytes, index, flow, 416, "Unsupported URI Scheme", "scheme")
            return
        }
        let isSent =
            flow.transport.isStream && index.method != .ack
            && reply(bytes, index, flow, 403, "Forbidden")
        refuseRecord("foreign-domain", isSent ? 403 : 0, index, bytes, flow)
    }

    /// Answers and records a refusal; an ACK is never answered.
    mutating func refuse(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ status: UInt16,
        _ reason: StaticString, _ code: String
    ) {
        let isSent = index.method != .ack && reply(bytes, index, flow, status, reason)
        refuseRecord(code, isSent ? status : 0, index, bytes, flow)
    }

    private mutating func answerOptions(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        beginReply(bytes, index, flow, 200, "OK")
        endReply(flow)
    }

    /// A request inside a dialog: the token says where it goes.
    private mutating func dialogRequest(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ token: AsteriskToken,
        _ replayed: Bool
    ) {
        guard isAsterisk(token.asterisk.ip) else {
            refuse(bytes, index, flow, 481, "Call/Transaction Does Not Exist", "asterisk-gone")
            return
        }
        // What begins something has to prove who it is, and a token proves only a dialog.
        guard !index.to.tag.isEmpty, index.method != .register else {
            refuse(bytes, index, flow, 481, "Call/Transaction Does Not Exist", "no-dialog")
            return
        }
        guard mayUse(token, index) else {
            refuse(bytes, index, flow, 481, "Call/Transaction Does Not Exist", "old-token")
            return
        }
        let found = calls.find(bytes, index) ?? .none
        guard !found.exists || isOf(found, token) else {
            refuse(bytes, index, flow, 403, "Forbidden", "other-account")
            return
        }
        let trunk = trunkAccount(token, flow)
        let isFromDialog = trunk != nil || writer.tokens.mark(flow.peer.ip) == token.source
        if index.method == .ack {
            // Nobody can be asked for a password here, and its CSeq would be taken for the dialog's last.
            guard isFromDialog else {
                refuseRecord("ack-from-elsewhere", 0, index, bytes, flow)
                return
            }
            guard takeDialogRequest(bytes, index, flow) else { return }
            heard(found)
            forwardACK(bytes, index, token, trunk)
            return
        }
        let account = trunk ?? number(of: token, bytes, index, found)
        // A request that comes from elsewhere than the dialog's phone must prove who it is: the token
        // travels in clear over UDP, and whoever reads it could end or turn the call.
        // And a transfer begins a call: by UDP, where the dialog's address may be forged, it is asked for too.
        let mustProve =
            !isFromDialog || index.method == .refer && flow.transport == .udp && trunk == nil
        if mustProve {
            guard let proven = authenticate(bytes, index, flow, replayed) else { return }
            guard proven == account else {
                refuse(bytes, index, flow, 403, "Forbidden", "other-account")
                return
            }
        }
        guard takeDialogRequest(bytes, index, flow), hasReadableBody(bytes, index, flow),
            follow(bytes, index, flow, token, account, found)
        else { return }
        guard let handle = open(bytes, index, flow, .inward, of: account, in: token.dialog) else {
            return
        }
        exchanges[handle].caller = caller(bytes, index, trunk)
        guard keepUser(token.user.span, handle) else { return }
        exchanges[handle].sequenceShift = token.sequenceShift
        forward(handle, to: token.asterisk, bytes, index)
        if index.method == .bye { hungUp(handle, found, bytes, index) }
    }

    /// A request that begins something: authenticated, then to one of the Asterisks.
    private mutating func newRequest(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ key: UInt64,
        _ replayed: Bool
    ) {
        guard index.to.tag.isEmpty, begins(index.method) else {
            refuse(bytes, index, flow, 481, "Call/Transaction Does Not Exist", "no-dialog")
            return
        }
        // Old Asterisks find another caller in it than we do, or none, who is then a guest.
        guard index.from.uri.scheme == .sip || index.from.uri.scheme == .sips else {
            refuse(bytes, index, flow, 416, "Unsupported URI Scheme", "from-scheme")
            return
        }
        guard let account = authenticate(bytes, index, flow, replayed) else { return }
        let user = dialledUser(bytes, index)
        guard user.isDialable, isCallable(bytes, index.to.uri) else {
            refuse(bytes, index, flow, 404, "Not Found", "dial-string")
            return
        }
        guard let dialled = mayBegin(account, user, bytes, index, flow),
            let handle = openUnmerged(bytes, index, flow, of: account)
        else { return }
        let decision =
            dialled.kind == .abroad
            ? "passed on to an Asterisk, as a call abroad" : "passed on to an Asterisk"
        decided(decision, 100, index, bytes, flow)
        guard keepUser(user.span, handle), beginCall(handle, .made, dialled, bytes, index),
            let asterisk = chooseAsterisk(handle)
        else { return }
        forward(handle, to: asterisk, bytes, index)
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
