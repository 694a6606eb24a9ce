package import AccountCache
package import Connections
internal import Journal
package import Messages
package import ProxyBench
internal import SIP
internal import SIPWriting
package import Sys
package import Transactions

/// An Asterisk as the pool sees it.
struct Asterisk: Sendable {
    /// Its address.
    let address: SocketAddress
    /// Whether it answers.
    var state = AsteriskState.unknown
    /// How many questions in a row it left unanswered.
    var missed = 0
    /// The question under way.
    var probe = Handle.none
    /// Whether it takes registrations under the served domain, and not under its own address.
    var namesDomain = false
    /// When it was last found to be down; nil when it never was.
    var lastDown: Milliseconds?
    /// The last callers whose INVITEs it has not answered.
    var unanswered: [Unanswered] = []
    /// Until when it is passed over, since it answers OPTIONS and no INVITEs.
    var overloadedUntil = Milliseconds(0)
    /// When that was last recorded; nil when it never was.
    var overloadTold: Milliseconds?
    /// When the next new registration there has its turn.
    var nextTurn = Milliseconds(0)
    /// Whether it still has what accounts have registered there.
    var contacts = ContactWatch()
    /// Our address in the Contacts that it may still have of before its way changed; nil when it never did.
    var former: SocketAddress?
    /// When the last of them has run out.
    var formerUntil = Milliseconds(0)
    /// When it last told a phone to send media to an inside address; nil when it never did.
    var insideMediaSeen: Milliseconds?
    /// When that was last recorded.
    var insideMediaTold: Milliseconds?
    /// What the administrator is told of it.
    var facts = AsteriskFacts()
}

/// An INVITE that an Asterisk has not answered.
struct Unanswered: Sendable {
    /// Whose it was.
    var party: Party
    /// From where it came.
    var source: IPAddress
    /// When that was found out.
    var moment: Milliseconds
}

