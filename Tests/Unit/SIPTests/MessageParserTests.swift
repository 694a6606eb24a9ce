import SIP
import Testing

/// A request of these extra lines between the usual ones, with CRLF at each end.
func request(_ lines: [String], start: String = "OPTIONS sip:example.com SIP/2.0") -> [UInt8] {
    let usual = [
        start, "Via: SIP/2.0/UDP host.example:5070;branch=z9hG4bK1;rport",
        "From: \"A. L.\" <sip:alice@example.com>;tag=f1", "To: <sip:bob@example.com>",
        "Call-ID: c1@host", "CSeq: 7 OPTIONS",
    ]
    return Array((usual + lines + ["", ""]).joined(separator: "\r\n").utf8)
}

/// The error of a message, or nil when it is read.
func failure(_ bytes: [UInt8]) -> ParseError? {
    var index = MessageIndex()
    do {
        try MessageParser().parse(bytes.span, into: &index)
        return nil
    } catch {
        return error
    }
}

@Suite struct MessageParserTests {
    private func parsed(_ bytes: [UInt8]) throws -> MessageIndex {
        var index = MessageIndex()
        try MessageParser().parse(bytes.span, into: &index)
        return index
    }

    private func text(_ slice: Slice, _ bytes: [UInt8]) -> String { bytes.span.bytes(slice).text }

    @Test("the parts of a request are where they stand")
    func parts() throws {
        let bytes = request(["Max-Forwards: 70", "Expires: 60", "X-Own: 1", "Content-Length: 0"])
        let index = try parsed(bytes)
        #expect(index.isRequest && index.method == .options)
        #expect(text(index.requestURI.host, bytes) == "example.com")
        #expect(text(index.via.host, bytes) == "host.example" && index.via.port == 5070)
        #expect(text(index.via.branch, bytes) == "z9hG4bK1" && index.via.hasRport)
        #expect(text(index.from.displayName, bytes) == "\"A. L.\"")
        #expect(text(index.from.uri.user, bytes) == "alice" && text(index.from.tag, bytes) == "f1")
        #expect(index.to.tag.isEmpty && text(index.callID, bytes) == "c1@host")
        #expect(index.sequence == 7 && index.maxForwards == 70 && index.expires == 60)
        #expect(index.contentLength == 0 && index.body.isEmpty)
    }

    @Test(
        "a response has a status and a reason, which may be empty", arguments: ["OK", "", "Pas là"])
    func status(_ reason: String) throws {
        let bytes = request([], start: "SIP/2.0 200 \(reason)")
        let index = try parsed(bytes)
        #expect(!index.isRequest && index.status == 200 && text(index.reason, bytes) == reason)
    }

    @Test("a status line may end behind the status, as some phones have it")
    func noPhrase() throws {
        let index = try parsed(request([], start: "SIP/2.0 200"))
        #expect(index.status == 200 && index.reason.isEmpty)
    }

    @Test(
        "compact names are the long ones, in any case",
        arguments: [
            ("k: a", HeaderName.supported), ("K: a", .supported), ("m: <sip:a@b>", .contact),
            ("o: a", .event), ("r: <sip:a@b>", .referTo), ("SUPPORTED: a", .supported),
            ("x: 90", .sessionExpires),
        ])
    func compact(_ line: String, _ expected: HeaderName) throws {
        let index = try parsed(request([line]))
        let isKnown = index.has(expected)
        #expect(isKnown)
    }

    @Test("a folded value is one value", arguments: [" two", "\ttwo", "   two"])
    func folded(_ second: String) throws {
        let bytes = request(["Subject: one", second, "X-A: y"])
        let index = try parsed(bytes)
        let found = index.value(.subject)
        let value = try #require(found)
        #expect(text(value, bytes).hasPrefix("one") && text(value, bytes).hasSuffix("two"))
        #expect(index.count == 7)
    }

    @Test("what follows Content-Length is not of the message: nothing is smuggled behind it")
    func tail() throws {
        let hidden = "INVITE sip:hidden@x SIP/2.0\r\n\r\n"
        let bytes = request(["Content-Length: 3"]) + Array(("abc" + hidden).utf8)
        #expect(text(try parsed(bytes).body, bytes) == "abc")
    }

