package import Sys
package import Wire

/// What sip-router asks of directory.
package enum RouterToDirectory: Equatable, Sendable {
    /// The first frame on a new link; directory answers with every binding, then `bindings`.
    case hello
    /// The account of a name (at most 64 bytes), with its HA1s for a realm (at most 128 bytes).
    ///
    /// With `asksSource` the source itself is asked, however young what directory knows is.
    case lookUp(id: UInt32, account: String, realm: String, asksSource: Bool)
    /// Keep a binding; it replaces the one with the same account and key.
    case bind(BindingRecord)
    /// Forget the binding of an account and a key.
    case unbind(account: String, key: UInt64)
    /// Store the standing of an account, in place of the one before; empty: forget it.
    case storeStanding(AccountStanding)
}

/// What directory answers to sip-router.
package enum DirectoryToRouter: Equatable, Sendable {
    /// The answer to `lookUp` of that id.
    ///
    /// `age` says how long ago the source of the accounts confirmed it, at most `Bounds.longestStale`;
    /// 0 when the source was asked and has just answered, and beside `unavailable`, else at least 1 ms.
    /// An old row is what directory knows while the source is silent.
    case account(id: UInt32, AccountAnswer, age: Milliseconds)
    /// A binding that was kept.
    case binding(BindingRecord)
    /// Every kept binding has been told.
    case bindings
    /// What was kept of an account; those of barred accounts come before anything else.
    case standing(AccountStanding)
    /// What the source says of an account now, though it was not asked or has been answered already.
    case update(account: String, realm: String, AccountAnswer)
    /// The bindings of an account end that it would not get now; with `endsCalls` its calls end now too.
    ///
    /// That is what another secret made, or what an access list denies where it comes from; and all, when there is
    /// no such account or it may not register.
    case revoke(account: String, endsCalls: Bool)
}

/// What directory knows of an account, without its secret.
package enum AccountAnswer: Equatable, Sendable {
    /// The account stands and may authenticate.
    case found(Account)
    /// No account of that name, or one that can never authenticate (no secret, or of the wrong kind).
    case unknown
    /// The database cannot be asked now.
    case unavailable
}

/// An account as the router sees it.
package struct Account: Equatable, Sendable {
    /// MD5(user:realm:secret), 16 bytes; empty when it cannot be had for the realm.
    package var ha1MD5: [UInt8]
    /// SHA-256(user:realm:secret), 32 bytes; empty when it cannot be had for the realm.
    package var ha1SHA256: [UInt8]
    /// The digest user name: the account's own name, or PJSIP's ps_auths.username.
    package var authUser: String
    /// The user part of To in a REGISTER at Asterisk: the account's name, or PJSIP's ps_aors.id.
    package var aor: String
    /// Whether phones may register it (host=dynamic; max_contacts of at least 1).
    package var mayRegister: Bool
    /// From where it may be used.
    package var access: AccessList

    /// An account of its parts.
    package init(
        ha1MD5: [UInt8], ha1SHA256: [UInt8], authUser: String, aor: String, mayRegister: Bool,
        access: AccessList = AccessList()
    ) {
        self.ha1MD5 = ha1MD5
        self.ha1SHA256 = ha1SHA256
        self.authUser = authUser
        self.aor = aor
        self.mayRegister = mayRegister
        self.access = access
    }
}

