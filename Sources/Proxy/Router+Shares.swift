internal import Dialling
internal import SIP
internal import Sys

/// What one account may have of the tables that all share: an eighth of each, so that eight have to conspire.
extension Router {
    /// The sizes of blocks, in bytes, and how many there are.
    ///
    /// Six for each exchange there may be: its request, the lines that answers repeat, its answer, what its branches
    /// sent; and one for each call. Most messages fit 2,048 bytes, those of phones with ICE and many codecs 4,096 or
    /// 8,192; 65,536 are the longest one of a stream.
    static let blockSizes = [
        (512, 400_000), (1024, 400_000), (2048, 600_000), (4096, 20_000), (8192, 8000),
        (65_536, 512),
    ]

    /// How many bytes of users and reasons are kept, of all exchanges together.
    static let textBytes = 64 << 20

    /// Whether an account may have one more exchange.
    func hasExchangeShare(_ account: Int32) -> Bool {
        guard account >= 0 else { return true }
        let share = accounts[account].share
        return share.allows(share.exchanges, of: exchanges.capacity)
    }

    /// Whether an account may have one more branch.
    func hasBranchShare(_ account: Int32) -> Bool {
        guard account >= 0 else { return true }
        let share = accounts[account].share
        return share.allows(share.branches, of: clients.capacity)
    }

    /// Whether an account may have one more call.
    func hasCallShare(_ account: Int32) -> Bool {
        guard account >= 0 else { return true }
        return accounts[account].share.allows(calls.gate[account].all, of: Calls.capacity)
    }
}

extension BlockStore {
    /// Of so many sizes, the smallest ones, there are enough for whatever the other tables let in.
    private static let plentiful = Router.blockSizes.count - AccountShare.sharedSizes

    /// The place of a block among the sizes that are shared out, and how many blocks of that size there are; nil for
    /// one of the others.
    private func shared(_ block: Block) -> (place: Int, count: Int)? {
        let (number, count) = size(of: block)
        return number < Self.plentiful ? nil : (number - Self.plentiful, count)
    }

    /// Whether a block is of a size of which there are few.
    func isScarce(_ block: Block) -> Bool { block.exists && shared(block) != nil }

    /// Stores a message for an account; none when there is no room, or it has its part of the blocks of the size that
    /// is free.
    mutating func store(
        _ message: Span<UInt8>, of account: Int32, _ accounts: inout Accounts
    ) -> Block {
        var block = store(message)
        guard account >= 0, block.exists, let (place, count) = shared(block) else { return block }
        let share = accounts[account].share
        guard share.allows(share.longBlocks[place], of: count) else {
            release(&block)
            return .none
        }
        accounts[account].share.longBlocks[place] += 1
        return block
    }

    /// Stores what a buffer holds for an account, as the other one does.
    mutating func store(
        _ buffer: borrowing ByteBuffer, of account: Int32, _ accounts: inout Accounts
    ) -> Block {
        store(buffer.span, of: account, &accounts)
    }

    /// Gives a block of an account's back; nothing when it is none.
    mutating func release(
        _ block: inout Block, of account: Int32, _ accounts: inout Accounts
    ) {
        guard block.exists else { return }
        if account >= 0, let (place, _) = shared(block) {
            accounts[account].share.longBlocks[place] -= 1
        }
        release(&block)
    }
}
