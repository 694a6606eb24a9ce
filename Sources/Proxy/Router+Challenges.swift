internal import Digest
internal import Journal
internal import Messages
internal import SIP
internal import Sys

/// Answers to the Asterisks' challenges, in the name of an account that has authenticated here.
extension Router {
    /// What can be said to a challenge.
    enum Answering {
        case answer(ChallengeAnswer)
        case asked
        case impossible
    }

    /// The answer to an Asterisk's challenge in the name of an account.
    mutating func answer(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ account: Int32,
        _ method: StaticString,
        _ uri: [UInt8]
    ) -> Answering {
        let name: HeaderName = index.status == 401 ? .wwwAuthenticate : .proxyAuthenticate
        var start = 0
        while let position = index.position(name, from: start) {
            start = position + 1
            guard let header = DigestHeader(index[position].value, in: bytes),
                let algorithm = header.algorithm, !header.nonce.isEmpty
            else { continue }
            guard let ha1 = ha1(account, [UInt8](bytes.bytes(header.realm)), algorithm) else {
                return .asked
            }
            guard ha1.length > 0 else { continue }
            return .answer(
                answer(header, bytes, algorithm, ha1, account, method, uri, index.status))
        }
        return .impossible
    }

    /// HA1 of an account for a realm: nil when directory has been asked for it, empty when there is none.
    private mutating func ha1(
        _ account: Int32, _ realm: [UInt8], _ algorithm: DigestAlgorithm
    ) -> HashValue? {
        if realm == bench.settings.realm {
            if algorithm == .sha256, keepSHA256() {
                lookUp(account, realm: realm)
                return nil
            }
            return accounts.ha1(account, algorithm)
        }
        let key = ForeignRealm(account: account, realm: realm, algorithm: algorithm.rawValue)
        if let known = foreignHA1[key] { return known }
        guard realm.count <= 128 else { return HashValue() }
        lookUp(account, realm: realm)
        return nil
    }

    /// Keeps HA1s by SHA-256 from now on; whether that is new, so that directory has to be asked again.
    @discardableResult
    mutating func keepSHA256() -> Bool {
        guard !accounts.keepsSHA256 else { return false }
        accounts.keepsSHA256 = true
        accounts.forgetAnswers()
        return true
    }

    /// Keeps HA1s for an Asterisk's realm that is not ours.
    mutating func keepForeign(_ account: Int32, _ realm: [UInt8], _ found: Account) {
        for algorithm in [DigestAlgorithm.md5, .sha256] {
            let key = ForeignRealm(account: account, realm: realm, algorithm: algorithm.rawValue)
            foreignHA1[key] = HashValue(algorithm == .md5 ? found.ha1MD5 : found.ha1SHA256)
        }
        refreshPresences(account)
    }

    private mutating func answer(
        _ header: DigestHeader, _ bytes: Span<UInt8>, _ algorithm: DigestAlgorithm,
        _ ha1: HashValue, _ account: Int32, _ method: StaticString, _ uri: [UInt8],
        _ status: UInt16
    ) -> ChallengeAnswer {
        var text = ByteBuffer(capacity: 2048)
        text.append(status == 401 ? "Authorization" : "Proxy-Authorization")
        text.append(": Digest username=\"")
        text.append(accounts.authUser(account))
        text.append("\", realm=\"")
        text.append(bytes.bytes(header.realm))
        text.append("\", nonce=\"")
        text.append(bytes.bytes(header.nonce))
        text.append("\", uri=\"")
        text.append(uri.span)
        text.append("\", algorithm=")
        text.append(algorithm.name)
        var cnonce = ByteBuffer(capacity: 16)
        if header.offersAuth(in: bytes) {
            cnonce.append(hex: bench.random(), digits: 16)
            text.append(", qop=auth, nc=00000001, cnonce=\"")
            text.append(cnonce.span)
            text.append("\"")
        }
        let response = hashes.ownResponse(
            algorithm, ha1: ha1, method: method, uri: uri.span,
            nonce: bytes.bytes(header.nonce), cnonce: cnonce.span)
        text.append(", response=\"")
        for index in 0..<response.length { text.append(hex: response.bytes[index]) }
        text.append("\"")
        if !header.opaque.isEmpty {
            text.append(", opaque=\"")
            text.append(bytes.bytes(header.opaque))
            text.append("\"")
        }
        text.append("\r\n")
        return ChallengeAnswer(header: Array(text.span))
    }

    /// Sends an exchange's request again with an answer to the Asterisk's challenge; false when that
    /// cannot be done.
    ///
    /// The CSeq is one higher, and stays so on the inner side of the dialog.
    mutating func answerChallenge(
        _ owner: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        let exchange = exchanges[owner]
        guard exchange.account >= 0, exchange.challenges < 2, !exchange.cancelled else {
            return false
        }
        guard !exchange.isTrunk else {
            asteriskAsks(exchange)
            return false
        }
        let uri = "sip:\(bench.texts.span(exchange.user).text)@\(exchange.asterisk)"
        guard
            case .answer(let answer) = answer(
                bytes, index, exchange.account, exchange.method.name, Array(uri.utf8))
        else {
            asteriskRefused(exchange)
            return false
        }
        exchanges[owner].challenges += 1
        exchanges[owner].sequenceShift &+= 1
        resend(owner, answer)
        return true
    }

    private mutating func asteriskAsks(_ exchange: Exchange) {
        let name = trunkName(exchange.account)
        bench.effects.journal.add(
            .trunkRefused, .warning,
            "Asterisk \(exchange.asterisk) asks the trunk \(name) for a password: it does not tell it by"
                + " the edge's address and port (chan_sip: type=peer without secret; PJSIP: an identify)",
            [(.trunk, name), (.asterisk, "\(exchange.asterisk)")])
    }

    private mutating func asteriskRefused(_ exchange: Exchange) {
        let name = accounts.name(exchange.account).text
        bench.effects.journal.add(
            .asteriskRefused, .warning,
            "Asterisk \(exchange.asterisk) asks \(name) for credentials that accounts.database does not hold",
            [(.account, name), (.asterisk, "\(exchange.asterisk)")])
    }
}