/// A binding as it is kept on disk.
package struct BindingRecord: Equatable, Sendable {
    /// The account's name, at most 64 bytes.
    package var account: String
    /// What tells the account's bindings apart: a hash of the instance or of the Contact URI.
    package var key: UInt64
    /// A mark of the secret that proved the phone: four bytes of a hash of its HA1; 0 when it is not known.
    package var secret: UInt32
    /// The Contact URI, at most `Bounds.longestContact`.
    package var contact: String
    /// The instance with its reg-id, or empty; at most 128 bytes (RFC 5626).
    package var instance: String
    /// The Call-ID of the last REGISTER, at most 256 bytes.
    package var callID: String
    /// The CSeq of the last REGISTER, below 2^31.
    package var sequence: UInt32
    /// The User-Agent, at most 128 bytes.
    package var userAgent: String
    /// When it ends, since 1970.
    package var expires: Milliseconds
    /// Preference, 0 to 1000 thousandths.
    package var q: UInt16
    /// How the phone is reached.
    package var transport: Transport
    /// The number of the listener it came by.
    package var listener: UInt8
    /// The phone's address as seen from here; its port is not 0.
    package var address: SocketAddress
    /// The TLS or TCP connection's handle, never 0.
    ///
    /// Of UDP at a wildcard endpoint it is the mark (`OwnMark`) of the address that the phone asks,
    /// else 0.
    package var connection: UInt64
    /// Whether the phone has answered an OPTIONS of ours since it registered with that Call-ID.
    package var hasAnswered: Bool

    /// A record of its columns.
    package init(
        account: String, key: UInt64, secret: UInt32 = 0, contact: String, instance: String,
        callID: String, sequence: UInt32, userAgent: String, expires: Milliseconds, q: UInt16,
        transport: Transport, listener: UInt8, address: SocketAddress, connection: UInt64,
        hasAnswered: Bool = false
    ) {
        self.account = account
        self.key = key
        self.secret = secret
        self.contact = contact
        self.instance = instance
        self.callID = callID
        self.sequence = sequence
        self.userAgent = userAgent
        self.expires = expires
        self.q = q
        self.transport = transport
        self.listener = listener
        self.address = address
        self.connection = connection
        self.hasAnswered = hasAnswered
    }
}

extension RouterToDirectory {
    /// The message's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .hello: return WireWriter.hello.bytes
        case .lookUp(let id, let account, let realm, let asksSource):
            var writer = WireWriter(kind: 2)
            writer.u32(id)
            writer.name(account)
            writer.name(realm, limit: Bounds.longestRealm)
            writer.bool(asksSource)
            return writer.bytes
        case .bind(let record):
            var writer = WireWriter(kind: Self.bindKind)
            record.write(to: &writer)
            return writer.bytes
        case .unbind(let account, let key):
            var writer = WireWriter(kind: 4)
            writer.name(account)
            writer.u64(key)
            return writer.bytes
        case .storeStanding(let standing):
            var writer = WireWriter(kind: 5)
            standing.write(to: &writer)
            return writer.bytes
        }
    }

    static let bindKind: UInt8 = 3

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            try reader.version()
            self = .hello
        case 2:
            let id = try reader.u32()
            let account = try reader.string("account", limit: Bounds.longestName)
            let realm = try reader.string("realm", limit: Bounds.longestRealm)
            self = .lookUp(
                id: id, account: account, realm: realm, asksSource: try reader.bool())
        case Self.bindKind: self = .bind(try BindingRecord(from: &reader))
        case 4:
            let account = try reader.string("account", limit: Bounds.longestName)
            self = .unbind(account: account, key: try reader.u64())
        case 5: self = .storeStanding(try AccountStanding(from: &reader))
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension DirectoryToRouter {
    /// The message's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .account(let id, let answer, let age):
            var writer = WireWriter(kind: 1)
            writer.u32(id)
            writer.span(age, upTo: Bounds.longestStale)
            answer.write(to: &writer)
            return writer.bytes
        case .binding(let record):
            var writer = WireWriter(kind: 2)
            record.write(to: &writer)
            return writer.bytes
        case .bindings: return WireWriter(kind: 3).bytes
        case .standing(let standing):
            var writer = WireWriter(kind: 4)
            standing.write(to: &writer)
            return writer.bytes
        case .update(let account, let realm, let answer):
            var writer = WireWriter(kind: 5)
            writer.name(account)
            writer.name(realm, limit: Bounds.longestRealm)
            answer.write(to: &writer)
            return writer.bytes
        case .revoke(let account, let endsCalls):
            var writer = WireWriter(kind: 6)
            writer.name(account)
            writer.bool(endsCalls)
            return writer.bytes
        }
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            let id = try reader.u32()
            let age = try reader.span("age", upTo: Bounds.longestStale)
            self = .account(id: id, try AccountAnswer(from: &reader), age: age)
        case 2: self = .binding(try BindingRecord(from: &reader))
        case 3: self = .bindings
        case 4: self = .standing(try AccountStanding(from: &reader))
        case 5:
            let account = try reader.string("account", limit: Bounds.longestName)
            let realm = try reader.string("realm", limit: Bounds.longestRealm)
            self = .update(account: account, realm: realm, try AccountAnswer(from: &reader))
        case 6:
            let account = try reader.string("account", limit: Bounds.longestName)
            self = .revoke(account: account, endsCalls: try reader.bool())
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension AccountAnswer {
    /// Writes the answer.
    func write(to writer: inout WireWriter) {
        switch self {
        case .found(let account)
        where account.authUser.utf8.count > 255 || account.aor.utf8.count > 255:
            // Nobody can be told of it, so nobody can authenticate as it.
            writer.u8(2)
        case .found(let account):
            writer.u8(1)
            writer.data(account.ha1MD5)
            writer.data(account.ha1SHA256)
            writer.string(account.authUser)
            writer.string(account.aor)
            writer.bool(account.mayRegister)
            writer.data(account.access.bytes)
        case .unknown: writer.u8(2)
        case .unavailable: writer.u8(3)
        }
    }

    /// Reads the answer.
    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.u8() {
        case 1:
            let md5 = try reader.data("ha1MD5", limit: 16)
            guard md5.isEmpty || md5.count == 16 else { throw .badValue("ha1MD5") }
            let sha256 = try reader.data("ha1SHA256", limit: 32)
            guard sha256.isEmpty || sha256.count == 32 else { throw .badValue("ha1SHA256") }
            self = .found(
                Account(
                    ha1MD5: md5, ha1SHA256: sha256,
                    authUser: try reader.string("authUser", limit: 255),
                    aor: try reader.string("aor", limit: 255),
                    mayRegister: try reader.bool(),
                    access: try AccessList(from: &reader)))
        case 2: self = .unknown
        case 3: self = .unavailable
        default: throw .badValue("answer")
        }
    }
}

