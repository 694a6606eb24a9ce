internal import Glibc
internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import TemporaryFolder
internal import Testing
internal import Wire

@testable internal import directory

/// A service with sip-router's end of its link.
final class Router {
    let folder: TemporaryFolder
    let service: DirectoryService
    private var end: Descriptor
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    init(_ sql: String = Tables.chanSip) throws {
        folder = try TemporaryFolder()
        let path = try folder.database("accounts.sqlite", sql)
        let (mine, its) = try Socket.seqpacketPair()
        end = mine
        service = DirectoryService(
            [.database("sqlite://\(path)")], stateFolder: folder.path,
            Journal(process: "directory", socket: nil))
        service.router.attach(its)
        service.linked(.router)
    }

    /// A new link, as after a restart of sip-router.
    func reconnect() throws {
        let (mine, its) = try Socket.seqpacketPair()
        end = mine
        service.router.attach(its)
        service.linked(.router)
    }

    /// Gives the service one message, as its loop does.
    func tell(_ message: RouterToDirectory) throws {
        try tell(frame: message.encoded())
    }

    func tell(frame: [UInt8]) throws {
        try service.receive(frame.span, from: .router)
        service.endOfTurn()
    }

    /// What the service has sent since.
    func answers() throws -> [DirectoryToRouter] {
        var answers: [DirectoryToRouter] = []
        while true {
            guard case .frame(let length, _) = try Frame.receive(into: &buffer, on: end.raw) else {
                guard service.router.isWaiting else { return answers }
                service.router.flush()
                service.endOfTurn()
                continue
            }
            let frame = buffer
            answers.append(try DirectoryToRouter(decoding: frame.span.extracting(0..<length)))
        }
    }
}

@Suite("DirectoryService")
struct DirectoryServiceTests {
    @Test("hello is answered with the end of the bindings, a look-up with the account")
    func lookUp() throws {
        let router = try Router()
        try router.tell(.hello)
        #expect(try router.answers() == [.bindings])
        try router.tell(.lookUp(id: 7, account: "1001", realm: "asterisk"))
        guard case .account(id: 7, .found(let account), _)? = try router.answers().first else {
            Issue.record("expected the account")
            return
        }
        #expect(account.aor == "1001")
        try router.tell(.lookUp(id: 8, account: "nobody", realm: "asterisk"))
        #expect(try router.answers() == [.account(id: 8, .unknown, age: Milliseconds(0))])
    }

    @Test("a thousand bindings are all told after a restart of sip-router, through a full socket")
    func manyBindings() throws {
        let expires = Clock.sinceEpoch.seconds + 3600
        let router = try Router()
        try router.tell(.hello)
        for key in 1...1000 {
            try router.tell(.bind(binding("1001", key: UInt64(key), expires: expires)))
        }
        try router.tell(.unbind(account: "1001", key: 1))
        _ = try router.answers()
        try router.reconnect()
        try router.tell(.hello)
        let answers = try router.answers()
        #expect(answers.count == 1000)
        #expect(answers.last == .bindings)
        #expect(answers.contains(.binding(binding("1001", key: 2, expires: expires))))
        #expect(!answers.contains(.binding(binding("1001", key: 1, expires: expires))))
    }

    @Test(
        "a message before hello, a second hello and a bad frame are refused, and nothing else ends")
    func protocolErrors() throws {
        let router = try Router()
        #expect(throws: WireError.notPermitted) {
            try router.tell(.lookUp(id: 1, account: "1001", realm: "r"))
        }
        try router.tell(.hello)
        #expect(throws: WireError.notPermitted) { try router.tell(.hello) }
        #expect(throws: WireError.unknownKind(99)) { try router.tell(frame: [99]) }
        try router.reconnect()
        try router.tell(.hello)
        #expect(try router.answers() == [.bindings])
    }

    @Test("a reload reads the new database")
    func reload() throws {
        let router = try Router()
        try router.tell(.hello)
        _ = try router.answers()
        let path = try router.folder.database("pjsip.sqlite", Tables.pjsip)
        var set = StartSet()
        set.settings = [.accounts.database("sqlite://\(path)"), .accounts.schema(.pjsip)]
        #expect(router.service.reload(set) == nil)
        try router.tell(.lookUp(id: 1, account: "1001", realm: "asterisk"))
        #expect(try router.answers() == [.account(id: 1, .unknown, age: Milliseconds(0))])
        try router.tell(.lookUp(id: 2, account: "2001", realm: "asterisk"))
        guard case .account(id: 2, .found, _)? = try router.answers().first else {
            Issue.record("expected the account")
            return
        }
    }

    @Test("without its database it still serves: look-ups are unavailable")
    func unavailable() throws {
        let router = try Router()
        try router.tell(.hello)
        _ = try router.answers()
        var set = StartSet()
        set.settings = [.accounts.database("sqlite://\(router.folder.path)/missing.sqlite")]
        #expect(router.service.reload(set) == nil)
        _ = try router.answers()
        try router.tell(.lookUp(id: 3, account: "1001", realm: "asterisk"))
        #expect(try router.answers() == [.account(id: 3, .unavailable, age: Milliseconds(0))])
        #expect(router.service.second().hasPrefix("no accounts:"))
    }
}
