package import Sys
package import Wire

/// What `rempart` asks over the control socket: one frame a connection.
package enum ControlRequest: Equatable, Sendable {
    /// The certificates; answered by tls-terminator.
    case certificates
    /// The components and their states; answered by the supervisor.
    case status
    /// The Asterisks and their states, and the barred accounts; answered by sip-router.
    case asterisks
    /// The live bindings; answered by sip-router.
    case phones
    /// The bans in force, and whether the kernel enforces them; answered by banner.
    case bans
    /// Bans an address for a span (0: the default), for a reason of at most 400 bytes; by banner.
    case ban(IPAddress, Milliseconds, String)
    /// Lifts the ban of an address, or of all when nil; answered by banner.
    case unban(IPAddress?)
    /// Restarts a component; answered by the supervisor when the new one is ready.
    case restart(Role)
    /// Reads the settings again; answered by the supervisor.
    case reload
    /// What is known of an address, and what happens to its packets; answered by banner.
    case why(IPAddress)
    /// Makes an exception of a network, or takes it back: it is never banned; answered by banner.
    case allow(Network, Bool)
    /// What sip-router has decided about an address, or about the Call-ID of at most 255 bytes.
    case explain(String)
    /// The calls that are under way; answered by sip-router.
    case calls
    /// Ends the calls of a Call-ID of at most 255 bytes; by sip-router.
    case endCall(String)
    /// Lets a barred account, its name at most 64 bytes, call again; by sip-router.
    case release(String)
    /// Lays a copy of the bindings at `StateFile.bindingsCopy`, for a backup; by directory.
    case copyBindings
    /// What the source has, a page of it, from behind this name on (empty: from the first on); by directory.
    ///
    /// The rows are `account`, in the order of their names' bytes; a last row `isMore` says that more follow.
    case accounts(after: String)
    /// Each look-up that a name of at most 64 bytes takes, and what comes of them; by directory.
    case account(String)
    /// What sip-router has decided about an account of a name of at most 64 bytes.
    case explainAccount(String)

    /// The process that answers.
    package var answeredBy: Role {
        switch self {
        case .status, .restart, .reload: .supervisor
        case .certificates: .terminator
        case .asterisks, .phones, .explain, .explainAccount, .calls, .endCall, .release: .router
        case .bans, .ban, .unban, .why, .allow: .banner
        case .copyBindings, .accounts, .account: .directory
        }
    }

    /// Whether the request changes something: only root and the daemon's own user may ask it.
    package var changes: Bool {
        switch self {
        case .status, .certificates, .asterisks, .phones, .bans, .why, .explain, .explainAccount,
            .calls, .accounts, .account:
            false
        case .ban, .unban, .restart, .reload, .allow, .endCall, .release, .copyBindings: true
        }
    }
}

