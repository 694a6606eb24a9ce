import Messages
import Sys
import Testing
import Wire

@Suite("DirectoryReader") struct DirectoryReaderTests {
    private static let account = Account(
        ha1MD5: Array(repeating: 1, count: 16), ha1SHA256: Array(repeating: 2, count: 32),
        authUser: "T7_102", aor: "102", mayRegister: true, access: AccessListTests.office)

    @Test("directory to accounts-reader")
    func requests() throws {
        let query = AccountQuery(name: "alice", realm: "asterisk")
        let messages: [DirectoryToReader] = [
            .hello, .lookUp(id: 1, [query]),
            .lookUp(id: .max, Array(repeating: query, count: AccountQuery.most)),
            .trace(id: 2, name: "alice"), .list(id: 3, after: ""), .list(id: 4, after: "é"),
        ]
        try check(messages, encode: { $0.encoded() }) { frame throws(WireError) in
            try DirectoryToReader(decoding: frame)
        }
    }

    @Test("accounts-reader to directory")
    func answers() throws {
        let found = ReadAccount(answer: .found(Self.account), source: "ps_endpoints", version: .max)
        let none = AccountAbsence.allCases.map {
            ReadAccount(answer: .unknown, source: "sippeers", version: 7, why: $0)
        }
        let messages: [ReaderToDirectory] = [
            .answers(id: 1, [found] + none),
            .answers(id: 2, [ReadAccount(answer: .unavailable, source: "", version: 0)]),
            .source(.up(layout: "pjsip", source: "/x")),
            .source(.up(layout: "pjsip", source: "odbc://x", tellsOfChanges: false)),
            .source(.down(why: "no such file", source: "/x")), .changed,
            .trace(id: 3, []),
            .trace(
                id: 3,
                [TraceStep(what: "ps_auths id=7", found: true, microseconds: 9, remark: "MD5")]),
            .remarks([]), .remarks(["/etc/asterisk/pjsip.conf:1: a program writes these lines"]),
            .names(id: 4, [], isLast: true), .names(id: 5, ["alice", "é"], isLast: false),
        ]
        try check(messages, encode: { $0.encoded() }) { frame throws(WireError) in
            try ReaderToDirectory(decoding: frame)
        }
    }

    @Test("the longest answers to as many look-ups as a frame has fit into a frame")
    func longest() throws {
        let rule = AccessRule(
            true, Network(IPAddress(high: 0x2001_0DB8_0000_0000, low: 0), prefix: 32))
        let name = String(repeating: "a", count: 255)
        let account = Account(
            ha1MD5: Array(repeating: 1, count: 16), ha1SHA256: Array(repeating: 2, count: 32),
            authUser: name, aor: name, mayRegister: true,
            access: AccessList(Array(repeating: rule, count: AccessList.most)))
        let answer = ReadAccount(
            answer: .found(account), source: String(repeating: "t", count: 128), version: .max)
        let full = ReaderToDirectory.answers(
            id: 1, Array(repeating: answer, count: AccountQuery.most))
        let frame = full.encoded()
        #expect(frame.count <= Frame.maximumLength)
        #expect(try ReaderToDirectory(decoding: frame.span) == full)
        let step = TraceStep(
            what: name, found: true, microseconds: .max, remark: String(repeating: "é", count: 300))
        let steps = ReaderToDirectory.trace(
            id: 1, Array(repeating: step, count: TraceStep.most + 1)
        ).encoded()
        let names = ReaderToDirectory.names(
            id: 1,
            Array(repeating: String(name.prefix(64)), count: SourceState.namesOfPage + 1),
            isLast: false
        ).encoded()
        for frame in [steps, names] {
            #expect(frame.count <= Frame.maximumLength)
            _ = try ReaderToDirectory(decoding: frame.span)
        }
    }

    @Test("no look-up at all, and more than a frame has, are refused")
    func counts() {
        let query = AccountQuery(name: "", realm: "")
        var frame = DirectoryToReader.lookUp(
            id: 1, Array(repeating: query, count: AccountQuery.most)
        ).encoded()
        frame[5] += 1
        let longer = frame + [0, 0, 0, 0]
        #expect(throws: WireError.badValue("queries")) {
            try DirectoryToReader(decoding: longer.span)
        }
        let empty = DirectoryToReader.lookUp(id: 1, []).encoded()
        #expect(throws: WireError.badValue("queries")) {
            try DirectoryToReader(decoding: empty.span)
        }
        let none = ReaderToDirectory.answers(id: 1, []).encoded()
        #expect(throws: WireError.badValue("answers")) {
            try ReaderToDirectory(decoding: none.span)
        }
    }

    @Test("a name that is too long is asked for as none, never as the beginning of it")
    func longName() throws {
        let long = String(repeating: "a", count: Bounds.longestName + 1)
        let frame = DirectoryToReader.lookUp(
            id: 1, [AccountQuery(name: long, realm: "asterisk")]
        ).encoded()
        #expect(
            try DirectoryToReader(decoding: frame.span)
                == .lookUp(id: 1, [AccountQuery(name: "", realm: "asterisk")]))
    }

    @Test("a reason that is no reason is refused")
    func unknownReason() {
        var frame = ReaderToDirectory.answers(
            id: 1, [ReadAccount(answer: .unknown, source: "", version: 0, why: .noRow)]
        ).encoded()
        frame[frame.count - 1] = UInt8(AccountAbsence.allCases.count + 1)
        #expect(throws: WireError.badValue("why")) { try ReaderToDirectory(decoding: frame.span) }
    }
}
