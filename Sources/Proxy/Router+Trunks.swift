internal import Dialling
internal import Journal
internal import Messages
internal import SIP
internal import SIPWriting
internal import Sys

/// Trunks: who they are, and what comes from them.
extension Router {
    /// Takes over the trunks of the settings; what is known of servers that stay is kept.
    mutating func adoptTrunks() {
        let known = trunks.flatMap(\.servers)
        trunks = []
        for account in trunkAccounts { accounts[account].share.isTrunk = false }
        trunkAccounts = []
        for settings in settings.trunks {
            let name = Trunk.accountName(settings.name)
            guard let account = accounts.number(name.span),
                let listener = listeners.first(where: {
                    $0.side == .inside && $0.endpoint == settings.inside
                })
            else { continue }
            accounts[account].isKept = true
            accounts[account].share.isTrunk = true
            let servers = settings.servers.map { address in
                known.first { $0.address == address } ?? TrunkServer(address: address)
            }
            trunkAccounts.append(account)
            trunks.append(
                Trunk(
                    settings: settings, account: account, inside: listener.index,
                    sources: AddressRanges(settings.sources), servers: servers))
        }
        trunkSources = AddressRanges(trunks.flatMap(\.settings.sources))
        askForTrunkNames()
    }

    /// Asks directory whether a trunk has the name of an account.
    mutating func askForTrunkNames() {
        for trunk in trunks {
            let name = Array(trunk.settings.name.utf8)
            if let account = accounts.number(name.span) { ask(account) }
        }
    }

    /// directory has answered about an account, which may have the name of a trunk.
    mutating func noteTrunkName(_ account: Int32) {
        let name = accounts.name(account).text
        guard let number = trunks.firstIndex(where: { $0.settings.name == name }) else { return }
        let isAccountName = accounts[account].state == .found && accounts[account].mayRegister
        let isNew = isAccountName && !trunks[number].isAccountName
        trunks[number].isAccountName = isAccountName
        guard isNew else { return }
        audit.add(
            .degraded, .warning,
            "the trunk \(name) has the name of an account: its callers that are not believed are sent on as"
                + " anonymous; give the trunk another name under trunks",
            [(.trunk, name), (.account, name)])
    }

    /// The number of the trunk that an address is of.
    func trunk(at ip: IPAddress) -> Int? {
        guard trunkSources.contains(ip) else { return nil }
        return trunks.firstIndex { $0.sources.contains(ip) }
    }

    /// The number of the trunk that a row of `accounts` stands for.
    func trunk(of account: Int32) -> Int? {
        trunkAccounts.isEmpty ? nil : trunkAccounts.firstIndex(of: account)
    }

    /// The name of the trunk that a row of `accounts` stands for.
    func trunkName(_ account: Int32) -> String {
        String(accounts.name(account).text.dropFirst(Trunk.prefix.count))
    }

    /// The listener that requests to Asterisks go out by, in the name of an account or of a trunk.
    func insideListener(_ account: Int32) -> UInt8 {
        trunk(of: account).map { trunks[$0].inside } ?? inside
    }

    /// The row that stands for the trunk that a dialog's token is of, if the request is from there.
    mutating func trunkAccount(_ token: AsteriskToken, _ flow: Flow) -> Int32? {
        guard let number = trunk(at: flow.peer.ip) else { return nil }
        let account = trunks[number].account
        return isName(of: account, token.account) ? account : nil
    }

    /// Whether a trunk may have one more call; one that may not is refused, so that whoever asks can take
    /// another way.
    mutating func hasRoom(
        _ number: Int, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard hasRoom(trunks[number].account, bytes, index, flow) else { return false }
        let trunk = trunks[number]
        guard index.method == .invite,
            let limit = settings.profiles.profile(ofTrunk: trunk.settings.name).calls,
            calls.gate[trunk.account].all >= limit
        else { return true }
        guard !settings.isObserving else {
            decided("trunk-full", 0, index, bytes, flow)
            return true
        }
        refuseForNow(bytes, index, flow, "trunk-full")
        return false
    }

    // MARK: From a trunk

    /// The number of the trunk that a message comes from; it keeps its connection open between its calls.
    mutating func sendingTrunk(_ flow: Flow) -> Int? {
        let number = trunk(at: flow.peer.ip)
        if number != nil, flow.transport.isStream {
            authenticatedConnections.insert(flow)
        }
        return number
    }

