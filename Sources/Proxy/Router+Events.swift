internal import AccountCache
internal import Admission
internal import AsteriskPool
internal import Authentication
internal import Calls
internal import Connections
internal import Journal
internal import LocationService
package import Messages
internal import Paths
internal import ProxyBench
internal import ProxyCore
internal import Reactor
internal import SIPWriting
package import Sys
internal import Transactions
internal import Trunks

/// How much of the core's tables is in use.
package struct RouterLoad: Equatable, Sendable {
    /// Requests that are passed on.
    package var contexts: Int
    /// Requests sent and not over.
    package var transactions: Int
    /// Upstream registrations.
    package var registrations: Int
    /// Timers set.
    package var timers: Int
    /// Calls under way.
    package var calls: Int
    /// Blocks for messages that are free.
    package var freeBlocks: Int
    /// Requests that wait for directory.
    package var parked: Int
    /// Questions to directory under way.
    package var questions: Int
    /// Answers to wrong passwords that wait for their time.
    package var delayed: Int
}

/// What the loop hands in beside messages, and what the command line asks.
extension Router {
    /// What is in use now.
    package var load: RouterLoad {
        RouterLoad(
            contexts: paths.core.count, transactions: paths.ground.transactions.count,
            registrations: paths.ground.asterisks.registrationCount, timers: bench.timers.count,
            calls: paths.calls.count, freeBlocks: bench.blocks.free,
            parked: paths.ground.accounts.parkedCount,
            questions: paths.ground.accounts.questionCount,
            delayed: paths.ground.authentication.delayedCount)
    }

    /// How long the loop may sleep.
    package var patience: Milliseconds? { bench.timers.patience }

    /// How far the local time is ahead of UTC; the loop keeps it right.
    package var utcOffset: Milliseconds {
        get { bench.utcOffset }
        set { bench.utcOffset = newValue }
    }

    // MARK: Connections

    /// A stream's connection stands: bindings that came by it can be reached.
    ///
    /// Those of the same handle and another peer or listener came by another connection. `own` is the address of
    /// this machine that a connection to a wildcard endpoint has.
    package mutating func opened(_ flow: Flow, at own: IPAddress? = nil) {
        if let own {
            paths.ground.asked(own, by: flow, &bench)
            bench.writer.wildcards.opened(flow, at: own)
        }
        paths.ground.location.opened(
            flow, paths.ground.connections.opened(flow), &paths.ground.accounts, &bench)
    }

    /// A stream's connection is over.
    package mutating func closed(_ flow: Flow) {
        bench.writer.wildcards.closed(flow)
        paths.ground.location.closed(flow, paths.ground.connections.closed(flow), bench)
    }

    /// Whether an account has authenticated by a connection, or is registered by it.
    package func hasAuthenticated(by flow: Flow) -> Bool {
        paths.ground.connections.hasAuthenticated(by: flow)
    }

    /// How many connections a source may have by which nobody has authenticated.
    package func openingsAllowed(_ ip: IPAddress) -> Int {
        paths.ground.admission.openingsAllowed(ip, paths.ground.standing(of: ip, bench), bench)
    }

    /// Whether the inside answers a peer at all: only the configured Asterisks.
    package func answers(_ ip: IPAddress) -> Bool { paths.ground.asterisks.isAsterisk(ip) }

    /// A TLS handshake came to nothing.
    package mutating func handshakeFailed(_ flow: Flow, _ now: Now) {
        bench.now = now
        paths.ground.offence(.tlsFailures, byConnection: flow, &bench)
    }

    /// The reason code of a connection on which nothing is said.
    package static let idle = "idle-connection"

    /// A stream cannot be read any further and is closed; `reason` is the code.
    package mutating func brokenStream(_ flow: Flow, _ reason: String, _ now: Now) {
        bench.now = now
        paths.ground.offence(
            reason == Self.idle ? .idleConnections : .malformed, byConnection: flow, &bench)
        guard bench.effects.journal.allowsRefusal(now.monotonic) else { return }
        bench.effects.journal.add(
            .refused, .notice,
            "closed a \(flow.transport.name) connection of \(flow.peer.ip): \(reason)",
            [
                (.address, "\(flow.peer.ip)"), (.port, "\(flow.peer.port)"),
                (.transport, flow.transport.name), (.reason, reason),
            ])
    }

    // MARK: Addresses

