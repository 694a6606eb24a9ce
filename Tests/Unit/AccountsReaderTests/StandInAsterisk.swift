internal import Foundation
internal import Messages
internal import StandInServer
internal import Synchronization
internal import Sys

@testable internal import accounts_reader

/// An Asterisk of a test, as far as ARI shows it.
final class StandInAsterisk: Sendable {
    /// What is answered to a request.
    enum Reply: Sendable {
        /// An answer of a status with a text.
        case answer(Int, String)
        /// These bytes, after which the connection ends.
        case bytes(String)
        /// Nothing, as long as the other side waits.
        case nothing
    }

    /// What was asked: the path without its common beginning, and the header field Authorization.
    struct Request: Equatable, Sendable {
        let path: String
        let login: String
    }

    private struct State {
        var objects: [String: [(String, String)]]
        var replies: [String: Reply] = [:]
        var requests: [Request] = []
    }

    private let server: StandInServer
    private let state: Box

    /// What the threads of connections share.
    private final class Box: Sendable {
        let state: Mutex<State>

        init(_ state: consuming State) { self.state = Mutex(state) }
    }

    /// The path's beginning of all objects.
    private static let dynamic = "/ari/asterisk/config/dynamic/res_pjsip/"

    /// An Asterisk with objects by TYPE/ID, and the replies that it gives to other paths, or to these in place of the
    /// objects; at a port of its own, unless one is named.
    init(
        _ objects: [String: [(String, String)]] = [:], _ replies: [String: Reply] = [:],
        port: UInt16 = 0
    ) throws {
        let box = Box(State(objects: objects, replies: replies))
        state = box
        server = try StandInServer(port: port) { connection in
            while let head = connection.bytes(upTo: "\r\n\r\n") {
                guard Self.serve(String(decoding: head, as: UTF8.self), box, connection) else {
                    return
                }
            }
        }
    }

    deinit { server.stop() }

    /// Answers a request; false when its connection ends.
    private static func serve(
        _ head: String, _ box: Box, _ connection: StandInServer.Connection
    ) -> Bool {
        let lines = head.split(separator: "\r\n")
        let path = String(lines[0].split(separator: " ")[1])
        let field = "authorization: basic "
        let login = lines.first { $0.lowercased().hasPrefix(field) }?.dropFirst(field.count) ?? ""
        let request = Request(
            path: path.replacing(dynamic, with: ""), login: decoded(String(login)))
        let reply = box.state.withLock { state in
            state.requests.append(request)
            return state.replies[request.path] ?? state.replies["*"]
                ?? standard(request.path, state.objects)
        }
        switch reply {
        case .answer(let status, let text):
            connection.send(
                "HTTP/1.1 \(status) X\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)".utf8)
            return true
        case .bytes(let text):
            connection.send(text.utf8)
            return false
        case .nothing:
            connection.waitForEnd()
            return false
        }
    }