extension BindingRecord {
    /// Writes the columns.
    fileprivate func write(to writer: inout WireWriter) {
        let account = Array(account.utf8)
        let contact = Array(contact.utf8)
        let instance = Array(instance.utf8)
        let callID = Array(callID.utf8)
        let userAgent = Array(userAgent.utf8)
        BindingColumns(
            account: account.span, key: key, secret: secret, contact: contact.span,
            instance: instance.span, callID: callID.span, sequence: sequence,
            userAgent: userAgent.span, expires: expires, q: q, transport: transport,
            listener: listener, address: address, connection: connection,
            hasAnswered: hasAnswered
        ).write(to: &writer)
    }

    /// Reads the columns.
    fileprivate init(from reader: inout WireReader) throws(WireError) {
        self.init(
            account: try reader.string("account", limit: 64),
            key: try reader.u64(),
            secret: try reader.u32(),
            contact: try reader.string("contact", limit: Bounds.longestContact),
            instance: try reader.string("instance", limit: 128),
            callID: try reader.string("callID", limit: 256),
            sequence: try reader.u32(),
            userAgent: try reader.string("userAgent", limit: 128),
            expires: try reader.milliseconds(),
            q: try reader.u16(),
            transport: try reader.choice("transport"),
            listener: try reader.u8(),
            address: try reader.address(),
            connection: try reader.u64(),
            hasAnswered: try reader.bool())
        try check()
    }

    /// Whether a phone can be reached so: a port, a listener that may be, by a stream a connection, by UDP a mark.
    static func isReachable(
        _ transport: Transport, _ listener: UInt8, _ address: SocketAddress, _ connection: UInt64
    ) -> Bool {
        address.port > 0 && address.isScopeGood && listener < Bounds.mostListeners
            && (transport.isStream
                ? (1..<UInt64.max).contains(connection)
                : OwnMark.isGood(connection, toward: address.ip))
    }

    /// Throws when a number lies outside its range, or the account's name is too long to be told whole.
    package func check() throws(WireError) {
        guard account.utf8.count <= Bounds.longestName else { throw .tooLong("account") }
        guard sequence <= Bounds.highestSequence else { throw .badValue("sequence") }
        guard expires.count >= 0, expires <= Bounds.lastMoment else { throw .badValue("expires") }
        guard q <= 1000 else { throw .badValue("q") }
        guard Self.isReachable(transport, listener, address, connection) else {
            throw .badValue("way")
        }
    }

    /// Whether it ends no later than a binding that is made now (since 1970) may.
    package func isTimely(_ now: Milliseconds) -> Bool {
        expires <= now + Bounds.longestBinding + Bounds.clockStep
    }
}
