import Messages
import Sys
import Testing
import Wire

/// Whether the frames of one link are total: each whole frame is read back as what it was, and
/// nothing else is read at all.
func check<Message: Equatable>(
    _ messages: [Message], encode: (Message) -> [UInt8],
    decode: (Span<UInt8>) throws(WireError) -> Message
) throws {
    for message in messages {
        let frame = encode(message)
        #expect(try decode(frame.span) == message)
        for length in 0..<frame.count {
            #expect(throws: WireError.self, "\(message) cut to \(length)") {
                _ = try decode(frame.span.extracting(0..<length))
            }
        }
        let longer = frame + [0]
        #expect(throws: WireError.self, "\(message) with a byte more") {
            _ = try decode(longer.span)
        }
    }
    for kind: UInt8 in [0, 100, 255] {
        let unknown = [kind]
        #expect(throws: WireError.unknownKind(kind)) { _ = try decode(unknown.span) }
    }
    // Whatever the bytes are, the answer is a message or an error.
    for kind in UInt8(1)...20 {
        for _ in 0..<200 {
            let noise = [kind] + Random.bytes(Int(Random.word % 64))
            _ = try? decode(noise.span)
        }
    }
}

private let address = SocketAddress(IPAddress(v4: 0xC000_0201), port: 5060)
private let network = Network(IPAddress(high: 0x2001_0DB8_0000_0000, low: 0), prefix: 32)
private let binding = BindingRecord(
    account: "alice", key: .max, secret: .max, contact: "sip:alice@192.0.2.1",
    instance: "<urn:uuid:1>;1",
    callID: "a@b", sequence: 7, userAgent: "é", expires: .seconds(9), q: 1000, transport: .tls,
    listener: 3, address: address, connection: 1, hasAnswered: true)

private let standing = AccountStanding(
    account: "alice", countries: "FRRO", heldUntil: .seconds(9), barredSince: .seconds(8),
    reason: "number-never", evidence: "5 refused calls")

@Suite struct MessagesTests {
    private static let managerSettings: [Setting] =
        ["10.0.0.10", "[2001:db8::1]:9", "pbx.example.com:9"]
        .compactMap { ServerName($0, defaultPort: 5038) }
        .map { Setting.accounts.manager($0) }

    static let settings: [Setting] =
        [
            .sides.domains("example.com"), .sides.outside(OutsideEndpoint(Endpoint(.tls, address))),
            .sides.outside(
                OutsideEndpoint(
                    Endpoint(.udp, address),
                    advertised: SocketAddress(IPAddress(v4: 1), port: 9))),
            .sides.localNetworks(network), .sides.inside(Endpoint(.udp, address)),
            .sides.asterisks(address), .accounts.source("sqlite:///x"),
            .accounts.database("sqlite:///x"), .accounts.user("u"), .accounts.secretFile("/s"),
            .accounts.query("SELECT name, secret\nFROM p WHERE name = ?"),
            .accounts.schema(.pjsip), .accounts.realm("asterisk"),
            .accounts.accessOrder(.denyThenPermit), .accounts.requests(100_000),
            .accounts.callers(.any, of: "gw1"), .accounts.stale(.seconds(60)),
            .accounts.algorithms(.sha256), .tls.certificate("/c"), .tls.key("/k"),
            .tls.oneOfCertificates("/c"), .tls.oneOfKeys("/k"), .defence.failures(1000),
            .defence.window(.seconds(1)), .defence.ban(.seconds(31_536_000)),
            .defence.allow(network), .defence.mode(.observe), .defence.countries("FR"),
            .defence.geoip("/g"), .defence.blockLists("/b"), .defence.growth(.seconds(3600)),
            .defence.packets(0), .defence.connections(20), .defence.cleanup(true),
            .defence.traps("admin"), .defence.replies(1),
            .limit(.scanner)(Limit(1, in: .seconds(604_800))),
            .registration.minimum(.seconds(30)), .registration.maximum(.seconds(604_800)),
            .registration.contacts(32),
        ] + managerSettings + tableSettings + callSettings + trunkSettings + profileSettings

    private static let tableSettings: [Setting] = [
        .tables.sippeers("sip_buddies"), .tables.endpoints("a.b"), .tables.auths("A"),
        .tables.aors("0"), .tables.accessLists(String(repeating: "t", count: 64)),
    ]