extension ControlRequest {
    /// The request's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .status: return WireWriter(kind: 1).bytes
        case .asterisks: return WireWriter(kind: 2).bytes
        case .phones: return WireWriter(kind: 3).bytes
        case .bans: return WireWriter(kind: 4).bytes
        case .ban(let address, let span, let reason):
            var writer = WireWriter(kind: 5)
            writer.ip(address)
            writer.span(span, upTo: Bounds.longestBan)
            writer.string(reason, cutTo: 400)
            return writer.bytes
        case .unban(let address):
            var writer = WireWriter(kind: 6)
            writer.bool(address != nil)
            if let address { writer.ip(address) }
            return writer.bytes
        case .restart(let role):
            var writer = WireWriter(kind: 7)
            writer.u8(role.rawValue)
            return writer.bytes
        case .reload: return WireWriter(kind: 8).bytes
        case .why(let address):
            var writer = WireWriter(kind: 9)
            writer.ip(address)
            return writer.bytes
        case .allow(let network, let isAllowed):
            var writer = WireWriter(kind: 10)
            writer.network(network)
            writer.bool(isAllowed)
            return writer.bytes
        case .explain(let what):
            var writer = WireWriter(kind: 11)
            writer.string(what, cutTo: 255)
            return writer.bytes
        case .calls: return WireWriter(kind: 12).bytes
        case .endCall(let callID):
            var writer = WireWriter(kind: 13)
            writer.string(callID, cutTo: 255)
            return writer.bytes
        case .release(let account):
            var writer = WireWriter(kind: 14)
            writer.name(account)
            return writer.bytes
        case .copyBindings: return WireWriter(kind: 15).bytes
        case .certificates: return WireWriter(kind: 20).bytes
        case .accounts(let name):
            var writer = WireWriter(kind: 21)
            writer.name(name)
            return writer.bytes
        case .account(let name):
            var writer = WireWriter(kind: 22)
            writer.name(name)
            return writer.bytes
        case .explainAccount(let name):
            var writer = WireWriter(kind: 23)
            writer.name(name)
            return writer.bytes
        }
    }

    /// The request of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1: self = .status
        case 2: self = .asterisks
        case 3: self = .phones
        case 4: self = .bans
        case 5:
            let address = try reader.ip()
            let span = try reader.span("span", upTo: Bounds.longestBan)
            self = .ban(address, span, try reader.string("reason", limit: 400))
        case 6: self = .unban(try reader.bool() ? try reader.ip() : nil)
        case 7: self = .restart(try reader.choice("role"))
        case 8: self = .reload
        case 9: self = .why(try reader.ip())
        case 10:
            let network = try reader.network()
            self = .allow(network, try reader.bool())
        case 11: self = .explain(try reader.string("what", limit: 255))
        case 12: self = .calls
        case 13: self = .endCall(try reader.string("callID", limit: 255))
        case 14: self = .release(try reader.string("account", limit: 64))
        case 15: self = .copyBindings
        case 20: self = .certificates
        case 21: self = .accounts(after: try reader.string("after", limit: Bounds.longestName))
        case 22: self = .account(try reader.string("account", limit: Bounds.longestName))
        case 23:
            self = .explainAccount(try reader.string("account", limit: Bounds.longestName))
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

/// The life of a component, as `rempart status` shows it.
package enum ComponentState: UInt8, Sendable {
    /// Started, not ready yet.
    case starting = 1
    /// Serving.
    case ready = 2
    /// Told to stop.
    case stopping = 3
    /// Ended; waiting to be started again.
    case waiting = 4

    /// The word for the state.
    package var name: String {
        switch self {
        case .starting: "starting"
        case .ready: "ready"
        case .stopping: "stopping"
        case .waiting: "waiting"
        }
    }
}

/// The state of an Asterisk as the edge sees it.
package enum AsteriskState: UInt8, Sendable {
    /// Not heard yet.
    case unknown = 1
    /// Answers OPTIONS.
    case up = 2
    /// Has stopped answering.
    case down = 3

    /// The word for the state.
    package var name: String {
        switch self {
        case .unknown: "unknown"
        case .up: "up"
        case .down: "down"
        }
    }
}

/// One row of an answer; every answer ends with `done` or `failed`.
package enum ControlReply: Equatable, Sendable {
    /// A component: role, pid (0 for none), state, restarts, its own status line.
    case component(Role, pid: Int32, ComponentState, restarts: UInt32, String)
    /// An Asterisk, and how it stands.
    case asterisk(AsteriskRow)
    /// A live binding.
    case phone(PhoneRow)
    /// A ban in force.
    case ban(BanRow)
    /// Whether the kernel enforces the bans; when not, why.
    case kernelBans(Bool, String)
    /// The end of a good answer.
    case done
    /// The request could not be carried out; what to do about it.
    case failed(String)
    /// One thing that is known of what was asked about: its name, and the value.
    case finding(name: String, value: String)
    /// A call that is under way.
    case call(CallRow)
    /// An account that is barred from calling, or has a country hold.
    case standing(AccountStanding)
    /// A server of a trunk.
    case trunk(TrunkRow)
    /// A certificate of the settings.
    case certificate(CertificateRow)
    /// Something that is wrong now, and who says so.
    case condition(Role, Condition)
    /// What the source has under a name.
    case account(AccountRow)
    /// One look-up in the source.
    case step(TraceStep)
    /// An account's registration at an Asterisk.
    case upstream(UpstreamRow)
    /// What is held against an account.
    case guarded(GuardRow)
    /// A refusal of late.
    case refusal(RefusalRow)
    /// More rows follow behind the last one, for who asks for them.
    case isMore
}

