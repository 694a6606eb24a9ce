package import Messages
package import ProxyBench
internal import SIP
internal import SIPWriting
package import Sys

/// How a source is answered: by its profile, and within budgets while it has proven nothing.
extension Admission {
    // MARK: What proves nothing

    /// How many times as long as what was asked an answer may be to a sender who has proven nothing.
    private static let growth = 3

    /// Whether the sender of a message has an answer in long form left: a stranger has them only at a rate.
    package func mayBeLong(_ message: borrowing Incoming, _ bench: borrowing Bench) -> Bool {
        guard message.sender.isUnproven, !bench.settings.isObserving else { return true }
        let ip = message.flow.peer.ip
        let standing = message.sender.standing
        return standing.trunk != nil || sources.isResident(ip, bench.now.monotonic)
            || answers.hasLong(
                ip.source.keyedHash, answerRates(ip, standing, bench).long, bench.now.monotonic)
    }

    /// Whether an answer of such a length in bytes may go to the sender of a message.
    package func fits(_ length: Int, _ message: borrowing Incoming) -> Bool {
        !message.sender.isUnproven || length <= Self.growth * message.sender.replyLimit
    }

    /// Takes the answer in the writer of those that the sender of a message has left; false when it may not go out.
    package mutating func takeAnswer(to message: borrowing Incoming, _ bench: borrowing Bench)
        -> Bool
    {
        takeAnswer(
            to: message, length: bench.writer.buffer.count, isCompact: bench.writer.isCompact,
            bench)
    }

    /// The same of an answer of such a length in bytes.
    ///
    /// A sender who has proven its address is always answered. To any other an answer is at most three times as long as
    /// what was asked. Residents and trunks have budgets of their own, which strangers cannot empty. So have the very
    /// flows that phones have registered by: who forges other ports of their address does not touch those.
    package mutating func takeAnswer(
        to message: borrowing Incoming, length: Int, isCompact: Bool, _ bench: borrowing Bench
    ) -> Bool {
        let sender = message.sender
        guard sender.isUnproven else { return true }
        guard fits(length, message) else { return false }
        guard !bench.settings.isObserving else { return true }
        let ip = message.flow.peer.ip
        let now = bench.now.monotonic
        let rates = answerRates(ip, sender.standing, bench)
        if !sender.isStranger { return answers.takeFlow(message.flow.keyedHash, rates, now) }
        let source = ip.source
        if sender.standing.trunk != nil { return answers.takeTrunk(source.keyedHash, rates, now) }
        if let place = sources.resident(source, now) {
            return answers.takeResident(&sources.residents[place].part, rates, now)
        }
        let isLong = !isCompact || length > sender.replyLimit
        return answers.takeStranger(ip, source.keyedHash, isLong: isLong, rates, now)
    }

    private func answerRates(
        _ ip: IPAddress, _ standing: Standing, _ bench: borrowing Bench
    ) -> AnswerRates {
        guard bench.settings.profiles.areWritten,
            let replies = profile(of: ip, standing, bench).replies
        else { return rates }
        // What all have together does not depend on who asks.
        var rates = rates
        rates.long = AnswerRates.long(replies)
        return rates
    }

    // MARK: Profiles

    /// The number of the profile that a source falls into, and why.
    func classify(
        _ ip: IPAddress, _ standing: Standing, _ bench: borrowing Bench
    ) -> (profile: Int, cause: Profiles.Cause) {
        bench.settings.profiles.classify(
            ip, trunk: trunkName(standing),
            isResident: sources.isResident(ip, bench.now.monotonic),
            country: sources.whereabouts(of: ip)?.country ?? .unknown)
    }

    /// The profile that a source falls into.
    package func profile(
        of ip: IPAddress, _ standing: Standing, _ bench: borrowing Bench
    ) -> Profile {
        bench.settings.profiles.all[classify(ip, standing, bench).profile]
    }

    /// Whether a request may go on under its source's profile.
    package func checkProfile(
        _ message: borrowing Incoming, _ bench: borrowing Bench
    ) -> Verdict<Void> {
        guard bench.settings.profiles.areWritten else { return .pass }
        let profile = profile(of: message.flow.peer.ip, message.sender.standing, bench)
        guard !profile.allows(message.index.method, message.flow.transport) else { return .pass }
        if bench.settings.isObserving { return .observed((), .profile) }
        return profile.answer == .silence ? .silence(.profile) : .refuse(.profile)
    }

    /// What is answered to the sender of a message before it has authenticated.
    package func firstAnswer(
        _ message: borrowing Incoming, _ bench: borrowing Bench
    ) -> ProfileAnswer {
        guard bench.settings.profiles.areWritten else { return .challenge }
        return profile(of: message.flow.peer.ip, message.sender.standing, bench).answer
    }
}
