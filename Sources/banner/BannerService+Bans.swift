// Bans begun and ended, by order of sip-router or of an administrator.
internal import Journal
internal import Messages
internal import Sys

/// What became of a wish to ban.
enum BanOutcome: Equatable {
    /// The source is banned, as the row says.
    case banned(BanRow)
    /// The source must not be banned.
    case excepted(Exception)
    /// There is no room for another ban.
    case full
}

extension BannerService {
    /// Carries out an order of sip-router.
    func carryOut(_ order: BanOrder) {
        let source = Network.source(of: order.address)
        let now = clock()
        let old = bans.ban(of: source)
        guard isWithinMeasure(begins: old == nil) else { return }
        // Orders on their way while the ban began are the same offence.
        let level = old?.level ?? bans.level(of: source, now: now) + 1
        let span = max(spans[min(Int(level), spans.count) - 1], order.atLeast)
        var row = BanRow(
            source: source, reason: Self.line(order.reason), evidence: Self.line(order.evidence),
            profile: Self.line(order.profile), since: now, until: now + span,
            firstSeen: min(order.firstSeen, now), lastSeen: min(order.lastSeen, now),
            count: order.count, level: level)
        if let old { row = Self.joined(old, row) }
        // One attack is often seen by several detectors: it is one record, unless it weighs far more now.
        let isNews = old.map { row.until - row.since >= Milliseconds(2 * $0.span.count) } ?? true
        switch begin(row, byHand: false, because: isNews ? Self.line(order.reason) : nil) {
        case .banned:
            if old == nil { rollUp(from: source) }
        case .excepted: send(.unbanned(source))
        case .full: break
        }
    }

    /// A ban in force with what was seen since: what it began with stays, and the later end holds.
    private static func joined(_ old: BanRow, _ new: BanRow) -> BanRow {
        var row = old
        row.until = max(old.until, new.until)
        row.lastSeen = max(old.lastSeen, new.lastSeen)
        row.count = old.count.adding(new.count)
        let also = "also \(new.reason)"
        let isTold =
            new.reason == old.reason
            || old.evidence.split(separator: "; ").contains { $0 == also }
        guard !isTold else { return row }
        let joined = old.evidence.isEmpty ? also : "\(old.evidence); \(also)"
        if joined.utf8.count <= BanOrder.evidenceLimit { row.evidence = joined }
        return row
    }

    /// Bans a source for as long as the administrator says, growth and earlier bans aside.
    func banByHand(_ address: IPAddress, _ span: Milliseconds, _ words: String) -> BanOutcome {
        let source = Network.source(of: address)
        let now = clock()
        let old = bans.ban(of: source)
        return begin(
            BanRow(
                source: source, reason: words.isEmpty ? "by-hand" : Self.line(words),
                evidence: old?.evidence ?? "", profile: old?.profile ?? "",
                since: old?.since ?? now, until: now + (span.count == 0 ? spans[0] : span),
                firstSeen: old?.firstSeen ?? now, lastSeen: old?.lastSeen ?? now,
                count: old?.count ?? 0, level: old?.level ?? bans.level(of: source, now: now) + 1),
            byHand: true, because: words.isEmpty ? "by-hand" : Self.line(words))
    }

    /// Begins or changes a ban, and records it with a reason; without one it is no news.
    private func begin(_ row: BanRow, byHand: Bool, because reason: String?) -> BanOutcome {
        let now = clock()
        if let exception = exceptions.reason(against: row.source, byHand: byHand, now: now) {
            return .excepted(exception)
        }
        guard bans.hasRoom(for: row.source) else {
            sayFull(true)
            return .full
        }
        sayFull(false)
        bans.insert(row)
        kernel.touch(row.source)
        store(.ban(row))
        if mode == .enforce { send(.banned(row.source, until: row.until)) }
        if let reason {
            var told = row
            told.reason = reason
            record(.began(told, (row.until - now).seconds, isEnforced: mode == .enforce))
        }
        return .banned(row)
    }

    /// Bans the neighbourhood of a source once enough of it is banned.
    private func rollUp(from source: Network) {
        let now = clock()
        let wide = Network.neighbourhood(of: source.address)
        guard neighbours.add(source, now: now), bans.ban(of: wide) == nil, bans.hasRoom(for: wide)
        else { return }
        let guilty = neighbours.members(of: wide)
        let names = guilty.map { "\($0.address)" }.joined(separator: ", ")
        let level = bans.level(of: wide, now: now) + 1
        let outcome = begin(
            BanRow(
                source: wide, reason: "neighbours",
                evidence: Self.cut("\(guilty.count) banned: \(names)", to: BanOrder.evidenceLimit),
                since: now, until: now + spans[min(Int(level), spans.count) - 1], firstSeen: now,
                lastSeen: now, count: UInt32(guilty.count), level: level), byHand: false,
            because: "neighbours")
        if case .banned = outcome { neighbours.forget(wide) }
    }

    /// A ban was taken out of the list.
    func ended(_ row: BanRow, _ reason: String, isForgotten: Bool) {
        kernel.touch(row.source)
        if isForgotten {
            store(.lifted(row.source))
            neighbours.remove(row.source)
        }
        if mode == .enforce { send(.unbanned(row.source)) }
        record(.ended(row.source, reason))
    }

    /// Text as it fits a column of the bans' file, at most 400 bytes.
    static func line(_ text: String) -> String {
        // Nearly every text is plain already; the other way costs ten times as much.
        if text.utf8.count <= 400, text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) {
            return text
        }
        let clean = text.unicodeScalars.map { scalar -> Character in
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            return isControl ? " " : Character(scalar)
        }
        return cut(String(clean), to: 400)
    }

    private static func cut(_ text: String, to limit: Int) -> String {
        var cut = text
        while cut.utf8.count > limit { cut.unicodeScalars.removeLast() }
        return cut
    }
}

extension UInt32 {
    /// The sum, or the greatest number.
    fileprivate func adding(_ other: UInt32) -> UInt32 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension BanRow {
    /// How long it lasts from its beginning.
    fileprivate var span: Milliseconds { until - since }
}

extension Network {
    /// "198.18.0.7" for an IPv4 address, else with the prefix.
    var name: String { address.isV4 && prefix == 32 ? "\(address)" : "\(self)" }
}