/// A ban as `rempart bans` shows it.
package struct BanRow: Equatable, Sendable {
    /// The banned source: an IPv4 address, an IPv6 /64, or a whole /24 or /48.
    package var source: Network
    /// The reason code, or the administrator's own words.
    package var reason: String
    /// What was seen, in words; empty for a ban by hand.
    package var evidence: String
    /// The profile that the source was judged by; empty for a ban by hand.
    package var profile: String
    /// When it began, since 1970.
    package var since: Milliseconds
    /// When it ends, since 1970.
    package var until: Milliseconds
    /// When the first offence was seen, since 1970.
    package var firstSeen: Milliseconds
    /// When the last offence was seen, since 1970.
    package var lastSeen: Milliseconds
    /// How many offences it is founded on.
    package var count: UInt32
    /// How often the source has been banned, this time included.
    package var level: UInt32

    /// A row of its columns.
    package init(
        source: Network, reason: String, evidence: String = "", profile: String = "",
        since: Milliseconds, until: Milliseconds, firstSeen: Milliseconds,
        lastSeen: Milliseconds, count: UInt32, level: UInt32 = 1
    ) {
        self.source = source
        self.reason = reason
        self.evidence = evidence
        self.profile = profile
        self.since = since
        self.until = until
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.count = count
        self.level = level
    }
}

