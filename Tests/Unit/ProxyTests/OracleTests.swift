import Messages
import Proxy
import Sys
import Testing

/// A way in which an account may stand, all under names of the same length.
private struct Standing: Sendable, CustomTestStringConvertible {
    /// The name that is tried.
    let name: String
    /// The username of the credentials, where that is another.
    var user: String?
    /// The password that is tried; not the right one, but where that must not help.
    let password: String

    var testDescription: String { name + (user.map { " by \($0)" } ?? "") }

    static let unknown = Standing(name: "ghost", password: "wrong")
    /// Each kind of name, and each pair of caller and username that is not one name.
    ///
    /// directory says of an account without a secret that it is unknown. Of the account with an access list the
    /// attacker is where it lets nobody in, once with the right password.
    static let all = [
        Standing(name: "known", password: "wrong"), Standing(name: "nosec", password: ""),
        Standing(name: "bared", password: "wrong"), Standing(name: "acled", password: "wrong"),
        Standing(name: "acled", password: "right"), Standing(name: "ghost", password: "wrong"),
        Standing(name: "known", user: "ghost", password: "wrong"),
        Standing(name: "ghost", user: "known", password: "wrong"),
        Standing(name: "known", user: "bared", password: "wrong"),
        Standing(name: "known", user: "T7_10", password: "wrong"),
        Standing(name: "alias", user: "known", password: "wrong"),
        Standing(name: "ghost", user: "spook", password: "wrong"),
    ]
}

/// What an attacker saw: after how many milliseconds, and what.
private struct Sight: Equatable, CustomStringConvertible {
    let after: Int64
    let text: String
    var description: String { "after \(after) ms: \(text)" }
}

@Suite("No oracle") struct OracleTests {
    static let methods = [
        "REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER", "BYE",
        "NOTIFY", "INFO", "UPDATE", "PRACK",
    ]
    /// Those that ask for a password.
    static let challenged = methods.prefix(7)

    private func edge(_ extra: [RouterSetting] = []) -> Edge {
        let edge = Edge(extra)
        for name in ["known", "bared", "acled", "T7_10", "alias"] {
            edge.passwords[name] = "right"
        }
        edge.digestUsers["alias"] = "known"
        edge.barred = ["bared"]
        edge.access["acled"] = AccessList.nobody
        return edge
    }

    /// Hands messages in `phase` ms after a tick of the timers, and tells what comes within 300 ms.
    ///
    /// `slowness` is how many milliseconds directory takes; without, it answers before the next message.
    private func sights(
        _ edge: Edge, _ phone: Phone, _ messages: [UInt8]..., phase: Int64 = 0,
        slowness: Int64? = nil
    ) -> [Sight] {
        let begun = edge.now.monotonic.count % 16
        wait(edge, 16 - begun + phase)
        let start = edge.now.monotonic
        var seen: [Sight] = []
        edge.observe = { bytes, flow in
            guard flow == phone.flow else { return }
            seen.append(
                Sight(
                    after: (edge.now.monotonic - start).count,
                    text: Self.masked(bytes, phone)))
        }
        edge.isDirectorySilent = slowness != nil
        for bytes in messages {
            edge.router.receive(bytes.span, phone.flow, edge.now)
            edge.drain()
        }
        if let slowness {
            wait(edge, slowness)
            edge.isDirectorySilent = false
            let left = edge.questions
            edge.questions = []
            for question in left { edge.answer(question) }
            edge.drain()
        }
        wait(edge, 300 - (slowness ?? 0))
        edge.observe = nil
        _ = phone.all()
        return seen
    }

    /// Lets time pass by the millisecond.
    private func wait(_ edge: Edge, _ span: Int64) {
        for _ in 0..<span {
            edge.now.monotonic = edge.now.monotonic + Milliseconds(1)
            edge.now.sinceEpoch = edge.now.sinceEpoch + Milliseconds(1)
            edge.router.advance(edge.now)
            edge.drain()
        }
    }

