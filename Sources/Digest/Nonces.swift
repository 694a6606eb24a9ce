package import Sys

/// What a nonce that came back turned out to be.
package enum NonceVerdict: Equatable, Sendable {
    /// Ours, made for this source, and not used with this count yet.
    case fresh
    /// Ours and made for this source, but too old.
    case stale
    /// Ours and made for this source, but its count was used, or it was forgotten.
    case replayed
    /// Not ours, or made for another source: proves nothing.
    case foreign
}

/// Makes nonces without remembering them, and remembers what was used.
///
/// A nonce is 18 bytes: the second it was made in, a number that makes it unlike any other of that
/// second, and a keyed hash over both, the source's IP address and the transport, cut to 10 bytes. The
/// port is left out, since a NAT may change it between challenge and answer.
package struct Nonces: ~Copyable {
    /// How long a nonce is good for.
    package static let lifetime = Milliseconds.seconds(120)

    private var mac: KeyedHash
    private var used: [Use]
    private var scratch = InlineArray<32, UInt8>(repeating: 0)
    private var serial: UInt32

    /// How far a nonce has been used.
    private struct Use {
        /// The first 8 bytes of the nonce's keyed hash, 0 for a free place.
        var mark: UInt64 = 0
        /// The highest count that came.
        var highest: UInt32 = 0
        /// Bit n: the count `highest - n` came.
        var window: UInt64 = 0
        /// A hash of the last request, so that its retransmission is not taken for a replay.
        var request: UInt64 = 0
    }

    /// Nonces of a key of 32 bytes; `places` used ones are remembered, a power of two.
    ///
    /// A nonce that had to be forgotten is stale, except at its first use: a replay within its lifetime
    /// then needs `places` other nonces to have been used meanwhile.
    package init(key: [UInt8], places: Int = 65_536) {
        mac = KeyedHash(key: key)
        used = Array(repeating: Use(), count: places)
        // Not from 0: a process that was started anew must not make the nonces of its predecessor.
        serial = UInt32(truncatingIfNeeded: Random.word)
    }

    /// The keyed hash of a nonce for a source; `head` is the second in the upper half, the number in the lower.
    private mutating func tag(_ head: UInt64, _ source: IPAddress, _ transport: UInt8) -> HashValue
    {
        for index in 0..<8 {
            scratch[index] = UInt8(truncatingIfNeeded: head >> UInt64(56 - 8 * index))
        }
        for index in 0..<16 { scratch[8 + index] = source.byte(index) }
        scratch[24] = transport
        return mac.hash(scratch.span)
    }

    /// Writes a new nonce for a source.
    package mutating func make(
        _ now: Milliseconds, _ source: IPAddress, _ transport: UInt8, into buffer: inout ByteBuffer
    ) {
        serial &+= 1
        let second = UInt32(truncatingIfNeeded: now.seconds)
        let hash = tag(UInt64(second) << 32 | UInt64(serial), source, transport)
        var nonce = InlineArray<18, UInt8>(repeating: 0)
        for index in 0..<8 { nonce[index] = scratch[index] }
        for index in 0..<10 { nonce[8 + index] = hash.bytes[index] }
        Base64URL.append(nonce.span, to: &buffer)
    }

    /// Looks at a nonce that came back with a count, and marks the count as used.
    ///
    /// `request` is a hash of what makes a request itself (branch, Call-ID, CSeq): the same request
    /// again with the same count is a retransmission, hence fresh.
    package mutating func check(
        _ text: Span<UInt8>, count: UInt32, request: UInt64, _ now: Milliseconds,
        _ source: IPAddress, _ transport: UInt8
    ) -> NonceVerdict {
        var nonce = InlineArray<176, UInt8>(repeating: 0)
        guard text.count == 24, Base64URL.decode(text, into: &nonce) == 18 else { return .foreign }
        var head: UInt64 = 0
        for index in 0..<8 { head = head << 8 | UInt64(nonce[index]) }
        let hash = tag(head, source, transport)
        var difference: UInt8 = 0
        var mark: UInt64 = 0
        for index in 0..<10 {
            difference |= nonce[8 + index] ^ hash.bytes[index]
            if index < 8 { mark = mark << 8 | UInt64(nonce[8 + index]) }
        }
        guard difference == 0 else { return .foreign }
        let second = UInt32(truncatingIfNeeded: head >> 32)
        let age = Int64(UInt32(truncatingIfNeeded: now.seconds) &- second)
        guard age >= 0, age < Self.lifetime.seconds else { return .stale }
        return use(mark, count, request) ? .fresh : .replayed
    }

    private mutating func use(_ mark: UInt64, _ count: UInt32, _ request: UInt64) -> Bool {
        // RFC 7616 section 3.4: the first count is 1; 0 also stands for one that cannot be read.
        guard count > 0 else { return false }
        let place = Int(mark & UInt64(used.count - 1))
        // Counts begin at 1 (RFC 7616 section 3.4).
        guard count > 0 else { return false }
        guard used[place].mark == mark else {
            guard count == 1 else { return false }
            used[place] = Use(mark: mark, highest: 1, window: 1, request: request)
            return true
        }
        let highest = used[place].highest
        if count > highest {
            let step = count - highest
            guard step <= 1024 else { return false }
            used[place].window = step >= 64 ? 1 : used[place].window << UInt64(step) | 1
            used[place].highest = count
            used[place].request = request
            return true
        }
        if count == highest, used[place].request == request { return true }
        let back = highest - count
        guard back < 64, used[place].window >> UInt64(back) & 1 == 0 else { return false }
        used[place].window |= 1 << UInt64(back)
        return true
    }
}