extension ControlReply {
    /// The reply's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .component(let role, let pid, let state, let restarts, let status):
            var writer = WireWriter(kind: 1)
            writer.u8(role.rawValue)
            writer.u32(UInt32(max(pid, 0)))
            writer.u8(state.rawValue)
            writer.u32(restarts)
            writer.string(status, cutTo: 800)
            return writer.bytes
        case .asterisk(let row):
            var writer = WireWriter(kind: 2)
            row.write(to: &writer)
            return writer.bytes
        case .phone(let row):
            var writer = WireWriter(kind: 3)
            row.write(to: &writer)
            return writer.bytes
        case .ban(let row):
            var writer = WireWriter(kind: Self.banKind)
            row.write(to: &writer)
            return writer.bytes
        case .kernelBans(let active, let why):
            var writer = WireWriter(kind: 5)
            writer.bool(active)
            writer.string(why, cutTo: 1024)
            return writer.bytes
        case .done: return WireWriter(kind: 6).bytes
        case .failed(let why):
            var writer = WireWriter(kind: 7)
            writer.string(why, cutTo: 4096)
            return writer.bytes
        case .finding(let name, let value):
            var writer = WireWriter(kind: 8)
            writer.string(name, cutTo: 64)
            writer.string(value, cutTo: 1024)
            return writer.bytes
        case .call(let row):
            var writer = WireWriter(kind: 9)
            row.write(to: &writer)
            return writer.bytes
        case .standing(let standing):
            var writer = WireWriter(kind: 10)
            standing.write(to: &writer)
            return writer.bytes
        case .trunk(let row):
            var writer = WireWriter(kind: 11)
            row.write(to: &writer)
            return writer.bytes
        case .certificate(let row):
            var writer = WireWriter(kind: 20)
            row.write(to: &writer)
            return writer.bytes
        case .condition(let role, let condition):
            var writer = WireWriter(kind: 12)
            writer.u8(role.rawValue)
            condition.write(to: &writer)
            return writer.bytes
        case .account(let row):
            var writer = WireWriter(kind: 21)
            row.write(to: &writer)
            return writer.bytes
        case .step(let step):
            var writer = WireWriter(kind: 22)
            step.write(to: &writer)
            return writer.bytes
        case .isMore: return WireWriter(kind: 23).bytes
        case .upstream(let row):
            var writer = WireWriter(kind: 24)
            row.write(to: &writer)
            return writer.bytes
        case .guarded(let row):
            var writer = WireWriter(kind: 25)
            row.write(to: &writer)
            return writer.bytes
        case .refusal(let row):
            var writer = WireWriter(kind: 26)
            row.write(to: &writer)
            return writer.bytes
        }
    }

    /// The reply of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            let role = try reader.choice("role", of: Role.self)
            let pid = Int32(try reader.count("pid", in: 0...UInt32(Int32.max)))
            let state = try reader.choice("state", of: ComponentState.self)
            let restarts = try reader.u32()
            let status = try reader.string("status", limit: 800)
            self = .component(role, pid: pid, state, restarts: restarts, status)
        case 2: self = .asterisk(try AsteriskRow(from: &reader))
        case 3:
            self = .phone(try PhoneRow(from: &reader))
        case Self.banKind: self = .ban(try BanRow(from: &reader))
        case 5:
            let active = try reader.bool()
            self = .kernelBans(active, try reader.string("why", limit: 1024))
        case 6: self = .done
        case 7: self = .failed(try reader.string("why", limit: 4096))
        case 8:
            let name = try reader.string("name", limit: 64)
            self = .finding(name: name, value: try reader.string("value", limit: 1024))
        case 9: self = .call(try CallRow(from: &reader))
        case 10: self = .standing(try AccountStanding(from: &reader))
        case 11: self = .trunk(try TrunkRow(from: &reader))
        case 12:
            let role = try reader.choice("role", of: Role.self)
            self = .condition(role, try Condition(from: &reader))
        case 20: self = .certificate(try CertificateRow(from: &reader))
        case 21: self = .account(try AccountRow(from: &reader))
        case 22: self = .step(try TraceStep(from: &reader))
        case 23: self = .isMore
        case 24: self = .upstream(try UpstreamRow(from: &reader))
        case 25: self = .guarded(try GuardRow(from: &reader))
        case 26: self = .refusal(try RefusalRow(from: &reader))
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension ControlReply {
    /// The name of a finding that `rempart status` warns of.
    package static let warning = "warning"
    /// The name of the finding that nothing was decided of late about a Call-ID.
    package static let noDecisions = "decisions"
    /// The name of the finding that an address was answered in short form, or not at all.
    package static let unusualAnswers = "answers by UDP"

    /// The kind of a frame that holds a ban.
    static let banKind: UInt8 = 4
}

extension BanRow {
    /// Writes the columns.
    fileprivate func write(to writer: inout WireWriter) {
        writer.network(source)
        writer.string(reason, cutTo: 400)
        writer.string(evidence, cutTo: BanOrder.evidenceLimit)
        writer.string(profile, cutTo: BanOrder.profileLimit)
        for moment in [since, until, firstSeen, lastSeen] { writer.moment(moment) }
        writer.u32(count)
        writer.u32(level)
    }

    /// Reads the columns.
    fileprivate init(from reader: inout WireReader) throws(WireError) {
        self.init(
            source: try reader.source(),
            reason: try reader.string("reason", limit: 400),
            evidence: try reader.string("evidence", limit: BanOrder.evidenceLimit),
            profile: try reader.string("profile", limit: BanOrder.profileLimit),
            since: try reader.moment("since"),
            until: try reader.moment("until"),
            firstSeen: try reader.moment("firstSeen"),
            lastSeen: try reader.moment("lastSeen"),
            count: try reader.u32(),
            level: try reader.u32())
    }
}
