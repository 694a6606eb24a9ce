import Glibc
import Reactor
import Sys
import Testing

@Suite(.serialized) struct SignalsTests {
    @Test("a blocked signal is an event")
    func reports() throws {
        let signals = try Signals([SIGUSR2])
        #expect(signals.next() == nil)
        // To this thread: the others have not blocked it.
        #expect(raise(SIGUSR2) == 0)
        let next = signals.next()
        #expect(next?.number == SIGUSR2 && next?.sender == getpid())
    }
}