    /// A request of a trunk that begins something: it needs no password, and goes to an Asterisk by the
    /// trunk's own listener.
    ///
    /// `token` is that of the Contact by which an Asterisk has registered there, if it is what the trunk calls.
    mutating func trunkRequest(
        _ number: Int, _ token: RegistrationToken?, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ flow: Flow, _ replayed: Bool
    ) {
        // Providers tell of voice mail out of any dialog.
        guard index.to.tag.isEmpty, begins(index.method) || index.method == .notify else {
            refuse(bytes, index, flow, 481, "Call/Transaction Does Not Exist", "no-dialog")
            return
        }
        guard index.from.uri.scheme != .other, index.requestURI.scheme != .other else {
            refuse(bytes, index, flow, 416, "Unsupported URI Scheme", "scheme")
            return
        }
        let account = trunks[number].account
        let user = UserPart(bytes.bytes(index.requestURI.user))
        guard token.map({ isName(of: account, $0.account) }) ?? user.isDialable,
            isCallable(bytes, index.to.uri)
        else {
            refuse(bytes, index, flow, 404, "Not Found", "dial-string")
            return
        }
        guard replayed || isInRate(number, bytes, index, flow),
            hasRoom(number, bytes, index, flow),
            var caller = caller(bytes, index, flow, replayed),
            index.method != .refer || mayTransfer(account, .none, bytes, index, flow),
            let handle = openUnmerged(bytes, index, flow, of: account)
        else { return }
        if caller == .trunk, trunks[number].isAccountName { caller = .anonymous }
        decided("passed on to an Asterisk, as of a trunk", 100, index, bytes, flow)
        exchanges[handle].caller = caller
        guard token.map({ keepUser($0.user.span, handle) }) ?? keepUser(user.span, handle),
            beginCall(handle, .made, Dialled(.home), bytes, index),
            let asterisk = token.flatMap({ asterisk(of: $0, handle) }) ?? chooseAsterisk(handle)
        else { return }
        forward(handle, to: asterisk, bytes, index)
    }

    /// Whether a trunk does not begin too much; what is too much gets no answer by UDP, where the trunk asks
    /// again and whoever forges its address does not bring it answers.
    private mutating func isInRate(
        _ number: Int, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard let rate = trunks[number].settings.rate else { return true }
        if trunks[number].tokens.take(rate, now.monotonic) || settings.isObserving { return true }
        if flow.transport.isStream {
            refuseForNow(bytes, index, flow, "trunk-rate")
        } else {
            refuseRecord("trunk-rate", 0, index, bytes, flow)
        }
        return false
    }

    /// The Asterisk that a registration at the trunk is of, unless it is out of use.
    private mutating func asterisk(of token: RegistrationToken, _ handle: Handle) -> SocketAddress?
    {
        guard
            let number = asterisks.firstIndex(where: {
                $0.address == token.asterisk && $0.state != .down
            })
        else { return nil }
        exchanges[handle].tried |= 1 << UInt64(number)
        return token.asterisk
    }

    // MARK: The caller

    /// Who stands as the caller toward the Asterisk; nil when directory has to be asked first.
    private mutating func caller(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ replayed: Bool
    ) -> TrunkCaller? {
        let name = UserPart(bytes.bytes(index.from.uri.user))
        switch writtenCaller(name) {
        case .trunk: return .trunk
        case .anonymous:
            return isAccount(Self.anonymous.span, bytes, index, flow, replayed)
                .map { $0 ? .trunk : .anonymous }
        case .asWritten:
            return isAccount(name.span, bytes, index, flow, replayed)
                .map { $0 ? .trunk : .asWritten }
        }
    }

    /// Who stands for a caller of whom nobody is asked: a number stays, since nothing else can be compared
    /// with account names as every Asterisk does, which does not look at the case.
    func writtenCaller(_ user: UserPart) -> TrunkCaller {
        let name = user.span
        guard user.isDialable, !name.isCaseless("anonymous") else { return .anonymous }
        for place in name.indices {
            if Characters.lower(name[place]) &- 0x61 < 26 || name[place] == UInt8(ascii: "_") {
                return .trunk
            }
        }
        return .asWritten
    }

    /// Who stands as the caller inside a dialog, of the trunk whose row it is: no Asterisk looks at who calls any
    /// more, and nobody is asked.
    func caller(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ trunk: Int32?
    ) -> TrunkCaller {
        trunk == nil ? .asWritten : writtenCaller(UserPart(bytes.bytes(index.from.uri.user)))
    }

    /// What stands for a caller who is not named (RFC 3323 section 4.1.1.3).
    static let anonymous = Array("anonymous".utf8)

    /// Whether a name is, or might be, that of an account; nil when the request waits for directory.
    private mutating func isAccount(
        _ name: Span<UInt8>, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        _ replayed: Bool
    ) -> Bool? {
        guard let account = accounts.number(name) else { return true }
        if accounts.isStale(account, now.monotonic), !replayed { ask(account) }
        switch accounts[account].state {
        case .asked:
            switch park(bytes, index, flow, account) {
            case .waits: return nil
            case .tooMany: return true
            case .noRoom:
                refuseFull(bytes, index, flow)
                return nil
            }
        case .unknown: return false
        case .found: return true
        case .unasked, .unavailable:
            accounts.forgetIfIdle(account)
            return true
        }
    }
}
