import SIP
import Testing

@Suite struct FieldTests {
    /// The fields that say one thing and stand once (RFC 3261 section 7.3.1), with a value of each.
    static let single: [(name: String, value: String)] = [
        ("From", "<sip:a@b>;tag=2"), ("To", "<sip:a@b>"), ("Call-ID", "c"), ("CSeq", "7 OPTIONS"),
        ("Max-Forwards", "70"), ("Max-Breadth", "60"), ("Content-Length", "0"),
        ("Content-Type", "text/plain"), ("Content-Disposition", "session"),
        ("MIME-Version", "1.0"), ("Date", "Sat, 13 Nov 2010 23:29:00 GMT"), ("Timestamp", "54"),
        ("Expires", "60"), ("Min-Expires", "60"), ("Session-Expires", "1800"), ("Min-SE", "90"),
        ("Event", "dialog"), ("Subscription-State", "active"), ("Refer-To", "<sip:a@b>"),
        ("Referred-By", "<sip:a@b>"), ("Refer-Sub", "false"), ("Replaces", "c;to-tag=1;from-tag=2"),
        ("Join", "c;to-tag=1;from-tag=2"), ("Target-Dialog", "c;local-tag=1;remote-tag=2"),
        ("RAck", "1 2 INVITE"), ("RSeq", "1"), ("SIP-ETag", "x"), ("SIP-If-Match", "x"),
        ("Reply-To", "<sip:a@b>"), ("Retry-After", "60"), ("Server", "x"), ("User-Agent", "x"),
        ("Subject", "x"), ("Organization", "x"), ("Priority", "urgent"), ("Session-ID", "0123"),
        ("Flow-Timer", "30"), ("Answer-Mode", "Auto"), ("Priv-Answer-Mode", "Auto"),
    ]

    @Test("a field that says one thing stands once in a request, equal or not", arguments: single)
    func doubled(_ name: String, _ value: String) {
        let usual = ["From", "To", "Call-ID", "CSeq"]
        let first = usual.contains(name) ? [] : ["\(name): \(value)"]
        #expect(failure(request(first)) == nil)
        #expect(failure(request(first + ["\(name): \(value)"])) == .doubled)
        #expect(failure(request(first + ["\(name.uppercased()) : \(value)x"])) == .doubled)
    }

    @Test(
        "fields that list values may stand twice",
        arguments: ["Identity", "Content-Encoding", "Allow", "Supported", "Require", "Reason"])
    func lists(_ name: String) {
        #expect(failure(request(["\(name): a", "\(name): b"])) == nil)
    }

    @Test(
        "in an answer, a field on which nothing depends is left out when it stands more than once",
        arguments: ["Server", "User-Agent", "Date", "Organization", "Subject"])
    func leftOut(_ name: String) throws {
        for count in 1...3 {
            let lines = [String](repeating: "\(name): x", count: count)
            let bytes = request(lines + ["X-A: y"], start: "SIP/2.0 200 OK")
            var index = MessageIndex()
            try MessageParser().parse(bytes.span, into: &index)
            let known = HeaderName.allCases.first { "\($0.text)" == name }
            let isThere = index.has(known ?? .other)
            let isLeftOut = index.isLeftOut(known ?? .other)
            #expect(isThere == (count == 1) && isLeftOut == (count > 1))
        }
    }

    @Test("in an answer, any other field that says one thing stands once")
    func doubledInAnswer() {
        for name in ["Min-SE: 90", "Content-Type: a/b", "To: <sip:a@b>", "RSeq: 1"] {
            #expect(failure(request([name, name], start: "SIP/2.0 200 OK")) == .doubled)
        }
    }

