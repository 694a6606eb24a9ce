internal import Journal
package import Messages
package import ProxyBench
internal import SIP
internal import Sys

/// Which passwords are looked at, and what follows from wrong and right ones.
extension Admission {
    /// Why a password is not looked at; nil when it is, as it always is by the flows that its account is registered by.
    ///
    /// `mark` is the keyed hash of the digest's username; `isOwnFlow` is whether its account is registered by the
    /// message's flow. What has waited for directory was let in before, and had its look at an account under guard.
    package mutating func guardedReason(
        _ mark: UInt64, _ message: borrowing Incoming, isOwnFlow: Bool, _ bench: borrowing Bench
    ) -> Refusal? {
        let ip = message.flow.peer.ip
        let now = bench.now.monotonic
        guard !message.sender.standing.isTrusted, !bench.settings.isObserving, !isOwnFlow else {
            return nil
        }
        if pairs.isHeld(ip, mark, now) { return .accountHeld }
        // A copy costs the account nobody's look.
        let isOpen =
            message.isResumed
            || (message.sender.isRepetition
                ? guards.isOpen(mark, ip, now) : guards.takeLook(mark, ip, now))
        return isOpen ? nil : .accountGuarded
    }

    /// For how long a pair is held whose address may be banned: what is in the same batch is not looked at, and while
    /// nobody is banned since the source does not answer, few guesses are.
    private static let shortHold = Milliseconds.seconds(60)

    /// Counts a password that is wrong by what is known of its account, or whose name nobody has, for the pair of its
    /// address and username, and for the account's guard.
    ///
    /// `name` is the digest's username; `isOwnFlow` is whether its account is registered by the message's flow;
    /// `bansNobody` is whether no ban will tell of it, since the source does not answer.
    package mutating func countGuess(
        _ message: borrowing Incoming, _ refusal: Refusal, of name: Span<UInt8>, isOwnFlow: Bool,
        bansNobody: Bool = false, _ bench: inout Bench
    ) {
        // A pair that is held is not held for longer by that.
        guard !message.sender.standing.isTrusted, refusal != .accountHeld else { return }
        let ip = message.flow.peer.ip
        let now = bench.now.monotonic
        let mark = NameTable.hash(name)
        if !isOwnFlow {
            let why = neverBanned(ip, bench)
            let isHeld = pairs.failed(
                ip, mark, bench.settings.limit(.wrongPassword),
                hold: why == nil ? min(Self.shortHold, bench.settings.ban) : bench.settings.ban, now
            )
            if isHeld, let why {
                heldRecord(name, "from \(ip), \(why),", ip, &bench)
            } else if isHeld, bansNobody {
                heldRecord(name, "from \(ip), while the source does not answer,", ip, &bench)
            }
        }
        if refusal.isLookedAt, guards.failed(mark, ip, now) {
            heldRecord(name, "for sources that it is not known from", ip, &bench)
        }
    }

    /// Counts a wrong answer to a nonce that was made for this very source: proof that it is there.
    ///
    /// `name` is the digest's username.
    package mutating func countWrongPassword(
        _ message: borrowing Incoming, _ refusal: Refusal, of name: Span<UInt8>,
        _ bench: inout Bench
    ) {
        // The source has said that it is wrong: what follows for a source that may be banned is the ban, and no hold that
        // outlives it.
        let ip = message.flow.peer.ip
        if refusal != .accountHeld, mayBan(ip, bench) { pairs.forget(ip, NameTable.hash(name)) }
        // Credentials may have any username; what is told of one is bounded.
        let shown = name.extracting(0..<min(name.count, Bounds.longestName))
        if refusal == .unknownAccount, isTrap(name, bench) {
            offence(.honeyAccount, message, name: shown, &bench)
        }
        offence(.namesSwept, message, name: shown, mark: NameTable.hash(name), &bench)
        for detector in [Detector.wrongPassword, .wrongPasswordSlow, .wrongPasswordSlower] {
            offence(detector, message, name: shown, &bench)
        }
    }

    private func isTrap(_ name: Span<UInt8>, _ bench: borrowing Bench) -> Bool {
        !bench.settings.traps.isEmpty && bench.settings.traps.contains([UInt8](copying: name))
    }

    private func heldRecord(
        _ name: Span<UInt8>, _ whom: String, _ ip: IPAddress, _ bench: inout Bench
    ) {
        // Credentials may have any username; what is told of one is bounded.
        let account = name.extracting(0..<min(name.count, Bounds.longestName)).text
        let verb = bench.settings.isObserving ? "would look" : "looks"
        bench.effects.journal.add(
            .held, .warning,
            "passwords for \(account) \(whom) fail too often: nobody \(verb) at them for a while",
            [(.account, account), (.address, "\(ip)"), (.reason, Refusal.wrongPassword.code)])
    }

    /// A good password of an account came from the source of a message; `mark` is the keyed hash of the digest's
    /// username.
    ///
    /// Calls that had to be challenged were a phone's own then.
    package mutating func succeeded(
        _ mark: UInt64, _ message: borrowing Incoming, _ bench: borrowing Bench
    ) {
        let ip = message.flow.peer.ip
        guards.succeeded(mark, ip, bench.now.monotonic)
        sources.absolve(ip, mark, bench.now.monotonic)
    }
}
