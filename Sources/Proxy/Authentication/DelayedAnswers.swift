internal import Messages
internal import ProxyBench
internal import Sys

/// Answers to wrong credentials, which all leave the same span after their request came: so an attacker
/// cannot tell from the time whether a name was looked up, known, or left unlooked at.
struct DelayedAnswers: ~Copyable {
    /// How long after its request an answer leaves: longer than a request waits for directory, and shorter than a phone
    /// waits before it repeats one (RFC 3261 section 17.1.1.2: T1 is 500 ms).
    static let span = Milliseconds(250)

    private struct Delayed {
        var block: Block
        var flow: Flow
        var due: Milliseconds
        var arrival: UInt64
    }

    private var ring: [Delayed] = []
    private var head = 0
    /// How many wait.
    private(set) var count = 0

    /// When the next one is due.
    var due: Milliseconds? { count == 0 ? nil : ring[head].due }

    /// Whether another one fits.
    var hasRoom: Bool { count < Capacity.delayed }

    /// Delays an answer until it is due.
    ///
    /// The span is always the same, so it stands last; but for an answer that had to wait for directory,
    /// which goes before those whose requests came later, by `arrival`: nor shall it be the last of its tick.
    mutating func add(_ block: Block, to flow: Flow, due: Milliseconds, arrival: UInt64) {
        let delayed = Delayed(block: block, flow: flow, due: due, arrival: arrival)
        if count == ring.count { grow(delayed) }
        var place = count
        while place > 0 {
            let before = ring[(head + place - 1) % ring.count]
            guard before.arrival > arrival else { break }
            ring[(head + place) % ring.count] = before
            place -= 1
        }
        ring[(head + place) % ring.count] = delayed
        count += 1
    }

    private mutating func grow(_ filler: Delayed) {
        var larger: [Delayed] = []
        for index in 0..<count { larger.append(ring[(head + index) % ring.count]) }
        let size = max(ring.count * 2, 64)
        while larger.count < size { larger.append(filler) }
        ring = larger
        head = 0
    }

    /// Gives back the next one that is due.
    mutating func next(_ now: Milliseconds) -> (block: Block, flow: Flow)? {
        guard count > 0, ring[head].due <= now else { return nil }
        let delayed = ring[head]
        head = (head + 1) % ring.count
        count -= 1
        return (delayed.block, delayed.flow)
    }
}