    private static let trunkSettings: [Setting] = [
        .trunks.inside(Endpoint(.udp, address), of: "telco"),
        .trunks.servers(address, of: "telco"), .trunks.networks(network, of: "telco"),
        .trunks.domain("sip.telco.example", of: "telco"), .trunks.perSecond(0, of: "telco"),
    ]

    private static let profileSettings: [Setting] = [
        .profiles.networks(network, of: "office"), .profiles.countries("FR", of: "office"),
        .profiles.trunks("telco", of: "carriers"), .profiles.methods("INVITE", of: "office"),
        .profiles.transports(.tls, of: "office"), .profiles.answer(.silence, of: "world"),
        .profiles.replies(1, of: "world"), .profiles.calls(10_000, of: "world"),
        .profiles.failures(1000, of: "world"),
    ]

    private static let callSettings: [Setting] = [
        .calls.atOnce(32), .calls.perMinute(100_000), .calls.abroadAtOnce(0),
        .calls.abroadPerMinute(4), .calls.home("FR"), .calls.allowed("BE"), .calls.never("+881"),
        .calls.prefixes("00"), .calls.outsideLine("0"), .calls.emergency("112"),
        .calls.hours(OpenHours(days: 31, from: 0, to: 1440)),
        .calls.newCountry(.seconds(2_592_000)), .calls.tripNever(Limit(5, in: .seconds(600))),
        .calls.tripAbroad(Limit(1, in: .seconds(1))),
    ]

    @Test("settings")
    func settingFrames() throws {
        try check(Self.settings, encode: { $0.encoded() }) { frame throws(WireError) in
            try Setting(decoding: frame)
        }
    }

    /// Longer than a path may be.
    private static let long = "/" + String(repeating: "a", count: 4096)

    /// Values that are out of their bounds.
    private static let refused: [Setting] =
        [
            .accounts.source(String(repeating: "a", count: 1025)),
            .accounts.database(String(repeating: "a", count: 1025)),
            .accounts.user(String(repeating: "a", count: 129)), .accounts.secretFile(long),
            .accounts.query("SELECT ?" + String(repeating: " ", count: 4089)),
            .accounts.query("SELECT ?; SELECT 1"), .accounts.query("SELECT ?, ?"),
            .accounts.query("SELECT 1"), .accounts.query("DELETE ?"), .accounts.query("SELECT ?\0"),
            .accounts.realm(String(repeating: "a", count: 129)), .tls.key(long),
            .tls.certificate(long),
            .tls.oneOfKeys(long), .tls.oneOfCertificates(long), .defence.geoip(long),
            .defence.blockLists(long), .defence.countries("fr"), .defence.countries("FRA"),
            .defence.traps(String(repeating: "a", count: 65)),
            .sides.domains(String(repeating: "a", count: 256)),
        ] + otherRefused

    private static let otherRefused: [Setting] = [
        .sides.inside(Endpoint(.tls, address)), .calls.home("fr"),
        .calls.prefixes("000000000"), .calls.outsideLine("000000000"),
        .calls.emergency("000000000"), .calls.never("+1234567890123456"),
        .calls.hours(OpenHours(days: 0, from: 0, to: 1)),
        .calls.hours(OpenHours(days: 128, from: 0, to: 1)),
        .calls.hours(OpenHours(days: 1, from: 60, to: 60)),
        .calls.hours(OpenHours(days: 1, from: 0, to: 1441)),
        .trunks.servers(address, of: String(repeating: "t", count: 33)),
        .trunks.domain(String(repeating: "a", count: 256), of: "telco"),
        .trunks.inside(Endpoint(.tcp, address), of: "telco"),
        .profiles.trunks(String(repeating: "t", count: 33), of: "carriers"),
        .profiles.methods(String(repeating: "M", count: 17), of: "carriers"),
        .profiles.countries("fr", of: "carriers"),
    ]

    @Test(
        "a text or an endpoint that its key does not take is refused",
        arguments: refused)
    func ranges(_ setting: Setting) {
        let frame = setting.encoded()
        #expect(throws: WireError.self) { try Setting(decoding: frame.span) }
    }

    @Test(
        "a name that is none of a table is refused, and none ends the quotation marks around it",
        arguments: ["", "a\"b", "a b", "é"])
    func tableNames(_ name: String) {
        let frame = Setting.tables.auths(name).encoded()
        #expect(throws: WireError.self) { try Setting(decoding: frame.span) }
    }

