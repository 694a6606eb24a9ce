// What keeps a broken source from ending everybody's bindings at once.
internal import Messages
internal import Sys

/// Accounts whose bindings are to end, until it is decided whether they do.
///
/// What looks like a mistake (`MassEnding`) is held back, until the accounts are read again 15 s later. Then those end
/// that are still gone or changed.
struct Brake {
    /// An account of which something is gone.
    struct Ending {
        /// The name and realm by which that was seen.
        var query: AccountQuery
        /// What it was before; nil when that is not known.
        var before: Account?
        /// How many of its bindings end.
        var count: Int
        /// Whether its calls end now as well: they were let in by what was not true any more.
        var endsCalls: Bool
        /// Since when it is held back, by the monotonic clock; nil while nothing is decided.
        var held: Milliseconds?
    }

    /// What was decided.
    enum Decision {
        /// The bindings of these end.
        case end([Ending])
        /// So many bindings would end of so many: nothing does for now.
        case holdBack(count: Int, of: Int)
    }

    /// How long what is held back waits before it is read again.
    ///
    /// A table that is empty for ten seconds is whole again by then, though its change is seen within a second alone.
    static let pause = Milliseconds.seconds(15)
    /// How long what an answer ends waits for what else is gone, while no round is about to tell.
    static let patience = Milliseconds(1500)

    /// By the account's name.
    private(set) var endings: [String: Ending] = [:]
    /// How many bindings they have.
    private var bindingCount = 0
    /// What answers have ended lately: when, and how many bindings.
    private var ended: [(at: Milliseconds, count: Int)] = []
    /// When what is undecided was first seen; nil while there is nothing.
    private(set) var undecidedSince: Milliseconds?

    /// Those that are held back.
    var held: [Ending] { endings.values.filter { $0.held != nil } }

    /// Whether so much is gone that it may be a mistake, and it is not decided yet what ends.
    ///
    /// Of a few accounts what the source says is told at once: were it not, somebody who asks for names would learn by
    /// the answers to the others which one has just changed.
    var isDeciding: Bool { bindingCount > MassEnding.most }

    /// How many bindings are held back.
    var heldCount: Int { held.reduce(0) { $0 + $1.count } }

    /// When those that are held back are to be read again; nil without such.
    var nextLook: Milliseconds? { held.compactMap(\.held).max().map { $0 + Self.pause } }

    /// Something of an account is gone; what is known of it from before stays.
    mutating func add(_ ending: Ending, _ now: Milliseconds) {
        let name = ending.query.name
        if let known = endings[name] {
            endings[name]?.endsCalls = known.endsCalls || ending.endsCalls
            endings[name]?.count = max(known.count, ending.count)
            bindingCount += max(ending.count - known.count, 0)
            return
        }
        endings[name] = ending
        bindingCount += ending.count
        undecidedSince = undecidedSince ?? now
    }

    /// An account is what it was before.
    mutating func isBack(_ name: String) {
        remove(name)
        if endings.values.allSatisfy({ $0.held != nil }) { undecidedSince = nil }
    }

    private mutating func remove(_ name: String) {
        bindingCount -= endings.removeValue(forKey: name)?.count ?? 0
    }

    /// Decides about what is undecided, of so many bindings in all; `isRound` when a round has seen it.
    mutating func decide(of total: Int, isRound: Bool, _ now: Milliseconds) -> Decision {
        ended.removeAll { now - $0.at > MassEnding.memory }
        let new = endings.values.filter { $0.held == nil }
        undecidedSince = nil
        let count = new.reduce(0) { $0 + $1.count }
        let lately = ended.reduce(0) { $0 + $1.count }
        let all = count + heldCount + lately
        if count > 0, MassEnding.looksLikeMistake(all, of: total + lately) {
            for ending in new { endings[ending.query.name]?.held = now }
            return .holdBack(count: heldCount, of: total)
        }
        for ending in new { remove(ending.query.name) }
        if !isRound, count > 0 { ended.append((now, count)) }
        return .end(new)
    }

    /// Takes those that were held back long enough when a round began that has found them so again.
    mutating func agreed(_ names: Set<String>, began: Milliseconds) -> [Ending] {
        let agreed = held.filter { ending in
            names.contains(ending.query.name)
                && ending.held.map { began - $0 >= Self.pause } ?? false
        }
        for ending in agreed { remove(ending.query.name) }
        return agreed
    }
}

extension DirectoryToRouter {
    /// The message while it is not decided what ends: what the source says of an account is not believed then.
    ///
    /// By the age of the row sip-router refuses nobody as wrong, whoever it is: were only the others unavailable, a
    /// wrong password would tell who stands.
    var whileDeciding: DirectoryToRouter {
        guard case .account(let id, let answer, let age) = self else { return self }
        switch answer {
        case .found:
            return .account(
                id: id, answer, age: max(age, KnownRow.freshness + Milliseconds(1)))
        case .unknown, .unavailable:
            return .account(id: id, .unavailable, age: Milliseconds(0))
        }
    }
}
