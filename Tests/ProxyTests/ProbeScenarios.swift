import Digest
import Messages
import Proxy
import Registrar
import Sys
import Testing

private func say(_ name: String, _ text: String) { print("PROBE \(name): \(text)") }
private func brief(_ m: Message?) -> String {
    guard let m else { return "-" }
    return m.isRequest ? m.start : "\(m.start)"
}
private func sub(_ bytes: [UInt8], _ a: String, _ b: String) -> [UInt8] {
    Array(String(decoding: bytes, as: UTF8.self).replacing(a, with: b).utf8)
}

@Suite(.serialized) struct ProbeScenarios {
    private func stage(_ edge: Edge = Edge(), _ transport: Transport = .udp) throws -> (Phone, Asterisk, Dialog) {
        let alice = Phone(edge, "alice", transport, connection: transport == .udp ? 0 : 9)
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        let dialog = Dialog(caller: sent, try alice.expect(200))
        _ = asterisk.all()
        return (alice, asterisk, dialog)
    }

    @Test(arguments: [
        #""a\\" <sip:100@example.com>;x="<sip:00881612345678@example.com>""#,
        #""\"<sip:00881612345678@example.com>" <sip:100@example.com>"#,
        #""<sip:00881612345678@example.com>" <sip:100@example.com>"#,
        #"sip:100@example.com;x="\\";y="<sip:00881612345678@example.com>""#,
        #"sip:100@example.com;x="\"<sip:00881612345678@example.com>""#,
        #"sip:100@example.com;x="?Replaces=a%3Bto-tag=b%3Bfrom-tag=c""#,
        #"sip:100@example.com;x="<sip:00881612345678@example.com>""#,
        "<urn:service:sos>", "<sip:112@example.com>", "<SIP:%31%31%32@example.com>",
        "<sip:100@example.com>, <sip:101@example.com>",
        "Bob, Jr <sip:100@example.com>",
        "<sip:100;phone-context=x@example.com;user=phone>;a=b",
        "<sip:100@example.com?Replaces=a%3Bto-tag%3Db>",
        "<sip:1%2e0@example.com>", "<sip:+49%2830%29@example.com>", "<tel:100:x>", "<tel:100;x=<>",
        "<sip:100@example.com>;", "<sip:100@example.com.>",
    ])
    func referTo(_ target: String) throws {
        var (alice, asterisk, dialog) = try stage()
        _ = try? alice.refer(&dialog, target)
        let refer = asterisk.next()
        say("refer \(target)", "\(refer.map { $0["Refer-To"] } ?? "-") | \(brief(alice.all().last))")
    }

    @Test(arguments: ["Also: <sip:00881612345678@example.com>", "ALSO: sip:00881612345678@example.com", "Transfer: x"])
    func also(_ line: String) throws {
        var (alice, asterisk, dialog) = try stage()
        alice.send(dialog.request("BYE", via: alice.via, [line]))
        let bye = asterisk.next()
        say("also \(line)", "\(bye.map { m in m.headers.map { "\($0.name)=\($0.value)" }.filter { $0.contains("0088") }.joined() } ?? "-") | \(brief(bye))")
    }

    @Test func alsoTrunk() throws {
        let trunk = try TrunkEdge()
        trunk.carrier.call()
        let invite = try trunk.asterisk.expect("INVITE")
        trunk.asterisk.answer(invite, 200)
        _ = invite
    }

    @Test(arguments: [
        ("From: <sip:alice@", "From: <sip:bob@"), ("From: <sip:alice@", "From: <sip:%62ob@"),
        ("From: <sip:alice@", "From: \"x\" <sip:bob;x=y@"),
    ])
    func inDialogFrom(_ a: String, _ b: String) throws {
        for end in [false, true] {
            var (alice, asterisk, dialog) = try stage()
            if end {
                alice.send(dialog.request("BYE", via: alice.via))
                asterisk.answer(try asterisk.expect("BYE"), 200)
                _ = alice.all()
                alice.edge.advance(.seconds(40))
            }
            alice.send(sub(dialog.request("INVITE", via: alice.via, ["Contact: <\(alice.contact)>"], body: ""), a, b))
            let invite = asterisk.next()
            say("inDialogFrom \(b) end=\(end)", "\(brief(invite)) \(invite?["From"] ?? "") \(invite?["To"] ?? "")| \(alice.all().map { brief($0) })")
        }
    }

