internal import Digest
internal import Messages
package import ProxyBench
internal import SIP
internal import SIPWriting
internal import Sys
internal import Transactions

/// The checks that a request passes before anything is done for it (RFC 3261 section 16.3).
extension ProxyCore {
    /// Whether a request may go on.
    ///
    /// `endsHere` is for what the edge answers itself: the number of hops does not matter then, and what
    /// it requires is asked of us.
    package static func validate(
        _ message: borrowing Incoming, endsHere: Bool, _ ground: borrowing Ground,
        _ bench: borrowing Bench
    ) -> Verdict<Void> {
        if message.index.maxForwards == 0, !endsHere { return .refuse(.maxForwards) }
        // RFC 3261 section 8.1.1.8: of two, two parsers could take different ones.
        if message.index.method != .register, message.hasSeveralContacts {
            return .refuse(.severalContacts)
        }
        guard message.index.method != .ack else { return .pass }
        if message.index.maxBreadth == 0, !endsHere { return .refuse(.maxBreadth) }
        if hasLooped(message, ground, bench) { return .refuse(.loop) }
        return .refuse(.unsupportedExtension, if: message.requiresUnknown(endsHere: endsHere))
    }

    // MARK: Loops

    /// Whether one of the Vias has the branch of a request that is under way, and the Request-URI is still
    /// the one that we sent it with.
    ///
    /// The branch's random number and the kept request take the place of a hash in the branch
    /// (RFC 5393 section 4.2): nobody can forge them, and they cost nothing until such a Via comes.
    private static func hasLooped(
        _ message: borrowing Incoming, _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> Bool {
        if message.index.hops == 1 { return isSent(message, message.index.via, ground, bench) }
        var values = FieldValues(.via)
        while let value = values.next(message.bytes, message.index) {
            if let via = try? Via(value, in: message.bytes), isSent(message, via, ground, bench) {
                return true
            }
        }
        return false
    }

    private static func isSent(
        _ message: borrowing Incoming, _ via: Via, _ ground: borrowing Ground,
        _ bench: borrowing Bench
    ) -> Bool {
        guard let handle = ground.transactions.find(branch: message.bytes.bytes(via.branch)),
            ground.transactions[handle].sent.exists
        else { return false }
        let sent = bench.blocks.span(ground.transactions[handle].sent)
        let uri = message.bytes.bytes(message.index.requestURI.whole)
        let start = Int(message.index.methodSlice.length) + 1
        guard sent.count > start + uri.count, sent[start + uri.count] == 0x20 else { return false }
        return sent.extracting(start..<start + uri.count).equals(uri)
    }
}

extension Incoming {
    fileprivate var hasSeveralContacts: Bool {
        guard let first = index.position(.contact) else { return false }
        guard index.position(.contact, from: first + 1) == nil else { return true }
        var list = ValueList(index[first].value)
        _ = list.next(in: bytes)
        return list.next(in: bytes) != nil
    }

    /// Whether the method is a known one, and the URI can be asked for by this transport.
    package func checkMethod() -> Verdict<Void> {
        guard index.method != .other else { return .refuse(.unknownMethod) }
        // RFC 5630 section 4: nothing is secure that came to us in clear.
        return .refuse(
            .sipsInClear, if: index.requestURI.scheme == .sips && flow.transport != .tls)
    }

    /// Whether its method begins something; BYE, UPDATE, PRACK, INFO, NOTIFY exist inside a dialog only.
    private var begins: Bool {
        switch index.method {
        case .invite, .subscribe, .message, .options, .refer, .publish: true
        default: false
        }
    }

    /// Whether a request out of any dialog may begin something, whoever sends it.
    package func checkBeginning() -> Verdict<Void> {
        guard index.to.tag.isEmpty, begins else { return .refuse(.noDialog) }
        // Old Asterisks find another caller in it than we do, or none, who is then a guest.
        let scheme = index.from.uri.scheme
        return .refuse(.fromScheme, if: scheme != .sip && scheme != .sips)
    }

    /// Whether a request of a trunk may begin something; `isCalled` is whether the trunk calls by a token of its own,
    /// nil when it does not call by a token.
    package func checkOfTrunk(isCalled: Bool?) -> Verdict<Void> {
        // Providers tell of voice mail out of any dialog.
        guard index.to.tag.isEmpty, begins || index.method == .notify else {
            return .refuse(.noDialog)
        }
        guard index.from.uri.scheme != .other, index.requestURI.scheme != .other else {
            return .refuse(.scheme)
        }
        let isDialable = isCalled ?? UserPart(bytes.bytes(index.requestURI.user)).isDialable
        return .refuse(.dialString, if: !isDialable || !isToCallable)
    }

    /// Whether whom To names is safe for any dialplan; it may name nobody.
    package var isToCallable: Bool {
        index.to.uri.user.isEmpty || UserPart(bytes.bytes(index.to.uri.user)).isDialable
    }

    /// What becomes of a request that names nobody who is served here.
    ///
    /// Most scans address a bare IP or somebody else's domain: on UDP they learn nothing, not even that
    /// somebody is here.
    package func foreign(_ bench: borrowing Bench) -> Verdict<Void> {
        let scheme = index.requestURI.scheme
        let isStream = flow.transport.isStream
        if scheme == .other || scheme == .tel, isStream || bench.namesServed(bytes, index) {
            return .refuse(.scheme)
        }
        return isStream ? .refuse(.foreignDomain) : .silence(.foreignDomain)
    }

    /// Whether the user part of the Request-URI looks like a token, which no number does with its parameters.
    package var isLikeToken: Bool {
        let user = bytes.bytes(index.requestURI.user)
        guard user.count >= Tokens.shortest, index.requestURI.scheme != .tel else { return false }
        for place in user.indices where !Base64URL.isLetter(user[place]) { return false }
        return true
    }

    /// Whether a request with what looks like a token, and is none, may be for somebody here all the same.
    ///
    /// What a stranger has sent by UDP to nobody here gets no answer.
    package func checkToken(_ bench: borrowing Bench) -> Verdict<Void> {
        let trunk = sender.standing.trunk
        let isForUs = bench.isForUs(bytes, index)
        guard !index.to.tag.isEmpty || trunk == nil && !isForUs else { return .pass }
        let isKnown = !sender.isStranger || trunk != nil || flow.transport.isStream
        return isKnown || isForUs ? .refuse(.foreignToken) : .silence(.foreignToken)
    }

    /// The reasons that a CANCEL gives, as one value; empty for none (RFC 3326).
    package var reasons: [UInt8] {
        var value: [UInt8] = []
        var start = 0
        while let position = index.position(.reason, from: start) {
            start = position + 1
            if !value.isEmpty { value += Array(", ".utf8) }
            value += [UInt8](copying: bytes.bytes(index[position].value))
        }
        return value.count <= TextStore.longest ? value : []
    }
}
