import Glibc
import Reactor
import Sys
import Testing

@Suite struct AcceptanceTests {
    /// A listener with a connection that waits, and what watches it.
    private final class Stage {
        let listener: Descriptor
        let client: Descriptor
        var poller: Poller
        var acceptance: Acceptance
        var now = Milliseconds.seconds(1000)
        /// How the kernel answers accept(2); nil: as it is.
        var fault: Int32?

        init(reserve: Int32 = 0) throws {
            let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
            listener = try Socket.bound(.stream, to: loopback)
            client = try Socket.connecting(
                from: loopback, to: try Socket.localAddress(listener.raw))
            poller = try Poller()
            acceptance = Acceptance(reserve: reserve)
            try acceptance.watch(listener.raw, Token(kind: 1), poller)
        }

        /// Whether the poller tells of the listener.
        func isTold() -> Bool { poller.wait(Milliseconds(0)) > 0 }

        func accept() -> Bool {
            let fault = fault
            let taken = acceptance.accept(listener.raw, now, poller) { raw throws(SystemError) in
                if let fault { throw SystemError("accept", code: fault) }
                return try Socket.accept(raw)
            }
            return taken != nil
        }

        func pass(_ span: Milliseconds) {
            now = now + span
            acceptance.tick(now, poller)
        }
    }

    @Test(
        "who cannot be accepted is left alone for a second; it is said once, and once that it is over",
        arguments: [EMFILE, ENFILE, ENOMEM, ENOBUFS])
    func rests(_ fault: Int32) throws {
        let stage = try Stage()
        stage.fault = fault
        for round in 0..<5 {
            let told = stage.isTold()
            let taken = stage.accept()
            let stillTold = stage.isTold()
            #expect(told && !taken && !stillTold)
            let news = stage.acceptance.dequeueNews()
            if round == 0, case .begun(let why) = news {
                #expect(why.contains(fault == EMFILE ? "LimitNOFILE" : "; "))
            } else {
                #expect(news == nil)
            }
            stage.pass(Milliseconds(999))
            let isEarly = stage.isTold()
            #expect(!isEarly)
            stage.pass(Milliseconds(1))
        }
        stage.fault = nil
        let taken = stage.accept()
        #expect(taken)
        stage.pass(.seconds(9))
        let early = stage.acceptance.dequeueNews()
        #expect(early == nil)
        stage.pass(.seconds(1))
        let news = stage.acceptance.dequeueNews()
        #expect(news == .over)
        stage.pass(.seconds(100))
        let (more, due) = (stage.acceptance.dequeueNews(), stage.acceptance.due)
        #expect(more == nil && due == nil)
    }

    @Test("the reserve is not taken for connections; a descriptor that is freed is, at once")
    func reserve() throws {
        // More than any limit.
        let stage = try Stage(reserve: 1 << 30)
        let (taken, isTold) = (stage.accept(), stage.isTold())
        #expect(!taken && !isTold)
        stage.acceptance.freed(stage.now, stage.poller)
        let isToldAgain = stage.isTold()
        #expect(!isToldAgain)
        stage.acceptance.kept = 1
        stage.acceptance.freed(stage.now, stage.poller)
        let told = stage.isTold()
        let later = stage.accept()
        #expect(told && later)
    }
}
