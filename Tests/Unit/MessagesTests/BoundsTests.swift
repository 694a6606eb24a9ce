import Messages
import Sys
import Testing
import Wire

/// A number of a frame: where it stands, how many bytes it has, and what it may be.
private struct Field {
    let name: String
    let frame: [UInt8]
    let end: Int
    let width: Int
    let range: ClosedRange<Int64>

    /// A field that ends so many bytes before the end of a frame that is good.
    init(_ name: String, _ frame: [UInt8], _ before: Int, _ width: Int, _ range: ClosedRange<Int64>)
    {
        self.name = name
        self.frame = frame
        end = frame.count - before
        self.width = width
        self.range = range
    }

    /// The frame with another number.
    func with(_ value: Int64) -> [UInt8] {
        var changed = frame
        for index in 0..<width {
            changed[end - 1 - index] = UInt8(truncatingIfNeeded: value >> Int64(8 * index))
        }
        return changed
    }

    /// The numbers that the field can say at all.
    private var sayable: ClosedRange<Int64> {
        width == 8 ? .min ... .max : 0...(1 << Int64(8 * width)) - 1
    }

    /// The numbers next to the range, as far as there are any.
    var outside: [Int64] {
        [
            range.lowerBound == sayable.lowerBound ? nil : range.lowerBound - 1,
            range.upperBound == sayable.upperBound ? nil : range.upperBound + 1,
        ].compactMap { $0 }
    }
}

private let moments = 0...Bounds.lastMoment.count
private let address = SocketAddress(IPAddress(v4: 0xC000_0201), port: 5060)
private let source = Network.source(of: address.ip)
private let day: Int64 = 86_400_000

/// Whether a frame is read, and written again as it was.
private func isRead(
    _ frame: [UInt8], _ rewritten: (Span<UInt8>) throws(WireError) -> [UInt8]
) -> Bool {
    (try? rewritten(frame.span)) == frame
}

/// Expects that a frame is read, or that it is not.
private func expect(
    _ wanted: Bool, _ frame: [UInt8], _ what: String,
    _ rewritten: (Span<UInt8>) throws(WireError) -> [UInt8]
) {
    let found = isRead(frame, rewritten)
    #expect(found == wanted, "\(what)")
}

/// Whether the lowest and the highest number of each field pass, and those next to them do not.
private func check(
    _ fields: [Field], _ rewritten: (Span<UInt8>) throws(WireError) -> [UInt8]
) {
    for field in fields {
        expect(true, field.frame, field.name, rewritten)
        for value in [field.range.lowerBound, field.range.upperBound] {
            expect(true, field.with(value), "\(field.name) of \(value)", rewritten)
        }
        for value in field.outside {
            expect(false, field.with(value), "\(field.name) of \(value)", rewritten)
        }
    }
}

