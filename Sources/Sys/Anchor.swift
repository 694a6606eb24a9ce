internal import Synchronization

/// Keeps the struct that has it in memory, where it is lent out by its address.
///
/// Without it Swift 6.3 copies a whole `~Copyable` struct for a reader of one of its fields, as long as it might hold
/// the struct in registers. It says nothing and is never read.
package struct Anchor: ~Copyable {
    private let atomic = Atomic<UInt8>(0)

    /// An anchor.
    package init() {}
}