    @Test("an address that a NAT has for an endpoint is of its family")
    func families() {
        let other = SocketAddress(network.address, port: 5060)
        let frame = Setting.sides.outside(
            OutsideEndpoint(Endpoint(.udp, address), advertised: other)
        ).encoded()
        #expect(throws: WireError.badValue("advertised")) { try Setting(decoding: frame.span) }
    }

    @Test("what a trunk's line says of where its calls come from is its servers and networks alone")
    func trunkSources() {
        #expect(
            Self.trunkSettings.map { $0.told.banner?.sources } == [
                nil, Network(address.ip, prefix: 32), network, nil, nil,
            ])
    }

    @Test("only the processes that need a setting are told it", arguments: settings)
    func readers(_ setting: Setting) {
        #expect(!setting.readers.isEmpty && !setting.readers.contains(.supervisor))
        #expect(setting.readers.contains(.terminator) == setting.path.hasPrefix("tls."))
        // A process takes what it is told, so that a frame that came to another one says nothing there.
        #expect(setting.readers.contains(.router) == (setting.told.router != nil))
        #expect(setting.readers.contains(.accountsReader) == (setting.told.accountsReader != nil))
        #expect(setting.readers.contains(.directory) == (setting.told.directory != nil))
        #expect(setting.readers.contains(.banner) == (setting.told.banner != nil))
    }

    @Test("child to supervisor")
    func childFrames() throws {
        let messages: [ChildMessage] = [
            .hello(.router), .ready, .watchdog, .status("serving"), .stopping, .refused("no"),
            .retain(
                KeptConnection(handle: ConnectionHandle(.tcp, place: 7), listener: 1, peer: address)
            ),
            .letGo(ConnectionHandle(.tcp, place: 7)),
            .conditions([]),
            .conditions([
                Condition(.accounts, "a"), Condition(.address, "b", recorded: .begin),
                Condition(.state, "c", recorded: .both),
            ]),
            .lostLink(.directory), .hangs(.accountsReader), .inUse(5),
        ]
        try check(messages, encode: { $0.encoded() }) { frame throws(WireError) in
            try ChildMessage(decoding: frame)
        }
    }

    @Test("a status line of any length and script arrives, cut")
    func longStatus() throws {
        for text in ["a", "é", "👩‍👩‍👧‍👦", "e\u{301}\u{302}\u{303}"] {
            let frame = ChildMessage.status(String(repeating: text, count: 2000)).encoded()
            guard case .status(let cut) = try ChildMessage(decoding: frame.span) else { return }
            #expect(cut.utf8.count <= 800 && cut.utf8.count > 760)
        }
    }

    @Test("of many conditions the worst arrive, the worst first")
    func manyConditions() throws {
        let all = Condition.Kind.allCases.reversed().map { Condition($0, "\($0)") }
        let frame = ChildMessage.conditions(Condition.worst(of: all)).encoded()
        guard case .conditions(let found) = try ChildMessage(decoding: frame.span) else { return }
        #expect(found.map(\.kind) == Array(Condition.Kind.allCases.prefix(Condition.most)))
        let nine = Array(repeating: all[0], count: Condition.most + 1)
        var frameOfNine = ChildMessage.conditions(nine).encoded()
        #expect(frameOfNine[1] == UInt8(Condition.most))
        frameOfNine[1] += 1
        #expect(throws: WireError.self) { try ChildMessage(decoding: frameOfNine.span) }
    }

    @Test("a hello of another version is refused by its version")
    func version() {
        let frame: [UInt8] = [1, messagesVersion + 1, Role.router.rawValue]
        let expected = WireError.version(messagesVersion + 1)
        #expect(throws: expected) { try ChildMessage(decoding: frame.span) }
        #expect(throws: expected) { try SupervisorMessage(decoding: frame.span, passed: nil) }
        let short = Array(frame.prefix(2))
        #expect(throws: expected) { try RouterToDirectory(decoding: short.span) }
        #expect(throws: expected) { try RouterToBanner(decoding: short.span) }
    }

    @Test("control requests")
    func requestFrames() throws {
        let messages: [ControlRequest] = [
            .status, .asterisks, .phones, .bans, .ban(address.ip, .seconds(60), "why"),
            .unban(nil), .unban(address.ip), .restart(.banner), .reload,
            .why(address.ip), .allow(network, true), .explain("a@b"), .calls, .endCall("a@b"),
            .release("alice"), .copyBindings, .certificates, .accounts(after: ""),
            .accounts(after: "alice"), .account("alice"), .explainAccount("alice"),
        ]
        try check(messages, encode: { $0.encoded() }) { frame throws(WireError) in
            try ControlRequest(decoding: frame)
        }
    }

    @Test("control replies")
    func replyFrames() throws {
        let messages: [ControlReply] = [
            .component(.router, pid: 7, .ready, restarts: 2, "fine"),
            .asterisk(
                AsteriskRow(
                    address: address, state: .passedOver, since: .seconds(1), roundTrip: 420,
                    registered: 3, accounts: 5)),
            .asterisk(AsteriskRow(address: address, state: .unknown, since: .seconds(1))),
            .upstream(
                UpstreamRow(address: address, asterisk: .down, state: .refused, status: 403)),
            .guarded(
                GuardRow(
                    isKnown: true, isGuarded: true, isUsedUp: false, requests: 50,
                    holds: [GuardRow.Hold(source: address.ip, left: .seconds(9))])),
            .refusal(
                RefusalRow(
                    moment: .seconds(1), source: address.ip, transport: .tls, method: "REGISTER",
                    reason: "acl", status: 401)),
            .phone(
                PhoneRow(
                    account: "alice", transport: .udp, address: address, contact: "sip:a@b",
                    expires: .seconds(60), userAgent: "")),
            .ban(
                BanRow(
                    source: .source(of: address.ip), reason: "scanner",
                    evidence: "5 wrong passwords",
                    profile: "phones", since: .seconds(1), until: .seconds(2),
                    firstSeen: .seconds(0), lastSeen: .seconds(1), count: 5, level: 2)),
            .kernelBans(false, "no root"), .done, .failed("try again"),
            .finding(name: "country", value: "FR"),
            .call(
                CallRow(
                    account: "alice", direction: .made, peer: "+33", isAnswered: true,
                    isAbroad: true, since: .seconds(1), asterisk: address, phone: address,
                    phones: 3, callID: "a@b")), .standing(standing),
            .condition(.directory, Condition(.accounts, "no account can authenticate")),
            .certificate(
                CertificateRow(
                    names: ["sip.example.com", "192.0.2.7"], file: "/c", key: "EC, 256 bits",
                    until: .seconds(9), unused: "the key does not match")),
            .step(
                TraceStep(what: "sippeers name=alice", found: true, microseconds: 7, remark: "x")),
            .isMore,
        ]
        try check(messages, encode: { $0.encoded() }) { frame throws(WireError) in
            try ControlReply(decoding: frame)
        }
    }

    @Test("a row of an account says what it is, and has no hash")
    func accountRow() throws {
        let account = Account(
            ha1MD5: Array(repeating: 0xA5, count: 16), ha1SHA256: [], authUser: "phone",
            aor: "alice", mayRegister: true, access: AccessListTests.office)
        let answers = [
            ReadAccount(answer: .found(account), source: "ps_endpoints", version: 1),
            ReadAccount(answer: .unknown, source: "sippeers", version: 2, why: .noSecret),
        ]
        let rows = try zip(answers, [Milliseconds.seconds(9), nil]).map { answer, age in
            let kept = KeptOfAccount(phones: 3, standing: standing, age: age, isConfirmed: true)
            return try #require(AccountRow("alice", answer, kept))
        }
        #expect(rows[0].hasMD5 && !rows[0].hasSHA256 && rows[0].user == "phone")
        #expect(rows[1].why == .noSecret && !rows[1].isAccount && rows[1].user.isEmpty)
        try check(rows.map { ControlReply.account($0) }, encode: { $0.encoded() }) {
            frame throws(WireError) in try ControlReply(decoding: frame)
        }
        #expect(!ControlReply.account(rows[0]).encoded().contains(0xA5))
        let away = ReadAccount(answer: .unavailable, source: "", version: 0)
        #expect(AccountRow("alice", away, rows[0].kept) == nil)
    }

    @Test("router and directory")
    func directoryFrames() throws {
        let requests: [RouterToDirectory] = [
            .hello, .lookUp(id: 1, account: "alice", realm: "asterisk", asksSource: false),
            .bind(binding),
            .unbind(account: "alice", key: 3), .storeStanding(standing),
        ]
        try check(requests, encode: { $0.encoded() }) { frame throws(WireError) in
            try RouterToDirectory(decoding: frame)
        }
        let account = Account(
            ha1MD5: Array(repeating: 1, count: 16), ha1SHA256: Array(repeating: 2, count: 32),
            authUser: "alice", aor: "alice", mayRegister: true, access: AccessListTests.office)
        let answers: [DirectoryToRouter] = [
            .account(id: 1, .found(account), age: Milliseconds(0)),
            .account(id: 2, .unknown, age: Bounds.longestStale),
            .account(id: 3, .unavailable, age: Milliseconds(1)), .binding(binding), .bindings,
            .standing(standing),
            .update(account: "alice", realm: "asterisk", .found(account)),
            .update(account: "alice", realm: "", .unknown),
            .revoke(account: "alice", endsCalls: false), .revoke(account: "bob", endsCalls: true),
        ]
        try check(answers, encode: { $0.encoded() }) { frame throws(WireError) in
            try DirectoryToRouter(decoding: frame)
        }
    }

    @Test("router and banner")
    func bannerFrames() throws {
        let order = BanOrder(
            address: address.ip, reason: "wrong-password", evidence: "5 wrong passwords for é",
            count: 5, firstSeen: .seconds(1), lastSeen: .seconds(2), profile: "phones",
            atLeast: .seconds(31_536_000))
        let requests: [RouterToBanner] = [
            .hello, .ban(order), .protect(address.ip, until: .seconds(9)), .locate(address.ip),
        ]
        try check(requests, encode: { $0.encoded() }) { frame throws(WireError) in
            try RouterToBanner(decoding: frame)
        }
        let answers: [BannerToRouter] = [
            .banned(.source(of: address.ip), until: .seconds(9)),
            .unbanned(.neighbourhood(of: address.ip)), .cleared, .all,
            .located(address.ip, country: "FR"), .located(address.ip, country: ""),
        ]
        try check(answers, encode: { $0.encoded() }) { frame throws(WireError) in
            try BannerToRouter(decoding: frame)
        }
    }

    @Test("an order's words and numbers are cut to their limits")
    func orderLimits() throws {
        var order = BanOrder(
            address: address.ip, reason: String(repeating: "r", count: 65),
            evidence: String(repeating: "é", count: 101), count: 1, firstSeen: .seconds(1),
            lastSeen: .seconds(1), profile: String(repeating: "p", count: 33))
        let frame = RouterToBanner.ban(order).encoded()
        guard case .ban(let read) = try RouterToBanner(decoding: frame.span) else { return }
        #expect(read.reason.utf8.count == 64)
        #expect(read.evidence.utf8.count == 200)
        #expect(read.profile.utf8.count == 32)
        order.atLeast = .seconds(31_536_001)
        order.count = .max
        order.firstSeen = Milliseconds(.max)
        order.lastSeen = Milliseconds(.min)
        let long = RouterToBanner.ban(order).encoded()
        guard case .ban(let cut) = try RouterToBanner(decoding: long.span) else { return }
        #expect(cut.atLeast == Bounds.longestBan && cut.count == Bounds.mostOffences)
        #expect(cut.firstSeen.count == 0 && cut.lastSeen.count == 0)
    }

    @Test("plaintext heads hold what they say, and a length that lies is refused")
    func plaintext() throws {
        var frame = [UInt8](repeating: 0, count: PlaintextHeader.length + 5)
        let head = PlaintextHeader(.data, connection: 0x0102_0304_0506_0708, payload: 5)
        head.write(into: &frame)
        #expect(try PlaintextHeader(decoding: frame.span) == head)
        for length in 0..<frame.count {
            #expect(throws: WireError.truncated) {
                try PlaintextHeader(decoding: frame.span.extracting(0..<length))
            }
        }
        let longer = frame + [0]
        #expect(throws: WireError.trailing) { try PlaintextHeader(decoding: longer.span) }
        frame[5] = 1
        #expect(throws: WireError.badValue("reserved")) {
            try PlaintextHeader(decoding: frame.span)
        }
    }

    @Test("plaintext payloads")
    func payloads() throws {
        let opened = OpenedPayload(listener: 1, peer: address, own: address).encoded()
        #expect(try OpenedPayload(decoding: opened.span).peer == address)
        let failed = HandshakeFailedPayload(peer: address, reason: .timeout).encoded()
        #expect(try HandshakeFailedPayload(decoding: failed.span).reason == .timeout)
    }
}

extension BannerSetting {
    /// Where a trunk's calls come from, if it says that.
    fileprivate var sources: Network? {
        if case .trunk(_, let rule) = self { rule.sources } else { nil }
    }
}
