package import Messages
internal import Reactor
internal import SIP
package import Sys

/// What directory is asked, and who waits for its answer.
extension Router {
    /// How many questions to directory may be under way.
    static let mostQuestions = 4096
    /// How many messages may wait for its answers.
    static let mostParked = 2048

    /// Asks directory about an account; with too many questions under way the account counts as one that
    /// the database could not be asked for.
    mutating func ask(_ account: Int32) {
        let isAsked = lookUp(account, realm: bench.settings.realm)
        guard accounts[account].state != .found else { return }
        accounts[account].state = isAsked ? .asked : .unavailable
    }

    /// Asks for an account's HA1s for a realm, unless that is under way; false when it cannot be asked now.
    @discardableResult
    mutating func lookUp(_ account: Int32, realm: [UInt8]) -> Bool {
        if lookUps.values.contains(where: { $0.account == account && $0.realm == realm }) {
            return true
        }
        guard lookUps.count < Self.mostQuestions else {
            bench.shortages.count(.questions)
            return false
        }
        nextLookUp &+= 1
        lookUps[nextLookUp] = (account, realm)
        let name = accounts.name(account).text
        bench.effects.toDirectory.append(
            .lookUp(id: nextLookUp, account: name, realm: String(decoding: realm, as: UTF8.self)))
        return true
    }

    /// Has a request wait for directory; when too many of its account do, it is answered as if it were wrong,
    /// as it would be for an account that need not be asked for.
    mutating func wait(_ message: borrowing Incoming, _ account: Int32) -> Verdict<Int32> {
        switch park(message, account) {
        case .waits: .later
        case .tooMany: .refuse(.tooManyAtOnce)
        case .noRoom: .refuse(.waitingRoomFull)
        }
    }

    /// What became of a message that is to wait for directory.
    enum Parking {
        /// It waits, or the same one does.
        case waits
        /// Too many of its account wait already.
        case tooMany
        /// All places are taken.
        case noRoom
    }

    /// Keeps a message until directory has answered.
    mutating func park(
        _ message: borrowing Incoming, _ account: Int32
    ) -> Parking {
        let waiting = parked[account] ?? []
        // A retransmission is the same in every byte; it must not count twice when it turns out wrong.
        for other in waiting where other.flow == message.flow {
            if bench.blocks.span(other.block).equals(message.bytes) { return .waits }
        }
        guard parkedCount < Self.mostParked else {
            bench.shortages.count(.parked)
            return .noRoom
        }
        guard waiting.count < 16 else { return .tooMany }
        let block = bench.blocks.store(message.bytes)
        guard block.exists else { return .noRoom }
        parked[account, default: []].append(
            ParkedMessage(
                block: block, flow: message.flow, moment: message.moment, number: message.number,
                sender: message.sender))
        parkedCount += 1
        return .waits
    }

    /// Takes what directory says.
    package mutating func take(_ message: DirectoryToRouter, _ now: Now) {
        self.bench.now = now
        switch message {
        case .account(let id, let answer): account(id, answer)
        case .binding(let record): restore(record)
        case .bindings: restored()
        case .standing(let standing): restore(standing)
        case .changed:
            accounts.forgetAnswers()
            foreignHA1 = [:]
            askForTrunkNames()
        }
    }

    private mutating func account(_ id: UInt32, _ answer: AccountAnswer) {
        guard let question = lookUps.removeValue(forKey: id) else { return }
        guard question.realm == bench.settings.realm else {
            if case .found(let found) = answer {
                keepForeign(question.account, question.realm, found)
            }
            return
        }
        accounts.take(answer, for: question.account, bench.now.monotonic)
        if !trunks.isEmpty { noteTrunkName(question.account) }
        let waiting = parked.removeValue(forKey: question.account) ?? []
        parkedCount -= waiting.count
        for message in waiting {
            var block = message.block
            let copy = Array(bench.blocks.span(block))
            bench.blocks.release(&block)
            var resumed = Incoming(
                copy.span, message.flow, moment: message.moment, number: message.number,
                isResumed: true, sender: message.sender)
            receive(&resumed)
        }
        if accounts[question.account].state == .found {
            refreshPresences(question.account)
        } else {
            accounts.forgetIfIdle(question.account)
        }
    }

    /// A new link to directory stands: what was asked over the old one is asked again.
    package mutating func directoryLinked(_ now: Now) {
        self.bench.now = now
        let questions = lookUps
        lookUps = [:]
        for question in questions.values { lookUp(question.account, realm: question.realm) }
    }
}
