import Digest
import Messages
import Proxy
import ProxyBench
import Registrar
import RouterHarness
import Sys

/// A directory with a cache of its own, and a source of accounts that may be slow, dead, or not there.
///
/// It answers from the source when that is quick; after 150 ms with what it knows, and what the source says later it
/// tells as an update. It drives the edge's clock by the millisecond.
final class KnowingDirectory {
    /// How its source of accounts is.
    enum Source: Equatable, CustomStringConvertible, Sendable {
        /// It answers after so many milliseconds.
        case answers(Int64)
        /// It does not answer, and directory answers by what it knows.
        case dead
        /// It does not answer, and directory knows nothing.
        case unavailable

        var description: String {
            switch self {
            case .answers(let span): "answers after \(span) ms"
            case .dead: "dead"
            case .unavailable: "unavailable"
            }
        }
    }

    /// An account of the source.
    struct Row: Equatable {
        var password: String
        var mayRegister = true
        var access = AccessList()
    }

    private struct Answer {
        var due: Milliseconds
        var message: DirectoryToRouter
        /// Of whom the source has said something with that.
        var name: String?
    }

    let edge: Edge
    var source = Source.answers(0)
    /// What stands in the source now.
    var rows = ["alice": Row(password: "wonder"), "bob": Row(password: "builder")]
    /// What the source has confirmed, and when.
    private var known: [String: (row: Row, moment: Milliseconds)] = [:]
    private var answers: [Answer] = []
    /// Whether it has not decided yet what ends, of what is gone from the source.
    var isDeciding = false
    /// Whether the source looks names up one after the other.
    var isSerial = false
    private var busyUntil = Milliseconds(0)
    /// Whether nothing that it says arrives.
    var isMute = false
    /// How many questions there were.
    private(set) var questionCount = 0

    init(_ edge: Edge) {
        self.edge = edge
        edge.isDirectorySilent = true
    }

    private static func answer(_ name: String, _ realm: String, _ row: Row?) -> AccountAnswer {
        guard let row else { return .unknown }
        return .found(
            Account(
                ha1MD5: bytes(hex: hashed(.md5, name, realm, row.password)),
                ha1SHA256: bytes(hex: hashed(.sha256, name, realm, row.password)),
                authUser: name, aor: name, mayRegister: row.mayRegister, access: row.access))
    }

    /// Hands a message in; what follows comes as time passes.
    func send(_ bytes: [UInt8], by peer: Peer) {
        edge.router.receive(bytes.span, peer.flow, edge.now)
        edge.drain()
        takeQuestions()
    }

    /// Lets time pass by the millisecond.
    func wait(_ span: Int64) {
        for _ in 0..<span {
            edge.now.monotonic = edge.now.monotonic + Milliseconds(1)
            edge.now.sinceEpoch = edge.now.sinceEpoch + Milliseconds(1)
            tell()
            edge.router.advance(edge.now)
            edge.drain()
            takeQuestions()
        }
    }

    /// Lets much time pass.
    func pass(_ span: Milliseconds) {
        edge.leap(span)
        takeQuestions()
        wait(1)
    }

    private func takeQuestions() {
        let asked = edge.questions
        edge.questions = []
        for question in asked {
            guard case .lookUp(let id, let name, let realm, let asksSource) = question else {
                continue
            }
            questionCount += 1
            if !asksSource, answerYoung(id, name, realm) { continue }
            plan(id, name, realm)
        }
        if !isMute, answers.contains(where: { $0.due <= edge.now.monotonic }) {
            tell()
            takeQuestions()
        }
    }

    /// Answers with a row that the source has confirmed within a minute, if it has not changed since; whether it did.
    private func answerYoung(_ id: UInt32, _ name: String, _ realm: String) -> Bool {
        guard let young = known[name], young.row == rows[name] else { return false }
        let age = edge.now.monotonic - young.moment
        guard age <= .seconds(60) else { return false }
        reply(
            .account(
                id: id, Self.answer(name, realm, young.row), age: max(age, Milliseconds(1))),
            Milliseconds(0))
        return true
    }

