internal import Messages

/// What is wrong with the edge: what its components say, and what the supervisor sees itself.
extension Supervisor {
    /// All that is wrong now, the worst first, and who says so.
    var conditions: [(role: Role, condition: Condition)] {
        var found: [(role: Role, condition: Condition)] = []
        for child in children {
            if let away = child.away { found.append((child.role, away)) }
            found += child.conditions.map { (child.role, $0) }
        }
        if let refusal { found.append((.supervisor, Condition(.settings, refusal))) }
        return found.sorted { $0.condition.kind.rawValue < $1.condition.kind.rawValue }
    }
}

extension Child {
    /// What is wrong while the child does not serve; nil when it does.
    fileprivate var away: Condition? {
        guard !life.isServing else { return nil }
        return switch role {
        case .router: Condition(.noSIP, "no phone is served, for sip-router \(whereabouts)")
        case .directory:
            Condition(.accounts, "no account can authenticate, for directory \(whereabouts)")
        case .terminator:
            Condition(.component, "no phone is served by TLS, for tls-terminator \(whereabouts)")
        case .banner, .supervisor:
            Condition(.component, "no ban begins or ends, for \(role.name) \(whereabouts)")
        }
    }

    private var whereabouts: String {
        let end = lastEnd.isEmpty ? "" : " after \(lastEnd)"
        return switch life.state {
        case .held: "cannot use its settings: see its messages, correct them and reload"
        case .waiting: "waits to be started again\(end)"
        case .killed where !life.isInHand: "hangs in the kernel and cannot be ended"
        case .greeting, .starting: "is starting\(end)"
        default: "is being replaced"
        }
    }
}