    @Test(
        "a lifetime that is no number is left out",
        arguments: ["soon", "-1", "\"60\"", "3600.0", "", "Thu, 01 Dec 1994 16:00:00 GMT"])
    func lifetime(_ value: String) throws {
        for start in ["OPTIONS sip:example.com SIP/2.0", "SIP/2.0 200 OK"] {
            var index = MessageIndex()
            try MessageParser().parse(
                request(["Expires: \(value)"], start: start).span, into: &index)
            let isThere = index.has(.expires)
            #expect(!isThere && index.expires == nil)
        }
    }

    @Test("a registrar is told that there was a lifetime")
    func registeredLifetime() throws {
        let text = String(decoding: request(["Expires: soon"]), as: UTF8.self)
        let bytes = Array(text.replacing("OPTIONS", with: "REGISTER").utf8)
        var index = MessageIndex()
        try MessageParser().parse(bytes.span, into: &index)
        let isThere = index.has(.expires)
        #expect(isThere && index.expires == nil)
    }

    @Test(
        "blanks before a colon are no part of the name",
        arguments: ["Subject : x", "Subject\t: x", "s \t : x", "SUBJECT :x"])
    func blanks(_ line: String) throws {
        let bytes = request([line, "X-Own \t: y"])
        var index = MessageIndex()
        try MessageParser().parse(bytes.span, into: &index)
        let subject = index.value(.subject)
        #expect(subject.map { bytes.span.bytes($0).text } == "x")
        let own = index[index.count - 1]
        #expect(bytes.span.bytes(own.nameSlice).text == "X-Own")
    }

    /// Values that PJSIP throws a message away for, beside values that it reads.
    static let values: [(name: String, good: [String], bad: [String])] = [
        (
            "Content-Type",
            ["application/sdp", "a/b;c=d", "a / b ;c=\"d;\\\"\u{E9}\"", "a/b;c;d=", "a/*"],
            [
                "x/", "/x", "x", "", "a/b;", "a/b;;c=d", "a/b;c=d=e", "a/b;c=[::1]", "a/b/c",
                "a/b c", "a/b;c=\"d",
            ]
        ),
        ("Min-SE", ["90", "90 ;x=y", "0"], ["90//", "x", "", "-1", "90;", "90 1", "4294967296"]),
        (
            "Session-Expires", ["1800;refresher=uas", "4294967295", "1800"],
            ["1800.0", "\u{F5}1800", "1800;refresher=a b", ";x"]
        ),
        (
            "Accept", ["", "a/b, c/d;q=0.5", "*/*", "a/*,\r\n b/c"],
            ["a", "a/b,", ",a/b", "a/b,,c/d", "a/b;c=\"\(String(repeating: ",", count: 32))\""]
        ),
        (
            "Require", ["", "100rel", "a, b"],
            ["a,", ",a", "a b", "a,,b", "<a>", "\"a\"", "\u{E9}"]
        ),
        ("Supported", ["", "timer , 100rel"], ["timer,", "ti(mer)", "a;b"]),
        (
            "Event", ["dialog", "presence.winfo;id=1", "talk;x=\"y\""],
            ["", ";id=1", "a b", "a;", "a;id=x@y", "a/b"]
        ),
        (
            "RAck", ["1 2 INVITE", "7\t 102  INVITE", "0 0 X"],
            ["1 2", "1 2 ", "1 INVITE", "x 2 INVITE", "1 2 IN VITE", "", "1 2147483648 INVITE"]
        ),
        ("RSeq", ["1", "4294967295"], ["", "-1", "1 2", "x", "4294967296"]),
        (
            "Retry-After", ["5", "5 (in a meeting)", "5;duration=60", "5 (a) ;x=y", "5 (a (b) c)"],
            ["", "x", "-1", "5 x", "5;", "5 (a", "5 (a) b", "4294967296"]
        ),
        ("Min-Expires", ["60", "99999999999"], ["", "x", "60;x", "6 0"]),
        (
            "Subscription-State", ["active;expires=60", "terminated;reason=x"],
            ["", "active;", "active, terminated", "active;x=[::1]"]
        ),
        ("Replaces", ["a@b;to-tag=1;from-tag=2;early-only"], ["a@b;", "a;to-tag=1;;", "a;x=y z"]),
    ]

