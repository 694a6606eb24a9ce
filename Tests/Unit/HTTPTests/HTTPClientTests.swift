internal import Foundation
internal import StandInServer
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import HTTP

/// A TLS server of a test by openssl(1), with a certificate of its own for the name localhost.
private final class SecureServer {
    let folder: TemporaryFolder
    let port: UInt16
    private let server = Process()

    var certificate: String { "\(folder.path)/certificate.pem" }

    init() throws {
        folder = try TemporaryFolder()
        let certificate = "\(folder.path)/certificate.pem"
        let key = "\(folder.path)/key.pem"
        let making = Process()
        making.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        making.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
            "subjectAltName=DNS:localhost",
        ]
        making.standardError = FileHandle.nullDevice
        try making.run()
        making.waitUntilExit()
        let output = Pipe()
        server.executableURL = making.executableURL
        server.arguments = [
            "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, "-www",
        ]
        server.standardOutput = output
        server.standardError = FileHandle.nullDevice
        server.standardInput = Pipe()
        try server.run()
        // It says where it listens once it does.
        var said = ""
        while !said.contains("ACCEPT") || !said.hasSuffix("\n") {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw Failure(said: said) }
            said += String(decoding: more, as: UTF8.self)
        }
        let place = said.split(separator: "ACCEPT 127.0.0.1:").last ?? ""
        guard let port = UInt16(place.prefix { $0.isNumber }) else { throw Failure(said: said) }
        self.port = port
    }

    deinit {
        // Other tests block SIGTERM, and children inherit that.
        kill(server.processIdentifier, SIGKILL)
        server.waitUntilExit()
    }

    struct Failure: Error { let said: String }

    /// What comes of a request to a host by its name, which is this machine.
    func get(_ host: String, trusted: String?) throws -> Result<HTTPAnswer, HTTPFailure> {
        let client = try #require(
            HTTPClient(
                HTTPServer(
                    root: "https://\(host):\(port)", resolved: "\(host):\(port):127.0.0.1",
                    user: "u", password: [0x70], trusted: trusted)))
        return client.get(["/"], until: Clock.monotonic + .seconds(30))[0]
    }
}

@Suite("HTTPClient")
struct HTTPClientTests {
    @Test("a certificate is taken when it is trusted and of the host, and else refused")
    func certificates() throws {
        let server = try SecureServer()
        #expect(try server.get("localhost", trusted: server.certificate).get().status == 200)
        for (host, trusted) in [("localhost", nil), ("other.example", server.certificate)] {
            guard case .failure(.untrusted) = try server.get(host, trusted: trusted) else {
                Issue.record("\(host) is trusted")
                continue
            }
        }
    }

    private func client(_ server: StandInServer) throws -> HTTPClient {
        try #require(
            HTTPClient(HTTPServer(root: "http://\(server.address)", user: "u", password: [0x70])))
    }

    @Test("connections are kept, and four requests are under way at once at most")
    func connections() throws {
        let server = try StandInServer { connection in
            while connection.bytes(upTo: "\r\n\r\n") != nil {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8)
            }
        }
        defer { server.stop() }
        let client = try client(server)
        let paths = (0..<40).map { "/\($0)" }
        for _ in 0..<2 {
            let results = client.get(paths, until: Clock.monotonic + .seconds(30))
            #expect(results.count == 40)
            for result in results { #expect(try result.get().body == Array("ok".utf8)) }
        }
        #expect(server.connections.all <= HTTPClient.mostAtOnce)
    }

    @Test("a server that says nothing costs its time once, and no request begins after")
    func silence() throws {
        let server = try StandInServer { $0.waitForEnd() }
        defer { server.stop() }
        let begin = Clock.monotonic
        let results = try client(server).get(
            (0..<40).map { "/\($0)" }, until: begin + Milliseconds(200))
        #expect(results == Array(repeating: .failure(.late), count: 40))
        #expect(Clock.monotonic - begin < .seconds(3))
        #expect(server.connections.all <= HTTPClient.mostAtOnce)
    }

    @Test("where nobody listens, nobody is reached")
    func nobody() throws {
        let server = try StandInServer { _ in }
        server.stop()
        let results = try client(server).get(["/", "/"], until: Clock.monotonic + .seconds(30))
        for result in results {
            guard case .failure(.unreachable) = result else {
                Issue.record("\(result)")
                continue
            }
        }
    }
}
