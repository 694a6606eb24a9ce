import Messages
import RouterHarness
import ServiceHarness
import Sys
import Testing

@testable import sip_router

@Suite("Streams")
struct StreamsTests {
    private static let ping = Array("\r\n\r\n".utf8)

    @Test("a message that comes byte by byte is answered once, when it is whole")
    func pieces() throws {
        let router = try TestRouter()
        let phone = try router.connect()
        let bytes = options()
        for byte in bytes.dropLast() {
            phone.write([byte])
            router.turn()
        }
        #expect(phone.read().isEmpty)
        phone.write([bytes[bytes.count - 1]])
        let answer = try router.answer(phone)
        #expect(answer.status == 200 && answer["Call-ID"] == "options-1")
        router.turn()
        #expect(phone.read().count == answer.length)
    }

    @Test(
        "several messages in one segment are answered in their order, keep-alives by as many pongs")
    func together() throws {
        let router = try TestRouter()
        let phone = try router.connect()
        phone.write(options(1) + Self.ping + Self.ping + options(2))
        let text = try router.wait("two answers") {
            let text = String(decoding: phone.read(), as: UTF8.self)
            return text.contains("options-2") ? text : nil
        }
        let first = try #require(place(of: Array("options-1".utf8), in: Array(text.utf8), from: 0))
        let second = try #require(place(of: Array("options-2".utf8), in: Array(text.utf8), from: 0))
        #expect(first < second)
        // Pongs wait for nothing.
        #expect(text.hasPrefix("\r\n\r\nSIP/2.0 200"))
    }

    @Test(
        "where no message can be found any more the connection ends, after what came before is answered",
        arguments: [
            "OPTIONS sip:example.com SIP/2.0\r\nContent-Length: x\r\n\r\n",
            "OPTIONS sip:example.com SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "OPTIONS sip:example.com SIP/2.0\r\n\r\n", "\rX", "\r\n\rX",
            "OPTIONS sip:example.com SIP/2.0\r\nContent-Length: 70000\r\n\r\n",
            String(repeating: "x", count: 20_000),
        ])
    func broken(text: String) throws {
        let router = try TestRouter()
        let (phone, other) = (try router.connect(), try router.connect(from: "127.0.0.8"))
        phone.write(options() + Array(text.utf8) + options(2))
        try router.waitForEnd(phone)
        let came = String(decoding: phone.read(), as: UTF8.self)
        #expect(came.contains("options-1") && !came.contains("options-2"))
        other.write(options(3))
        #expect(try router.answer(other).status == 200)
    }

    @Test("a message may take five seconds from its first byte to its last, and no more")
    func slowMessage() throws {
        let router = try TestRouter()
        let (slow, late) = (try router.connect(), try router.connect(from: "127.0.0.8"))
        let bytes = options()
        for phone in [slow, late] { phone.write(Array(bytes.prefix(50))) }
        router.turn()
        router.pass(seconds: 5)
        slow.write(Array(bytes.dropFirst(50)))
        #expect(try router.answer(slow).status == 200)
        router.pass(seconds: 2)
        #expect(late.isEnded && !slow.isEnded)
    }

    @Test(
        "a connection on which nobody authenticates ends after 15 s of silence, keep-alives or not")
    func silence() throws {
        let router = try TestRouter()
        let (mute, pinging) = (try router.connect(), try router.connect(from: "127.0.0.8"))
        let talking = try router.connect(from: "127.0.0.9")
        let secret = try router.open()
        router.pass(seconds: 10)
        pinging.write(Self.ping)
        _ = try router.wait("a pong") { pinging.read() == [13, 10] ? true : nil }
        talking.write(options())
        _ = try router.answer(talking)
        #expect(!mute.isEnded)
        router.pass(seconds: 7)
        #expect(mute.isEnded && pinging.isEnded && !talking.isEnded)
        let closed = PlaintextEnd.closed(secret)
        #expect(router.terminator.next() == closed)
        router.pass(seconds: 10)
        #expect(talking.isEnded && router.process.streams.all.isEmpty)
    }

    @Test("after its first ten seconds a source has twenty connections that have not authenticated")
    func unproven() throws {
        let router = try TestRouter()
        router.pass(seconds: 11)
        let crowd = try (0..<20).map { _ in try router.connect() }
        #expect(try router.connect().isEnded)
        let other = try router.connect(from: "127.0.0.8")
        #expect(!other.isEnded && crowd.allSatisfy { !$0.isEnded })
        crowd[0].write(Array("\rX".utf8))
        try router.waitForEnd(crowd[0])
        let next = try router.connect()
        #expect(try router.connect().isEnded)
        #expect(!next.isEnded)
    }
}