    private static func decoded(_ text: String) -> String {
        Data(base64Encoded: text).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// What Asterisk answers.
    private static func standard(_ path: String, _ objects: [String: [(String, String)]]) -> Reply {
        if path.hasPrefix("/ari/asterisk/info") {
            return .answer(200, #"{"system":{"version":"22.1.0","entity_id":"00"}}"#)
        }
        let parts = path.split(separator: "/", maxSplits: 1)
        guard parts.count == 2, let id = parts[1].removingPercentEncoding else {
            return .answer(404, "<html>404 Not Found</html>")
        }
        guard let object = objects["\(parts[0])/\(id)"] else {
            return .answer(404, #"{"message":"Object with id '\#(id)' not found"}"#)
        }
        let items = object.map { #"{"attribute":"\#($0.0)","value":"\#($0.1)"}"# }
        return .answer(200, "[\(items.joined(separator: ","))]")
    }

    /// Its port.
    var port: UInt16 { server.address.port }
    /// Its URL.
    var url: String { "ari://127.0.0.1:\(port)" }
    /// What was asked since the beginning, or the last `forget`.
    var requests: [Request] { state.state.withLock { $0.requests } }
    /// How many connections there were, and how many at once at most.
    var connections: (all: Int, most: Int) { server.connections }

    /// Has no phone of a name any more.
    func remove(_ name: String) {
        for path in Self.phone(name, "").keys { set(path, nil) }
    }

    /// Replies otherwise from now on; nil: as an Asterisk does.
    func reply(_ path: String, _ reply: Reply?) {
        state.state.withLock { $0.replies[path] = reply }
    }

    /// Has an object from now on, or has it no more.
    func set(_ name: String, _ object: [(String, String)]?) {
        state.state.withLock { $0.objects[name] = object }
    }

    /// Forgets what was asked.
    func forget() { state.state.withLock { $0.requests = [] } }

    /// Ends all connections, and is gone.
    func stop() { server.stop() }

    /// The objects of a phone with a clear secret.
    static func phone(_ name: String, _ secret: String) -> [String: [(String, String)]] {
        [
            "endpoint/\(name)": [
                ("auth", "\(name)-auth"), ("aors", name), ("acl", ""), ("contact_acl", ""),
                ("identify_by", "username,ip"), ("outbound_auth", ""),
            ],
            "auth/\(name)-auth": [
                ("auth_type", "userpass"), ("username", name), ("password", secret),
                ("md5_cred", ""), ("realm", ""), ("password_digest", ""),
            ],
            "aor/\(name)": [("max_contacts", "1")],
        ]
    }
}

extension AskingTimes {
    /// Those of a test that is not about time.
    static let patient = AskingTimes(
        look: .seconds(30), lookBeside: .seconds(30), lookUp: .seconds(30),
        lookUpOfOne: .seconds(30), login: .seconds(30), manager: .seconds(30), files: .seconds(30),
        filesOfSecond: .seconds(30))
}

/// A source that asks stand-ins.
final class ARIGround {
    let asterisks: [StandInAsterisk]
    let source: ARISource
    let settings: AccountSettings
    private(set) var now = Milliseconds.seconds(1)
    /// What has to live as long.
    var kept: [AnyObject] = []

    init(
        _ asterisks: StandInAsterisk..., urls: [String] = [],
        more: [AccountsReaderSetting] = [.user("rempart")], secret: String? = "pass word:1",
        times: AskingTimes = .patient
    ) throws {
        self.asterisks = asterisks
        let hosts = (urls + asterisks.map(\.url)).map { $0.dropFirst("ari://".count) }
        var settings = AccountSettings(
            [.source("ari://\(hosts.joined(separator: ","))"), .secretFile("/etc/secret")] + more)
        settings.secret = secret.map { Array($0.utf8) }
        self.settings = settings
        guard let servers = settings.asterisks else { throw NoAccount(why: settings.url) }
        source = ARISource(settings, servers, times)
    }

    struct NoAccount: Error { let why: String }

    /// Some time passes.
    func pass(_ span: Milliseconds = .seconds(1)) {
        now = now + span
        source.tick(now)
    }

    func read(_ names: String..., realm: String = "asterisk", steps: TraceSteps? = nil)
        -> [ReadAccount]
    {
        source.lookUp(
            names.map { AccountQuery(name: $0, realm: realm) }, within: nil, now: now, steps: steps)
    }

    /// The account of a name.
    func account(_ name: String) throws -> Account {
        guard case .found(let account)? = read(name).first?.answer else {
            throw NoAccount(why: "\(name): \(read(name)), \(String(describing: source.state))")
        }
        return account
    }

    /// Why nothing can be read; nil when something can.
    var fault: String? {
        if case .down(let why, _)? = source.state { why } else { nil }
    }

    var isUp: Bool { if case .up? = source.state { true } else { false } }
}