    @Test(arguments: [
        "<foo:bar;tag=evil>", "<urn:x;tag=evil>", "<tel:100;tag=evil>", "<urn:service:sos>", "<urn:service:sos.fire>",
        "<http://x;tag=evil/>", "<foo:%00%3Btag=x>", "<sip:600@example.com>;tag", "<sip:600@example.com>;tag=",
        "<sip:;x@example.com>", "<sip:example.com>", "<urn:x>;y=\"%22\"", "<tel:6%30%30>",
        "\"%\" <sip:600@example.com>", "<sip:600@10.0.0.10>", "<sip:600@198.51.100.3:5070;maddr=1.2.3.4>",
    ])
    func toScheme(_ to: String) throws {
        let alice = Phone(Edge(), "alice")
        let uri = "sip:600@example.com"
        let a = "To: <\(uri)>"
        let b = "To: \(to)"
        alice.send(sub(alice.request("MESSAGE", uri, callID: "t", sequence: 1), a, b))
        guard let ch = alice.next() else { return say("to \(to)", "silence") }
        guard ch.status == 407 else { return say("to \(to)", brief(ch)) }
        alice.send(sub(alice.request("MESSAGE", uri, callID: "t", sequence: 2, [alice.credentials(ch, "MESSAGE", uri)]), a, b))
        let m = Asterisk(alice.edge).next()
        say("to \(to)", "\(m?["To"] ?? "-") | \(brief(alice.all().last))")
    }

    @Test func equalKeys() throws {
        let i = ";+sip.instance=\"<urn:uuid:1>\";reg-id=1"
        for (name, limit, list, outbound) in [
            ("two lifetimes limit 1", 1, ["<sip:a@h1.x>;expires=3600", "<sip:a@h1.x>;expires=600"], false),
            ("two lifetimes limit 10", 10, ["<sip:a@h1.x>;expires=3600", "<sip:a@h1.x>;expires=600"], false),
            ("three 0,n,0", 1, ["<sip:a@h1.x>;expires=0", "<sip:a@h1.x>", "<sip:a@h1.x>;expires=0"], false),
            ("three n,0,n limit1", 1, ["<sip:a@h1.x>", "<sip:a@h1.x>;expires=0", "<sip:a@h1.x>;expires=700"], false),
            ("case", 1, ["<sip:a@H1.x>", "<sip:a@h1.X>;expires=0"], false),
            ("dot", 1, ["<sip:a@h1.x.>", "<sip:a@h1.x>;expires=0"], false),
            ("escape", 1, ["<sip:%61@h1.x>", "<sip:a@h1.x>;expires=0"], false),
            ("ob 3", 1, ["<sip:a@h1.x>\(i);expires=0", "<sip:a@h2.x>\(i)", "<sip:a@h3.x>\(i);expires=0"], true),
            ("ob two lifetimes", 1, ["<sip:a@h1.x>\(i)", "<sip:a@h2.x>\(i)"], true),
            ("ob same uri two lifetimes", 1, ["<sip:a@h1.x>\(i)", "<sip:a@h1.x>\(i)"], true),
            ("quoted0", 1, ["<sip:a@h1.x>;expires=\"0\"", "<sip:a@h1.x>;expires=0"], false),
            ("trailing", 1, ["<sip:a@h1.x>;expires=600;"], false),
            ("trailing bare", 1, ["sip:a@h1.x;"], false),
            ("one line", 1, ["<sip:a@h1.x>;expires=600, <sip:a@h1.x>;expires=0"], false),
            ("star twice", 1, ["*", "*"], false),
            ("star and one", 1, ["*", "<sip:a@h1.x>"], false),
            ("star par", 1, ["*;expires=0"], false), ("star br", 1, ["<*>"], false),
        ] as [(String, UInt32, [String], Bool)] {
            let edge = Edge([.contacts(limit)])
            let alice = Phone(edge, "alice")
            let ex = outbound ? ["Supported: outbound, path"] : []
            for round in 0..<2 {
                let answer = try? alice.register(expires: name.hasPrefix("star") ? 0 : 3600, contacts: list, ex)
                say("equal \(name) r\(round)", "\(brief(answer)) \(answer?.all("Contact") ?? []) kept=\(edge.kept.count)")
            }
        }
    }

