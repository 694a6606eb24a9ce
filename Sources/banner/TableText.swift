// The edge's table in the words of nft(8).
internal import Messages
internal import Sys

/// What the table is made of, beside the elements of its sets.
struct TablePlan: Equatable {
    /// Whether packets are dropped, or only counted.
    var mode = Setting.defence.mode.standard
    /// Where the Internet reaches us.
    var outside: [Endpoint] = []
    /// Addresses of Asterisks, of the inside and our own.
    var own: [IPAddress] = []
    /// Whether strangers of other countries are shut out.
    var hasCountries = false
    /// UDP packets a second that a stranger may send; 0: any.
    var packets = Setting.defence.packets.standard
    /// TCP connections a second that a stranger may open; 0: any.
    var connections = Setting.defence.connections.standard
}

/// The commands that make the table, the only one that is ever named.
struct TableText {
    private let table: String
    private static let half = "ffff:ffff:ffff:ffff::"
    private static let third = "ffff:ffff:ffff::"

    /// The commands of the table of this name.
    init(_ name: String) { table = "inet \(name)" }

    /// Takes the table away, whether it is there or not.
    var removal: String { "add table \(table)\ndelete table \(table)\n" }

    /// Makes the table by a plan, in one transaction.
    ///
    /// Elements of a table that is there stay, but for our endpoints and what was counted of
    /// strangers.
    ///
    /// Priority -300 (raw) comes before conntrack (-200), so that a ban also ends flows that a
    /// firewall accepts as established (nft(8), "CHAINS").
    func make(_ plan: TablePlan) -> String {
        // Chains must be there before they can be emptied, the second of them before it is named.
        """
        add table \(table)
        add chain \(table) prerouting { type filter hook prerouting priority -300; policy accept; }
        add chain \(table) strangers
        flush chain \(table) prerouting
        flush chain \(table) strangers
        table \(table) {
        \(Self.sets)
        }
        \(emptied)
        \(endpoints(plan.outside))
        \(addresses(plan.own))
        table \(table) {
            chain strangers {
        \(Self.strangers(plan))
            }
            chain prerouting {
        \(Self.prerouting(plan))
            }
        }

        """
    }

    private static let sets: String = {
        var lines: [String] = []
        for (family, type) in [("4", "ipv4_addr"), ("6", "ipv6_addr")] {
            for name in ["banned", "wide", "protected"] {
                lines.append(
                    "    set \(name)\(family) { type \(type); flags timeout;"
                        + " size \(KernelBans.size); }")
            }
            for name in ["allowed", "blocked", "country"] {
                lines.append("    set \(name)\(family) { type \(type); flags interval; }")
            }
            lines.append(
                "    set outside\(family) { type \(type) . inet_proto . inet_service; }")
            lines.append("    set own\(family) { type \(type); }")
            for name in ["udp", "tcp"] {
                lines.append(
                    "    set \(name)\(family) { type \(type); flags dynamic, timeout;"
                        + " timeout 1m; size 65536; }")
            }
        }
        return lines.joined(separator: "\n")
    }()

    // An element holds the limit it was made with, for as long as its source keeps sending.
    private var emptied: String {
        ["outside", "own", "udp", "tcp"].flatMap { name in
            ["4", "6"].map { "flush set \(table) \(name)\($0)" }
        }.joined(separator: "\n")
    }

    private func endpoints(_ outside: [Endpoint]) -> String {
        ["outside4", "outside6"].compactMap { set in
            let elements = outside.filter {
                !$0.isWildcard && $0.address.ip.isV4 == (set == "outside4")
            }.map {
                "\($0.address.ip) . \($0.transport == .udp ? "udp" : "tcp") . \($0.address.port)"
            }
            // TCP and TLS have ports of their own, so no element comes twice.
            return elements.isEmpty
                ? nil : "add element \(table) \(set) { \(elements.joined(separator: ", ")) }"
        }.joined(separator: "\n")
    }

    /// Whether UDP packets of an address are dropped at the outside endpoints, whatever else it is.
    static func isOwn(_ address: IPAddress, _ plan: TablePlan) -> Bool {
        // Of the loopback no network brings a packet, and who tries the edge on one machine lives there.
        plan.own.contains(address) && !address.isLoopback
    }