    @Test(
        "what PJSIP drops without a word is refused, and what it reads is taken", arguments: values)
    func grammar(_ name: String, _ good: [String], _ bad: [String]) {
        for start in ["OPTIONS sip:example.com SIP/2.0", "SIP/2.0 200 OK"] {
            for value in good {
                #expect(failure(request(["\(name): \(value)"], start: start)) == nil, "\(value)")
            }
            for value in bad {
                #expect(failure(request(["\(name): \(value)"], start: start)) == .value, "\(value)")
            }
        }
    }

    @Test("an option list is as long as PJSIP can keep, all its fields together")
    func options() {
        func lines(_ count: Int) -> [String] {
            ["Supported: a" + String(repeating: ",b", count: count / 2 - 1)]
                + [String](repeating: "k: c", count: count - count / 2)
        }
        #expect(failure(request(lines(MessageParser.maximumOptions))) == nil)
        #expect(failure(request(lines(MessageParser.maximumOptions + 1))) == .value)
    }

    @Test(
        "a list that is not looked into is as long as PJSIP can keep",
        arguments: ["Allow", "Unsupported"])
    func lists32(_ name: String) {
        func line(_ count: Int) -> String {
            "\(name): a" + String(repeating: ",b", count: count - 1)
        }
        #expect(failure(request([line(32), line(32)])) == nil)
        #expect(failure(request([line(33)])) == .value)
    }

    @Test(
        "a Contact outside the grammar is refused, except in a REGISTER, where the registrar reads it",
        arguments: [
            "<sip:a@b>;q=0.5<sip:a@[1]>", "", "*", "<sip:a@b>,", "Smith, John <sip:a@b>",
            "<sip:a@b", "<sip:a@b;x=1=2>", "<sip:a@b>;;", "<sip:a@b>, <", "<sip:a@b>;q=x",
            "<sip:a@b>;q=.5", "<sip:a@b>;q=\"0.5\"", "<sip:a@b>;q=99999999999", "<urn:a`b>",
        ])
    func contact(_ value: String) {
        let bytes = request(["Contact: \(value)"])
        let error = failure(bytes)
        #expect(error == .address || error == .uri || error == .parameter)
        let text = String(decoding: bytes, as: UTF8.self).replacing("OPTIONS", with: "REGISTER")
        #expect(failure(Array(text.utf8)) == nil)
    }

    @Test("the one Contact is read, and a list leaves its reading to who wants it")
    func contacts() throws {
        for (value, user) in [("\"x\" <sip:one@b>;q=1;", "one"), ("<sip:a@b>, <sip:c@d>", "")] {
            let bytes = request(["Contact: \(value)"])
            var index = MessageIndex()
            try MessageParser().parse(bytes.span, into: &index)
            #expect(bytes.span.bytes(index.contact.uri.user).text == user)
        }
    }

    @Test(
        "of a request with a malformed From, To or Request-URI the rest is read, for its answer",
        arguments: ["From", "To", "Request-URI"])
    func rest(_ part: String) {
        let start = part == "Request-URI" ? "OPTIONS <sip:a> SIP/2.0" : "OPTIONS sip:a SIP/2.0"
        let text = String(decoding: request(["X-A: y"], start: start), as: UTF8.self)
            .split(separator: "\r\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("\(part):") ? "\(part): a\"b <sip:c@d>" : String($0) }
        let bytes = Array(text.joined(separator: "\r\n").utf8)
        var index = MessageIndex()
        let parsed: Void? = try? MessageParser().parse(bytes.span, into: &index)
        #expect(parsed == nil && index.sequence == 7 && index.count == 6)
        let hasBoth = index.has(.from) && index.has(.to)
        #expect(hasBoth)
    }
}