    @Test(arguments: [
        "60s", "+60", "1/2", "60:00", "", "\"\"", "0x0", "00", " 0", "0 ", "\"60\";q=1", "60;expires=0", "6 0", "1e3", "%30", "never",
        "\"\\\"0\"", "[::1]", "{0}", "0.", "-0", "\u{E9}",
    ])
    func expires(_ v: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let a = try? alice.register(expires: 900, contacts: ["<\(alice.contact)>;expires=\(v)"])
        let bob = Phone(edge, "bob")
        let b = try? bob.register(expires: nil, ["Expires: \(v)"])
        let c = try? bob.register(expires: nil, contacts: ["*"], ["Expires: \(v)"])
        say("expires [\(v)]", "param: \(brief(a)) \(a?.all("Contact") ?? []) header: \(brief(b)) \(b?["Contact"] ?? "") star: \(brief(c)) kept \(edge.kept.count)")
    }

    @Test(arguments: ["SUBSCRIBE", "PUBLISH", "INVITE"])
    func expiresOther(_ method: String) throws {
        for v in ["\"60\"", "", "-1", "000060", "99999999999999999999", "Thu, 01 Dec 1994 16:00:00 GMT"] {
            let alice = Phone(Edge(), "alice")
            _ = try? alice.ask(method, "sip:100@example.com", ["Expires: \(v)", "Event: presence"])
            let m = Asterisk(alice.edge).next()
            say("expires \(method) [\(v)]", "\(brief(m)) \(m?.all("Expires") ?? []) | \(brief(alice.all().last))")
        }
    }

    @Test func repetition() throws {
        let edge = Edge([.contacts(12)])
        let desk = Phone(edge, "alice", at: "198.51.100.8:5060", .tcp, connection: 5)
        for n in 1...5 { try desk.register(contacts: ["<sip:a@192.0.2.1\(n);pn=\(String(repeating: "p", count: 300))>"]) }
        let alice = Phone(edge, "alice")
        // a short REGISTER
        let uri = "sip:example.com"
        func reg(_ seq: Int, _ extra: [String]) -> [UInt8] {
            wire(["REGISTER \(uri) SIP/2.0", "v: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bK\(seq)", "f: <sip:alice@example.com>;tag=1", "t: <sip:alice@example.com>", "i: z", "CSeq: \(seq) REGISTER", "m: <sip:a@1.2.3.4>"] + extra)
        }
        alice.send(reg(1, []))
        let ch = try alice.expect(401)
        let second = reg(2, [alice.credentials(ch, "REGISTER", uri)])
        alice.send(second)
        let first = alice.next()
        alice.send(second)
        let again = alice.next()
        edge.advance(.seconds(10))
        alice.send(second)
        let later = alice.next()
        say("repetition", "req \(second.count) \(brief(first)) \(first?.length ?? 0) \(first?.all("Contact").count ?? 0); \(brief(again)) \(again?.length ?? 0) \(again?.all("Contact").count ?? 0); later \(brief(later)) \(later?.length ?? 0)")
    }

    @Test func contactsOwn() throws {
        for c in ["<sip:alice@example.com:5060>", "<sip:alice@EXAMPLE.com.>", "<sip:example.com>", "<sip:alice@203.0.113.5:40000>", "<sip:alice@203.0.113.5>", "<sip:alice@[::ffff:10.0.0.10]>", "<sip:alice@10.0.0.10:5070>", "<sip:alice@203.0.113.5:5060;transport=tcp>", "<sip:alice@198.51.100.7:40000>", "sip:alice@198.51.100.7:40000;transport=udp;", "alice <sip:alice@1.2.3.4>", "\"a;b,c\" <sip:alice@1.2.3.4>;+x=\"a,b;c\"", "<sip:%61lice%20x@1.2.3.4>", "<sip:alice@1.2.3.4>;;", "<sip:alice@1.2.3.4;;x>", "<sip:alice@1.2.3.4;>", "<sip:alice@1.2.3.4;x=y;>;expires=60"] {
            let edge = Edge()
            let alice = Phone(edge, "alice")
            let a = try? alice.register(contacts: [c])
            var rung = "-"
            if a?.status == 200 {
                Asterisk(edge).call("alice")
                rung = brief(alice.all().last)
            }
            say("contact \(c)", "\(brief(a)) \(a?["Contact"] ?? "") rung \(rung) bans \(edge.bans.count)")
        }
    }

