package import Messages
package import ProxyBench
package import Sys

/// What the administrator is told of an Asterisk, beside whether it answers.
struct AsteriskFacts: Sendable {
    /// When the question under way was asked, in microseconds of the monotonic clock.
    private var asked: Int64 = 0
    /// How long the answer to the last answered question took, in microseconds; nil when none was.
    private(set) var roundTrip: UInt32?
    /// How the Asterisk stood when that was last looked at.
    private(set) var state = AsteriskRow.State.unknown
    /// Since when, of the monotonic clock; nil before the first look.
    private(set) var since: Milliseconds?

    /// A question is asked now.
    mutating func asked(_ now: Now) { asked = now.microseconds }

    /// The question under way is answered now.
    mutating func answered(_ now: Now) {
        roundTrip = UInt32(clamping: now.microseconds - asked)
    }

    /// The Asterisk stands like this from a moment on, unless it has done so before.
    mutating func stands(_ state: AsteriskRow.State, from moment: Milliseconds) {
        guard state != self.state || since == nil else { return }
        self.state = state
        since = moment
    }
}

extension UpstreamRegistration {
    /// Where it stands, for an administrator.
    fileprivate var told: UpstreamRow.State {
        if isLeaving { return .leaving }
        if isGranted { return .registered }
        if state == .trying { return .trying }
        guard failures > 0 else { return .waiting }
        return refusal > 0 ? .refused : .unanswered
    }
}

extension Asterisk {
    /// How it stands at a moment.
    fileprivate func state(at now: Milliseconds) -> AsteriskRow.State {
        switch state {
        case .unknown: .unknown
        case .down: .down
        case .up where missed >= AsteriskPool.missesToPass: .passedOver
        case .up: overloadedUntil > now ? .overloaded : .up
        }
    }

    /// Takes down how it stands; called after each event that may have changed that, and with each question.
    mutating func follow(_ now: Milliseconds) {
        let state = state(at: now)
        // Being overloaded ends without an event.
        let hasEnded = facts.state == .overloaded && overloadedUntil <= now
        facts.stands(state, from: hasEnded && state == .up ? overloadedUntil : now)
    }
}

extension AsteriskPool {
    /// Every Asterisk with how it stands, for `rempart status`.
    package func rows(_ now: Now) -> [ControlReply] {
        asterisks.indices.map { number in
            var asterisk = asterisks[number]
            asterisk.follow(now.monotonic)
            let age = now.monotonic - (asterisk.facts.since ?? now.monotonic)
            return .asterisk(
                AsteriskRow(
                    address: asterisk.address, state: asterisk.facts.state,
                    since: now.sinceEpoch - age, roundTrip: asterisk.facts.roundTrip,
                    registered: registrations.granted(at: number),
                    accounts: registrations.boundCount))
        }
    }

    /// An account's registration at each Asterisk, for `rempart explain`.
    package func rows(of account: AccountID, _ now: Now) -> [ControlReply] {
        asterisks.indices.map { number in
            var row = UpstreamRow(
                address: asterisks[number].address,
                asterisk: asterisks[number].state(at: now.monotonic), state: .none)
            if let handle = registrations.find(account, at: number) {
                row.state = registrations[handle].told
                if row.state == .refused { row.status = registrations[handle].refusal }
            }
            return .upstream(row)
        }
    }
}