    /// Whether some endpoint is at a wildcard address.
    package var hasWildcards: Bool { bench.listeners.contains { $0.endpoint.isWildcard } }

    /// The Asterisks and the servers of trunks: whom we ask by ourselves.
    package var callees: [SocketAddress] {
        bench.settings.asterisks + bench.settings.trunks.flatMap(\.servers)
    }

    /// Takes over from where each Asterisk of the settings in force is called; where that changes, all accounts are
    /// registered anew.
    package mutating func follow(_ ways: [AsteriskWay], _ now: Now) {
        bench.now = now
        let moved = bench.follow(ways)
        for way in ways {
            if let own = way.own { leads(toward: way.asterisk, from: own) }
        }
        for (asterisk, former) in moved {
            paths.ground.asterisks.moved(asterisk, from: former, paths.ground.accounts, &bench)
        }
    }

    /// The flow of a datagram that came by a wildcard endpoint, sent to the address `own` of this machine.
    package mutating func flow(
        _ listener: UInt8, from peer: SocketAddress, at own: IPAddress?
    ) -> Flow { paths.ground.flow(listener, from: peer, at: own, &bench) }

    /// The address that what goes by a flow of UDP leaves from; nil leaves the choice to the kernel.
    ///
    /// A mark may be older than the settings: what is bound to one address leaves from that.
    package func source(of flow: Flow) -> IPAddress? {
        guard bench.listeners[Int(flow.listener)].endpoint.isWildcard else { return nil }
        return bench.writer.wildcards.asked(by: flow)
    }

    /// Takes over the addresses of this machine.
    package mutating func learn(_ addresses: [IPAddress]) { paths.ground.learn(addresses, &bench) }

    /// Takes over from which address of ours the kernel's way to somebody whom we ask begins.
    package mutating func leads(toward peer: IPAddress, from own: IPAddress) {
        paths.ground.leads(toward: peer, from: own, &bench)
    }

    // MARK: directory and banner

    /// Takes what directory says.
    package mutating func receive(_ message: DirectoryToRouter, _ now: Now) {
        bench.now = now
        switch message {
        case .account(let id, let answer, let age):
            let news = paths.ground.accounts.receive(id, answer, age: age, bench)
            if let news { follow(news) }
        case .binding(let record):
            let change = paths.ground.location.restore(
                record, &paths.ground.accounts, &paths.ground.connections, &bench)
            paths.follow(change, &bench)
        case .bindings:
            _ = paths.ground.location.restored(paths.ground.accounts, &bench)
            paths.calls.restored(paths.ground, &bench)
        case .standing(let standing): paths.calls.restore(standing, &paths.ground, &bench)
        case .update(let account, let realm, let answer):
            let news = paths.ground.accounts.update(
                Array(account.utf8).span, realm: Array(realm.utf8), answer, bench)
            if let news { follow(news) }
        case .revoke(let account, let endsCalls):
            if let account = paths.ground.accounts.find(Array(account.utf8).span) {
                paths.revoke(account, endsCalls: endsCalls, &bench)
            }
        }
        paths.recordFailures(&bench)
    }

    private mutating func follow(_ news: AccountNews) {
        let account = news.account
        // An Asterisk's realm may be ours.
        paths.calls.hashesCame(account, &paths.core, &paths.ground, &bench)
        guard news.isOurRealm else {
            paths.ground.asterisks.refresh(account, &bench)
            return
        }
        paths.ground.learnedName(of: account, &bench)
        paths.settle(account, news.verdict, &bench)
        resume(news.waiting)
        if paths.ground.accounts.state(account) == .found {
            paths.ground.asterisks.refresh(account, &bench)
        } else {
            paths.ground.accounts.forgetIfIdle(account, bench.now.monotonic)
        }
    }

    /// Takes up requests that have waited for directory, in their order.
    mutating func resume(_ waiting: [ParkedRequest]) {
        for parked in waiting {
            paths.resume(parked, &bench)
            paths.ground.accounts.leave(parked)
            paths.recordFailures(&bench)
        }
    }

    /// A new link to directory stands: what was asked over the old one is asked again.
    package mutating func directoryLinked(_ now: Now) {
        bench.now = now
        paths.ground.accounts.relink(&bench)
    }

