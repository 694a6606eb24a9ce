import SIP
import Testing

@Suite struct StreamFramerTests {
    /// Everything found in a stream that came in pieces of `size`: messages and pings, and how it broke.
    private func read(_ bytes: [UInt8], piecesOf size: Int) -> [String] {
        var framer = StreamFramer()
        var found: [String] = []
        var at = 0
        while at < bytes.count {
            let end = min(at + size, bytes.count)
            framer.append(Array(bytes[at..<end]).span)
            at = end
            reading: while true {
                switch framer.next() {
                case .incomplete: break reading
                case .message(let length):
                    let part = framer.bytes[framer.head..<framer.head + length]
                    found.append(String(decoding: part, as: UTF8.self))
                    framer.consume(length)
                case .ping(let length):
                    found.append("ping")
                    framer.consume(length)
                case .broken(let reason):
                    found.append("broken: \(reason)")
                    return found
                }
            }
        }
        return found
    }

    private func message(_ lines: [String], _ body: String = "") -> String {
        (["OPTIONS sip:a SIP/2.0"] + lines + ["", body]).joined(separator: "\r\n")
    }

    @Test("messages and pings are found alike, wherever the stream is cut")
    func cut() {
        let one = message(["Subject: one", "Content-Length: 5"], "ab\r\n\r")
        let two = message(["l: 0", "Call-ID: x"])
        let stream = Array((one + "\r\n\r\n" + two + "\r\n" + one).utf8)
        let expected = [one, "ping", two, one]
        for size in 1...stream.count { #expect(read(stream, piecesOf: size) == expected) }
        for cut in 1..<stream.count {
            var framer = StreamFramer()
            framer.append(Array(stream[..<cut]).span)
            #expect(framer.isPartial)
        }
    }

    @Test(
        "a message whose end is not told exactly breaks the stream, however it is cut",
        arguments: [
            [], ["Content-Length: 1", "Content-Length: 1"], ["Content-Length: 1", "l: 1"],
            ["Content-Length: x"], ["Content-Length: -1"], ["Content-Length: +1"],
            ["Content-Length:"], ["Content-Length: 1 1"], ["Content-Length: 1", " 1"],
            ["Content-Length: 65536"], ["Subject: a", " Content-Length: 1"],
            ["Content-Length : 1", "l\t: 1"], ["Content-Length", " : 1"], ["Content-Length 1"],
        ])
    func lying(_ lines: [String]) {
        let stream = Array(message(lines, "a").utf8)
        for size in [1, 7, stream.count] {
            #expect(read(stream, piecesOf: size) == ["broken: content-length"])
        }
    }

    @Test(
        "a length is found as the parser finds it: blanks before the colon, and folds behind it",
        arguments: [
            ["Content-Length: 1"], ["l:1"], ["CONTENT-LENGTH \t : 1 \t"], ["l : 1"],
            ["Content-Length:", " 1"], ["Content-Length:", "\t", " 1", " "],
            ["Subject: a", " l: 7", "l: 1"],
        ])
    func sameLength(_ lines: [String]) {
        let usual = ["v: SIP/2.0/TCP a", "f: <sip:a>", "t: <sip:a>", "i: 1", "CSeq: 1 OPTIONS"]
        let whole = message(usual + lines, "a")
        var index = MessageIndex()
        let parsed: Void? = try? MessageParser().parse(Array(whole.utf8).span, into: &index)
        #expect(parsed != nil && index.contentLength == 1)
        let stream = Array((whole + whole).utf8)
        for size in [1, 7, stream.count] {
            #expect(read(stream, piecesOf: size) == [whole, whole])
        }
    }

    @Test("a header without end breaks the stream at its limit", arguments: [1000, 16_000, 70_000])
    func endless(_ size: Int) {
        let stream = Array((message(["X: "]) + String(repeating: "y", count: 20_000)).utf8)
        let endless = Array("OPTIONS sip:a SIP/2.0\r\nX: ".utf8) + stream.suffix(20_000)
        #expect(read(endless, piecesOf: size) == ["broken: header-endless"])
    }

    @Test("a header over the limit breaks the stream even when it comes at once")
    func longHeader() {
        let long = Array(
            message(["X: " + String(repeating: "y", count: 17_000), "Content-Length: 0"]).utf8)
        #expect(read(long, piecesOf: 1000) == ["broken: header-endless"])
        #expect(read(long, piecesOf: long.count).first?.prefix(22) == "broken: header-endless")
    }

    @Test("a message longer than the longest breaks the stream before it has come")
    func tooLong() {
        let stream = Array(message(["Content-Length: 65530"]).utf8)
        #expect(read(stream, piecesOf: stream.count) == ["broken: too-long"])
    }

    @Test(
        "a CR that no LF follows breaks the stream, between messages too",
        arguments: ["\rX", "\r\n\rX", "\r\n\r\r"])
    func bareCR(_ text: String) {
        let stream = Array((text + String(repeating: "y", count: 40)).utf8)
        for size in [1, stream.count] {
            #expect(read(stream, piecesOf: size) == ["broken: line-end"])
        }
    }

    @Test("no byte is read more than twice, however slowly a message comes")
    func drip() {
        // As many lines as a header holds that might be lengths, then a body that takes its time.
        let lines = [String](repeating: "c:", count: 4050) + ["l: 40000"]
        let body = String(repeating: "x", count: 40_000)
        let stream = Array((message(lines, body) + message(lines, body)).utf8)
        for size in [1, 97, stream.count] {
            var framer = StreamFramer()
            var found = 0
            var at = 0
            while at < stream.count {
                let end = min(at + size, stream.count)
                framer.append(stream.span.extracting(at..<end))
                at = end
                while case .message(let length) = framer.next() {
                    framer.consume(length)
                    found += 1
                }
            }
            #expect(found == 2 && framer.looked <= 2 * stream.count)
        }
    }

    @Test("what was taken is let go of, however long the stream")
    func bounded() {
        var framer = StreamFramer()
        let bytes = Array(message(["Content-Length: 0"]).utf8)
        for _ in 0..<5000 {
            framer.append(bytes.span)
            guard case .message(let length) = framer.next() else {
                Issue.record("a message is lost")
                return
            }
            framer.consume(length)
        }
        #expect(framer.bytes.count < 200_000 && !framer.isPartial)
    }

    @Test(
        "a keep-alive that is not whole is no message that came in part",
        arguments: [
            ("", false), ("\r", false), ("\r\n", false), ("\r\n\r", false), ("\r\nO", true),
        ])
    func loneKeepAlive(_ rest: String, _ isPartial: Bool) {
        var framer = StreamFramer()
        framer.append(Array(("\r\n\r\n" + rest).utf8).span)
        #expect(framer.next() == .ping(4))
        framer.consume(4)
        #expect(framer.next() == .incomplete)
        #expect(framer.isPartial == isPartial)
    }

    @Test(
        "the first line tells whether a message begins here",
        arguments: [
            ("REGISTER sip:example.test SIP/2.0\r\n", true), ("SIP/2.0 200 OK\r\n", true),
            ("SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n", false), ("v=0\r\n", false),
            ("ngth: 0\r\n\r\n", false), ("SIP/2.0\r\n", false), ("m=audio 4000 RTP/AVP 0", nil),
            ("", nil), ("\r\n\r\n", nil),
        ] as [(String, Bool?)])
    func beginsMessage(_ bytes: String, _ expected: Bool?) {
        var framer = StreamFramer()
        framer.append(Array(bytes.utf8).span)
        #expect(framer.beginsMessage == expected)
    }
}
