internal import Glibc
internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing
internal import Wire

@testable internal import directory

/// A service with the ends that sip-router and accounts-reader have of its links.
final class Router {
    let folder: TemporaryFolder
    let service: DirectoryService
    /// What the service takes for the monotonic clock.
    let clock = TestClock()
    private let router = PlainEnd()
    private let reader = PlainEnd()

    init(_ kept: TemporaryFolder? = nil, settings: [DirectorySetting] = []) throws {
        folder = try kept ?? TemporaryFolder()
        final class Counter { var count = 0 }
        let counter = Counter()
        let clock = clock
        service = DirectoryService(
            settings, stateFolder: folder.path, Journal(process: "directory", socket: nil),
            clock: { Moment(monotonic: clock.now, sinceEpoch: clock.sinceEpoch) },
            readerHangs: { counter.count += 1 })
        countHangs = { counter.count }
        try reconnect()
        try reconnectReader()
    }

    private let countHangs: () -> Int

    /// How often the supervisor was told that accounts-reader hangs.
    var told: Int { countHangs() }

    /// A new link, as after a restart of sip-router.
    func reconnect() throws {
        service.router.attach(try router.renew())
        service.linked(.router)
    }

    /// A new link, as after a restart of accounts-reader.
    func reconnectReader() throws {
        service.accounts.link.attach(try reader.renew())
        service.linked(.accountsReader)
    }

    /// Gives the service one message, as its loop does.
    func tell(_ message: RouterToDirectory) throws {
        try tell(frame: message.encoded())
    }

    func tell(frame: [UInt8], from peer: Role = .router) throws {
        try service.receive(frame.span, from: peer)
        service.endOfTurn()
    }

    /// Gives the service a message of accounts-reader.
    func answer(_ message: ReaderToDirectory) throws {
        try tell(frame: message.encoded(), from: .accountsReader)
    }

    /// A turn of the loop in which nothing comes, so much later.
    func wait(_ span: Milliseconds) {
        clock.now = clock.now + span
        service.endOfTurn()
    }

    /// What the service has asked accounts-reader since.
    func questions() throws -> [DirectoryToReader] {
        try reader.frames { frame throws(WireError) in try DirectoryToReader(decoding: frame) }
    }

    /// What the service has sent to sip-router since.
    func answers() throws -> [DirectoryToRouter] {
        var answers: [DirectoryToRouter] = []
        while true {
            answers += try router.frames { frame throws(WireError) in
                try DirectoryToRouter(decoding: frame)
            }
            guard service.router.isWaiting else { return answers }
            service.router.flush()
            service.endOfTurn()
        }
    }
}

/// A clock that stands until it is put on.
final class TestClock {
    var now = Milliseconds.seconds(1000) {
        didSet { sinceEpoch = sinceEpoch + (now - oldValue) }
    }
    var sinceEpoch = Clock.sinceEpoch
}

/// A peer's end of a link, which may come anew.
final class PlainEnd {
    private var end: Descriptor?
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    /// The other end of a new link.
    func renew() throws -> Descriptor {
        let (mine, its) = try Socket.seqpacketPair()
        end = mine
        return its
    }

    /// The messages that have come.
    func frames<Message>(_ decode: (Span<UInt8>) throws(WireError) -> Message) throws -> [Message] {
        var messages: [Message] = []
        while let end {
            guard case .frame(let length, _) = try Frame.receive(into: &buffer, on: end.raw) else {
                return messages
            }
            let frame = buffer
            messages.append(try decode(frame.span.extracting(0..<length)))
        }
        return messages
    }
}

private func read(_ answer: AccountAnswer) -> ReadAccount {
    ReadAccount(answer: answer, source: "sippeers", version: 1)
}

@Suite("DirectoryService")
struct DirectoryServiceTests {
    private let account = Account(
        ha1MD5: Array(repeating: 1, count: 16), ha1SHA256: Array(repeating: 2, count: 32),
        authUser: "1001", aor: "1001", mayRegister: true)

    @Test(
        "hello is answered with the end of the bindings, a look-up with what accounts-reader says")
    func lookUp() throws {
        let router = try Router()
        try router.tell(.hello)
        #expect(try router.answers() == [.bindings])
        try router.tell(.lookUp(id: 7, account: "1001", realm: "asterisk", asksSource: false))
        #expect(
            try router.questions() == [
                .hello, .lookUp(id: 1, [AccountQuery(name: "1001", realm: "asterisk")]),
            ])
        #expect(try router.answers() == [])
        try router.answer(.answers(id: 1, [read(.found(account))]))
        #expect(try router.answers() == [.account(id: 7, .found(account), age: Milliseconds(0))])
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
            try router.tell(.lookUp(id: 1, account: "1001", realm: "r", asksSource: false))
        }
        try router.tell(.hello)
        #expect(throws: WireError.notPermitted) { try router.tell(.hello) }
        #expect(throws: WireError.unknownKind(99)) { try router.tell(frame: [99]) }
        #expect(throws: WireError.unknownKind(99)) {
            try router.tell(frame: [99], from: .accountsReader)
        }
        #expect(throws: WireError.notPermitted) { try router.answer(.trace(id: 1, [])) }
        try router.reconnect()
        try router.tell(.hello)
        #expect(try router.answers() == [.bindings])
    }

    @Test("what is wrong with the source is told to a person")
    func source() throws {
        let router = try Router()
        #expect(router.service.second() == "no source of accounts: not opened yet; 0 known")
        try router.tell(.hello)
        _ = try router.answers()
        let url = "sqlite:///var/lib/asterisk/realtime.sqlite3"
        try router.answer(.source(.up(layout: "pjsip", source: url)))
        #expect(router.service.second() == "accounts: pjsip in \(url); 0 known")
        #expect(router.service.conditions == [])
        try router.answer(.source(.down(why: "it is gone", source: url)))
        #expect(router.service.second() == "no source of accounts: it is gone; 0 known")
        #expect(
            router.service.conditions
                == [
                    Condition(
                        .accounts, "no account can authenticate: it is gone", recorded: .both)
                ])
    }

    @Test("after 10 s without an answer the supervisor is told once")
    func hangs() throws {
        let router = try Router()
        try router.tell(.hello)
        try router.tell(.lookUp(id: 7, account: "1001", realm: "asterisk", asksSource: false))
        _ = try router.answers()
        #expect(router.service.patience == KnownAccounts.patience)
        router.wait(KnownAccounts.patience)
        #expect(
            try router.answers() == [.account(id: 7, .unavailable, age: Milliseconds(0))])
        router.wait(Milliseconds(9999) - KnownAccounts.patience)
        #expect(router.told == 0)
        router.wait(Milliseconds(1))
        router.wait(Milliseconds(1))
        #expect(router.told == 1)
        #expect(router.service.second().contains("accounts-reader has not answered for 10 s"))
        #expect(router.service.patience == nil)
        // Its successor is asked, and is one that may hang as well.
        try router.reconnectReader()
        try router.answer(.source(.up(layout: "pjsip", source: "sqlite:///a")))
        _ = try router.questions()
        try router.tell(.lookUp(id: 8, account: "1001", realm: "asterisk", asksSource: false))
        #expect(try router.questions().count == 1)
        router.wait(.seconds(10))
        #expect(router.told == 2)
    }
}