    /// A message without what differs anyway, each replaced by as many bytes.
    private static func masked(_ bytes: [UInt8], _ phone: Phone) -> String {
        var text = String(decoding: bytes, as: UTF8.self)
        // Of its own branch every message of the harness has another one.
        if let branch = text.firstRange(of: "branch=") {
            text.removeSubrange(
                branch
                    .upperBound..<(text[branch.upperBound...].firstIndex(of: ";") ?? text.endIndex))
        }
        text =
            text
            .replacing("\(phone.flow.peer.ip)", with: "192.0.2.##")
        for (open, close) in [("nonce=\"", "\""), (";tag=", "\r\n")] {
            var done = ""
            var rest = text[...]
            while let found = rest.firstRange(of: open) {
                done += rest[..<found.upperBound]
                let tail = rest[found.upperBound...]
                let end = tail.firstRange(of: close)?.lowerBound ?? tail.endIndex
                done += String(repeating: "#", count: tail[..<end].utf8.count)
                rest = tail[end...]
            }
            text = done + rest
        }
        for other in Set(Standing.all.flatMap { [$0.name, $0.user ?? $0.name] }) + [phone.name] {
            text = text.replacing(other, with: "#####")
        }
        return text
    }

    private func uri(_ method: String, _ user: String) -> String {
        method == "REGISTER" ? "sip:example.com" : "sip:\(user)@example.com"
    }

    /// An attacker who tries an account; each of several has an address of his own.
    private func phone(
        _ edge: Edge, _ who: Standing, _ transport: Transport, number: Int = 0,
        at source: String? = nil
    ) -> Phone {
        let phone = Phone(
            edge, who.user ?? who.name, at: source ?? "192.0.2.\(60 + number):5060", transport,
            connection: transport.isStream ? UInt64(9 + number) : 0, password: who.password)
        phone.shown = "<sip:\(who.name)@example.com>"
        phone.registered = who.name
        return phone
    }

    /// The credentials for a challenge to a REGISTER, by which any method may be tried.
    private func proof(
        _ edge: Edge, _ phone: Phone, _ method: String, _ uri: String
    ) throws -> String {
        phone.send(phone.request("REGISTER", "sip:example.com", callID: "n", sequence: 1))
        var challenge = try phone.expect(401)
        // The nonce is the same in either header, and so is the answer.
        if method != "REGISTER" {
            challenge.start = "SIP/2.0 407 x"
            challenge.headers = challenge.headers.map {
                $0.name == "WWW-Authenticate" ? ("Proxy-Authenticate", $0.value) : $0
            }
        }
        return phone.credentials(challenge, method, uri)
    }

    @Test(
        "whoever asks, and whoever is asked for, the answer without a password is the same at once",
        arguments: methods, [Transport.udp, .tcp])
    func withoutPassword(_ method: String, _ transport: Transport) {
        let edge = edge()
        var first: [Sight]?
        for (number, who) in Standing.all.enumerated() {
            let phone = phone(edge, who, transport, number: number)
            var seen: [Sight] = []
            for user in [who.name, "known"] {
                seen += sights(
                    edge, phone,
                    phone.request(method, uri(method, user), callID: "o", sequence: 1))
            }
            #expect(seen.count == 2 && seen.allSatisfy { $0.after == 0 }, "\(who.name): \(seen)")
            #expect(seen == first ?? seen, "\(who.name)")
            first = first ?? seen
        }
    }

    @Test(
        "wrong credentials get the same bytes after the same time, whatever is wrong with them",
        arguments: methods, [Transport.udp, .tcp])
    func wrongPassword(_ method: String, _ transport: Transport) throws {
        let edge = edge()
        for phase: Int64 in [0, 1, 7, 15] {
            var first: [Sight]?
            for (number, who) in Standing.all.enumerated() {
                let phone = phone(edge, who, transport, number: number)
                let uri = uri(method, "100")
                let proof = try proof(edge, phone, method, uri)
                let request = phone.request(method, uri, callID: "w", sequence: 2, [proof])
                let seen = sights(edge, phone, request, phase: phase)
                #expect(seen.count == 1, "\(who.name): \(seen)")
                #expect(seen == first ?? seen, "\(who.name), phase \(phase)")
                first = first ?? seen
                #expect(Asterisk(edge).next() == nil)
            }
            let isHeld = Self.challenged.contains(method)
            // The timers have ticks of 16 ms.
            let due = (250 + phase + 15) / 16 * 16 - phase
            #expect((first?.first?.after ?? 0) == (isHeld ? due : 0))
        }
    }

