internal import Registrar
internal import SIP
internal import Sys

/// What one account may have of the tables that all share: an eighth of each, so that eight have to conspire.
///
/// A trunk, whose calls are those of a whole company, has limits of its own and no share.
extension Router {
    /// Whether an account may have one more exchange.
    func hasExchangeShare(_ account: Int32) -> Bool {
        account < 0
            || AccountShare.allows(accounts[account].share.exchanges, of: exchanges.capacity)
            || trunk(of: account) != nil
    }

    /// Whether an account may have one more branch.
    func hasBranchShare(_ account: Int32) -> Bool {
        account < 0
            || AccountShare.allows(accounts[account].share.branches, of: clients.capacity)
            || trunk(of: account) != nil
    }

    /// Whether an account may have one more call.
    func hasCallShare(_ account: Int32) -> Bool {
        account < 0 || Int(calls.gate[account].all) < Calls.capacity / AccountShare.parts
            || trunk(of: account) != nil
    }
}

extension BlockStore {
    /// Stores a message for an account; none when there is no room, or it has its part of the largest blocks.
    mutating func store(
        _ message: Span<UInt8>, of account: Int32, isTrunk: Bool, _ accounts: inout Accounts
    ) -> Block {
        let largest = largest
        guard account >= 0, message.count > largest.beyond else { return store(message) }
        let count = accounts[account].share.largestBlocks
        guard isTrunk || AccountShare.allows(count, of: largest.count) else { return .none }
        let block = store(message)
        if block.exists { accounts[account].share.largestBlocks += 1 }
        return block
    }

    /// Stores what a buffer holds for an account, as the other one does.
    mutating func store(
        _ buffer: borrowing ByteBuffer, of account: Int32, isTrunk: Bool,
        _ accounts: inout Accounts
    ) -> Block {
        store(buffer.span, of: account, isTrunk: isTrunk, &accounts)
    }

    /// Gives a block of an account's back; nothing when it is none.
    mutating func release(
        _ block: inout Block, of account: Int32, _ accounts: inout Accounts
    ) {
        guard block.exists else { return }
        if account >= 0, Int(block.length) > largest.beyond {
            accounts[account].share.largestBlocks -= 1
        }
        release(&block)
    }
}
