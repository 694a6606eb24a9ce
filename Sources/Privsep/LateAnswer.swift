package import Messages

/// An answer to a caller of the control socket that waits for somebody else.
///
/// Its service completes it in a later turn of the loop, whatever comes, and has few of them at a time.
package final class LateAnswer {
    /// All its rows, the last one `done` or `failed`; nil until they are known.
    package private(set) var rows: [ControlReply]?

    /// An answer that is not known yet.
    package init() {}

    /// Gives the rows; nothing once they have been given.
    package func complete(_ rows: [ControlReply]) { self.rows = self.rows ?? rows }
}