    /// Takes what banner says.
    package mutating func receive(_ message: BannerToRouter, _ now: Now) {
        bench.now = now
        guard let ip = paths.ground.admission.receive(message, &bench) else { return }
        paths.calls.located(ip, &paths.core, &paths.ground, &bench)
        paths.recordFailures(&bench)
    }

    /// banner has been started anew: it hears again where phones are registered.
    package mutating func bannerLinked(_ now: Now) {
        bench.now = now
        paths.ground.admission.bannerLinked(&bench)
    }

    /// Tells the journal of all accounts whose changes it has not been told of, as far as the loop has room for the
    /// records; whether there are more.
    package mutating func reportRegistrations() -> Bool {
        paths.ground.location.reportRegistrations(all: true, &paths.ground.accounts, &bench)
    }

    // MARK: The command line

    /// What was decided about an address, or about a Call-ID, as `rempart explain` says it.
    package func explain(_ what: String) -> [ControlReply] {
        guard let ip = IPAddress(what) else {
            return paths.ground.admission.explain(callID: what, bench)
        }
        return paths.ground.admission.explain(ip, paths.ground.standing(of: ip, bench), bench)
    }

    /// How many calls of an account are told.
    private static let toldCalls = 20

    /// What was decided about an account, as `rempart explain` says it: its phones, its registrations at the Asterisks,
    /// its calls, what is held against it, and what was refused.
    package func explain(account name: String) -> [ControlReply] {
        let bytes = Array(name.utf8)
        var marks = [NameTable.hash(bytes.span)]
        guard let account = paths.ground.accounts.find(bytes.span) else {
            return paths.ground.admission.explain(account: nil, marks, bench)
        }
        let user = NameTable.hash(paths.ground.accounts.authUser(account))
        if user != marks[0] { marks.append(user) }
        return paths.ground.admission.explain(account: account, marks, bench)
            + paths.calls.standingRow(of: account, paths.ground, bench)
            + paths.ground.location.phones(of: account, paths.ground.accounts, bench)
            + paths.ground.asterisks.rows(of: account, bench.now)
            + paths.calls.rows(
                of: account, most: Self.toldCalls, paths.core, paths.ground, bench)
    }

    /// Every live binding, for `rempart phones`.
    package func phones() -> [ControlReply] {
        paths.ground.location.phones(paths.ground.accounts, bench)
    }

    /// How many bindings there are.
    package var phoneCount: Int { paths.ground.location.count }

    /// Every Asterisk with how it stands, for `rempart status`.
    package func asteriskRows() -> [ControlReply] { paths.ground.asterisks.rows(bench.now) }

    /// How many Asterisks answer, of how many.
    package var asterisksUp: (up: Int, all: Int) { paths.ground.asterisks.up }

    /// What is wrong now: Asterisks that do not answer, and more phones than can be asked.
    package var conditions: [Condition] {
        paths.ground.asterisks.conditions
            + [paths.ground.location.keepAliveCondition].compactMap(\.self)
    }

    /// Where Asterisks send media that phones outside cannot reach, for `rempart status`.
    package func insideMediaRows() -> [ControlReply] {
        paths.ground.asterisks.insideMediaRows(bench)
    }

    /// Every server of every trunk, for `rempart status`.
    package func trunkRows() -> [ControlReply] {
        var rows: [ControlReply] = []
        for trunk in paths.ground.trunks.inUse {
            rows += paths.ground.trunks.rows(trunk, calls: paths.calls.count(of: .trunk(trunk)))
        }
        return rows
    }

    /// Every call that is under way, for `rempart calls`.
    package func callRows() -> [ControlReply] { paths.calls.rows(paths.core, paths.ground, bench) }

    /// Ends the calls of a Call-ID; what to say when there is none.
    package mutating func endCalls(_ callID: String, _ now: Now) -> ControlReply {
        bench.now = now
        let reply = paths.calls.end(callID: callID, &paths.core, &paths.ground, &bench)
        paths.recordFailures(&bench)
        return reply
    }

    /// The accounts that are barred from calling, or from calling abroad, for `rempart status`.
    package func standingRows() -> [ControlReply] { paths.calls.standingRows(paths.ground, bench) }

    /// Lets an account call again, and abroad; what to say when nothing stood against it.
    package mutating func release(_ name: String, _ now: Now) -> ControlReply {
        bench.now = now
        return paths.calls.release(name, paths.ground, &bench)
    }
}