@Suite("Bounds") struct BoundsTests {
    @Test("what sip-router tells banner is within its ranges")
    func toBanner() {
        func order(_ seen: Int64) -> [UInt8] {
            RouterToBanner.ban(
                BanOrder(
                    address: address.ip, reason: "", evidence: "", count: 1,
                    firstSeen: Milliseconds(seen), lastSeen: Milliseconds(seen), profile: "")
            ).encoded()
        }
        let early = order(0)
        let late = order(Bounds.lastMoment.count)
        let protect = RouterToBanner.protect(address.ip, until: .seconds(1)).encoded()
        check([
            Field("count", early, 26, 4, 1...Int64(Bounds.mostOffences)),
            Field("firstSeen", late, 18, 8, moments), Field("lastSeen", early, 10, 8, moments),
            Field("atLeast", early, 0, 8, 0...365 * day), Field("until", protect, 0, 8, moments),
        ]) { frame throws(WireError) in try RouterToBanner(decoding: frame).encoded() }
        let disordered = Field("firstSeen", order(5), 18, 8, 0...5).with(6)
        #expect(throws: WireError.badValue("firstSeen")) {
            try RouterToBanner(decoding: disordered.span)
        }
    }

    @Test("what banner tells sip-router is within its ranges")
    func toRouter() throws {
        let wide = Network.neighbourhood(of: address.ip)
        let banned = BannerToRouter.banned(source, until: .seconds(1)).encoded()
        let rewritten = { (frame: Span<UInt8>) throws(WireError) in
            try BannerToRouter(decoding: frame).encoded()
        }
        check([Field("until", banned, 0, 8, moments)], rewritten)
        let v6 = IPAddress(high: 0x2001_0DB8_0007_0001, low: 1)
        for network in [source, wide, .source(of: v6), .neighbourhood(of: v6)] {
            expect(true, BannerToRouter.unbanned(network).encoded(), "\(network)", rewritten)
        }
        for network in [
            Network(address.ip, prefix: 25), Network(address.ip, prefix: 23),
            Network(v6, prefix: 63), Network(v6, prefix: 128), Network(v6, prefix: 0),
        ] {
            expect(false, BannerToRouter.unbanned(network).encoded(), "\(network)", rewritten)
            let frame = BannerToRouter.banned(network, until: .seconds(1)).encoded()
            expect(false, frame, "\(network)", rewritten)
        }
        for (letter, isGood) in [
            ("A", true), ("Z", true), ("@", false), ("[", false), ("a", false),
        ] {
            var frame = BannerToRouter.located(address.ip, country: "FR").encoded()
            frame[frame.count - 1] = letter.utf8.first ?? 0
            expect(isGood, frame, letter, rewritten)
        }
    }

    @Test("a country that is none is told as not known")
    func noCountry() throws {
        for text in ["fr", "F", "FRA", "\u{e9}"] {
            let frame = BannerToRouter.located(address.ip, country: text).encoded()
            #expect(
                try BannerToRouter(decoding: frame.span) == .located(address.ip, country: ""))
        }
    }

    private static func binding(_ transport: Transport, _ connection: UInt64) -> BindingRecord {
        BindingRecord(
            account: "a", key: 1, contact: "", instance: "", callID: "", sequence: 1, userAgent: "",
            expires: .seconds(1), q: 1, transport: transport, listener: 1, address: address,
            connection: connection)
    }

    @Test("a binding is within its ranges, whoever tells it")
    func bindings() {
        let udp = Self.binding(.udp, 0)
        let tls = Self.binding(.tls, 1)
        func fields(_ udp: [UInt8], _ tls: [UInt8]) -> [Field] {
            [
                Field("hasAnswered", udp, 0, 1, 0...1), Field("connection", udp, 1, 8, 0...0),
                Field("port", udp, 13, 2, 1...65_535), Field("scope", udp, 9, 4, 0...0),
                Field("listener", udp, 31, 1, 0...Int64(Bounds.mostListeners - 1)),
                Field("q", udp, 33, 2, 0...1000), Field("expires", udp, 35, 8, moments),
                Field("sequence", udp, 45, 4, 0...Int64(Bounds.highestSequence)),
                Field("transport", tls, 32, 1, 2...3), Field("connection", tls, 1, 8, 1...(.max)),
            ]
        }
        check(
            fields(RouterToDirectory.bind(udp).encoded(), RouterToDirectory.bind(tls).encoded())
        ) { frame throws(WireError) in try RouterToDirectory(decoding: frame).encoded() }
        check(
            fields(
                DirectoryToRouter.binding(udp).encoded(), DirectoryToRouter.binding(tls).encoded())
        ) { frame throws(WireError) in try DirectoryToRouter(decoding: frame).encoded() }
        let never = DirectoryToRouter.binding(Self.binding(.tls, .max)).encoded()
        #expect(throws: WireError.badValue("way")) { try DirectoryToRouter(decoding: never.span) }
    }

    @Test("a Contact of 2,048 bytes is told whole, and of a longer one the beginning")
    func longContact() throws {
        var record = Self.binding(.udp, 0)
        record.contact = String(repeating: "c", count: Bounds.longestContact)
        let bind = RouterToDirectory.bind(record)
        let told = DirectoryToRouter.binding(record)
        #expect(try RouterToDirectory(decoding: bind.encoded().span) == bind)
        #expect(try DirectoryToRouter(decoding: told.encoded().span) == told)
        let row = ControlReply.phone(
            PhoneRow(
                account: "a", transport: .udp, address: address, contact: record.contact,
                expires: .seconds(1), userAgent: ""))
        #expect(try ControlReply(decoding: row.encoded().span) == row)
        record.contact += "d"
        let longer = RouterToDirectory.bind(record)
        #expect(try RouterToDirectory(decoding: longer.encoded().span) == bind)
    }

    @Test("a binding that no frame may hold is not queued for directory")
    func queue() throws {
        func queued(_ change: (inout BindingRecord) -> Void) -> Int {
            var record = Self.binding(.udp, 0)
            change(&record)
            let nothing: [UInt8] = []
            var queue = DirectoryQueue()
            queue.bind(
                BindingColumns(
                    account: nothing.span, key: 1, contact: nothing.span, instance: nothing.span,
                    callID: nothing.span, sequence: record.sequence, userAgent: nothing.span,
                    expires: record.expires, q: record.q, transport: record.transport,
                    listener: record.listener, address: record.address,
                    connection: record.connection))
            for index in 0..<queue.count {
                let isRead = (try? RouterToDirectory(decoding: queue.message(index))) != nil
                #expect(isRead)
            }
            return queue.count
        }
        #expect(queued { _ in } == 1)
        #expect(queued { $0.q = .max } == 1)
        #expect(queued { $0.expires = Milliseconds(.max) } == 1)
        #expect(queued { $0.expires = Milliseconds(.min) } == 1)
        #expect(queued { $0.address.port = 0 } == 0)
        #expect(queued { $0.sequence = .max } == 0)
        #expect(queued { $0.connection = 1 } == 0)
        #expect(queued { $0.connection = OwnMark.of($0.address.ip) } == 1)
        for one in [IPAddress(v4: 0x0A00_0001), IPAddress(high: 0x2001_0DB8 << 32, low: 7)] {
            let other = one.isV4 ? IPAddress(high: 1, low: 1) : IPAddress(v4: 1)
            #expect(
                queued {
                    $0.address = SocketAddress(one, port: 1)
                    $0.connection = OwnMark.of(one)
                } == 1)
            #expect(
                queued {
                    $0.address = SocketAddress(one, port: 1)
                    $0.connection = OwnMark.of(other)
                } == 0)
        }
        #expect(queued { $0.listener = .max } == 0)
    }

    @Test(
        "what is held against an account is within its ranges, and what is not is cut or left out")
    func standings() throws {
        let standing = AccountStanding(
            account: "a", countries: "FRRO", heldUntil: .seconds(1), barredSince: .seconds(1))
        let rewritten = { (frame: Span<UInt8>) throws(WireError) in
            try RouterToDirectory(decoding: frame).encoded()
        }
        let frame = RouterToDirectory.storeStanding(standing).encoded()
        check(
            [
                Field("heldUntil", frame, 12, 8, moments),
                Field("barredSince", frame, 4, 8, moments),
                Field("letter", frame, 20, 1, 0x41...0x5A),
            ], rewritten)
        for (countries, kept) in [("FRR", ""), ("fr", ""), (String(repeating: "FR", count: 9), "")]
        {
            let wild = AccountStanding(
                account: String(repeating: "a", count: 65), countries: countries,
                heldUntil: Milliseconds(.max), barredSince: Milliseconds(.min))
            let wildFrame = RouterToDirectory.storeStanding(wild).encoded()
            guard case .storeStanding(let read) = try RouterToDirectory(decoding: wildFrame.span)
            else {
                return
            }
            #expect(read.account.isEmpty && read.countries == kept)
            #expect(read.heldUntil == Bounds.lastMoment && read.barredSince.count == 0)
        }
        let now = Milliseconds.seconds(1_000_000)
        var held = standing
        held.heldUntil = Bounds.lastMoment
        #expect(held.bounded(at: now).heldUntil == now + Bounds.longestHold)
    }

    @Test("a name too long to be told whole is looked up as nobody's")
    func names() throws {
        let long = String(repeating: "a", count: 65)
        let frame = RouterToDirectory.lookUp(id: 1, account: long, realm: "r", asksSource: false)
            .encoded()
        #expect(
            try RouterToDirectory(decoding: frame.span)
                == .lookUp(id: 1, account: "", realm: "r", asksSource: false))
        let account = Account(
            ha1MD5: [], ha1SHA256: [], authUser: String(repeating: "u", count: 256), aor: "a",
            mayRegister: true)
        let now = Milliseconds(0)
        let answer = DirectoryToRouter.account(id: 1, .found(account), age: now).encoded()
        #expect(
            try DirectoryToRouter(decoding: answer.span) == .account(id: 1, .unknown, age: now))
        let revoke = DirectoryToRouter.revoke(account: long, endsCalls: true).encoded()
        #expect(
            try DirectoryToRouter(decoding: revoke.span) == .revoke(account: "", endsCalls: true))
    }

    @Test("the age of an answer is no longer than any row serves")
    func age() {
        let answer = DirectoryToRouter.account(id: 1, .unknown, age: .seconds(1)).encoded()
        check([Field("age", answer, 1, 8, 0...Bounds.longestStale.count)]) {
            frame throws(WireError) in try DirectoryToRouter(decoding: frame).encoded()
        }
    }

    @Test("control requests and replies are within their ranges")
    func control() {
        let ban = ControlRequest.ban(address.ip, .seconds(1), "").encoded()
        check([Field("span", ban, 2, 8, 0...365 * day)]) { frame throws(WireError) in
            try ControlRequest(decoding: frame).encoded()
        }
        let row = BanRow(
            source: source, reason: "", since: .seconds(1), until: .seconds(1),
            firstSeen: .seconds(1), lastSeen: .seconds(1), count: 1)
        let frame = ControlReply.ban(row).encoded()
        let banned = [40, 32, 24, 16].map { Field("moment", frame, $0 - 8, 8, moments) }
        check(banned) { frame throws(WireError) in try ControlReply(decoding: frame).encoded() }
        check(banned) { bytes throws(WireError) in
            _ = try PackedBan(bytes)
            return bytes.indices.map { bytes[$0] }
        }
        let phone = ControlReply.phone(
            PhoneRow(
                account: "", transport: .udp, address: address, contact: "", expires: .seconds(1),
                userAgent: "", silence: .seconds(1))
        ).encoded()
        let component = ControlReply.component(.router, pid: 1, .ready, restarts: 0, "").encoded()
        let asterisk = ControlReply.asterisk(
            AsteriskRow(address: address, state: .up, since: .seconds(1), roundTrip: 1)
        ).encoded()
        let upstream = ControlReply.upstream(
            UpstreamRow(address: address, asterisk: .up, state: .refused, status: 403)
        ).encoded()
        let hold = GuardRow.Hold(source: address.ip, left: .seconds(1))
        let held = ControlReply.guarded(GuardRow(isKnown: true, requests: 50, holds: [hold]))
            .encoded()
        let refusal = ControlReply.refusal(
            RefusalRow(
                moment: .seconds(1), source: address.ip, transport: .udp, method: "", reason: "",
                status: 403)
        ).encoded()
        let call = ControlReply.call(
            CallRow(
                account: "", direction: .received, peer: "", isAnswered: false, isAbroad: false,
                since: .seconds(1), asterisk: address, phone: address, callID: "")
        ).encoded()
        let trunk = ControlReply.trunk(TrunkRow(name: "t", server: address, state: .up, calls: 0))
            .encoded()
        check([
            Field("expires", phone, 12, 8, 0...7 * day), Field("port", phone, 26, 2, 1...65_535),
            Field("transport", phone, 44, 1, 1...3), Field("presence", phone, 9, 1, 1...3),
            Field("silence", phone, 0, 8, 0...7 * day),
            Field("pid", component, 7, 4, 0...Int64(Int32.max)),
            Field("state", component, 6, 1, 1...4), Field("port", asterisk, 26, 2, 1...65_535),
            Field("state", asterisk, 21, 1, 1...5), Field("since", asterisk, 13, 8, moments),
            Field("roundTrip", asterisk, 8, 4, 0...10_000_000),
            Field("port", trunk, 9, 2, 1...65_535), Field("port", upstream, 8, 2, 1...65_535),
            Field("asterisk", upstream, 3, 1, 1...5), Field("state", upstream, 2, 1, 1...7),
            Field("left", held, 0, 8, 0...365 * day), Field("transport", refusal, 6, 1, 1...3),
            Field("moment", refusal, 23, 8, moments), Field("phones", call, 2, 1, 0...12),
        ]) { frame throws(WireError) in try ControlReply(decoding: frame).encoded() }
        let holds = Array(repeating: hold, count: GuardRow.mostHolds + 1)
        var many = ControlReply.guarded(GuardRow(isKnown: true, requests: 50, holds: holds))
            .encoded()
        expect(true, many, "as many holds as are told") { frame throws(WireError) in
            try ControlReply(decoding: frame).encoded()
        }
        many[8] += 1
        #expect(throws: WireError.badValue("holds")) { try ControlReply(decoding: many.span) }
    }

    @Test("ports, transports and networks of settings are within their ranges")
    func settings() {
        func port(_ setting: Setting) -> Field {
            Field("\(setting.path)", setting.encoded(), 4, 2, 1...65_535)
        }
        func transport(_ setting: Setting, _ range: ClosedRange<Int64>) -> Field {
            Field("\(setting.path)", setting.encoded(), 22, 1, range)
        }
        let endpoint = Endpoint(.udp, address)
        let outside = Setting.sides.outside(OutsideEndpoint(endpoint))
        let shown = Setting.sides.outside(OutsideEndpoint(endpoint, advertised: address))
        let (inside, trunk) = (
            Setting.sides.inside(endpoint), Setting.trunks.inside(endpoint, of: "t")
        )
        check([
            port(outside), port(inside), port(trunk), port(.sides.asterisks(address)),
            port(.trunks.servers(address, of: "t")),
            Field("advertised", shown.encoded(), 27, 2, 1...65_535), transport(inside, 1...2),
            transport(outside, 1...3), transport(trunk, 1...1),
            Field(
                "letter", Setting.profiles.countries("FR", of: "p").encoded(), 0, 1, 0x41...0x5A),
            Field("prefix", Setting.defence.allow(source).encoded(), 0, 1, 32...32),
        ]) { frame throws(WireError) in try Setting(decoding: frame).encoded() }
    }

    @Test("what the supervisor hands over is within its ranges")
    func supervision() throws {
        let passed = try Socket.seqpacketPair().0
        let listener = Listener(
            index: 1, side: .outside, endpoint: Endpoint(.udp, address), advertised: address)
        let frame = SupervisorMessage.listener(listener, passed).encoded().frame
        check([
            Field("advertised", frame, 29, 2, 1...65_535),
            Field("index", frame, 24, 1, 0...Int64(Bounds.mostListeners - 1)),
            Field("side", frame, 23, 1, 1...2), Field("transport", frame, 22, 1, 1...3),
            Field("port", frame, 4, 2, 1...65_535),
        ]) { frame throws(WireError) in
            try SupervisorMessage(decoding: frame, passed: passed).encoded().frame
        }
    }

    @Test("a message of tls-terminator's link names a connection where one is meant, and no other")
    func plaintext() {
        func isRead(_ kind: PlaintextKind, _ connection: UInt64, _ length: Int) -> Bool {
            var frame = [UInt8](repeating: 0, count: PlaintextHeader.length + length)
            PlaintextHeader(kind, connection: connection, payload: length).write(into: &frame)
            return (try? PlaintextHeader(decoding: frame.span)) != nil
        }
        let lengths: [(PlaintextKind, ClosedRange<Int>)] = [
            (.hello, 1...1), (.opened, 45...45), (.data, 1...16_384), (.closed, 0...0),
            (.handshakeFailed, 23...23),
        ]
        for (kind, range) in lengths {
            let isNone = kind == .hello || kind == .handshakeFailed
            let good: UInt64 = isNone ? 0 : 1
            for length in Set([range.lowerBound, range.upperBound]) {
                #expect(isRead(kind, good, length))
            }
            #expect(!isRead(kind, good, range.upperBound + 1))
            if range.lowerBound > 0 { #expect(!isRead(kind, good, range.lowerBound - 1)) }
            #expect(isRead(kind, 0, range.lowerBound) == isNone)
            #expect(isRead(kind, 1, range.lowerBound) != isNone)
            #expect(isRead(kind, .max - 1, range.lowerBound) != isNone)
            #expect(!isRead(kind, .max, range.lowerBound))
        }
        let opened = OpenedPayload(listener: 0, peer: address, own: address).encoded()
        check([
            Field("listener", opened, 44, 1, 0...Int64(Bounds.mostListeners - 1)),
            Field("port", opened, 26, 2, 1...65_535),
            Field("own port", opened, 4, 2, 1...65_535),
        ]) { payload throws(WireError) in try OpenedPayload(decoding: payload).encoded() }
        let failed = HandshakeFailedPayload(peer: address, reason: .timeout).encoded()
        check([
            Field("reason", failed, 22, 1, 1...3), Field("port", failed, 4, 2, 1...65_535),
        ]) { payload throws(WireError) in try HandshakeFailedPayload(decoding: payload).encoded() }
    }

    @Test("a parcel is as long as one may become, and no longer")
    func parcel() throws {
        var parcel = Parcel()
        let message = [UInt8](repeating: 3, count: Parcel.longestMessage)
        let isIn = parcel.add(message.span)
        #expect(isIn)
        let frame = parcel.frame
        var count = 0
        try Parcel.forEach(in: frame.span) { _ in count += 1 }
        #expect(count == 1)
        let longer = frame + [0, 1, 3]
        #expect(throws: WireError.tooLong("parcel")) {
            try Parcel.forEach(in: longer.span) { _ in }
        }
    }
}