    @Test("the second try of a name, which is then known or not, takes no other time either")
    func again() throws {
        var first: [Sight]?
        for who in Standing.all {
            let edge = edge()
            var seen: [Sight] = []
            for number in 0..<4 {
                let phone = phone(edge, who, .udp)
                let proof = try proof(edge, phone, "REGISTER", "sip:example.com")
                let request = phone.request(
                    "REGISTER", "sip:example.com", callID: "a\(number)", sequence: 2, [proof])
                seen += sights(edge, phone, request)
            }
            #expect(seen.count == 4 && seen == first ?? seen, "\(who.name): \(seen)")
            first = first ?? seen
        }
    }

    @Test(
        "however long directory takes to say so, within the span, nobody sees it",
        arguments: [Int64(1), 17, 150, 190])
    func slowDirectory(_ slowness: Int64) throws {
        var first: [Sight]?
        for who in Standing.all {
            let edge = edge()
            let phone = phone(edge, who, .udp)
            let proof = try proof(edge, phone, "REGISTER", "sip:example.com")
            let request = phone.request(
                "REGISTER", "sip:example.com", callID: "d", sequence: 2, [proof])
            let seen = sights(edge, phone, request, slowness: slowness)
            #expect(seen.count == 1 && seen == first ?? seen, "\(who.name): \(seen)")
            first = first ?? seen
        }
    }

    @Test(
        "an answer that waited for directory is not kept back by one that came later, nor comes after it",
        arguments: [Int64(0), 4])
    func overtaken(_ gap: Int64) throws {
        let edge = edge()
        let slow = phone(edge, .unknown, .udp)
        let request = slow.request(
            "REGISTER", "sip:example.com", callID: "s", sequence: 2,
            [try proof(edge, slow, "REGISTER", "sip:example.com")])
        let quick = Phone(edge, "known", at: "192.0.2.67:5060", password: "wrong")
        let proofs = try (0..<2).map { _ in
            try proof(edge, quick, "REGISTER", "sip:example.com")
        }
        // Its account is known from now on, so that its next wrong answer is held at once.
        quick.send(
            quick.request("REGISTER", "sip:example.com", callID: "q", sequence: 2, [proofs[0]]))
        _ = quick.all()
        let begun = edge.now.monotonic.count % 16
        wait(edge, 16 - begun)
        edge.isDirectorySilent = true
        let start = edge.now.monotonic
        var came: [Int64] = []
        var order: [Flow] = []
        edge.observe = { _, flow in
            order.append(flow)
            if flow == slow.flow { came.append((edge.now.monotonic - start).count) }
        }
        edge.router.receive(request.span, slow.flow, edge.now)
        edge.drain()
        wait(edge, gap)
        let later = quick.request(
            "REGISTER", "sip:example.com", callID: "q", sequence: 4, [proofs[1]])
        edge.router.receive(later.span, quick.flow, edge.now)
        edge.drain()
        wait(edge, 4)
        edge.isDirectorySilent = false
        for question in edge.questions { edge.answer(question) }
        edge.drain()
        wait(edge, 300)
        #expect(came == [256])
        #expect(order.filter { $0 == slow.flow || $0 == quick.flow } == [slow.flow, quick.flow])
    }

    @Test("guesses by one nonce, each before the last was answered, get the same for every name")
    func pipelined() throws {
        var first: [Sight]?
        for who in Standing.all {
            let edge = edge()
            let phone = phone(edge, who, .udp)
            // Once before, so that what is known of a name is known.
            phone.send(
                phone.request(
                    "REGISTER", "sip:example.com", callID: "p0", sequence: 2,
                    [try proof(edge, phone, "REGISTER", "sip:example.com")]))
            _ = phone.all()
            phone.send(phone.request("REGISTER", "sip:example.com", callID: "n", sequence: 1))
            let challenge = try phone.expect(401)
            let guesses = (1...3).map { count in
                let proof = phone.credentials(
                    challenge, "REGISTER", "sip:example.com", count: count)
                return phone.request(
                    "REGISTER", "sip:example.com", callID: "p\(count)", sequence: 2, [proof])
            }
            let seen = sights(edge, phone, guesses[0], guesses[1], guesses[2], slowness: 0)
            #expect(seen.count == 3 && seen == first ?? seen, "\(who.name): \(seen)")
            first = first ?? seen
        }
    }