    private func plan(_ id: UInt32, _ name: String, _ realm: String) {
        if isDeciding { return planUndecided(id, name, realm) }
        let now = edge.now.monotonic
        var late = Milliseconds(150)
        if case .answers(var span) = source {
            if isSerial {
                busyUntil = max(busyUntil, now) + Milliseconds(span)
                span = (busyUntil - now).count
            }
            let answer = Self.answer(name, realm, rows[name])
            guard span > 150 else {
                reply(.account(id: id, answer, age: Milliseconds(0)), Milliseconds(span), of: name)
                return
            }
            reply(
                .update(account: name, realm: realm, answer), Milliseconds(span), of: name)
        } else if source == .unavailable {
            late = Milliseconds(0)
        }
        guard let before = known[name], source != .unavailable else {
            reply(.account(id: id, .unavailable, age: Milliseconds(0)), late)
            return
        }
        reply(
            .account(
                id: id, Self.answer(name, realm, before.row), age: now + late - before.moment), late
        )
    }

    private func planUndecided(_ id: UInt32, _ name: String, _ realm: String) {
        let answer = Self.answer(name, realm, rows[name])
        if answer == .unknown {
            reply(.update(account: name, realm: realm, answer), Milliseconds(0))
            reply(.account(id: id, .unavailable, age: Milliseconds(0)), Milliseconds(0))
        } else {
            reply(.account(id: id, answer, age: Milliseconds(60_001)), Milliseconds(0))
        }
    }

    private func reply(
        _ message: DirectoryToRouter, _ span: Milliseconds, of name: String? = nil
    ) {
        answers.append(Answer(due: edge.now.monotonic + span, message: message, name: name))
    }

    private func tell() {
        while !isMute, let place = answers.firstIndex(where: { $0.due <= edge.now.monotonic }) {
            let answer = answers.remove(at: place)
            if let name = answer.name {
                known[name] = rows[name].map { ($0, edge.now.monotonic) }
            }
            tell(answer.message)
        }
    }

    /// Tells the router something.
    func tell(_ message: DirectoryToRouter) {
        edge.router.receive(message, edge.now)
        edge.drain()
    }

    /// A round finds what has become of an account.
    func round(_ name: String, endsCalls: Bool = false) {
        tell(
            .update(
                account: name, realm: SimulatedEdge.realm,
                Self.answer(name, SimulatedEdge.realm, rows[name])))
        tell(.revoke(account: name, endsCalls: endsCalls))
    }

    // MARK: Phones

    /// What a phone is answered, and after how many milliseconds.
    struct Sight: Equatable {
        let status: Int
        let after: Int64
    }

    /// Sends a REGISTER with the answer to a challenge, and waits for what comes within 600 ms; nil when nothing does.
    ///
    /// `user` is the username of the credentials, where that is another than the phone's name.
    func register(_ phone: Phone, as user: String? = nil, expires: Int = 3600) throws -> Sight? {
        let lines = ["Contact: <\(phone.contact)>", "Expires: \(expires)"]
        return try ask(
            phone, "REGISTER", "sip:example.com", callID: phone.callID, lines, as: user)
    }

    /// Sends a request with the answer to a challenge, and waits for what comes within 600 ms, but for a 100.
    func ask(
        _ phone: Phone, _ method: String, _ uri: String, callID: String, _ lines: [String] = [],
        as user: String? = nil
    ) throws -> Sight? {
        phone.sequence += 1
        send(
            phone.request(method, uri, callID: callID, sequence: phone.sequence, lines), by: phone)
        let challenge = try phone.expect(method == "REGISTER" ? 401 : 407)
        if method == "INVITE" { send(phone.acknowledgement(of: challenge, uri), by: phone) }
        phone.sequence += 1
        let signer =
            user.map { Phone(edge, $0, at: "\(phone.flow.peer)", password: phone.password) }
            ?? phone
        let proof = signer.credentials(challenge, method, uri)
        let begun = edge.now.monotonic
        send(
            phone.request(
                method, uri, callID: callID, sequence: phone.sequence, lines + [proof]),
            by: phone)
        for _ in 0..<600 {
            while let answer = phone.next() {
                if answer.isRequest || answer.status == 100 { continue }
                return Sight(
                    status: answer.status, after: (edge.now.monotonic - begun).count)
            }
            if method == "INVITE", edge.router.load.calls > 0 { return nil }
            wait(1)
        }
        return nil
    }
}
