// The kernel's part of a ban: nftables commands, and what carries them out.
internal import Messages
internal import Sys

/// What carries out nftables commands.
protocol Firewall: AnyObject {
    /// Runs commands as one transaction; returns why they failed, or nil.
    func run(_ commands: String) -> String?
}

/// The nftables commands of the table `inet rempart`, the only one that is ever named.
enum FirewallCommands {
    private static let table = "inet rempart"

    /// Makes the table anew with these bans, in one transaction: no packet meets it half made.
    ///
    /// Priority -300 (raw) comes before conntrack (-200), so that a ban also ends flows that a
    /// firewall accepts as established (nft(8), "CHAINS").
    static func rebuild(_ bans: [BanRow], now: Milliseconds) -> String {
        """
        add table \(table)
        delete table \(table)
        table \(table) {
            set banned4 { type ipv4_addr; flags timeout; size 131072; }
            set banned6 { type ipv6_addr; flags timeout; size 131072; }
            chain prerouting {
                type filter hook prerouting priority -300; policy accept;
                ip saddr @banned4 counter drop
                ip6 saddr & ffff:ffff:ffff:ffff:: @banned6 counter drop
            }
        }

        """ + elements("add", bans, now: now)
    }

    /// Puts bans in force; those in force already get their new end.
    ///
    /// The kernel keeps the old timeout of an element that is added again, and refuses to delete one
    /// that is not there: hence add, delete, add, all in one transaction.
    static func ban(_ bans: [BanRow], now: Milliseconds) -> String {
        lift(bans.map(\.source.address)) + elements("add", bans, now: now)
    }

    /// Ends the bans of sources, whether they are still in force or not.
    static func lift(_ sources: [IPAddress]) -> String {
        let all = sources.map { ($0, "\($0)") }
        return command("add", all) + command("delete", all)
    }

    private static func elements(_ verb: String, _ bans: [BanRow], now: Milliseconds) -> String {
        command(
            verb,
            bans.map { ban in
                // Rounded up: an element whose timeout is 0 would stay for ever.
                let seconds = max((ban.until - now + Milliseconds(999)).seconds, 1)
                return (ban.source.address, "\(ban.source.address) timeout \(seconds)s")
            })
    }

    private static func command(_ verb: String, _ items: [(IPAddress, String)]) -> String {
        var text = ""
        for (set, isV4) in [("banned4", true), ("banned6", false)] {
            let elements = items.filter { $0.0.isV4 == isV4 }.map(\.1)
            guard !elements.isEmpty else { continue }
            text += "\(verb) element \(table) \(set) { \(elements.joined(separator: ", ")) }\n"
        }
        return text
    }
}
