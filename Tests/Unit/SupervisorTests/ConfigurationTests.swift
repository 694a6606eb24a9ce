import Glibc
import Messages
import Sys
import Testing
import Wire

@testable import supervisor

@Suite struct ConfigurationTests {
    private static func endpoint(_ transport: Transport, _ port: UInt16) -> Endpoint {
        Endpoint(transport, SocketAddress(IPAddress(v4: 0x7F00_0001), port: port))
    }

    @Test("a listener's number is its place among outside, inside and those of trunks")
    func numbers() throws {
        let configuration = try Configuration([
            .sides.domains("a"), .sides.outside(OutsideEndpoint(Self.endpoint(.udp, 1))),
            .defence.failures(3),
            .sides.inside(Self.endpoint(.udp, 2)),
            .trunks.inside(Self.endpoint(.udp, 3), of: "t"),
            .trunks.servers(Self.endpoint(.udp, 9).address, of: "t"),
            .sides.outside(OutsideEndpoint(Self.endpoint(.tcp, 4))),
        ])
        #expect(configuration.listeners.map(\.index) == [0, 1, 2, 3])
        #expect(configuration.listeners.map(\.side) == [.outside, .inside, .inside, .outside])
        #expect(configuration.listeners.map(\.endpoint.address.port) == [1, 2, 3, 4])
    }

    @Test(
        "TLS goes to tls-terminator, everything else to sip-router", arguments: Transport.allCases)
    func servers(_ transport: Transport) {
        let listener = Listener(index: 0, side: .outside, endpoint: Self.endpoint(transport, 1))
        #expect(Sockets.server(of: listener) == (transport == .tls ? .terminator : .router))
    }

    @Test("a tls:// endpoint without a certificate is refused with what to do")
    func tlsWithoutCertificate() {
        #expect {
            try Configuration([.sides.outside(OutsideEndpoint(Self.endpoint(.tls, 1)))])
        } throws: { error in
            "\(error)".contains("set both")
        }
    }

    @Test("a certificate that cannot be read is named, and stops nothing else")
    func missingCertificate() throws {
        let configuration = try Configuration([.tls.certificate("/nowhere/cert.pem")])
        #expect(configuration.unreadable.map(\.setting) == ["tls.certificate"])
        #expect(
            configuration.unreadable.first?.why.hasPrefix("tls.certificate: /nowhere/cert.pem")
                == true)
    }

    private static var path: String {
        "/tmp/rempart-certificate-\(String(Random.word, radix: 16))"
    }

    @Test("a certificate is handed over as it was, each time whole, also once it is written over")
    func keptCertificate() throws {
        let path = Self.path
        defer { _ = unsafe unlink(path) }
        try Daemon.write("before", to: path)
        var configuration = try Configuration([.tls.certificate(path)])
        try Daemon.write("after it", to: path)
        for _ in 0..<2 {
            let files = try configuration.handOver(atStart: true)
            guard case .file(.certificate, let file, place: 0)? = files.first else {
                Issue.record("no certificate is handed over")
                return
            }
            var bytes = [UInt8](repeating: 0, count: 100)
            let outcome = Stream.read(file.raw, into: &bytes, at: 0)
            #expect(outcome == .moved(6))
            #expect(bytes.prefix(6).elementsEqual("before".utf8))
        }
    }

    @Test("what is no regular file, and what is too long, is no certificate and holds nobody up")
    func noFile() throws {
        let path = Self.path
        defer { _ = unsafe unlink(path) }
        #expect(unsafe mkfifo(path, 0o600) == 0)
        let pipe = try Configuration([.tls.certificate(path)])
        #expect(pipe.unreadable.first?.why.contains("no regular file") == true)
        #expect(unsafe unlink(path) == 0)
        try Daemon.write("", to: path)
        #expect(unsafe truncate(path, 1 << 20) == 0)
        #expect(try Configuration([.tls.certificate(path)]).unreadable.isEmpty)
        #expect(unsafe truncate(path, (1 << 20) + 1) == 0)
        let long = try Configuration([.tls.certificate(path)])
        #expect(long.unreadable.first?.why.contains("longer than 1 MiB") == true)
    }

    @Test("only a change of outside, inside, or a trunk's name or inside needs other sockets")
    func sameSockets() throws {
        let one = try Configuration([
            .sides.domains("a"), .sides.outside(OutsideEndpoint(Self.endpoint(.udp, 1))),
        ])
        let two = try Configuration([
            .sides.outside(OutsideEndpoint(Self.endpoint(.udp, 1))), .sides.domains("b"),
        ])
        let three = try Configuration([
            .sides.domains("a"), .sides.outside(OutsideEndpoint(Self.endpoint(.udp, 2))),
        ])
        #expect(one.hasSameSockets(as: two))
        #expect(!one.hasSameSockets(as: three))
        let shown = Self.endpoint(.udp, 1).address
        let behind = try Configuration([
            .sides.domains("a"),
            .sides.outside(OutsideEndpoint(Self.endpoint(.udp, 1), advertised: shown)),
        ])
        let near = Setting.sides.localNetworks(Network(shown.ip))
        #expect(!one.hasSameSockets(as: behind))
        #expect(try behind.hasSameSockets(as: Configuration(behind.settings + [near])))
        func trunk(_ name: String, _ port: UInt16, _ server: UInt16) throws -> Configuration {
            try Configuration([
                .trunks.inside(Self.endpoint(.udp, port), of: name),
                .trunks.servers(Self.endpoint(.udp, server).address, of: name),
            ])
        }
        #expect(try trunk("a", 1, 8).hasSameSockets(as: try trunk("a", 1, 9)))
        #expect(try !trunk("a", 1, 8).hasSameSockets(as: try trunk("a", 2, 8)))
        #expect(try !trunk("a", 1, 8).hasSameSockets(as: try trunk("b", 1, 8)))
    }
}
