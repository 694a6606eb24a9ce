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

    /// Stores a message for an account; none when there is no room, or it has its part of the largest blocks.
    ///
    /// A buffer and not its span, which the compiler takes for a borrow of the whole router.
    static func store(
        _ message: borrowing ByteBuffer, of account: Int32, isTrunk: Bool,
        _ blocks: inout BlockStore, _ accounts: inout Accounts
    ) -> Block {
        store(message.span, of: account, isTrunk: isTrunk, &blocks, &accounts)
    }

    /// Stores a message for an account, as the other one does.
    static func store(
        _ message: Span<UInt8>, of account: Int32, isTrunk: Bool, _ blocks: inout BlockStore,
        _ accounts: inout Accounts
    ) -> Block {
        let largest = blocks.largest
        guard account >= 0, message.count > largest.beyond else { return blocks.store(message) }
        let count = accounts[account].share.largestBlocks
        guard isTrunk || AccountShare.allows(count, of: largest.count) else { return .none }
        let block = blocks.store(message)
        if block.exists { accounts[account].share.largestBlocks += 1 }
        return block
    }

    /// Gives a block of an account's back; nothing when it is none.
    static func release(
        _ block: inout Block, of account: Int32, _ blocks: inout BlockStore,
        _ accounts: inout Accounts
    ) {
        guard block.exists else { return }
        if account >= 0, Int(block.length) > blocks.largest.beyond {
            accounts[account].share.largestBlocks -= 1
        }
        blocks.release(&block)
    }
}