/// The Asterisks: which is up, which is next, and the edge as a user agent toward them, which registers each account
/// that has a binding, answers their challenges, and asks whether they are there.
///
/// Requests of its own are transactions of `TransactionUser.registration` and `.probe`; what comes of them is told by
/// `registrationAnswered`, `registrationFailed` and `probeAnswered`.
package struct AsteriskPool: ~Copyable {
    private let anchor = Anchor()

    /// How often each Asterisk is asked whether it answers.
    package static let probeInterval = Milliseconds.seconds(2)
    /// How many unanswered questions in a row put an Asterisk out of use.
    static let missesToDown = 3
    /// How many of them have it passed over for new calls.
    static let missesToPass = 2
    /// How many callers, of as many accounts and addresses, hear nothing from an Asterisk that is overloaded, in which time:
    /// one account alone could send what no Asterisk answers.
    private static let callersOfOverload = (count: 3, window: Milliseconds.seconds(10))
    /// For how long an overloaded one is passed over.
    private static let overload = Milliseconds.seconds(2)
    /// How often it is recorded of one that it is.
    private static let overloadInterval = Milliseconds.seconds(60)

    /// The Asterisks, by their numbers.
    var asterisks: [Asterisk] = []
    /// The number of the one that is next in turn.
    private var turn = 0
    /// The accounts' registrations there.
    var registrations = UpstreamRegistrations()
    /// The accounts of which it was recorded in the last minute that an Asterisk refuses their calls.
    var callRefusals: [(account: AccountID, moment: Milliseconds)] = []

    /// No Asterisks.
    package init() {}

    /// How many there are.
    package var count: Int { asterisks.count }

    /// How many registrations at them there are.
    package var registrationCount: Int { registrations.count }

    /// Uses other Asterisks from now on, at most 64; what is known of those that stay stands.
    ///
    /// Registrations at those that stay go on, at those that went they are let go of, at new ones they begin.
    package mutating func adopt(
        _ addresses: [SocketAddress], _ accounts: inout AccountCache,
        _ transactions: inout ClientTransactions, _ connections: inout Connections,
        _ bench: inout Bench
    ) {
        let old = asterisks
        guard old.map(\.address) != addresses else { return }
        asterisks = addresses.map { address in
            old.first { $0.address == address } ?? Asterisk(address: address)
        }
        // Nobody would look at the answers of the others.
        for gone in old where number(of: gone.address) == nil {
            transactions.end(gone.probe, &accounts, &connections, &bench)
        }
        renumber(old.map { number(of: $0.address) }, &accounts, &bench)
    }

    // MARK: Which they are

    /// Whether an address is one of an Asterisk.
    package func isAsterisk(_ ip: IPAddress) -> Bool {
        asterisks.contains { $0.address.ip == ip }
    }

    /// The number of the Asterisk at an address; nil when there is none.
    package func number(of address: SocketAddress) -> Int? {
        asterisks.firstIndex { $0.address == address }
    }

    /// The numbers of the Asterisks whose addresses pass a test, a bit for each.
    package func numbers(where isMeant: (SocketAddress) -> Bool) -> UInt64 {
        asterisks.indices.reduce(0) { bits, number in
            isMeant(asterisks[number].address) ? bits | 1 << UInt64(number) : bits
        }
    }

    /// Whether an Asterisk, by its number, is out of use.
    func isDown(_ number: Int) -> Bool { asterisks[number].state == .down }

    /// Whether the Asterisk at an address is out of use, or was found so since a moment; false when there is none.
    package func isDown(_ address: SocketAddress, since moment: Milliseconds) -> Bool {
        guard let number = number(of: address) else { return false }
        return isDown(number) || wasDown(address, since: moment)
    }

    /// Whether an Asterisk, by its number, gets new calls of a party, none of whose INVITEs it has just left unanswered.
    package func getsCalls(_ number: Int, of party: Party, _ now: Milliseconds) -> Bool {
        !isDown(number) && !isPassedOver(number, now)
            && !asterisks[number].unanswered.contains {
                $0.party == party && now - $0.moment <= Self.callersOfOverload.window
            }
    }

    /// Whether an Asterisk at an address was down since a moment, and so has lost the calls of before; one that the
    /// settings have no more has none.
    package func wasDown(_ address: SocketAddress, since moment: Milliseconds) -> Bool {
        guard let number = number(of: address) else { return true }
        return asterisks[number].lastDown.map { $0 >= moment } ?? false
    }

    /// An Asterisk, by its number, as the URI that our own requests ask for.
    func uri(_ number: Int) -> [UInt8] { Array("sip:\(asterisks[number].address)".utf8) }

    // MARK: Which is next

    /// Takes the next Asterisk in turn that is not among the tried ones, if need be one that was passed over or was not
    /// heard yet; nil when there is none.
    ///
    /// `tried` has a bit for the number of each one that was tried.
    package mutating func choose(
        tried: UInt64, _ now: Milliseconds
    ) -> (number: Int, address: SocketAddress)? {
        var passedOver: UInt64 = 0
        for number in asterisks.indices where isPassedOver(number, now) {
            passedOver |= 1 << UInt64(number)
        }
        guard
            let chosen = next(.up, tried | passedOver) ?? next(.up, tried) ?? next(.unknown, tried)
        else { return nil }
        turn = (chosen + 1) % asterisks.count
        return (chosen, asterisks[chosen].address)
    }

    /// Whether an Asterisk gets no new calls while another one can have them.
    private func isPassedOver(_ number: Int, _ now: Milliseconds) -> Bool {
        asterisks[number].missed >= Self.missesToPass || asterisks[number].overloadedUntil > now
    }

    /// The number of the next Asterisk of a state that is not among the tried ones.
    private func next(_ state: AsteriskState, _ tried: UInt64) -> Int? {
        for step in 0..<asterisks.count {
            let number = (turn + step) % asterisks.count
            if asterisks[number].state == state, tried >> UInt64(number) & 1 == 0 { return number }
        }
        return nil
    }

    // MARK: Is it there?

    /// Counts what was not answered since the last time, and asks again.
    package mutating func probe(
        _ accounts: inout AccountCache, _ transactions: inout ClientTransactions,
        _ connections: inout Connections, _ bench: inout Bench
    ) {
        _ = bench.setTimer(Handle.none.payload(.probe), after: Self.probeInterval)
        for number in asterisks.indices {
            let last = asterisks[number].probe
            if transactions.contains(last) {
                transactions.end(last, &accounts, &connections, &bench)
                missed(number, &bench)
            }
            let flow = bench.way(toAsterisk: asterisks[number].address)
            guard
                let handle = transactions.begin(
                    .probe(number), .options, flow, &accounts, &bench)
            else { continue }
            asterisks[number].probe = handle
            asterisks[number].facts.asked(bench.now)
            asterisks[number].follow(bench.now.monotonic)
            writeProbe(flow, handle, transactions[handle].cookie, &bench)
            bench.sendWritten(to: flow)
        }
    }

    /// Counts an unanswered question; the third in a row puts the Asterisk out of use.
    package mutating func missed(_ number: Int, _ bench: inout Bench) {
        guard asterisks.indices.contains(number) else { return }
        defer { asterisks[number].follow(bench.now.monotonic) }
        asterisks[number].missed += 1
        guard asterisks[number].missed >= Self.missesToDown, asterisks[number].state != .down else {
            return
        }
        asterisks[number].state = .down
        asterisks[number].lastDown = bench.now.monotonic
        let address = asterisks[number].address
        bench.writer.wildcards.forget(toward: address.ip)
        bench.effects.journal.add(
            .asteriskDown, .error,
            "Asterisk \(address) does not answer; it gets no calls until it does",
            [(.asterisk, "\(address)")])
    }

    /// An Asterisk has not answered an INVITE of a party that came from an address.
    ///
    /// While it answers OPTIONS that alone means nothing. When callers of three accounts at three addresses hear nothing
    /// it has more to do than it can, and is passed over for a moment.
    package mutating func leftUnanswered(
        _ number: Int, _ party: Party, from source: IPAddress, _ bench: inout Bench
    ) {
        guard asterisks.indices.contains(number), asterisks[number].state == .up else { return }
        let now = bench.now.monotonic
        let source = source.source
        asterisks[number].unanswered.removeAll {
            now - $0.moment > Self.callersOfOverload.window || $0.party == party
                || $0.source == source
        }
        asterisks[number].unanswered.append(
            Unanswered(party: party, source: source, moment: now))
        guard asterisks[number].unanswered.count >= Self.callersOfOverload.count else { return }
        asterisks[number].unanswered = []
        asterisks[number].overloadedUntil = now + Self.overload
        asterisks[number].follow(now)
        if let told = asterisks[number].overloadTold, now - told < Self.overloadInterval { return }
        asterisks[number].overloadTold = now
        let address = asterisks[number].address
        bench.effects.journal.add(
            .degraded, .warning,
            "Asterisk \(address) answers OPTIONS and no calls: it is passed over for \(Self.overload.seconds) s at a time."
                + " See with 'core show channels' and 'top' what it does",
            [(.asterisk, "\(address)")])
    }

    /// An Asterisk has answered a question, however it did; the transaction is over.
    package mutating func probeAnswered(
        _ number: Int, _ handle: Handle, _ accounts: inout AccountCache,
        _ transactions: inout ClientTransactions, _ connections: inout Connections,
        _ bench: inout Bench
    ) {
        transactions.end(handle, &accounts, &connections, &bench)
        guard asterisks.indices.contains(number), asterisks[number].probe == handle else { return }
        asterisks[number].missed = 0
        asterisks[number].facts.answered(bench.now)
        defer { asterisks[number].follow(bench.now.monotonic) }
        guard asterisks[number].state != .up else { return }
        asterisks[number].state = .up
        let address = asterisks[number].address
        bench.effects.journal.add(
            .asteriskUp, .notice, "Asterisk \(address) answers", [(.asterisk, "\(address)")])
        registerAgain(number, accounts.places, missedAlone: true, &bench)
    }

    // MARK: For the administrator

    /// How many Asterisks answer, of how many.
    package var up: (up: Int, all: Int) { (asterisks.count { $0.state == .up }, asterisks.count) }

    /// What is wrong now: Asterisks that do not answer.
    package var conditions: [Condition] {
        let down = asterisks.filter { $0.state == .down }.map(\.address.description)
        guard !down.isEmpty else { return [] }
        if down.count == asterisks.count {
            let text = "no Asterisk answers (\(Self.some(of: down)))"
            return [Condition(.noAsterisk, text, recorded: .both)]
        }
        let answer =
            down.count == 1
            ? "one Asterisk does not answer" : "\(down.count) Asterisks do not answer"
        return [Condition(.asterisk, "\(answer) (\(Self.some(of: down)))", recorded: .both)]
    }

    /// The first of some addresses, with how many more there are.
    private static func some(of addresses: [String]) -> String {
        let more = addresses.count - 3
        return addresses.prefix(3).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }
}
