package import Sys

/// What a nonce that came back turned out to be.
package enum NonceVerdict: Equatable, Sendable {
    /// Ours, made for this source, and not used with this count yet.
    case fresh
    /// The very message that used this count came again; when it came first.
    case repeated(since: Milliseconds)
    /// Its count was used by another message.
    case used
    /// Ours and made for this source, but of another time: too old, of before this process, or of before one
    /// that had to be forgotten.
    case stale
    /// Not ours, or made for another source.
    case foreign
}

/// Makes nonces without remembering them, and remembers what was used (RFC 7616 section 3.4).
///
/// A nonce is 18 bytes:
/// - the millisecond it was made in (40 bits);
/// - a number of the process that made it (12 bits);
/// - a number that makes it unlike any other of that millisecond (12 bits);
/// - a keyed hash over these, the source's IP address and the transport, cut to 10 bytes. The port
/// is left out, since a NAT may change it between challenge and answer.
///
/// Milliseconds are those of a clock that never jumps within the life of a process. A jump would
/// make every nonce stale, or a used one new.
///
/// Nothing that was used is ever taken for new. This holds when the process was started anew, and
/// when a place had to be given to another nonce. What cannot be known any more is stale, and asked
/// for again.
package struct Nonces: ~Copyable {
    /// How long a nonce is good for.
    package static let lifetime = Milliseconds.seconds(120)

    private var mac: KeyedHash
    private var used: ReservedArray<Use>
    private var scratch = InlineArray<32, UInt8>(repeating: 0)
    private var serial: UInt64 = 0
    /// What tells this process's nonces from those of others.
    private let life: UInt64
    private let messages: PolynomialHash
    private let began: UInt64
    /// When the youngest nonce was made that had to be forgotten while it was good.
    private var forgotten: UInt64 = 0

    /// How far a nonce has been used: 48 bytes.
    ///
    /// Not private: Swift 6.3 emits a broken module where another one destroys a table of private elements.
    struct Use: BitwiseCopyable {
        /// The nonce's first 8 bytes, 0 for a free place.
        var head: UInt64 = 0
        /// Bit n: the count `highest - n` came.
        var window: UInt64 = 0
        /// The highest count that came.
        var highest: UInt32 = 0
        /// Where the next message goes.
        var next: UInt8 = 0
        /// Half a keyed hash of each of the last four messages.
        var messages = InlineArray<4, UInt32>(repeating: 0)
        /// The seconds they came in, counted round.
        var seconds = InlineArray<4, UInt16>(repeating: 0)

        /// Sets a count as used; false when it was.
        mutating func use(_ count: UInt32) -> Bool {
            if count > highest {
                let step = count - highest
                window = step >= 64 ? 1 : window << UInt64(step) | 1
                highest = count
                return true
            }
            let back = highest - count
            guard back < 64, window >> UInt64(back) & 1 == 0 else { return false }
            window |= 1 << UInt64(back)
            return true
        }
    }

    /// Nonces of a key of 32 bytes, by a process that begins now and draws `life` for itself.
    ///
    /// `places` used ones are remembered, a power of two of at least 4.
    package init(key: [UInt8], life: UInt64, began now: Milliseconds, places: Int = 1 << 20) {
        mac = KeyedHash(key: key)
        used = ReservedArray(zeros: places)
        self.life = life & 0xFFF
        messages = PolynomialHash(secret: Self.secret(life, &mac))
        began = Self.moment(now)
    }

    /// A number that nobody knows who knows the life's.
    private static func secret(_ life: UInt64, _ mac: inout KeyedHash) -> UInt64 {
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: life >> UInt64(8 * $0)) }
        let hash = mac.hash(bytes.span).bytes
        return (0..<8).reduce(0) { $0 << 8 | UInt64(hash[$1]) }
    }

    /// A moment as a nonce has it, which comes round after 34 years.
    private static func moment(_ now: Milliseconds) -> UInt64 {
        UInt64(bitPattern: now.count) & 0xFF_FFFF_FFFF
    }

    private static func made(_ head: UInt64) -> UInt64 { head >> 24 }

    /// The keyed hash of a nonce for a source; `head` is its first 8 bytes.
    private mutating func tag(_ head: UInt64, _ source: IPAddress, _ transport: UInt8) -> HashValue
    {
        for index in 0..<8 {
            scratch[index] = UInt8(truncatingIfNeeded: head >> UInt64(56 - 8 * index))
        }
        for index in 0..<16 { scratch[8 + index] = source.byte(index) }
        scratch[24] = transport
        return mac.hash(scratch.span)
    }

    /// Writes a new nonce for a source, by the clock that `check` is given too.
    package mutating func make(
        _ now: Milliseconds, _ source: IPAddress, _ transport: UInt8, into buffer: inout ByteBuffer
    ) {
        serial = (serial + 1) & 0xFFF
        let head = Self.moment(now) << 24 | life << 12 | serial
        let hash = tag(head, source, transport)
        var nonce = InlineArray<18, UInt8>(repeating: 0)
        for index in 0..<8 { nonce[index] = scratch[index] }
        for index in 0..<10 { nonce[8 + index] = hash.bytes[index] }
        Base64URL.append(nonce.span, to: &buffer)
    }

    /// Looks at a nonce that came back with a count, and marks the count as used.
    ///
    /// A keyed hash of every byte of the message tells its own repetition from another message with
    /// the same count. The last four messages of a nonce are remembered. A nonce takes a place
    /// whatever the rest of its message turns out to be.
    package mutating func check(
        _ text: Span<UInt8>, count: UInt32, message: Span<UInt8>, _ now: Milliseconds,
        _ source: IPAddress, _ transport: UInt8
    ) -> NonceVerdict {
        var nonce = InlineArray<176, UInt8>(repeating: 0)
        guard text.count == 24, Base64URL.decode(text, into: &nonce) == 18 else { return .foreign }
        var head: UInt64 = 0
        for index in 0..<8 { head = head << 8 | UInt64(nonce[index]) }
        let hash = tag(head, source, transport)
        var difference: UInt8 = 0
        var place: UInt64 = 0
        for index in 0..<10 {
            difference |= nonce[8 + index] ^ hash.bytes[index]
            if index < 8 { place = place << 8 | UInt64(nonce[8 + index]) }
        }
        guard difference == 0 else { return .foreign }
        guard head >> 12 & 0xFFF == life, isYoung(head, now), Self.made(head) >= began else {
            return .stale
        }
        // Counts begin at 1 (RFC 7616 section 3.4); 0 also stands for one that cannot be read.
        guard count > 0 else { return .used }
        return use(
            head, place, count, UInt32(truncatingIfNeeded: messages.hash(message)), now)
    }

    private func isYoung(_ head: UInt64, _ now: Milliseconds) -> Bool {
        // One that is of the future has a difference beyond any lifetime.
        Self.moment(now) &- Self.made(head) < UInt64(Self.lifetime.count)
    }

    private mutating func use(
        _ head: UInt64, _ hash: UInt64, _ count: UInt32, _ message: UInt32, _ now: Milliseconds
    ) -> NonceVerdict {
        // A place without a message holds 0.
        let message = max(message, 1)
        let first = Int(hash & UInt64(used.count - 1)) & ~3
        let found = (first..<first + 4).first { used[$0].head == head }
        if let found, let second = Self.second(of: message, in: used[found]) {
            let age = UInt16(truncatingIfNeeded: now.seconds) &- second
            return .repeated(since: now - .seconds(Int64(age)))
        }
        if found == nil, Self.made(head) <= forgotten { return .stale }
        let place = found ?? free(first, now)
        if found == nil { used[place] = Use(head: head) }
        guard used[place].use(count) else { return .used }
        let next = Int(used[place].next)
        used[place].messages[next] = message
        used[place].seconds[next] = UInt16(truncatingIfNeeded: now.seconds)
        used[place].next = UInt8(next + 1) & 3
        return .fresh
    }

    /// The second in which one of a nonce's last messages came first.
    private static func second(of message: UInt32, in use: Use) -> UInt16? {
        for index in 0..<4 where use.messages[index] == message {
            return use.seconds[index]
        }
        return nil
    }

    /// A place for another nonce: a free one, or that of the oldest, which is forgotten.
    private mutating func free(_ first: Int, _ now: Milliseconds) -> Int {
        var oldest = first
        for place in first..<first + 4 {
            guard used[place].head != 0, isYoung(used[place].head, now) else { return place }
            if used[place].head < used[oldest].head { oldest = place }
        }
        forgotten = max(forgotten, Self.made(used[oldest].head))
        return oldest
    }
}
