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
            .table("rempart-two"), .begin, .reload, .renew(31), .stop,
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

    @Test("a secret has 72 bytes", arguments: [0, 64, 71, 73])
    func secret(_ length: Int) {
        let (frame, _) = SupervisorMessage.secret(Array(repeating: 7, count: length)).encoded()
        #expect(throws: WireError.self) {
            try SupervisorMessage(decoding: frame.span, passed: nil)
        }
    }
}
