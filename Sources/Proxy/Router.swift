internal import AccountCache
internal import Admission
internal import AsteriskPool
internal import Authentication
internal import Calls
internal import Connections
internal import Digest
internal import LocationService
package import Messages
internal import Paths
package import ProxyBench
internal import ProxyCore
internal import Reactor
internal import SIP
internal import SIPTransactions
package import Sys
internal import Transactions
internal import Trunks

/// SIP without sockets: whole messages and moments in, messages and requests to other processes out.
///
/// The front door of the core. `Paths` knows the order in which owners are asked; the door decides nothing itself. The
/// loop hands in what came (`receive`, `advance`, ...) and then takes what is to go out: the `effects` of its bench.
package struct Router: ~Copyable {
    /// The tools that owners are lent; what the core wants done is in their `effects`, where the loop takes it.
    package var bench: Bench
    /// The owners, and the paths of messages through them.
    var paths: Paths
    private var arrivals: UInt64 = 0
    private let anchor = Anchor()

    /// A router for these sockets; `secret` is of 72 bytes and outlives the process: two keys of 32, and the
    /// moment at which tokens began to be bound to dialogs, since 1970, of which 0 says that all of them are.
    ///
    /// `seed` is of 32 bytes, unpredictable and of this process alone; `timers` is how many can be set at once.
    package init(
        settings: RouterSettings, listeners: [Listener], secret: [UInt8], seed: [UInt8], now: Now,
        timers capacity: Int = 8_000_000
    ) {
        bench = Bench(
            settings, listeners, key: Array(secret.prefix(32)), seed: seed, timers: capacity,
            now: now)
        let bound: Int64 = secret[64..<72].reduce(0) { $0 << 8 | Int64($1) }
        let authentication = Authentication(
            key: Array(secret[32..<64]), life: bench.random(), now: now)
        paths = Paths(Ground(authentication), Calls(boundSince: Milliseconds(bound)))
        adopt(settings)
        _ = bench.setTimer(Handle.none.payload(.probe), after: Milliseconds(50))
        _ = bench.setTimer(
            Handle.none.payload(.contacts), after: AsteriskPool.contactsInterval)
        _ = bench.setTimer(Handle.none.payload(.trunkNames), after: Self.namesAfter)
        _ = bench.setTimer(
            Handle.none.payload(.keepAlive), after: LocationService.keepAliveInterval)
    }

    /// How often directory is asked whether a trunk has the name of an account: it says unasked only what has
    /// become of accounts.
    private static let namesAfter = Milliseconds.seconds(60)

    /// Uses other settings from now on; registrations at Asterisks that stay go on.
    package mutating func adopt(_ wanted: RouterSettings) {
        bench.settings = wanted
        paths.ground.followAddresses(&bench)
        if wanted.algorithms.contains(.sha256) { paths.ground.accounts.useSHA256() }
        paths.ground.trunks.adopt(bench)
        paths.ground.askForTrunkNames(&bench)
        paths.ground.admission.adopt(trunks: paths.ground.trunks.namesInUse, bench)
        paths.ground.asterisks.adopt(
            bench.settings.asterisks, &paths.ground.accounts, &paths.ground.transactions,
            &paths.ground.connections,
            &bench)
    }

    // MARK: Messages

    /// Takes one whole message that came by a flow.
    package mutating func receive(_ bytes: Span<UInt8>, _ flow: Flow, _ now: Now) {
        bench.now = now
        arrivals &+= 1
        if flow.transport == .udp, STUN.isKeepAlive(bytes) {
            keepAlive(bytes, flow)
            return
        }
        var message = Incoming(bytes, flow, moment: now.monotonic, number: arrivals)
        receive(&message)
        paths.recordFailures(&bench)
    }

    private mutating func receive(_ message: inout Incoming) {
        let side = bench.side(message.flow)
        let ip = message.flow.peer.ip
        switch side {
        case .outside:
            message.sender.standing = paths.ground.standing(of: ip, bench)
            let isRegistered = paths.ground.location.isRegistered(
                by: message.flow, paths.ground.connections)
            guard
                let sender = paths.ground.admission.admit(
                    message, isRegistered: isRegistered, bench)
            else { return }
            message.sender = sender
        case .inside:
            guard paths.ground.asterisks.isAsterisk(ip) else { return }
            message.sender.standing.isAsterisk = true
        }
        do {
            try bench.parser.parse(message.bytes, into: &message.index)
        } catch {
            malformed(message, side, error)
            return
        }
        guard message.index.isRequest else {
            paths.respond(message, isWhole: true, &bench)
            return
        }
        switch side {
        case .outside: paths.requestFromOutside(&message, &bench)
        case .inside: paths.requestFromInside(&message, &bench)
        }
    }

    /// What cannot be read is answered with 400 when what an answer repeats is there, never more than once; an
    /// answer counts as a failure of what it answers.
    private mutating func malformed(
        _ message: borrowing Incoming, _ side: Side, _ error: ParseError
    ) {
        let isSent =
            message.isAnswerable && (side == .inside || isToUs(message))
            && paths.ground.reply(message, .badRequest, &bench)
        paths.ground.admission.recordRefusal(error.code, isSent ? 400 : 0, message, &bench)
        let isResponse =
            !message.index.isRequest && message.index.status >= 100 && message.index.has(.via)
            && message.index.has(.cseq)
        if isResponse, paths.respond(message, isWhole: false, &bench) { return }
        if side == .outside { paths.ground.admission.offence(.malformed, message, &bench) }
    }

    /// Whether the sender knows who is here: it names a domain or a dialog, or comes by a connection, by a registered
    /// flow or from a trunk.
    private mutating func isToUs(_ message: borrowing Incoming) -> Bool {
        message.flow.transport.isStream || !message.sender.isStranger
            || message.sender.standing.trunk != nil
            || bench.isForUs(message.bytes, message.index)
            || message.index.requestURI.whole.isEmpty
                && bench.namesServed(message.bytes, message.index)
            || paths.calls.dialogToken(message, nil, paths.ground, &bench) != nil
    }

    /// Tells a phone with a live binding where it is seen; everybody else hears nothing, since the answer is
    /// longer than the question and its source is not proven.
    private mutating func keepAlive(_ bytes: Span<UInt8>, _ flow: Flow) {
        guard paths.ground.location.hasFlow(flow) else { return }
        paths.ground.location.keptAlive(by: flow, &paths.ground.accounts, &bench)
        guard STUN.isBindingRequest(bytes) else { return }
        bench.scratch.removeAll()
        STUN.writeAnswer(to: bytes, flow.peer, into: &bench.scratch)
        bench.effects.outbox.append(bench.scratch, to: flow)
    }

    // MARK: Timers

    /// Runs every timer that is due.
    package mutating func advance(_ now: Now) {
        bench.now = now
        for branch in paths.ground.transactions.lost(paths.ground.connections.takeLost()) {
            paths.failed(branch, 430, &bench)
            paths.recordFailures(&bench)
        }
        paths.ground.admission.announceResidents(&bench)
        paths.calls.sweep(paths.core, paths.ground, &bench)
        bench.reportShortages()
        paths.ground.location.reportRegistrations(&paths.ground.accounts, &bench)
        // What is left comes with the next turn, when the loop has taken these messages.
        while !bench.effects.outbox.isHalfFull, let payload = bench.timers.next(now.monotonic) {
            guard let kind = TimerKind(rawValue: UInt8(payload >> 56)) else { continue }
            fired(kind, Handle(payload: payload))
            paths.recordFailures(&bench)
        }
    }

    private mutating func fired(_ kind: TimerKind, _ handle: Handle) {
        switch kind {
        case .serverEnd: paths.core.serverTimer(handle, .timeout, &paths.ground, &bench)
        case .serverRetransmit: paths.core.serverTimer(handle, .retransmit, &paths.ground, &bench)
        case .context: paths.core.deadline(handle, &paths.ground, &bench)
        case .clientRetransmit: paths.clientTimer(handle, .retransmit, &bench)
        case .clientEnd: paths.clientTimer(handle, .timeout, &bench)
        case .noAnswer: paths.core.noAnswer(handle, &paths.ground, &bench)
        case .binding:
            let change = paths.ground.location.expired(
                handle, &paths.ground.accounts, &paths.ground.connections, &bench)
            paths.follow(change, &bench)
        case .registration:
            paths.ground.asterisks.registrationDue(
                handle, &paths.ground.accounts, &paths.ground.transactions,
                &paths.ground.connections, &bench)
        case .probe:
            paths.ground.asterisks.probe(
                &paths.ground.accounts, &paths.ground.transactions, &paths.ground.connections,
                &bench)
        case .contacts:
            paths.ground.asterisks.askForContacts(
                &paths.ground.accounts, &paths.ground.transactions, &paths.ground.connections,
                &bench)
        case .trunkNames:
            paths.ground.askForTrunkNames(&bench)
            _ = bench.setTimer(Handle.none.payload(.trunkNames), after: Self.namesAfter)
        case .keepAlive:
            _ = bench.setTimer(
                Handle.none.payload(.keepAlive), after: LocationService.keepAliveInterval)
            paths.keepAlive(&bench)
        case .delayed: paths.ground.authentication.sendDelayed(&bench)
        case .overdue: resume(paths.ground.accounts.takeOverdue(&bench))
        }
    }
}

extension Incoming {
    /// Whether everything is there that an answer repeats.
    fileprivate var isAnswerable: Bool {
        index.isRequest && index.method != .ack && index.has(.via) && !index.via.host.isEmpty
            && index.has(.from) && index.has(.to) && index.has(.callID) && index.has(.cseq)
    }
}
