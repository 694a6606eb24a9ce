import Glibc
import Messages
import Sys
import Testing
import Wire

@testable import supervisor

@Suite struct ControlSocketTests {
    static let looking: [ControlRequest] = [.status, .asterisks, .phones, .bans]
    static let changing: [ControlRequest] = [
        .ban(IPAddress(v4: 1), .seconds(1), ""), .unban(nil), .restart(.router), .reload,
    ]

    @Test("anybody who may connect may look", arguments: looking)
    func looks(_ request: ControlRequest) {
        #expect(ControlSocket.mayAsk(request, uid: 1234, ownUID: 0))
    }

    @Test("only root and the daemon's own user may change something", arguments: changing)
    func changes(_ request: ControlRequest) {
        #expect(!ControlSocket.mayAsk(request, uid: 1234, ownUID: 0))
        #expect(!ControlSocket.mayAsk(request, uid: 1234, ownUID: 1000))
        #expect(ControlSocket.mayAsk(request, uid: 1000, ownUID: 1000))
        #expect(ControlSocket.mayAsk(request, uid: 0, ownUID: 1000))
    }
}

@Suite struct OptionsTests {
    @Test("without arguments the system's own places are used")
    func defaults() throws {
        let options = try Options([])
        #expect(options.settings == "/etc/rempart/rempart.yaml")
        #expect(options.state == "/var/lib/rempart")
        #expect(options.control == "/run/rempart/control")
        #expect(options.log == .text && !options.isContainer)
    }

    @Test("the form of the records and the container are named beside the places")
    func surroundings() throws {
        let options = try Options(["--log", "json", "--container", "--state", "/t"])
        #expect(options.log == .json && options.isContainer && options.state == "/t")
        #expect(try Options(["--log", "text"]).log == .text)
    }

    @Test("what is wrong with a command line is told in the form that it asks for before")
    func formOfRefusal() {
        #expect { try Options(["--log", "json", "x"]) } throws: { error in
            (error as? Options.UsageError)?.log == .json
        }
    }

    @Test("each place can be named")
    func named() throws {
        let options = try Options(["--runtime", "/r", "--settings", "/s", "--state", "/t"])
        #expect(options.settings == "/s" && options.state == "/t" && options.runtime == "/r")
    }

    @Test(
        "a command line that is not understood is refused with the right usage",
        arguments: [
            ["--port", "1"], ["--state"], ["--state", ""], ["x"], ["--log"], ["--log", "xml"],
        ])
    func refused(_ arguments: [String]) {
        #expect { try Options(arguments) } throws: { error in
            (error as? Options.UsageError)?.message.contains(Options.usage) == true
        }
    }
}

@Suite struct SettingsReaderTests {
    private static func framed(_ frames: [[UInt8]]) -> [UInt8] {
        frames.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xFF)] + $0 }
    }

    @Test("settings come out in the order they were written")
    func order() throws {
        let settings: [Setting] = [.sides.domains("a"), .defence.failures(5), .sides.domains("b")]
        #expect(try SettingsReader.decode(Self.framed(settings.map { $0.encoded() })) == settings)
    }

    @Test("a stream cut anywhere but between two settings is refused")
    func truncated() {
        let whole = Self.framed([
            Setting.sides.domains("example.com").encoded(), Setting.defence.failures(5).encoded(),
        ])
        let first = 2 + Setting.sides.domains("example.com").encoded().count
        for length in 1..<whole.count where length != first {
            #expect(throws: WireError.self) { try SettingsReader.decode(Array(whole[..<length])) }
        }
    }

    @Test("a length beyond the longest setting is refused before anything is read")
    func tooLong() {
        #expect(throws: WireError.tooLong("setting")) { try SettingsReader.decode([0xFF, 0xFF]) }
    }
}

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
