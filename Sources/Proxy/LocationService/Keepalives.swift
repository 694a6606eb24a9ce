internal import Messages
internal import ProxyBench
internal import Registrar
internal import SIPWriting
internal import Sys

/// Whether the phones of all bindings are there, found out by one cursor that passes each binding once a second.
///
/// No binding has a timer or a transaction for it. What a question's branch is made of is in the binding, so that its
/// answer is known without a memory.
struct Keepalives: ~Copyable {
    /// How often the cursor goes on, by its part of the bindings.
    static let interval = Milliseconds(50)
    /// In how many such parts it passes all of them.
    private static let parts = 20
    /// How many phones are asked a second; beyond that the cursor stands still.
    private static let rate = Rate(perSecond: 5000, burst: 500)
    /// How many are asked at a time.
    private static let most = 500
    /// How long a lap may take before phones are asked later than they should.
    private static let longestLap = Milliseconds.seconds(5)

    /// A binding whose phone needs something.
    struct Due: BitwiseCopyable {
        var place: Int32
        var step: PhoneState.Step
    }

    private var states = ReservedArray<PhoneState>(zeros: Capacity.bindings)
    private var cursor: Int32 = 0
    private var tokens = TokenBucket()
    private var lapBegan = Milliseconds(0)
    /// How long the last lap took, and the one before.
    private var laps = (last: Milliseconds(0), before: Milliseconds(0))
    /// What the bindings need that the cursor has passed last.
    private(set) var due: [Due] = []

    /// What is known of the phone in a place.
    subscript(place: Int32) -> PhoneState {
        get { states[Int(place)] }
        set { states[Int(place)] = newValue }
    }

    /// How much later than they should phones are asked; nil when they are not.
    ///
    /// One long lap is that of phones which have all registered at the same time: they are asked one after another then.
    var delay: Milliseconds? {
        let lap = min(laps.last, laps.before)
        return lap > Self.longestLap ? lap : nil
    }

    /// By how many tenths of a second after others the phone in a place is asked.
    private static func spread(_ place: Int32) -> UInt32 {
        (UInt32(bitPattern: place) &* 0x9E37_79B1) >> 16 % PhoneState.spread
    }

    /// Passes the next part of the bindings; `due` is what they need.
    ///
    /// The cursor stands still at a binding when there are no more questions to ask in this second, or no room for one.
    mutating func advance(_ bindings: borrowing Bindings, _ bench: borrowing Bench) {
        let now = bench.now.monotonic
        due.removeAll(keepingCapacity: true)
        guard !bench.effects.outbox.isHalfFull else { return }
        var left = (bindings.places + Self.parts - 1) / Self.parts
        while left > 0 {
            left -= 1
            if Int(cursor) >= bindings.places { endLap(now) }
            let place = cursor
            if let binding = bindings[place] {
                var state = states[Int(place)]
                let step = Self.step(&state, place, binding, now)
                if step == .ask || step == .keepOpen {
                    guard due.count < Self.most, tokens.take(Self.rate, now) else { return }
                }
                states[Int(place)] = state
                if step != .nothing { due.append(Due(place: place, step: step)) }
            }
            cursor += 1
        }
        if Int(cursor) >= bindings.places { endLap(now) }
    }

    private static func step(
        _ state: inout PhoneState, _ place: Int32, _ binding: Binding, _ now: Milliseconds
    ) -> PhoneState.Step {
        guard binding.flow.transport.isStream else { return state.step(now, spread: spread(place)) }
        return binding.reachable ? .nothing : state.stepClosed(now)
    }

    private mutating func endLap(_ now: Milliseconds) {
        cursor = 0
        laps = (now - lapBegan, laps.last)
        lapBegan = now
    }

    // MARK: Questions

    /// The last part of the branch of the question to the phone in a place: a keyed hash of the binding and of when it is
    /// asked.
    static func mark(
        _ place: Int32, _ binding: Binding, asked: UInt16, _ bench: inout Bench
    ) -> UInt64 {
        bench.scratch.removeAll()
        bench.scratch.append("keepalive")
        bench.scratch.append(hex: UInt64(UInt32(bitPattern: place)), digits: 8)
        bench.scratch.append(hex: UInt64(asked), digits: 4)
        bench.scratch.append(hex: binding.key, digits: 16)
        bench.scratch.append(host: binding.flow.peer.ip)
        return mark(&bench.writer, bench.scratch)
    }

    private static func mark(
        _ writer: inout MessageWriter, _ text: borrowing ByteBuffer
    ) -> UInt64 {
        writer.tokens.longMark(text.span)
    }
}
