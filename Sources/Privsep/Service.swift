package import Messages
package import Reactor
package import Sys
package import Wire

/// What one child does beside what all of them do; `ServiceLoop` calls it, on one thread.
package protocol Service: AnyObject {
    /// The links to the child's peers, asked for once; the loop attaches, watches and reads them.
    var peers: [PeerLink] { get }

    /// A new link to a peer stands; its first frame must be the hello.
    func linked(_ peer: Role)

    /// Takes one frame of a peer; the error closes the link.
    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError)

    /// Takes the event of a descriptor that the service itself has added to the loop's poller.
    func handle(_ event: Event)

    /// Takes the settings and files of a reload; returns why it cannot, else nil.
    func reload(_ set: StartSet) -> String?

    /// Takes the files of the certificate of a place, which was renewed; false when it has no certificates.
    func renew(_ place: Int, _ files: [FileKind: Descriptor]) -> Bool

    /// Takes over from which endpoint each Asterisk is called; false when it calls none.
    func follow(_ ways: [AsteriskWay]) -> Bool

    /// The rows that answer a caller of the control socket, the last one `done` or `failed`.
    ///
    /// They are asked for after the end of the turn, as the caller takes them.
    func replies(to request: ControlRequest) -> AnyIterator<ControlReply>

    /// The answer to a caller that the service cannot give before a later turn; nil: `replies` gives it.
    func lateAnswer(to request: ControlRequest) -> LateAnswer?

    /// Does what is due, once a second; returns the status line.
    func second() -> String

    /// All that is wrong now; asked for after each `second()`.
    var conditions: [Condition] { get }

    /// How long the loop may sleep while nothing comes, at most to the next second; nil for as long as that.
    var patience: Milliseconds? { get }

    /// Carries out what the events of one turn of the loop have gathered.
    func endOfTurn()

    /// Does a piece of what may wait, for at most a millisecond; whether there is more of it.
    func whenSpare() -> Bool

    /// Makes durable what is not yet, and takes leave: the process is about to end.
    func stop()
}

/// What a service does that has its peers' links and its callers alone.
extension Service {
    package func handle(_ event: Event) {}
    package func renew(_ place: Int, _ files: [FileKind: Descriptor]) -> Bool { false }
    package func follow(_ ways: [AsteriskWay]) -> Bool { false }
    package func lateAnswer(to request: ControlRequest) -> LateAnswer? { nil }
    package var patience: Milliseconds? { nil }
    package func whenSpare() -> Bool { false }
}
