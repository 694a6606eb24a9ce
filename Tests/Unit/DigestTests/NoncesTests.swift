import Digest
import SIP
import Sys
import Testing

@Suite struct NoncesTests {
    private let source = IPAddress(v4: 0xC633_6407)
    private let start = Milliseconds.seconds(1_700_000_000)

    private let key = [UInt8](repeating: 9, count: 32)

    private func made(_ nonces: inout Nonces, at now: Milliseconds? = nil) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 64)
        nonces.make(now ?? start, source, 1, into: &buffer)
        return Array(buffer.span.text.utf8)
    }

    private func check(
        _ nonces: inout Nonces, _ nonce: [UInt8], count: UInt32 = 1, message: UInt64 = 1,
        at now: Milliseconds? = nil
    ) -> NonceVerdict {
        nonces.check(
            nonce.span, count: count, message: [UInt8(truncatingIfNeeded: message)].span,
            now ?? start, source, 1)
    }

    @Test("each count is good once, in whatever order, and by whichever it begins")
    func counts() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        let steps: [(UInt32, UInt64, NonceVerdict)] = [
            (7, 1, .fresh), (7, 2, .used), (8, 3, .fresh), (5, 4, .fresh), (5, 5, .used),
            (6, 6, .fresh), (8, 7, .used), (5000, 8, .fresh), (8, 9, .used), (4937, 10, .fresh),
            (4936, 11, .used), (.max, 12, .fresh), (.max, 13, .used), (0, 14, .used),
        ]
        for (count, message, verdict) in steps {
            let said = check(&nonces, nonce, count: count, message: message)
            #expect(said == verdict, "count \(count)")
        }
    }

    @Test("the last four messages of a nonce are known again, with the time they came first")
    func repeated() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        for count in UInt32(1)...5 {
            let then = start + .seconds(Int64(count))
            let said = check(&nonces, nonce, count: count, message: UInt64(count) + 100, at: then)
            #expect(said == .fresh)
        }
        for count in UInt32(2)...5 {
            let then = start + .seconds(40)
            let said = check(&nonces, nonce, count: count, message: UInt64(count) + 100, at: then)
            #expect(said == .repeated(since: start + .seconds(Int64(count))))
        }
        let forgotten = check(&nonces, nonce, count: 1, message: 101)
        #expect(forgotten == .used)
        let other = check(&nonces, nonce, count: 5, message: 106)
        #expect(other == .used)
    }

    @Test(
        "a nonce is good for its lifetime by the passed clock, and not before it was made",
        arguments: [(Int64(0), NonceVerdict.fresh), (119, .fresh), (120, .stale), (-1, .stale)])
    func lifetime(_ seconds: Int64, _ verdict: NonceVerdict) {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        let said = check(&nonces, nonce, at: start + .seconds(seconds))
        #expect(said == verdict)
    }

    @Test(
        "what an earlier process made is stale, used or not, though the clock was set back meanwhile"
    )
    func restart() {
        var earlier = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&earlier)
        let used = made(&earlier)
        let said = check(&earlier, used)
        #expect(said == .fresh)
        var later = Nonces(key: key, life: 2, began: start - .seconds(3600), places: 64)
        for nonce in [nonce, used] {
            let said = check(&later, nonce, at: start + .seconds(1))
            #expect(said == .stale)
        }
        let own = made(&later, at: start + Milliseconds(1))
        let again = check(&later, own, at: start + .seconds(1))
        #expect(again == .fresh)
    }

    @Test("a used nonce that had to be forgotten is stale, and so is every unused one of before it")
    func forgotten() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 4)
        var old: [[UInt8]] = []
        for moment in 0..<5 {
            old.append(made(&nonces, at: start + Milliseconds(Int64(moment))))
        }
        for nonce in old {
            let said = check(&nonces, nonce, at: start + .seconds(1))
            #expect(said == .fresh)
        }
        // The first had to make room for the fifth.
        let first = check(&nonces, old[0], message: 1, at: start + .seconds(1))
        #expect(first == .stale)
        for nonce in old.dropFirst() {
            let said = check(&nonces, nonce, message: 9, at: start + .seconds(1))
            #expect(said == .used)
        }
        let young = made(&nonces, at: start + .seconds(2))
        let said = check(&nonces, young, count: 3, at: start + .seconds(2))
        #expect(said == .fresh)
    }

    @Test("nonces whose time is over make room without a loss")
    func expired() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 4)
        for minute in 0..<8 {
            let now = start + .seconds(Int64(minute) * 120)
            for _ in 0..<4 {
                let nonce = made(&nonces, at: now)
                let said = check(&nonces, nonce, at: now)
                #expect(said == .fresh)
            }
        }
    }

    @Test("a nonce of another source, transport or key, or with a letter changed, is foreign")
    func foreign() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        var others = Nonces(
            key: [UInt8](repeating: 8, count: 32), life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        let other = IPAddress(v4: 0xC633_6408)
        let moved = nonces.check(nonce.span, count: 1, message: [1].span, start, other, 1)
        let carried = nonces.check(nonce.span, count: 1, message: [1].span, start, source, 2)
        #expect(moved == .foreign && carried == .foreign)
        let elsewhere = check(&others, nonce)
        #expect(elsewhere == .foreign)
        for place in nonce.indices {
            var changed = nonce
            changed[place] = changed[place] == 0x41 ? 0x42 : 0x41
            let said = check(&nonces, changed)
            #expect(said == .foreign)
        }
        let longer = check(&nonces, nonce + [0x41])
        #expect(longer == .foreign)
    }

    @Test("two nonces of one millisecond are never the same")
    func unique() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        var seen: Set<[UInt8]> = []
        for _ in 0..<1000 { seen.insert(made(&nonces)) }
        #expect(seen.count == 1000)
    }
}
