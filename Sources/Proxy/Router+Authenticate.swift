internal import Digest
package import Messages
internal import Registrar
internal import SIP
internal import Sys

/// Who a request comes from.
extension Router {
    /// The account that a request proves to be of; nil when it was answered, dropped, or has to wait.
    ///
    /// The challenge goes out before any account is looked at, and after a wrong answer it goes out again:
    /// nobody learns from it which accounts there are.
    mutating func authenticate(
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow, _ replayed: Bool
    ) -> Int32? {
        guard let header = credentials(bytes, index), let algorithm = header.algorithm,
            isComplete(header, bytes)
        else {
            challenge(bytes, index, flow, stale: false)
            return nil
        }
        // Eight digits, as `isComplete` has seen.
        let written = bytes.bytes(header.nonceCount).hexadecimal() ?? 0
        let count = header.qop.isEmpty ? 1 : UInt32(truncatingIfNeeded: written)
        let verdict = nonces.check(
            bytes.bytes(header.nonce), count: count, request: requestMark(bytes, index),
            now.sinceEpoch, flow.peer.ip, flow.transport.rawValue)
        guard verdict == .fresh else {
            challenge(bytes, index, flow, stale: verdict == .stale)
            return nil
        }
        let name = bytes.bytes(accountName(index))
        guard name.count <= Accounts.longestName, !name.isEmpty,
            let account = accounts.number(name)
        else {
            wrong(bytes, index, flow, "unknown-account")
            return nil
        }
        let isRefreshing = accounts.isStale(account, now.monotonic) && !replayed
        if isRefreshing { ask(account) }
        if accounts[account].state == .asked {
            park(bytes, flow, account)
            return nil
        }
        if verify(bytes, index, header, algorithm, account) { return account }
        if isRefreshing, accounts[account].state == .found {
            // The password may be new: the answer under way decides.
            park(bytes, flow, account)
        } else {
            unproven(bytes, index, flow, account)
        }
        return nil
    }

    /// Where the account's name stands: To for a REGISTER, whose To is the address-of-record, else From.
    private func accountName(_ index: MessageIndex) -> Slice {
        index.method == .register ? index.to.uri.user : index.from.uri.user
    }

    private mutating func verify(
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ header: DigestHeader,
        _ algorithm: DigestAlgorithm, _ account: Int32
    ) -> Bool {
        let entry = accounts[account]
        // The same work for an account that does not exist.
        let known = entry.state == .found && entry.ha1(algorithm).length > 0
        let ha1 =
            known ? entry.ha1(algorithm) : HashValue([UInt8](repeating: 0, count: algorithm.length))
        let expected = hashes.response(
            algorithm, ha1: ha1, method: bytes.bytes(index.methodSlice), header, in: bytes)
        let good = expected.matches(hex: bytes.bytes(header.response), nibble: Characters.hex)
        return good && known && bytes.bytes(header.username).equals(accounts.authUser(account))
    }

    /// Answers a request whose credentials do not prove the account.
    private mutating func unproven(
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow, _ account: Int32
    ) {
        let state = accounts[account].state
        accounts.forgetIfIdle(account)
        guard state != .unavailable else {
            refuseForNow(bytes, index, flow, "database-unavailable")
            return
        }
        wrong(bytes, index, flow, state == .found ? "wrong-password" : "unknown-account")
    }

    /// The credentials for our realm, or nil.
    private func credentials(_ bytes: Span<UInt8>, _ index: MessageIndex) -> DigestHeader? {
        let name: HeaderName = index.method == .register ? .authorization : .proxyAuthorization
        let realm = settings.realm
        for position in 0..<index.count where index[position].name == name {
            if let header = DigestHeader(index[position].value, in: bytes),
                bytes.bytes(header.realm).equals(realm.span)
            {
                return header
            }
        }
        return nil
    }

    /// Whether everything is there that the answer is computed from.
    private func isComplete(_ header: DigestHeader, _ bytes: Span<UInt8>) -> Bool {
        guard !header.username.isEmpty, !header.response.isEmpty, !header.uri.isEmpty else {
            return false
        }
        guard !header.qop.isEmpty else { return true }
        return bytes.bytes(header.qop).isCaseless("auth") && !header.cnonce.isEmpty
            && header.nonceCount.length == 8
    }

    /// What makes a request itself: its retransmission has the same, another request does not.
    private func requestMark(_ bytes: Span<UInt8>, _ index: MessageIndex) -> UInt64 {
        NameTable.hash(bytes.bytes(index.via.branch), bytes.bytes(index.callID))
            &+ UInt64(index.sequence)
    }

