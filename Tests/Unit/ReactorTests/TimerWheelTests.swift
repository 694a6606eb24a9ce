import Reactor
import Sys
import Testing

@Suite struct TimerWheelTests {
    /// What fires up to a moment.
    private func fired(_ wheel: inout TimerWheel, _ now: Int64) -> [UInt64] {
        var result: [UInt64] = []
        while let payload = wheel.next(Milliseconds(now)) { result.append(payload) }
        return result
    }

    @Test("timers fire in the order of their ticks, none early, each once")
    func order() {
        var wheel = TimerWheel(capacity: 8, now: Milliseconds(1000))
        for due in [1500, 1100, 1300] {
            _ = wheel.set(UInt64(due), at: Milliseconds(Int64(due)))
        }
        #expect(fired(&wheel, 1099).isEmpty)
        #expect(fired(&wheel, 1120) == [1100])
        #expect(fired(&wheel, 2000) == [1300, 1500])
        #expect(fired(&wheel, 200_000).isEmpty && wheel.count == 0)
        #expect(wheel.patience == nil)
    }

    @Test("a timer that is further off than a turn of the wheel waits for its turn")
    func far() {
        var wheel = TimerWheel(capacity: 8, now: Milliseconds(0))
        let turn: Int64 = 4096 * 16
        _ = wheel.set(1, at: Milliseconds(3 * turn + 100))
        _ = wheel.set(2, at: Milliseconds(100))
        #expect(fired(&wheel, turn) == [2])
        #expect(fired(&wheel, 3 * turn + 90).isEmpty)
        #expect(fired(&wheel, 3 * turn + 120) == [1])
    }

    @Test("a cancelled timer never fires, and an old handle cancels nothing else")
    func cancel() {
        var wheel = TimerWheel(capacity: 1, now: Milliseconds(0))
        var first = wheel.set(1, at: Milliseconds(100))
        var copy = first
        wheel.cancel(&first)
        #expect(first == .none && wheel.count == 0)
        _ = wheel.set(2, at: Milliseconds(100))
        wheel.cancel(&copy)
        #expect(fired(&wheel, 200) == [2])
    }

    @Test("a timer set while timers fire, for now or the past, fires at the next tick")
    func during() {
        var wheel = TimerWheel(capacity: 8, now: Milliseconds(0))
        _ = wheel.set(1, at: Milliseconds(100))
        var rounds = 0
        while let payload = wheel.next(Milliseconds(160)) {
            rounds += 1
            _ = wheel.set(payload + 1, at: Milliseconds(0))
        }
        #expect(rounds >= 1 && rounds <= 10)
        #expect(wheel.count == 1)
        #expect(fired(&wheel, 200).count == 1)
    }

    @Test("a full wheel sets nothing, and takes timers again when one has fired")
    func full() {
        var wheel = TimerWheel(capacity: 2, now: Milliseconds(0))
        let handles = (1...3).map { wheel.set(UInt64($0), at: Milliseconds(50)) }
        #expect(handles.map { $0 == .none } == [false, false, true])
        #expect(fired(&wheel, 100).sorted() == [1, 2])
        #expect(wheel.set(4, at: Milliseconds(150)) != .none)
    }

    @Test("random settings and cancellations fire what a sorted list would")
    func random() {
        var wheel = TimerWheel(capacity: 500, now: Milliseconds(0))
        var expected: [UInt64: Int64] = [:]
        var handles: [UInt64: TimerHandle] = [:]
        var now: Int64 = 0
        var word: UInt64 = 88_172_645_463_325_252
        for number in UInt64(0)..<5000 {
            word ^= word << 13
            word ^= word >> 7
            word ^= word << 17
            let due = now + Int64(word % 300_000)
            if wheel.count < 500 {
                handles[number] = wheel.set(number, at: Milliseconds(due))
                expected[number] = due
            }
            if word >> 60 < 4, let victim = expected.keys.first, var handle = handles[victim] {
                wheel.cancel(&handle)
                expected[victim] = nil
            }
            now += Int64((word >> 40) % 700)
            for payload in fired(&wheel, now) {
                guard let due = expected.removeValue(forKey: payload) else {
                    Issue.record("\(payload) fired though it was gone")
                    continue
                }
                #expect(due <= now)
            }
            #expect(expected.values.allSatisfy { $0 > now - 16 })
            #expect(wheel.count == expected.count)
        }
    }
}