    @Test func digestURI() throws {
        for (uri, named) in [
            ("tel:%2B33123", "tel:+33123"), ("tel:+33123;phone-context=x", "tel:+33-123"), ("tel:+33123", "sip:+33123@example.com"),
            ("sip:600;phone-context=x@example.com", "sip:600@example.com"), ("sip:600@example.com", "sip:600:pw@example.com"),
            ("sip:%2A98@example.com", "sip:*98@example.com"), ("sip:600@example.com", "sip:600@example.com;user=phone"),
            ("sip:600@example.com", "SIP:600@EXAMPLE.COM.:5060"), ("sip:600@example.com", "sip:600@203.0.113.5"), ("sip:600@example.com", "sip:60%30@example.com"),
            ("sip:600@example.com", "sip:60%2530@example.com"), ("sip:600@example.com", "600@example.com"), ("urn:service:sos", "URN:service:SOS"), ("urn:service:sos.fire", "urn:service:sos"),
            ("sip:600@example.com", "<sip:600@example.com>"),
        ] {
            let alice = Phone(Edge(), "alice")
            alice.send(alice.request("INVITE", uri, callID: "d", sequence: 1, ["Contact: <\(alice.contact)>"]))
            guard let ch = alice.next() else { say("digest \(uri)", "silence"); continue }
            alice.send(alice.request("INVITE", uri, callID: "d", sequence: 2, ["Contact: <\(alice.contact)>", alice.credentials(ch, "INVITE", named)]))
            say("digest \(uri) by \(named)", "\(brief(Asterisk(alice.edge).next())) | \(brief(alice.all().last))")
        }
    }

    @Test func numbers() throws {
        for u in ["%30%30881612345678", "0%308%381612345678;x=1", "00881612345678:pw", "00-881-612345678", "+881.612.345678;cpc=ordinary", "%2b881612345678", "*31*00881612345678", "%2a31%2A00881612345678", "_00881612345678", "-00881612345678", "00881%36123", "11%32", "%31%31%32", "112;phone-context=+49", "112:x", "0%30%2D881612345678", "1%31%32", "(00881612345678)", "00881612345678@x"] {
            let alice = Phone(Edge(), "alice")
            _ = try? alice.ask("INVITE", "sip:\(u)@example.com")
            say("number \(u)", "\(brief(Asterisk(alice.edge).next())) | \(brief(alice.all().last))")
            let bob = Phone(alice.edge, "bob")
            _ = try? bob.ask("INVITE", "tel:\(u)")
            say("tel \(u)", "\(brief(Asterisk(alice.edge).next())) | \(brief(bob.all().last))")
        }
    }

