internal import Sys

/// What is known of whether the phone of a binding is there: 8 bytes a binding.
///
/// By UDP a phone is asked by OPTIONS whenever it was not heard for 25 to 30 s, which keeps the way through a NAT open
/// as well. Three questions in a row without an answer mean that it is gone. By a connection it is gone 30 s after that
/// has closed.
struct PhoneState: BitwiseCopyable, Sendable {
    /// What the phone of a binding needs now.
    enum Step: BitwiseCopyable {
        /// Nothing.
        case nothing
        /// To be asked by OPTIONS.
        case ask
        /// A keep-alive, to which nothing is answered.
        case keepOpen
        /// It is taken to be gone.
        case lost
    }

    /// How a phone was heard.
    enum Sign {
        /// It has proven itself, or has answered something that we have sent.
        case proof
        /// It has answered the question whether it is there.
        case answer
        /// It has sent what keeps its way open, which anybody could forge.
        case keepAlive
    }

    /// Spans in tenths of a second.
    private enum Span {
        /// For how long a phone is silent before it is asked; `spread` comes on top.
        static let quiet: UInt32 = 250
        /// How old its last proof may be, whatever keep-alives came since.
        static let proof: UInt32 = 950
        /// How long after its REGISTER a new phone is asked.
        static let first: UInt32 = 30
        /// How long an answer is waited for.
        static let answer: UInt16 = 50
        /// How long after an unanswered question the next one follows.
        static let again: UInt16 = 250
        /// How long after its connection has closed a phone is gone.
        static let closed: UInt16 = 300
    }

    /// By how many tenths of a second the questions to phones are spread.
    static let spread: UInt32 = 50
    /// How many questions in a row have no answer when a phone is gone.
    private static let mostMisses: UInt8 = 3

    /// When it was last heard, in tenths of a second of the monotonic clock.
    private(set) var heard: UInt32 = 0
    /// When it was last asked, or its connection closed, in the same tenths, counted round in 109 minutes.
    private(set) var asked: UInt16 = 0
    /// How many seconds its last proof is older than when it was heard, at most 255.
    private var proofLag: UInt8 = 0
    /// How many questions in a row have no answer, and truth values above that.
    private var flags: UInt8 = 0

    private enum Flag: UInt8 {
        /// A question is under way.
        case isAsked = 0x04
        /// It has answered such a question since it registered as it does.
        case hasAnswered = 0x08
        /// It answers none: its way is kept open, and it is never taken to be gone.
        case isMute = 0x10
        /// It is woken by a push notification (RFC 8599), so silence means nothing.
        case hasPush = 0x20
        /// It has registered, and was not asked since.
        case isNew = 0x40
        /// It is taken to be gone.
        case isGone = 0x80
    }

    private subscript(flag: Flag) -> Bool {
        get { flags & flag.rawValue != 0 }
        set { flags = newValue ? flags | flag.rawValue : flags & ~flag.rawValue }
    }

    private var misses: UInt8 {
        get { flags & 0x03 }
        set { flags = flags & ~0x03 | newValue }
    }

    /// Whether it is taken to be gone.
    var isGone: Bool { self[.isGone] }

    /// Whether it answers no OPTIONS, so that nothing is known of it.
    var isMute: Bool { self[.isMute] }

    /// Whether it has answered such a question since it registered as it does: its silence means that it is gone.
    var hasAnswered: Bool { self[.hasAnswered] }

    /// A moment of the monotonic clock as this counts it.
    static func tenths(_ now: Milliseconds) -> UInt32 {
        UInt32(truncatingIfNeeded: now.count / 100)
    }

    /// How long ago it was heard.
    func silence(_ now: Milliseconds) -> Milliseconds {
        Milliseconds(Int64(Self.tenths(now) &- heard) * 100)
    }

    /// Whether a question of ours may still be answered: an answer that comes a second time says nothing.
    var isAnswerable: Bool { self[.isAsked] || misses > 0 || isGone || isMute }

    // MARK: Signs of life

