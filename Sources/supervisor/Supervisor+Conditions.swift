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
        if let absent = routes?.condition { found.append((.supervisor, absent)) }
        for file in configuration?.unreadable ?? [] {
            found.append((.supervisor, Condition(.certificate, file.why, recorded: .both)))
        }
        for files in configuration?.certificates ?? [] {
            guard let givenUp = files.givenUp else { continue }
            found.append((.supervisor, Condition(.certificate, givenUp.why, recorded: .both)))
        }
        if let hung = certificateWatch.condition(at: now) { found.append((.supervisor, hung)) }
        for trouble in state?.troubles ?? [] {
            found.append((.supervisor, Condition(.state, trouble, recorded: .both)))
        }
        if let replaced = programs.condition { found.append((.supervisor, replaced)) }
        if let refusal {
            found.append((.supervisor, Condition(.settings, refusal, recorded: .both)))
        }
        return found.sorted { $0.condition.kind.rawValue < $1.condition.kind.rawValue }
    }
}

extension Supervisor {
    /// Records what has begun and what is over, where nobody else does.
    func recordConditions() {
        guard !isStopping else { return }
        let away = Set(children.filter { !$0.life.isServing }.map(\.role))
        for news in conditionRecords.look(conditions, away: away, at: now) {
            let component = [(Field.component, news.role.name)]
            if news.isOver {
                let what = news.condition.text.split(separator: ". ", maxSplits: 1).first ?? ""
                journal.write(.degraded, .notice, "over: \(what)", component)
            } else {
                journal.write(.degraded, .warning, news.condition.text, component)
            }
        }
    }

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
        case .router: away(.noSIP, "no phone is served")
        case .directory, .accountsReader:
            away(.accounts, "only accounts that are known can authenticate")
        case .terminator: away(.component, "no phone is served by TLS")
        case .banner, .supervisor: away(.component, "no ban begins or ends")
        }
    }

    private func away(_ kind: Condition.Kind, _ consequence: String) -> Condition {
        Condition(kind, "\(consequence), for \(role.name) \(whereabouts)", recorded: .both)
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
