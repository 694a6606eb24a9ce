internal import Journal
internal import Messages
internal import Sys

/// What is wrong with the edge: what its components say, and what the supervisor sees itself.
extension Supervisor {
    /// All that is wrong now, the worst first, and who says so.
    var conditions: [(role: Role, condition: Condition)] {
        var found: [(role: Role, condition: Condition)] = []
        for child in children {
            if let away = child.away { found.append((child.role, away)) }
            found += child.conditions.map { (child.role, $0) }
        }
        if let absent = addresses?.condition { found.append((.supervisor, absent)) }
        for file in configuration?.unreadable ?? [] {
            found.append((.supervisor, Condition(.certificate, file.why)))
        }
        for files in configuration?.certificates ?? [] {
            guard let givenUp = files.givenUp else { continue }
            found.append((.supervisor, Condition(.certificate, givenUp.why)))
        }
        if let hung = certificateWatch.condition(at: now) { found.append((.supervisor, hung)) }
        for trouble in state?.troubles ?? [] {
            found.append((.supervisor, Condition(.state, trouble)))
        }
        if let replaced = programs.condition { found.append((.supervisor, replaced)) }
        if let refusal { found.append((.supervisor, Condition(.settings, refusal))) }
        return found.sorted { $0.condition.kind.rawValue < $1.condition.kind.rawValue }
    }
}

extension Supervisor {
    /// Looks at the addresses when it is time, and records those that have come or gone.
    func lookAtAddresses() {
        guard let next = addresses?.next, next <= now else { return }
        for (ip, side, isThere) in addresses?.look(at: now) ?? [] {
            if isThere {
                journal.write(
                    .addressPresent, .notice,
                    "\(ip) of \(side.name) is on this machine, and served from now on",
                    [(.address, ip.description)])
            } else {
                journal.write(
                    .addressAbsent, .warning,
                    "\(ip) of \(side.name) is not on this machine: it is served once it is; if it never"
                        + " will be, correct \(side.name)",
                    [(.address, ip.description)])
            }
        }
    }

    /// Records what is wrong with the files of the settings that are in force now.
    func recordUnreadable() {
        for (setting, why) in configuration?.unreadable ?? [] {
            journal.write(.certificateRefused, .error, why, [(.file, setting)])
        }
    }
}

extension Child {
    /// What is wrong while the child does not serve; nil when it does.
    fileprivate var away: Condition? {
        guard !life.isServing else { return nil }
        return switch role {
        case .router: Condition(.noSIP, "no phone is served, for sip-router \(whereabouts)")
        case .directory, .accountsReader:
            Condition(
                .accounts,
                "only accounts that are known can authenticate, for \(role.name) \(whereabouts)")
        case .terminator:
            Condition(.component, "no phone is served by TLS, for tls-terminator \(whereabouts)")
        case .banner, .supervisor:
            Condition(.component, "no ban begins or ends, for \(role.name) \(whereabouts)")
        }
    }

    private var whereabouts: String {
        let end = lastEnd.isEmpty ? "" : " after \(lastEnd)"
        return switch life.state {
        case .unusable: "cannot use its settings: see its messages, correct them and reload"
        case .waiting: "waits to be started again\(end)"
        case .killed where !life.isInHand: "hangs in the kernel and cannot be ended"
        case .greeting, .starting: "is starting\(end)"
        default: "is being replaced"
        }
    }
}