    /// The phone has registered; `isOther` when that may be another one, or one that was started anew.
    mutating func registered(_ now: Milliseconds, isOther: Bool, hasPush: Bool) {
        heard = Self.tenths(now)
        proofLag = 0
        misses = 0
        self[.isAsked] = false
        self[.isGone] = false
        self[.hasPush] = hasPush
        guard isOther else { return }
        self[.isNew] = true
        self[.hasAnswered] = false
        self[.isMute] = false
    }

    /// The binding was known to the process before, which has had an answer of its phone or not.
    ///
    /// When that was heard last nobody knows. So it is asked as soon as a new one, before the way through a NAT closes.
    mutating func restored(_ now: Milliseconds, hasAnswered: Bool, hasPush: Bool) {
        self = PhoneState()
        heard = Self.tenths(now)
        self[.isNew] = true
        self[.hasAnswered] = hasAnswered
        self[.hasPush] = hasPush
    }

    /// The phone was heard; whether it was taken to be gone.
    mutating func heard(_ sign: Sign, _ now: Milliseconds) -> Bool {
        let tenths = Self.tenths(now)
        if sign == .keepAlive {
            // Not while a question is open: it proves nothing.
            guard misses == 0, !self[.isAsked], !self[.isGone] else { return false }
            // What is less than a second counts the next time: else the proof would never age.
            let seconds = (tenths &- heard) / 10
            proofLag = UInt8(min(UInt32(proofLag) + seconds, 255))
            heard &+= seconds * 10
            return false
        }
        let wasGone = isGone
        heard = tenths
        proofLag = 0
        misses = 0
        self[.isAsked] = false
        self[.isGone] = false
        if sign == .answer {
            self[.hasAnswered] = true
            self[.isMute] = false
        }
        return wasGone
    }

    /// Its connection has closed.
    mutating func closed(_ now: Milliseconds) {
        asked = UInt16(truncatingIfNeeded: Self.tenths(now))
    }

    /// Its connection stands again; whether it was taken to be gone.
    mutating func opened(_ now: Milliseconds) -> Bool {
        heard = Self.tenths(now)
        defer { self[.isGone] = false }
        return isGone
    }

    // MARK: What it needs

    /// What a phone by UDP needs; `spread` is its own part of that, in tenths of a second.
    mutating func step(_ now: Milliseconds, spread: UInt32) -> Step {
        let tenths = Self.tenths(now)
        let sinceAsked = UInt16(truncatingIfNeeded: tenths) &- asked
        if self[.isAsked] {
            guard sinceAsked >= Span.answer else { return .nothing }
            let step = missed()
            // Where phones are asked late, the next question is due already.
            guard step == .nothing, sinceAsked >= Span.again else { return step }
        }
        guard isDue(tenths, sinceAsked, spread: spread) else { return .nothing }
        asked = UInt16(truncatingIfNeeded: tenths)
        guard !isMute else { return .keepOpen }
        self[.isAsked] = true
        self[.isNew] = false
        return .ask
    }

    private func isDue(_ tenths: UInt32, _ sinceAsked: UInt16, spread: UInt32) -> Bool {
        let silence = tenths &- heard
        let sinceProof = silence + UInt32(proofLag) * 10
        if isMute { return sinceAsked >= Span.again + UInt16(spread) }
        if misses > 0 { return sinceAsked >= Span.again }
        // Whatever else it says: until it has answered a question, its silence means nothing.
        if self[.isNew] { return sinceProof >= Span.first }
        return silence >= Span.quiet + spread || sinceProof >= Span.proof
    }

    /// What a phone by a connection needs that has closed.
    mutating func stepClosed(_ now: Milliseconds) -> Step {
        let since = UInt16(truncatingIfNeeded: Self.tenths(now)) &- asked
        guard !isGone, since >= Span.closed else { return .nothing }
        self[.isGone] = true
        return .lost
    }

    /// A question has no answer.
    private mutating func missed() -> Step {
        self[.isAsked] = false
        misses = min(misses + 1, Self.mostMisses)
        guard misses == Self.mostMisses, !isGone, !self[.hasPush] else { return .nothing }
        guard self[.hasAnswered] else {
            self[.isMute] = true
            return .nothing
        }
        self[.isGone] = true
        return .lost
    }
}
