internal import StandInServer
internal import Synchronization
internal import Sys

@testable internal import accounts_reader

/// The manager interface of an Asterisk of a test.
final class StandInManager: Sendable {
    private struct State {
        var files: [String: String]
        var replies: [String: String] = [:]
        var connections: [StandInServer.Connection] = []
        var actions: [String] = []
    }

    private final class Box: Sendable {
        let state: Mutex<State>

        init(_ state: consuming State) { self.state = Mutex(state) }
    }

    private let server: StandInServer
    private let box: Box

    /// What the event is of a user that hears of the system.
    static let booted =
        "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"

    /// An Asterisk with files, each as lines of [SECTION] and NAME=VALUE; to these actions it replies otherwise.
    init(
        _ files: [String: String] = [:], _ replies: [String: String] = [:],
        greeting: String = "Asterisk Call Manager/11.0.0\r\n", secret: String = "pass word:1",
        hears: Bool = true
    ) throws {
        let box = Box(State(files: files, replies: replies))
        self.box = box
        server = try StandInServer { connection in
            box.state.withLock { $0.connections.append(connection) }
            connection.send(greeting.utf8)
            while let request = connection.bytes(upTo: "\r\n\r\n") {
                let fields = Self.fields(String(decoding: request, as: UTF8.self))
                let action = fields["Action"] ?? ""
                let head = "ActionID: \(fields["ActionID"] ?? "")\r\n"
                let reply = box.state.withLock { state in
                    state.actions.append(action)
                    return state.replies[action]
                        ?? Self.standard(action, fields, state.files, secret: secret, hears: hears)
                }
                connection.send(reply.replacing("ACTION\r\n", with: head).utf8)
            }
        }
    }

    deinit { server.stop() }

    private static func fields(_ text: String) -> [String: String] {
        var fields: [String: String] = [:]
        for line in text.split(separator: "\r\n") {
            let parts = line.split(separator: ": ", maxSplits: 1)
            fields[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
        return fields
    }

    private static func standard(
        _ action: String, _ fields: [String: String], _ files: [String: String], secret: String,
        hears: Bool
    ) -> String {
        let good = "Response: Success\r\nACTION\r\n"
        switch action {
        case "Challenge": return good + "Challenge: 4711\r\n\r\n"
        case "Login":
            guard fields["Key"] == hex(HA1.md5(Array("4711\(secret)".utf8))),
                fields["Username"] == "rempart"
            else { return "Response: Error\r\nACTION\r\nMessage: Authentication failed\r\n\r\n" }
            return good + "Message: Authentication accepted\r\n\r\n" + (hears ? booted : "")
        case "GetConfig":
            guard let file = files[fields["Filename"] ?? ""] else {
                return "Response: Error\r\nACTION\r\nMessage: Config file not found\r\n\r\n"
            }
            return good + told(file) + "\r\n"
        case "PJSIPShowEndpoints":
            return good + "EventList: start\r\n\r\n"
                + ["b", "a"].map { "Event: EndpointList\r\nACTION\r\nObjectName: \($0)\r\n\r\n" }
                .joined() + "Event: EndpointListComplete\r\nACTION\r\nEventList: Complete\r\n\r\n"
        default: return good + "Ping: Pong\r\n\r\n"
        }
    }

    /// A file as Asterisk tells it.
    private static func told(_ file: String) -> String {
        var (sections, lines) = (-1, 0)
        return file.split(separator: "\n").map { line in
            if line.hasPrefix("[") {
                sections += 1
                lines = 0
                return "Category-00000\(sections): \(line.dropFirst().dropLast())\r\n"
            }
            lines += 1
            return "Line-00000\(sections)-00000\(lines - 1): \(line)\r\n"
        }.joined()
    }

    /// Its place, as `accounts.ami` has it.
    var place: String { "127.0.0.1:\(server.address.port)" }
    /// The actions so far.
    var actions: [String] { box.state.withLock { $0.actions } }

    /// Has a file from now on, as it will be told.
    func write(_ name: String, _ text: String) {
        box.state.withLock { $0.files[name] = text }
    }

    /// Replies to an action otherwise from now on; nil: as an Asterisk does.
    func reply(_ action: String, _ reply: String?) {
        box.state.withLock { $0.replies[action] = reply }
    }

    /// Sends an event, or anything else, over all connections.
    func send(_ text: String) {
        for connection in box.state.withLock({ $0.connections }) { connection.send(text.utf8) }
    }

    /// Ends all connections, and takes others.
    func drop() {
        for connection in box.state.withLock({ $0.connections }) { connection.end() }
    }

    /// Ends all connections, and is gone.
    func stop() { server.stop() }
}
