package import Messages
package import Privsep
internal import Sys

/// The supervisor of a child within the test's own process, and the child's records.
package final class TestSupervisor {
    /// The supervisor's end.
    package let end: SupervisorEnd
    /// The child's end.
    package let supervision: Supervision
    /// What the child writes to its journal.
    package let journal: TestJournal

    /// A supervisor of a child of a role, whose hello is under way.
    package init(_ role: Role) throws {
        let (mine, its) = try Socket.seqpacketPair()
        end = SupervisorEnd(mine)
        supervision = Supervision(role: role, link: its)
        journal = try TestJournal()
        journal.take(supervision.journal)
    }
}
