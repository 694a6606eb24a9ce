package import Journal
package import Messages
package import Reactor

extension Journal {
    /// Records what there is to tell of a want of descriptors: once when it begins, once when it is over.
    ///
    /// `connections` says of what kind those are that cannot be accepted: "TCP connections".
    package func write(_ news: Acceptance.News?, of role: Role, accepting connections: String) {
        switch news {
        case .begun(let why):
            write(
                .degraded, .error, "no more \(connections) are accepted until others end: \(why)",
                [(.component, role.name)])
        case .over:
            write(
                .degraded, .notice, "\(connections) are accepted again", [(.component, role.name)])
        case nil: break
        }
    }
}

extension Acceptance {
    /// What is wrong while descriptors lack; `connections` as for the record.
    package func conditions(accepting connections: String) -> [Condition] {
        guard isShort else { return [] }
        return [
            Condition(
                .resources,
                "no more \(connections) are accepted until others end: raise LimitNOFILE= "
                    + "(systemctl edit rempart) and restart",
                recorded: .both)
        ]
    }
}
