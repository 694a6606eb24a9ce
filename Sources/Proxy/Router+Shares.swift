internal import Registrar
internal import SIP
internal import Sys

/// What one account may have of the tables that all share: an eighth of each, so that eight have to conspire.
extension Router {
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
    /// Stores a message for an account; none when there is no room, or it has its part of the largest blocks.
    mutating func store(
        _ message: Span<UInt8>, of account: Int32, _ accounts: inout Accounts
    ) -> Block {
        let largest = largest
        guard account >= 0, message.count > largest.beyond else { return store(message) }
        let share = accounts[account].share
        guard share.allows(share.largestBlocks, of: largest.count) else { return .none }
        let block = store(message)
        if block.exists { accounts[account].share.largestBlocks += 1 }
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
        if account >= 0, Int(block.length) > largest.beyond {
            accounts[account].share.largestBlocks -= 1
        }
        release(&block)
    }
}