    @Test(
        "of forty guesses that come at once as many are looked at for a name that exists as for one that does not"
    )
    func burst() throws {
        var counts: [[Int: Int]] = []
        for who in Standing.all {
            let edge = edge()
            var requests: [(Phone, [UInt8])] = []
            // Once before, so that what is known of a name is known.
            for number in 0..<41 {
                let phone = phone(edge, who, .udp, at: "192.0.\(number).66:5060")
                let proof = try proof(edge, phone, "REGISTER", "sip:example.com")
                let request = phone.request(
                    "REGISTER", "sip:example.com", callID: "b\(number)", sequence: 2, [proof])
                if number == 0 { phone.send(request) } else { requests.append((phone, request)) }
            }
            edge.isDirectorySilent = true
            for (phone, request) in requests {
                edge.router.receive(request.span, phone.flow, edge.now)
            }
            edge.drain()
            edge.directorySpeaks()
            wait(edge, 300)
            counts.append(
                requests.reduce(into: [:]) { $0[$1.0.next()?.status ?? 0, default: 0] += 1 })
        }
        #expect(counts == Array(repeating: [401: 40], count: Standing.all.count))
    }

    @Test("a source that guesses is banned at the same try, whatever stands behind the name")
    func bans() throws {
        for who in Standing.all {
            let edge = edge()
            var answers = 0
            for number in 0..<8 {
                let phone = phone(edge, who, .udp, at: "192.0.2.66:\(5060 + number)")
                if (try? phone.register())?.status == 401 { answers += 1 }
            }
            let orders = edge.bans.compactMap {
                if case .ban(let order) = $0 { order } else { nil }
            }
            #expect(answers == 4 && orders.map(\.reason) == ["wrong-password"], "\(who.name)")
        }
    }

    @Test(
        "guesses from two hundred addresses at one account: each is banned at its fifth, and the right password tells none of them"
    )
    func spread() throws {
        let edge = edge()
        edge.passwords["known"] = "pw-30"
        var statuses: Set<Int> = []
        for round in 0..<7 {
            // One of them has the right password in its second guess, when the account is under guard.
            let guesses = (1...200).compactMap { number -> (Phone, [UInt8])? in
                let isLucky = round == 1 && number == 30
                let phone = Phone(
                    edge, "known", at: "45.78.0.\(number):\(5000 + round)",
                    password: isLucky ? "pw-30" : "wrong")
                let uri = "sip:example.com"
                guard let proof = try? proof(edge, phone, "REGISTER", uri) else { return nil }
                return (
                    phone, phone.request("REGISTER", uri, callID: "g", sequence: 2, [proof])
                )
            }
            // A hundred a second: all sources together have two hundred tries, and two whose hash shares a place
            // of the table have one part of them.
            for half in [guesses.prefix(100), guesses.dropFirst(100)] {
                for (phone, guess) in half { edge.router.receive(guess.span, phone.flow, edge.now) }
                edge.drain()
                edge.advance(.seconds(1))
            }
            for (phone, _) in guesses { statuses.formUnion(phone.all().map(\.status)) }
        }
        let orders = edge.bans.compactMap { if case .ban(let order) = $0 { order } else { nil } }
        #expect(statuses == [401])
        #expect(orders.count == 200)
        #expect(orders.allSatisfy { $0.reason == "wrong-password" && $0.count == 5 })
    }

    @Test(
        "a foreign domain gets silence by UDP, whatever is asked",
        arguments: methods + ["CANCEL", "ACK", "FOO"])
    func foreign(_ method: String) throws {
        let edge = edge()
        let phone = Phone(edge, "known", at: "192.0.2.66:5060")
        for host in ["elsewhere.invalid", "203.0.113.5", "[2001:db8::5]"] {
            let target = method == "REGISTER" ? "sip:\(host)" : "sip:known@\(host)"
            let text = String(
                decoding: phone.request(method, target, callID: "f", sequence: 1), as: UTF8.self)
            // As it is, with every name foreign, and with what only a broken phone or an attacker writes.
            for variant in [
                text, text.replacing("example.com", with: host),
                text.replacing("Max-Forwards: 70", with: "Max-Forwards : 70"),
                text.replacing("Max-Forwards: 70", with: "Max-Forwards: 0"),
                text.replacing("Max-Forwards: 70", with: "Proxy-Require: x"),
                text.replacing("Max-Forwards: 70", with: "Expires: soon"),
            ] {
                phone.send(Array(variant.utf8))
                #expect(phone.next() == nil, "\(variant)")
            }
        }
    }
}