    private func addresses(_ own: [IPAddress]) -> String {
        let named = Set(own).filter { !$0.isLoopback && !$0.isUnspecified }
        return ["own4", "own6"].compactMap { set in
            let elements = named.filter { $0.isV4 == (set == "own4") }.map { "\($0)" }.sorted()
            return elements.isEmpty
                ? nil : "add element \(table) \(set) { \(elements.joined(separator: ", ")) }"
        }.joined(separator: "\n")
    }

    /// What matches packets to our outside endpoints of a family, an expression for each kind of endpoint.
    private static func matches(_ plan: TablePlan, isV4: Bool) -> [String] {
        let named =
            isV4
            ? "ip daddr . meta l4proto . th dport @outside4"
            : "ip6 daddr . meta l4proto . th dport @outside6"
        let ports = Set(
            plan.outside.filter { $0.isWildcard && $0.address.ip.isV4 == isV4 }.map {
                "\($0.transport == .udp ? "udp" : "tcp") . \($0.address.port)"
            }
        ).sorted().joined(separator: ", ")
        guard !ports.isEmpty else { return [named] }
        // What is only forwarded by this machine goes to a unicast address of another one. Addresses come and go, so
        // the kernel is asked for each packet to the port, and for no other.
        return [
            named,
            "meta nfproto ipv\(isV4 ? 4 : 6) meta l4proto . th dport { \(ports) }"
                + " fib daddr type != unicast",
        ]
    }

    /// Drops UDP to our outside endpoints in the name of the inside or of this machine.
    private static func ownDropped(_ plan: TablePlan, isV4: Bool, _ end: String) -> [String] {
        let (saddr, set, loopback) =
            isV4 ? ("ip saddr", "@own4", "127.0.0.0/8") : ("ip6 saddr", "@own6", "::1")
        // At a wildcard address every address of this machine is one of the edge.
        let isEvery = plan.own.contains { $0.isUnspecified && $0.isV4 == isV4 }
        return matches(plan, isV4: isV4).flatMap { match in
            ["\(saddr) \(set) meta l4proto udp \(match) \(end)"]
                + (isEvery
                    ? [
                        "\(saddr) != \(loopback) meta l4proto udp \(match) fib saddr type local \(end)"
                    ] : [])
        }
    }

    private static func prerouting(_ plan: TablePlan) -> String {
        let end = plan.mode == .enforce ? "counter drop" : "counter"
        let own = [true, false].flatMap { ownDropped(plan, isV4: $0, end) }
        let strangers = [true, false].flatMap { isV4 in
            matches(plan, isV4: isV4).map { "\($0) goto strangers" }
        }
        return """
            \(own.joined(separator: "\n"))
            ip saddr @allowed4 return
            ip6 saddr @allowed6 return
            ip saddr @banned4 \(end)
            ip6 saddr & \(half) @banned6 \(end)
            ip saddr @protected4 return
            ip6 saddr & \(half) @protected6 return
            ip saddr & 255.255.255.0 @wide4 \(end)
            ip6 saddr & \(third) @wide6 \(end)
            \(strangers.joined(separator: "\n"))
            """
    }

    private static func strangers(_ plan: TablePlan) -> String {
        let end = plan.mode == .enforce ? "counter drop" : "counter"
        var rules = ["ip saddr @blocked4 \(end)", "ip6 saddr @blocked6 \(end)"]
        if plan.hasCountries {
            rules += ["ip saddr != @country4 \(end)", "ip6 saddr != @country6 \(end)"]
        }
        let limits = [
            ("udp", "meta l4proto udp", plan.packets, plan.packets * 2),
            (
                "tcp", "tcp flags & (fin | syn | rst | ack) == syn", plan.connections,
                plan.connections * 3
            ),
        ]
        for (name, match, rate, burst) in limits where rate > 0 {
            for (family, key) in [("4", "ip saddr"), ("6", "ip6 saddr & \(half)")] {
                rules.append(
                    "meta nfproto ipv\(family) \(match) update @\(name)\(family) { \(key) limit"
                        + " rate over \(rate)/second burst \(burst) packets } \(end)")
            }
        }
        return rules.joined(separator: "\n")
    }
}
