package import Sys

/// How much one party has of the tables that all share: an account at most an eighth of each, so that eight have to
/// conspire.
///
/// A trunk, whose calls are those of a whole company, has limits of its own.
package struct Shares: ~Copyable {
    /// One part of so many is an account's.
    package static let parts = 8

    /// What a party has.
    struct Share: BitwiseCopyable {
        /// Requests that are passed on for it.
        var contexts: UInt32 = 0
        /// What those were split into.
        var branches: UInt32 = 0
        /// Blocks of the sizes of which there are few.
        var longBlocks = InlineArray<3, UInt32>(repeating: 0)
    }

    /// By the accounts' places; all zeros is a share of nothing.
    private var accounts: ReservedArray<Share>

    /// Shares of so many accounts.
    package init(accounts capacity: Int) { accounts = ReservedArray(zeros: capacity) }

    private func allows(_ count: UInt32, of capacity: Int) -> Bool {
        Int(count) < capacity / Self.parts
    }

    /// Whether a party may have one more response context, of so many that there are.
    package func allowsContext(_ party: Party, of capacity: Int) -> Bool {
        guard let account = party.account else { return true }
        return allows(accounts[Int(account.place)].contexts, of: capacity)
    }

    /// Whether a party may have one more branch, of so many that there are.
    package func allowsBranch(_ party: Party, of capacity: Int) -> Bool {
        guard let account = party.account else { return true }
        return allows(accounts[Int(account.place)].branches, of: capacity)
    }

    /// Whether an account that has so many of a table, of so many that there are, may have one more.
    package func allows(_ count: UInt32, _ party: Party, of capacity: Int) -> Bool {
        party.account == nil || allows(count, of: capacity)
    }

    /// A party has one response context more, or less.
    package mutating func countContext(_ party: Party, _ isMore: Bool) {
        guard let account = party.account else { return }
        if isMore {
            accounts[Int(account.place)].contexts += 1
        } else {
            accounts[Int(account.place)].contexts -= 1
        }
    }

    /// A party has one branch more, or less.
    package mutating func countBranch(_ party: Party, _ isMore: Bool) {
        guard let account = party.account else { return }
        if isMore {
            accounts[Int(account.place)].branches += 1
        } else {
            accounts[Int(account.place)].branches -= 1
        }
    }

    /// Takes a block of a size for a party, by its place among those that are shared out; false when it has its part.
    fileprivate mutating func takeBlock(_ party: Party, _ size: Int, of count: Int) -> Bool {
        guard let account = party.account else { return true }
        let place = Int(account.place)
        guard allows(accounts[place].longBlocks[size], of: count) else { return false }
        accounts[place].longBlocks[size] += 1
        return true
    }

    fileprivate mutating func returnBlock(_ party: Party, _ size: Int) {
        guard let account = party.account else { return }
        accounts[Int(account.place)].longBlocks[size] -= 1
    }
}

extension BlockStore {
    /// Of so many sizes, the smallest ones, there are enough for whatever the other tables let in.
    private static let plentiful = Bench.blockSizes.count - 3

    /// The place of a block among the sizes that are shared out, and how many blocks of that size there are; nil for
    /// one of the others.
    private func shared(_ block: Block) -> (place: Int, count: Int)? {
        let (number, count) = size(of: block)
        return number < Self.plentiful ? nil : (number - Self.plentiful, count)
    }

    /// Whether a block is of a size of which there are few.
    package func isScarce(_ block: Block) -> Bool { block.exists && shared(block) != nil }

    /// Stores a message for a party; none when there is no room, or it has its part of the blocks of the size that
    /// is free.
    package mutating func store(
        _ message: Span<UInt8>, of party: Party, _ shares: inout Shares
    ) -> Block {
        var block = store(message)
        guard block.exists, let (place, count) = shared(block) else { return block }
        guard shares.takeBlock(party, place, of: count) else {
            release(&block)
            return .none
        }
        return block
    }

    /// Stores what a buffer holds for a party, as the other one does.
    package mutating func store(
        _ buffer: borrowing ByteBuffer, of party: Party, _ shares: inout Shares
    ) -> Block {
        store(buffer.span, of: party, &shares)
    }

    /// Gives a block of a party's back; nothing when it is none.
    package mutating func release(_ block: inout Block, of party: Party, _ shares: inout Shares) {
        guard block.exists else { return }
        if let (place, _) = shared(block) { shares.returnBlock(party, place) }
        release(&block)
    }
}