    @Test func barredEmergency() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        for number in 0..<5 {
            try alice.ask("INVITE", "sip:00881612345\(number)00@example.com", callID: "n\(number)")
        }
        _ = alice.all()
        for (n, u) in ["sip:%31%31%32@example.com", "sip:112;phone-context=x@example.com", "tel:112", "tel:1-1-2;phone-context=+49", "urn:service:sos.ambulance", "sip:1%31%32:p@example.com;user=phone", "sip:600@example.com", "sip:112@203.0.113.5"].enumerated() {
            _ = try? alice.ask("INVITE", u, callID: "e\(n)")
            say("barred \(u)", "\(brief(Asterisk(edge).next())) | \(brief(alice.all().last))")
        }
        let tls = Phone(edge, "bob", at: "198.51.100.9:5061", .tls, connection: 77)
        for u in ["urn:service:sos", "sips:%31%31%32@example.com", "URN:SERVICE:SOS.x.y", "urn:service:sos.", "urn:service:sos;x", "sips:112;x=y@example.com"] {
            _ = try? tls.ask("INVITE", u, callID: u)
            say("tls \(u)", "\(brief(Asterisk(edge).next())) | \(brief(tls.all().last))")
        }
    }

    @Test func keepAlives() throws {
        let edge = Edge()
        let s = Phone(edge, "x", at: "192.0.2.66:5060")
        for b in [[UInt8](repeating: 0, count: 64), [UInt8](repeating: 0, count: 65), Array("\r\n\r\n".utf8), [0], Array("\r\n".utf8), [UInt8](repeating: 0xFF, count: 30), Array("12345 . !".utf8), [0,1,0,8] + [UInt8](repeating: 65, count: 24), [0,1,0,0,0x21,0x12,0xA4,0x42] + [UInt8](repeating: 65, count: 12), Array("jaK".utf8), Array("ping!".utf8), Array(String(repeating: "\r\n", count: 40).utf8)] {
            for _ in 0..<50 { s.send(b) }
            say("keep \(b.count) \(b.first ?? 0)", "got \(s.all().count) records \(edge.records.suffix(1)) bans \(edge.bans.count)")
            edge.records = []
        }
    }

    @Test func scanners() throws {
        for agent in ["Elite 1.0 Brcm Callctrl/1.5.1.0", "VaxSIPUserAgent/3.1", "Conaito VoIP", "sipsak 0.9.6", "SIPSAK", "friendly-scanner", "Sipclix"] {
            for (kind, f) in [
                ("plain", { $0 }), ("no cookie", { sub($0, "z9hG4bK", "abc") }), ("no branch", { sub(sub($0, "branch=z9hG4bKtest", "x=a"), "y", "y") }),
                ("user", { sub($0, "REGISTER sip:example.com", "REGISTER sip:alice@example.com") }),
                ("1.1.1.1 via", { sub($0, "192.168.1.7:5060;branch", "1.1.1.1:5060;branch") }),
            ] as [(String, ([UInt8]) -> [UInt8])] {
                let edge = Edge()
                let s = Phone(edge, "alice", at: "192.0.2.66:5060")
                let m = sub(s.request("REGISTER", "sip:example.com", callID: "q", sequence: 1, ["Contact: <\(s.contact)>"]), "User-Agent: Phone T42 66.86.0.15", "User-Agent: \(agent)")
                s.send(f(m))
                say("agent \(agent) \(kind)", brief(s.next()))
            }
        }
    }

    @Test func noBranch() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let uri = "sip:100@example.com"
        func strip(_ b: [UInt8]) -> [UInt8] {
            var t = String(decoding: b, as: UTF8.self)
            t = t.replacing("branch=" + between(t, "branch=", ";") + ";", with: "")
            return Array(t.utf8)
        }
        let c = ["Contact: <\(alice.contact)>"]
        alice.send(strip(alice.request("INVITE", uri, callID: "b", sequence: 1, c)))
        let ch = try alice.expect(407)
        alice.send(strip(alice.acknowledgement(of: ch, uri)))
        let second = strip(alice.request("INVITE", uri, callID: "b", sequence: 2, c + [alice.credentials(ch, "INVITE", uri)]))
        alice.send(second)
        let i1 = asterisk.next()
        alice.send(second)
        let i2 = asterisk.next()
        say("nobranch", "\(brief(i1)) again \(brief(i2)) \(alice.all().map { brief($0) })")
        guard let i1 else { return }
        asterisk.answer(i1, 180)
        _ = alice.all()
        alice.send(strip(wire(["CANCEL \(uri) SIP/2.0", "Via: \(alice.via)", "From: <sip:alice@example.com>;tag=alice1", "To: <\(uri)>", "Call-ID: b", "CSeq: 2 CANCEL"])))
        say("nobranch cancel", "\(asterisk.all().map { brief($0) }) \(alice.all().map { brief($0) })")
        asterisk.answer(i1, 487)
        say("nobranch 487", "\(asterisk.all().map { brief($0) }) \(alice.all().map { brief($0) })")
    }

    @Test func nonceCounts() throws {
        for nc in ["00000005", "\"00000005\"", "0000000A", "0000000a", "5", "00000000", "FFFFFFFF", "100000001"] {
            let edge = Edge()
            let alice = Phone(edge, "alice")
            let uri = "sip:example.com"
            let lines = ["Contact: <\(alice.contact)>"]
            alice.send(alice.request("REGISTER", uri, callID: "n", sequence: 1, lines))
            let ch = try alice.expect(401)
            let line = ch.all("WWW-Authenticate").first { $0.contains("MD5") } ?? ""
            let nonce = between(line, "nonce=\"", "\"")
            let raw = nc.replacing("\"", with: "")
            var out: [String] = []
            let r = hashed(.md5, hashed(.md5, "alice", Edge.realm, "wonder"), nonce, raw, "c0", "auth", hashed(.md5, "REGISTER", uri))
            let proof = "Authorization: Digest username=\"alice\",realm=\"\(Edge.realm)\",nonce=\"\(nonce)\",uri=\"\(uri)\",response=\"\(r)\",algorithm=MD5,cnonce=\"c0\",qop=auth,nc=\(nc)"
            alice.send(alice.request("REGISTER", uri, callID: "n", sequence: 2, lines + [proof]))
            out.append(brief(alice.next()))
            say("nc \(nc)", "\(out)")
        }
    }

    @Test func trunkCallers() throws {
        for (from, extra) in [
            ("<sip:+1555;verstat=x@carrier.example>", ["P-Asserted-Identity: <sip:+1555;verstat=TN-Validation-Passed@carrier.example;user=phone>"]),
            ("<sip:+1555@carrier.example>", ["P-Asserted-Identity: <tel:+1555;cpc=ordinary>"]),
            ("<sip:+1555@carrier.example>", ["P-Asserted-Identity: \"A\" <sip:%2B1555@carrier.example>", "Diversion: <sip:%31001;x=y@carrier.example>;reason=unconditional"]),
            ("<sip:+1555@carrier.example>", ["Remote-Party-ID: <sip:100%31;x@carrier.example>;party=calling"]),
            ("<sip:+1555 @carrier.example>", []), ("<sip:;x=1@carrier.example>", []), ("<tel:;x>", []), ("<tel:+1;tag=evil>", []),
            ("<sip:1001:x@carrier.example>", []), ("<sip:10%2D01@carrier.example>", []), ("\"1001\" <sip:carrier.example>", []),
            ("<sip:trunk%3Atelco@carrier.example>", []), ("<sips:1001;x@carrier.example>", []),
            ("<sip:%2b1555@carrier.example>", []), ("<sip:+1555%00@carrier.example>", []),
        ] as [(String, [String])] {
            let trunk = try TrunkEdge()
            trunk.edge.passwords["1001"] = "secret"
            trunk.carrier.call(from: from, extra: extra)
            let i = trunk.asterisk.next()
            say("trunk \(from) \(extra)", "\(i?["From"] ?? "-") \(i?.all("P-Asserted-Identity") ?? []) \(i?.all("Diversion") ?? []) \(i?.all("Remote-Party-ID") ?? []) | \(brief(trunk.carrier.all().last))")
        }
    }

    @Test func trunkOut() throws {
        for uri in ["sip:+4420999;cpc=ordinary;verstat=x@10.0.0.1:5071", "sip:+44%2320@10.0.0.1:5071", "tel:+4420;phone-context=x", "sip:+4420;npdi;rn=+44@carrier.example;user=phone"] {
            let trunk = try TrunkEdge()
            _ = try? trunk.callOut(uri)
            let i = trunk.carrier.next()
            say("out \(uri)", "\(brief(i)) \(i?["To"] ?? "")")
        }
    }

    @Test func longUser() throws {
        for n in [26, 27, 40, 64, 65, 100] {
            let edge = Edge()
            let alice = Phone(edge, "alice", .tcp, connection: 3)
            let u = String(repeating: "a", count: n)
            _ = try? alice.ask("INVITE", "sip:\(u)@example.com")
            let i = Asterisk(edge).next()
            say("long \(n)", "\(brief(i)) | \(alice.all().map { brief($0) }) bans \(edge.banOrders.count)")
        }
    }

    @Test func redirect() throws {
        for c in [#"<sip:101@example.com>;x="<sip:00881612345678@x>""#, #"sip:101@example.com;x="\\";y="<sip:00881612345678@x>""#, #""\"<sip:00881612345678@x>" <sip:101@example.com>"#, "<sip:101@example.com?Route=x>", "<sip:101@example.com>, <sip:00881612345678@x>", "<urn:service:sos>", "<sip:112@example.com>", "<sip:10%31;x=y:pw@example.com;method=BYE>", "<sips:%31%31%32@example.com>", "<sip:101@example.com>;"] {
            let edge = Edge()
            let alice = Phone(edge, "alice")
            try alice.register()
            let asterisk = Asterisk(edge)
            asterisk.call("alice")
            let invite = try alice.expect("INVITE")
            alice.send(response(to: invite, 302, tag: "p1", ["Contact: \(c)"]))
            let r = asterisk.all().last
            say("302 \(c)", "\(brief(r)) \(r?.all("Contact") ?? [])")
        }
    }
}