    @Test("without Content-Length the body goes to the end")
    func bodyToEnd() throws {
        let bytes = request([]) + Array("abc".utf8)
        #expect(text(try parsed(bytes).body, bytes) == "abc")
    }

    @Test(
        "a CSeq whose method is folded is refused, in a response too",
        arguments: ["SIP/2.0 200 OK", "OPTIONS sip:example.com SIP/2.0"])
    func foldedSequence(_ start: String) {
        for method in ["OPT\r\n IONS", "OPTIONS\r\n INVITE", "OPTIONS INVITE", "OPTIONS\t,"] {
            let text = String(decoding: request([], start: start), as: UTF8.self)
            let bytes = Array(text.replacing("CSeq: 7 OPTIONS", with: "CSeq: 7 \(method)").utf8)
            #expect(failure(bytes) == .cseq, "\(method)")
        }
    }

    @Test("line ends before the start line are passed over")
    func leading() throws {
        let bytes = Array("\r\n\r\n".utf8) + request([])
        #expect(try parsed(bytes).method == .options)
    }

    /// Each way to make two parsers read one message in two ways, by name.
    static let smuggling: [(name: String, line: String, error: ParseError)] = [
        ("control character before the colon", "To\u{1}: <sip:x@y>", .control),
        ("blank before the name", "X: a\r\nY: b\r\n\u{B}Z: c", .control),
        ("blank in the name", "X Bypass: lol", .headerName),
        ("fold before the colon", "X-Bypass\r\n : lol", .headerName),
        ("blank alone before the colon", "X: a\r\nY:\r\n: c", .headerName),
        ("NUL in a value", "X: a\u{0}b", .control),
        ("DEL in a value", "X: a\u{7F}b", .control),
        ("escape in a value", "X: a\u{1B}[2Jb", .control),
        ("bare LF as line end", "X: a\nTo: <sip:x@y>", .lineEnd),
        ("bare CR as line end", "X: a\rTo: <sip:x@y>", .lineEnd),
        ("From twice", "From: <sip:x@y>;tag=2", .doubled),
        ("From long and compact", "f: <sip:x@y>;tag=2", .doubled),
        ("To long and compact", "t: <sip:x@y>", .doubled),
        ("Call-ID long and compact", "i: other", .doubled),
        ("CSeq twice", "CSeq: 8 OPTIONS", .doubled),
        ("Content-Length twice, the same", "Content-Length: 0\r\nl: 0", .doubled),
        ("Content-Length longer than the datagram", "Content-Length: 1", .contentLength),
        ("Content-Length with a sign", "Content-Length: +0", .contentLength),
        ("Content-Length negative", "Content-Length: -1", .contentLength),
        ("Content-Length in hexadecimal", "Content-Length: 0x0", .contentLength),
        ("Content-Length empty", "Content-Length:", .contentLength),
        ("Content-Length over 64 bits", "Content-Length: 18446744073709551616", .contentLength),
        ("Content-Length as a list", "Content-Length: 0, 0", .contentLength),
        ("no name", ": value", .headerName),
        ("no colon", "X-Only-A-Name", .headerName),
        ("name that is no token", "X(Y): z", .headerName),
        ("8-bit name", "Té: z", .headerName),
        ("Max-Forwards over 255", "Max-Forwards: 256", .number),
        ("Max-Forwards that is no number", "Max-Forwards: 7x", .number),
        ("Expires twice, one of them no number", "Expires: soon\r\nExpires: 60", .doubled),
        ("Max-Forwards twice", "Max-Forwards: 70\r\nMax-Forwards: 70", .doubled),
    ]

    @Test("smuggling is refused", arguments: smuggling)
    func smuggled(_ name: String, _ line: String, _ error: ParseError) {
        #expect(failure(request([line])) == error, "\(name)")
    }

