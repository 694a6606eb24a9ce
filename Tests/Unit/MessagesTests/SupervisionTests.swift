import Messages
import Sys
import Testing
import Wire

private let address = SocketAddress(IPAddress(v4: 0xC000_0201), port: 5060)

@Suite struct SupervisorMessageTests {
    private static func descriptor() throws -> Descriptor { try Socket.seqpacketPair().0 }

    @Test("a descriptor comes with the kinds that have one, and with no other")
    func descriptors() throws {
        let listener = Listener(index: 1, side: .outside, endpoint: Endpoint(.udp, address))
        let passed = try Self.descriptor()
        let with: [SupervisorMessage] = [
            .journal(.json, passed), .listener(listener, passed), .peer(.router, passed),
            .file(.key, passed), .client(.status, passed),
            .connection(
                KeptConnection(
                    handle: ConnectionHandle(.tcp, place: 7), listener: 1, peer: address), passed),
        ]
        let without: [SupervisorMessage] = [
            .hello(.router), .setting(.defence.failures(1)),
            .secret(Array(repeating: 7, count: 72)),
            .table("rempart-two"), .ways([AsteriskWay(to: address.ip, by: 3)]), .begin, .reload,
            .renew(31), .stop,
        ]
        for message in with {
            let (frame, passing) = message.encoded()
            #expect(passing === passed)
            #expect(throws: WireError.descriptor) {
                try SupervisorMessage(decoding: frame.span, passed: nil)
            }
            _ = try SupervisorMessage(decoding: frame.span, passed: passing)
        }
        for message in without {
            let (frame, passing) = message.encoded()
            #expect(passing == nil)
            #expect(throws: WireError.descriptor) {
                try SupervisorMessage(decoding: frame.span, passed: passed)
            }
            _ = try SupervisorMessage(decoding: frame.span, passed: nil)
            for length in 0..<frame.count {
                #expect(throws: WireError.self) {
                    try SupervisorMessage(
                        decoding: frame.span.extracting(0..<length), passed: nil)
                }
            }
            let longer = frame + [0]
            #expect(throws: WireError.self) {
                try SupervisorMessage(decoding: longer.span, passed: nil)
            }
        }
    }

    @Test("a certificate's file says its place, one of 32")
    func places() throws {
        let passed = try Self.descriptor()
        for place in [UInt8(0), 31, 32, 255] {
            let (frame, _) = SupervisorMessage.file(.key, passed, place: place).encoded()
            guard place < 32 else {
                #expect(throws: WireError.self) {
                    try SupervisorMessage(decoding: frame.span, passed: passed)
                }
                continue
            }
            guard
                case .file(.key, _, place) = try SupervisorMessage(
                    decoding: frame.span, passed: passed)
            else {
                Issue.record("place \(place)")
                return
            }
        }
    }

    @Test("a certificate goes on with the pair of the same path, else with that of its place")
    func predecessors() {
        func paths(_ names: String...) -> [CertificatePaths] {
            CertificatePaths.of(names.flatMap { [.certificate("/\($0)"), .key("/\($0).key")] })
        }
        func places(_ new: [CertificatePaths], _ old: [CertificatePaths]) -> [Int?] {
            CertificatePaths.predecessors(of: new, in: old)
        }
        #expect(places(paths("b", "a", "c"), paths("a", "b")) == [1, 0, nil])
        #expect(places(paths("new"), paths("a")) == [0])
        #expect(places(paths("new", "a"), paths("a")) == [nil, 0])
        #expect(places(paths("a", "new"), paths("a", "b")) == [0, 1])
        #expect(places([], paths("a")).isEmpty)
    }

    @Test(
        "the ways to 64 Asterisks arrive as they were told; more, or another listener, are refused")
    func ways() throws {
        let most = (0..<UInt32(64)).map {
            AsteriskWay(
                to: IPAddress(v4: 0x0A00_0000 + $0), by: UInt8($0),
                from: $0 % 2 == 0 ? address.ip : nil)
        }
        for told in [most, [], most + most] {
            let (frame, _) = SupervisorMessage.ways(told).encoded()
            guard
                case .ways(let heard) = try SupervisorMessage(decoding: frame.span, passed: nil)
            else {
                Issue.record("no ways")
                return
            }
            #expect(heard == Array(told.prefix(64)))
        }
        var (frame, _) = SupervisorMessage.ways(most).encoded()
        frame[1] = 65
        #expect(throws: WireError.badValue("ways")) {
            try SupervisorMessage(decoding: frame.span, passed: nil)
        }
        let other = AsteriskWay(to: address.ip, by: UInt8(Bounds.mostListeners))
        let (wrong, _) = SupervisorMessage.ways([other]).encoded()
        #expect(throws: WireError.badValue("listener")) {
            try SupervisorMessage(decoding: wrong.span, passed: nil)
        }
        let mixed = AsteriskWay(to: address.ip, by: 3, from: IPAddress(high: 1, low: 1))
        let (families, _) = SupervisorMessage.ways([mixed]).encoded()
        #expect(throws: WireError.badValue("own")) {
            try SupervisorMessage(decoding: families.span, passed: nil)
        }
    }

    @Test("a secret has 72 bytes", arguments: [0, 64, 71, 73])
    func secret(_ length: Int) {
        let (frame, _) = SupervisorMessage.secret(Array(repeating: 7, count: length)).encoded()
        #expect(throws: WireError.self) {
            try SupervisorMessage(decoding: frame.span, passed: nil)
        }
    }
}
