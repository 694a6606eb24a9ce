internal import Messages
internal import Sys

/// The numbers that were refused to accounts of late, in a table of fixed size.
///
/// An account may stand in one of four places; when all are taken, the one whose time began first is forgotten.
/// Only who has an account's password gets in, so nobody can push others out at will.
struct RefusedNumbers: ~Copyable {
    /// How many refusals count as much as that many numbers: whoever tries one number again and again is
    /// angry, up to a point.
    private static let patience: UInt32 = 4

    private struct Entry: BitwiseCopyable {
        var account: Int32 = -1
        var since = Milliseconds(0)
        var total: UInt32 = 0
        var numbers = 0
        /// The marks of the numbers, cut; a limit is at most 40.
        var marks = InlineArray<40, UInt16>(repeating: 0)
    }

    private var entries: [Entry]

    /// A table of so many places, a power of two of at least 4.
    init(places: Int) { entries = Array(repeating: Entry(), count: places) }

    /// Counts a number that was refused to an account; how many refusals there were, when as many
    /// different numbers as the limit says were among them: it begins anew then.
    mutating func add(
        _ account: Int32, _ mark: UInt64, _ limit: Limit, _ now: Milliseconds
    ) -> UInt32? {
        let place = place(account)
        if entries[place].account != account || now - entries[place].since >= limit.window {
            entries[place] = Entry(account: account, since: now)
        }
        entries[place].total &+= 1
        Self.add(UInt16(truncatingIfNeeded: mark), to: &entries[place])
        let (numbers, total) = (entries[place].numbers, entries[place].total)
        guard numbers >= Int(limit.count) || total >= limit.count &* Self.patience else {
            return nil
        }
        entries[place] = Entry()
        return total
    }

    private func place(_ account: Int32) -> Int {
        let hash = UInt64(UInt32(bitPattern: account)) &* 0x9E37_79B9_7F4A_7C15 >> 32
        let first = Int(hash) & (entries.count - 1) & ~3
        var victim = first
        for place in first..<first + 4 {
            if entries[place].account == account { return place }
            if entries[place].since < entries[victim].since { victim = place }
        }
        return victim
    }

    private static func add(_ mark: UInt16, to entry: inout Entry) {
        for place in 0..<entry.numbers where entry.marks[place] == mark { return }
        guard entry.numbers < 40 else { return }
        entry.marks[entry.numbers] = mark
        entry.numbers += 1
    }
}