    /// Challenges a request without remembering it.
    mutating func challenge(
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow, stale: Bool
    ) {
        let isRegister = index.method == .register
        if isRegister {
            beginReply(bytes, index, flow, 401, "Unauthorized")
        } else {
            beginReply(bytes, index, flow, 407, "Proxy Authentication Required")
        }
        let realm = settings.realm
        for algorithm in settings.algorithms {
            writer.append(isRegister ? "WWW-Authenticate" : "Proxy-Authenticate")
            writer.append(": Digest realm=\"")
            writer.append(realm.span)
            writer.append("\",nonce=\"")
            writer.append(nonceOf: &nonces, now.sinceEpoch, flow)
            writer.append("\",algorithm=")
            writer.append(algorithm.name)
            writer.append(",qop=\"auth\"")
            if stale { writer.append(",stale=true") }
            writer.endLine()
        }
        endReply(flow)
    }

    /// A wrong answer to a nonce that was made for this very source: proof that it is there, and counted.
    private mutating func wrong(
        _ bytes: Span<UInt8>, _ index: MessageIndex, _ flow: Flow, _ reason: String
    ) {
        let ip = flow.peer.ip
        let count = defence.strike(ip, now.monotonic, window: settings.window)
        refuseRecord(reason, 401, index, bytes, flow)
        guard count >= settings.failures, !isProtected(ip) else {
            challenge(bytes, index, flow, stale: false)
            return
        }
        defence.ban(ip, until: now.monotonic + settings.ban)
        toBanner.append(.ban(ip, reason: "wrong-password", count: count, span: settings.ban))
    }

    private func isProtected(_ ip: IPAddress) -> Bool {
        isAsterisk(ip) || settings.allow.contains { $0.contains(ip) }
    }

    // MARK: directory

    /// Asks directory about an account; with too many questions under way the account counts as one that
    /// the database could not be asked for.
    mutating func ask(_ account: Int32) {
        let isAsked = lookUp(account, realm: settings.realm)
        guard accounts[account].state != .found else { return }
        accounts[account].state = isAsked ? .asked : .unavailable
    }

    /// Asks for an account's HA1s for a realm, unless that is under way; false when it cannot be asked now.
    @discardableResult
    mutating func lookUp(_ account: Int32, realm: [UInt8]) -> Bool {
        if lookUps.values.contains(where: { $0.account == account && $0.realm == realm }) {
            return true
        }
        guard lookUps.count < 4096 else { return false }
        nextLookUp &+= 1
        lookUps[nextLookUp] = (account, realm)
        let name = accounts.name(account).text
        toDirectory.append(
            .lookUp(id: nextLookUp, account: name, realm: String(decoding: realm, as: UTF8.self)))
        return true
    }

    /// Keeps a message until directory has answered; what does not fit is lost, and comes again.
    private mutating func park(_ bytes: Span<UInt8>, _ flow: Flow, _ account: Int32) {
        let waiting = parked[account] ?? []
        // A retransmission is the same in every byte; it must not count twice when it turns out wrong.
        for message in waiting where message.flow == flow {
            if blocks.span(message.block).equals(bytes) { return }
        }
        guard parkedCount < 2048, waiting.count < 16 else { return }
        let block = blocks.store(bytes)
        guard block.exists else { return }
        parked[account, default: []].append(ParkedMessage(block: block, flow: flow))
        parkedCount += 1
    }

    /// Takes what directory says.
    package mutating func take(_ message: DirectoryToRouter, _ now: Now) {
        self.now = now
        switch message {
        case .account(let id, let answer): account(id, answer)
        case .binding(let record): restore(record)
        case .bindings: restored()
        case .changed:
            accounts.forgetAnswers(now.monotonic)
            foreignHA1 = [:]
        }
    }

    private mutating func account(_ id: UInt32, _ answer: AccountAnswer) {
        guard let question = lookUps.removeValue(forKey: id) else { return }
        guard question.realm == settings.realm else {
            if case .found(let found) = answer {
                keepForeign(question.account, question.realm, found)
            }
            return
        }
        accounts.take(answer, for: question.account, now.monotonic)
        let waiting = parked.removeValue(forKey: question.account) ?? []
        parkedCount -= waiting.count
        for message in waiting {
            var block = message.block
            let copy = Array(blocks.span(block))
            blocks.release(&block)
            receive(copy.span, message.flow, replayed: true)
        }
        if accounts[question.account].state == .found {
            refreshPresences(question.account)
        } else {
            accounts.forgetIfIdle(question.account)
        }
    }

    /// A new link to directory stands: what was asked over the old one is asked again.
    package mutating func directoryLinked(_ now: Now) {
        self.now = now
        let questions = lookUps
        lookUps = [:]
        for question in questions.values { lookUp(question.account, realm: question.realm) }
    }

    // MARK: banner

    /// Takes what banner says.
    package mutating func take(_ message: BannerToRouter, _ now: Now) {
        self.now = now
        switch message {
        case .banned(let ip, let until):
            defence.ban(ip, until: now.monotonic + (until - now.sinceEpoch))
        case .unbanned(let ip): defence.unban(ip)
        case .cleared: defence.unbanAll()
        case .all: break
        }
    }
}
