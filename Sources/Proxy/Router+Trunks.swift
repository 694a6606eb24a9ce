internal import Journal
internal import Messages
internal import SIP
internal import Sys

/// Trunks: who they are, and what comes from them.
extension Router {
    /// Takes over the trunks of the settings; what is known of servers that stay is kept.
    mutating func adoptTrunks() {
        let known = trunks.flatMap(\.servers)
        trunks = []
        for account in trunkAccounts { accounts[account].share.isTrunk = false }
        trunkAccounts = []
        for settings in bench.settings.trunks {
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
        bench.effects.journal.add(
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
    mutating func checkRoom(_ number: Int, _ message: borrowing Incoming) -> Verdict<Void> {
        let trunk = trunks[number]
        guard message.index.method == .invite else { return .pass }
        let room = checkRoom(trunk.account)
        guard case .pass = room else { return room }
        guard let limit = bench.settings.profiles.profile(ofTrunk: trunk.settings.name).calls,
            calls.gate[trunk.account].all >= limit
        else { return .pass }
        return .refuse(.trunkFull, unless: bench.settings.isObserving, ())
    }

    // MARK: From a trunk

    /// The number of the trunk that a message comes from; it keeps its connection open between its calls.
    mutating func sendingTrunk(_ message: borrowing Incoming) -> Int? {
        let number = message.sender.standing.trunk
        if number != nil, message.flow.transport.isStream {
            authenticatedConnections.insert(message.flow)
        }
        return number
    }

    /// Whether a request of a trunk may begin something.
    private mutating func checkTrunk(
        _ number: Int, _ token: RegistrationToken?, _ message: borrowing Incoming
    ) -> Verdict<Void> {
        // Providers tell of voice mail out of any dialog.
        guard message.index.to.tag.isEmpty,
            begins(message.index.method) || message.index.method == .notify
        else { return .refuse(.noDialog) }
        guard message.index.from.uri.scheme != .other, message.index.requestURI.scheme != .other
        else { return .refuse(.scheme) }
        let user = UserPart(message.bytes.bytes(message.index.requestURI.user))
        let isCalled =
            token.map { isName(of: trunks[number].account, $0.account) } ?? user.isDialable
        guard isCalled, isCallable(message.bytes, message.index.to.uri) else {
            return .refuse(.dialString)
        }
        return takeFromRate(number, message)
    }

    /// A request of a trunk that begins something: it needs no password, and goes to an Asterisk by the
    /// trunk's own listener.
    ///
    /// `token` is that of the Contact by which an Asterisk has registered there, if it is what the trunk calls.
    mutating func trunkRequest(
        _ number: Int, _ token: RegistrationToken?, _ message: inout Incoming
    ) {
        let account = trunks[number].account
        guard carryOut(checkTrunk(number, token, message), &message) != nil,
            carryOut(checkRoom(number, message), &message) != nil,
            var caller = carryOut(caller(message), &message)
        else { return }
        if message.index.method == .refer {
            guard carryOut(judgeTransfer(account, .none, message), &message) != nil else { return }
        }
        guard let handle = carryOut(openUnmerged(message, of: account), &message) else { return }
        if caller == .trunk, trunks[number].isAccountName { caller = .anonymous }
        admission.decided("passed on to an Asterisk, as of a trunk", 100, message, bench)
        exchanges[handle].caller = caller
        let user = UserPart(message.bytes.bytes(message.index.requestURI.user))
        guard token.map({ keepUser($0.user.span, handle) }) ?? keepUser(user.span, handle),
            beginCall(handle, .made, Dialled(.home), message.bytes, message.index),
            let asterisk = token.flatMap({ asterisk(of: $0, handle) }) ?? chooseAsterisk(handle)
        else { return }
        forward(handle, to: asterisk, message.bytes, message.index)
    }

    /// Takes a request from a trunk's rate; what is too much gets no answer by UDP, where the trunk asks
    /// again and whoever forges its address does not bring it answers.
    private mutating func takeFromRate(
        _ number: Int, _ message: borrowing Incoming
    ) -> Verdict<Void> {
        guard !message.isResumed, let rate = trunks[number].settings.rate,
            !trunks[number].tokens.take(rate, bench.now.monotonic), !bench.settings.isObserving
        else { return .pass }
        return message.flow.transport.isStream ? .refuse(.trunkRate) : .silence(.trunkRate)
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

    /// Who stands as the caller toward the Asterisk, which directory may have to be asked for.
    private mutating func caller(_ message: borrowing Incoming) -> Verdict<TrunkCaller> {
        let name = UserPart(message.bytes.bytes(message.index.from.uri.user))
        let written = writtenCaller(name)
        switch written {
        case .trunk: return .pass(.trunk)
        case .anonymous: return caller(written, named: Self.anonymous.span, message)
        case .asWritten: return caller(written, named: name.span, message)
        }
    }

    /// A caller who stands as written, unless the name is, or might be, that of an account.
    private mutating func caller(
        _ written: TrunkCaller, named name: Span<UInt8>, _ message: borrowing Incoming
    ) -> Verdict<TrunkCaller> {
        guard let account = accounts.number(name) else { return .pass(.trunk) }
        if accounts.isStale(account, bench.now.monotonic), !message.isResumed { ask(account) }
        switch accounts[account].state {
        case .asked:
            switch park(message, account) {
            case .waits: return .later
            case .tooMany: return .pass(.trunk)
            case .noRoom: return .refuse(.tableFull)
            }
        case .unknown: return .pass(written)
        case .found: return .pass(.trunk)
        case .unasked, .unavailable:
            accounts.forgetIfIdle(account)
            return .pass(.trunk)
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
}
