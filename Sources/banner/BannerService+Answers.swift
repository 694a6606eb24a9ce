// What banner answers the administrator.
internal import Journal
internal import Messages
internal import Sys

extension BannerService {
    func replies(to request: ControlRequest) -> AnyIterator<ControlReply> {
        guard case .bans = request else { return AnyIterator(reply(request).makeIterator()) }
        // First who enforces them, since some want to know no more.
        var head = [ControlReply.kernelBans(isEnforced, whyNotEnforced)].makeIterator()
        var rows = bans.rows.makeIterator()
        var end = [ControlReply.done].makeIterator()
        return AnyIterator { head.next() ?? rows.next().map(ControlReply.ban) ?? end.next() }
    }

    private func reply(_ request: ControlRequest) -> [ControlReply] {
        switch request {
        case .ban(let address, let span, let words):
            switch banByHand(address, span, words) {
            case .banned(let row): return [.ban(row), .done]
            case .excepted(let exception): return [.failed(Self.refusal(address, exception))]
            case .full: return [.failed(Self.full)]
            }
        case .unban(let address?): return unban(address)
        case .unban(nil):
            clear()
            return [.done]
        case .why(let address): return why(address)
        case .allow(let network, let isAllowed): return allow(network, isAllowed)
        default: return [.failed("banner answers no such request")]
        }
    }

    private var isEnforced: Bool { kernel.isActive && mode == .enforce }

    private var whyNotEnforced: String {
        guard kernel.isActive else { return kernel.whyNot }
        return mode == .enforce ? "" : "defence.mode is observe: nothing is dropped"
    }

    private static func refusal(_ address: IPAddress, _ exception: Exception) -> String {
        switch exception {
        case .setting(let network):
            "\(address) is not banned: defence.allow holds \(network); take it out of the settings"
                + " and reload first"
        case .asterisk(let server):
            "\(address) is not banned: \(server) is an Asterisk of the settings"
        case .trunk(let name, let network):
            "\(address) is not banned: \(network) belongs to the trunk \(name); take it out of"
                + " the settings first"
        case .administrator(let network):
            "\(address) is not banned: \(network) was allowed by hand; take that back first by"
                + " 'rempart allow --remove \(network)'"
        case .own(let own):
            "\(address) is not banned: \(own) is the edge's own address outside"
        case .protected: "\(address) is not banned: it has live registrations"
        }
    }

    private func unban(_ address: IPAddress) -> [ControlReply] {
        var isLifted = false
        for source in [Network.source(of: address), .neighbourhood(of: address)] {
            guard let row = bans.lift(source) else { continue }
            ended(row, "by-hand", isForgotten: true)
            isLifted = true
        }
        return isLifted
            ? [.done] : [.failed("\(address) is not banned; 'rempart bans' lists who is")]
    }

    private func clear() {
        let count = bans.count
        for row in bans.rows { store(.lifted(row.source)) }
        for row in bans.ended { store(.lifted(row.source)) }
        bans.clear()
        neighbours = Neighbours()
        kernel.touchAll()
        send(.cleared)
        record(.cleared(count))
    }

    private func allow(_ network: Network, _ isAllowed: Bool) -> [ControlReply] {
        guard network.prefix > 0 else {
            return [.failed("\(network) is everybody: set defence.mode to observe instead")]
        }
        guard exceptions.allow(network, isAllowed) else {
            return [
                .failed(
                    isAllowed
                        ? "\(network) is allowed already"
                        : "\(network) was not allowed by hand; defence.allow is changed in the"
                            + " settings")
            ]
        }
        store(.allowed(network, isAllowed))
        kernel.allow(AddressRanges(exceptions.networks))
        if isAllowed { liftExcepted("allowed-by-hand") }
        return [.done]
    }

    private func why(_ address: IPAddress) -> [ControlReply] {
        let now = clock()
        var rows: [(String, String)] = [("address", "\(address)"), ("verdict", verdict(address))]
        let ban = bans.ban(covering: address)
        if let row = ban ?? bans.past(of: address) {
            rows += [
                ("source", row.source.name), ("reason", row.reason), ("evidence", row.evidence),
                ("profile", row.profile), ("offences", "\(row.count)"),
                ("first seen", "\(row.firstSeen.seconds)"),
                ("last seen", "\(row.lastSeen.seconds)"), ("banned", "\(row.since.seconds)"),
                (ban == nil ? "ended" : "ends", "\(row.until.seconds)"),
                ("times banned", "\(row.level)"),
            ]
        }
        let source = Network.source(of: address)
        if let until = exceptions.protection(of: source, now: now) {
            rows.append(("protected until", "\(until.seconds)"))
        }
        let country = countries.country(of: address)
        rows.append(("country", country.isEmpty ? "unknown" : country))
        if !countries.state.isEmpty { rows.append(("country database", countries.state)) }
        if let list = blockLists.list(holding: address) { rows.append(("block list", list)) }
        let would = mode == .enforce ? "" : "would be "
        if TableText.isOwn(address, kernel.plan) {
            rows.append(
                ("by UDP to outside", "\(would)dropped: nobody outside has this address"))
        }
        rows.append(
            (
                "judged by",
                "Rempart's table inet \(kernel.table) alone: other firewalls are in nft list ruleset"
            ))
        if !isEnforced { rows.append(("kernel", whyNotEnforced)) }
        return rows.filter { !$0.1.isEmpty }.map { .finding(name: $0.0, value: $0.1) } + [.done]
    }

    /// What happens to the packets of an address, by the first rule of the table that fits.
    private func verdict(_ address: IPAddress) -> String {
        let now = clock()
        let would = mode == .enforce ? "" : "would be "
        if let exception = exceptions.exception(of: address) {
            switch exception {
            case .setting(let network): return "allowed: \(network) is in defence.allow"
            case .asterisk: return "allowed: it is an Asterisk of the settings"
            case .trunk(let name, let network):
                return network.isOneAddress
                    ? "allowed: it belongs to the trunk \(name)"
                    : "allowed: \(network) belongs to the trunk \(name)"
            case .administrator(let network): return "allowed: \(network) was allowed by hand"
            case .own, .protected: break
            }
        }
        let source = Network.source(of: address)
        if bans.ban(of: source) != nil { return "\(would)banned" }
        if exceptions.protection(of: source, now: now) != nil {
            return "passes Rempart's table: it has live registrations"
        }
        if let row = bans.ban(covering: address) {
            return "\(would)banned with its neighbourhood \(row.source)"
        }
        if blockLists.list(holding: address) != nil {
            return "\(would)dropped: a block list has it"
        }
        if let ranges = countries.ranges, !ranges.contains(address) {
            return "\(would)dropped: its country is not in defence.countries"
        }
        return "passes Rempart's table, within defence.packets and defence.connections; "
            + "other firewalls of this machine are not looked at"
    }
}