    @Test(
        "a start line that is not exactly one is refused",
        arguments: [
            ("OPTIONS  sip:example.com SIP/2.0", ParseError.startLine),
            ("OPTIONS sip:example.com  SIP/2.0", .startLine),
            ("OPTIONS sip:example.com SIP/2.0 ", .version),
            ("OPTIONS sip:example.com", .startLine),
            ("OPTIONS sip:example.com SIP/3.0", .version),
            ("OPTIONS sip:example.com SIP/2.00", .version),
            ("OPTIONS sip:example.com HTTP/1.1", .startLine),
            ("OPT(IONS sip:example.com SIP/2.0", .startLine),
            (" OPTIONS sip:example.com SIP/2.0", .startLine),
            ("OPTIONS <sip:example.com> SIP/2.0", .uri),
            ("SIP/2.0 99 Low", .startLine), ("SIP/2.0 700 High", .startLine),
            ("SIP/2.0 2000 Long", .startLine), ("SIP/2.0 200\tOK", .startLine),
            ("SIP/2.0 20", .startLine), ("SIP/2.0 ", .startLine), ("SIP/2.0", .startLine),
        ])
    func startLine(_ line: String, _ error: ParseError) {
        #expect(failure(request([], start: line)) == error)
    }

    @Test("a method in small letters is another method, and CSeq must name the same")
    func methodCase() {
        #expect(failure(request([], start: "options sip:example.com SIP/2.0")) == .cseq)
        #expect(failure(request([], start: "INVITE sip:example.com SIP/2.0")) == .cseq)
    }

    @Test(
        "a message without one of the five needed fields is refused",
        arguments: ["Via", "From", "To", "Call-ID", "CSeq"])
    func missing(_ name: String) {
        let lines = String(decoding: request([]), as: UTF8.self)
            .split(separator: "\r\n", omittingEmptySubsequences: false)
            .filter { !$0.hasPrefix("\(name):") }
        #expect(failure(Array(lines.joined(separator: "\r\n").utf8)) == .missing)
    }

    @Test(
        "a CSeq number ends at 2^31 - 1",
        arguments: [("2147483647", nil), ("2147483648", ParseError.cseq)])
    func sequence(_ number: String, _ error: ParseError?) {
        let text = String(decoding: request([]), as: UTF8.self)
        #expect(failure(Array(text.replacing("CSeq: 7", with: "CSeq: \(number)").utf8)) == error)
    }

    @Test("an Expires beyond 32 bits counts as the longest")
    func longExpires() throws {
        let index = try parsed(request(["Expires: 99999999999999999999999999"]))
        #expect(index.expires == UInt32(Int32.max))
    }

    @Test("a message of too many fields, or with a line too long, is refused")
    func bounds() {
        // From, To, Call-ID and CSeq are carried too.
        let fields = MessageParser.maximumCarried - 4
        #expect(failure(request(.init(repeating: "X-A: y", count: fields))) == nil)
        #expect(failure(request(.init(repeating: "X-A: y", count: fields + 1))) == .tooManyHeaders)
        let longest = String(repeating: "y", count: MessageParser.maximumLine)
        #expect(failure(request(["X-A: \(longest)"])) == nil)
        #expect(failure(request(["X-A: \(longest)y"])) == .headerTooLong)
    }

    @Test("a message cut off anywhere in its header is refused, and no cut is a trap")
    func cut() {
        let bytes = request(["Subject: one", " two", "Content-Length: 0"])
        for end in 0..<bytes.count { #expect(failure(Array(bytes[..<end])) != nil) }
        #expect(failure(bytes) == nil)
    }

    @Test("no message is a trap, whatever bytes are changed in it")
    func mutated() {
        let bytes = request(["Contact: \"x\" <sip:a@[::1]:5060;lr?X=y>;q=0.5", "Subject: a", " b"])
        var word: UInt64 = 88_172_645_463_325_252
        for _ in 0..<3000 {
            var changed = bytes
            for _ in 0..<3 {
                word ^= word << 13
                word ^= word >> 7
                word ^= word << 17
                changed[Int(word % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: word >> 32)
            }
            _ = failure(changed)
        }
    }
}

@Suite struct HeaderTableTests {
    @Test("every name is found in any case, and nothing else is")
    func finds() {
        let table = HeaderTable()
        func find(_ text: String) -> HeaderName { table.find(Array(text.utf8).span) }
        for name in HeaderName.allCases where name != .other {
            let text = "\(name.text)"
            for spelling in [text, text.lowercased(), text.uppercased()] {
                #expect(find(spelling) == name)
            }
            #expect(find("\(text)x") == .other)
            #expect(name == .to || find(String(text.dropLast())) == .other)
        }
        for text in ["", "q", "1"] { #expect(find(text) == .other) }
    }
}
