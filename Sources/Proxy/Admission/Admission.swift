package import Messages
package import ProxyBench
internal import SIP
internal import SIPWriting
package import Sys

/// Who is looked at, who is counted, and who is shut out: offences in, ban orders out.
///
/// Evidence is proven or it is none: what a source does counts against it only after it has brought back a nonce that
/// was sent to its address, or by a connection. What may be forged costs the source tokens of a bucket and nothing
/// else.
package struct Admission: ~Copyable {
    /// Who is shut out.
    var bans = BanList()
    /// What is known of sources, and which of them are held.
    var sources = KnownSources()
    /// Which accounts are guessed at from everywhere.
    var guards = AccountGuards(places: 16_384)
    /// Wrong passwords by source and account, of sources that are never banned.
    var pairs = PasswordPairs(places: 8192)
    /// The answers to those who have proven nothing, and how many these are.
    var answers = AnswerBudgets()
    var rates = AnswerRates(replies: 1, packets: 1)
    /// What accounts, dialogs and those who try names may ask for.
    var requests = RequestBudgets()
    /// What was decided of late.
    var recent = Recent()
    /// In whose name no datagram comes from outside.
    private var insideSources = AddressRanges()
    /// Our addresses outside, and the sources that they are in, which are never banned.
    private var ownAddresses: Set<IPAddress> = []
    private var ownSources: Set<IPAddress> = []
    /// The names of the trunks.
    private var trunkNames: [TrunkID: String] = [:]
    /// How many places of residents a banner that was started anew has heard of, and when the next follow.
    var announced = Int.max
    var nextAnnouncement = Milliseconds(0)
    private let anchor = Anchor()

    /// Nobody is known, nobody shut out.
    package init() {}

    // MARK: Settings

    /// Uses the settings of the bench from now on; `trunks` are the names of the trunks in use.
    package mutating func adopt(trunks: [TrunkID: String], _ bench: borrowing Bench) {
        trunkNames = trunks
        rates = AnswerRates(replies: bench.settings.replies, packets: bench.settings.packets)
    }

    /// Takes over the addresses of the sockets and of this machine, and those of the Asterisks.
    ///
    /// Those of the loopback are excepted everywhere: the kernel lets none in from outside, and who tries the edge on
    /// one machine has no others.
    package mutating func follow(_ listeners: [Listener], _ bench: borrowing Bench) {
        let asked = bench.writer.wildcards.all
        let inside =
            listeners.map(\.endpoint.address.ip) + asked + bench.settings.asterisks.map(\.ip)
        insideSources = AddressRanges(
            inside.filter { !$0.isLoopback && !$0.isUnspecified }.map { Network($0) })
        let own = bench.writer.own
        let outside = own.namedOutside + asked.filter { own.isAtEvery(isV4: $0.isV4) }
        ownAddresses = Set(outside.filter { !$0.isLoopback })
        // An IPv6 address stands for its /64, as banner has it.
        ownSources = Set(ownAddresses.map(\.source))
    }

    /// The name of a source's trunk.
    package func trunkName(_ standing: Standing) -> String? {
        standing.trunk.flatMap { trunkNames[$0] }
    }

    // MARK: Messages

    /// The sender of a message from outside that is looked at, with what it has proven so far; nil for one that is not.
    ///
    /// `isRegistered` is whether a phone has registered by the flow.
    package mutating func admit(
        _ message: borrowing Incoming, isRegistered: Bool, _ bench: borrowing Bench
    ) -> Sender? {
        let flow = message.flow
        let ip = flow.peer.ip
        if !flow.transport.isStream, insideSources.contains(ip) {
            dropped(.insideAddress, flow, bench)
            guard bench.settings.isObserving else { return nil }
        }
        var sender = message.sender
        sender.isStranger = !isRegistered
        sender.proof = flow.transport.isStream ? .connection : .none
        let isBounded = sender.proof == .none && !sender.standing.isAllowed
        sender.replyLimit = isBounded ? message.bytes.count : .max
        return letIn(flow, isStranger: sender.isStranger, bench) ? sender : nil
    }

    /// Lets a flow's message in, unless its source is banned, or held and the flow a stranger's; false when it is not,
    /// which is remembered.
    package mutating func letIn(
        _ flow: Flow, isStranger: Bool, _ bench: borrowing Bench
    ) -> Bool {
        let ip = flow.peer.ip
        if isBanned(ip, bench) {
            dropped(.banned, flow, bench)
            return false
        }
        guard isStranger, sources.isHeld(ip, bench.now.monotonic) else { return true }
        dropped(.held, flow, bench)
        return false
    }

    /// Whether a source is shut out now.
    package func isBanned(_ ip: IPAddress, _ bench: borrowing Bench) -> Bool {
        bans.isBanned(ip, bench.now.monotonic)
    }

    /// Why a source loses single flows and accounts instead of everything; nil when it does not: phones are registered
    /// there, or it has an address of ours outside, in which phones behind the same NAT may come.
    func neverBanned(_ ip: IPAddress, _ bench: borrowing Bench) -> String? {
        if sources.isResident(ip, bench.now.monotonic) { return "where phones are registered" }
        guard ownSources.contains(ip.source) else { return nil }
        return ownAddresses.contains(ip)
            ? "the edge's own address" : "in the /64 of an address of the edge's own"
    }

    /// Whether a source is banned for what it does.
    package func mayBan(_ ip: IPAddress, _ bench: borrowing Bench) -> Bool {
        neverBanned(ip, bench) == nil
    }

    // MARK: Connections

    /// How many connections a source may have by which nobody has authenticated.
    ///
    /// An office behind one address may have more: its phones come back all at once after a power cut.
    package func openingsAllowed(
        _ ip: IPAddress, _ standing: Standing, _ bench: borrowing Bench
    ) -> Int {
        standing.isTrusted || bench.settings.isObserving ? .max : 20 + 4 * sources.accounts(of: ip)
    }

    /// Whether an account has authenticated from a source.
    package func hasAuthenticated(_ ip: IPAddress) -> Bool { sources.hasAuthenticated(ip) }
}
