internal import Glibc
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// One child: its life, its process, and the link to it.
final class Child {
    /// Which child.
    let role: Role
    /// The user it runs as; nil: the caller.
    let user: User?
    /// Where it is in its life.
    var life: ChildLife
    /// Its process, 0 for none.
    private(set) var pid: Int32 = 0
    /// The link to it, nil when there is none.
    private(set) var link: Link?
    /// Counts its processes; tells a stale event of an older link apart.
    private(set) var generation: UInt32 = 0
    /// Its own line for `rempart status`.
    var statusLine = ""
    /// Why it refused the last reload, until it takes one.
    var refusal: String?
    /// What it says is wrong with it.
    var conditions: [Condition] = []
    /// What its process writes to its standard error; nil when that is ours, or has ended.
    var errors: ErrorOutput?
    /// The last line it wrote there, and when it came.
    var lastWords: (text: String, at: Milliseconds)?
    /// How its last process ended, in words; empty before the first end.
    private(set) var lastEnd = ""

    /// A child that has yet to be started.
    init(_ role: Role, user: User?, at now: Milliseconds) {
        self.role = role
        self.user = user
        life = ChildLife(heartbeatLimit: role.heartbeatLimit, at: now)
    }

    /// Whether the start need not wait for it: it serves, or it was tried and failed.
    var isSettled: Bool { life.isServing || restarts > 0 || generation == 1 && !life.isAlive }

    /// How often it was started again.
    var restarts: UInt32 { generation == 0 ? 0 : generation - 1 }

    /// Notes that a start is tried.
    func beginGeneration() {
        generation += 1
        statusLine = ""
        refusal = nil
        errors = nil
        lastWords = nil
    }

    /// Notes that its process runs.
    func began(pid: Int32, link: Link) {
        self.pid = pid
        self.link = link
    }

    /// Closes the link; its process may go on.
    func closeLink() { link = nil }

    /// Notes that its process is gone, and how it ended: with what it wrote right before, if anything.
    func ended(_ how: String, at now: Milliseconds) {
        pid = 0
        link = nil
        let words = lastWords.flatMap { now - $0.at <= .seconds(1) ? ": \($0.text)" : nil }
        lastEnd = how + (words ?? "")
        conditions = []
    }

    /// Sends it a signal.
    func signal(_ number: Int32) {
        guard pid > 0 else { return }
        _ = kill(pid, number)
    }

    /// What `rempart status` shows.
    var row: ControlReply {
        let state: ComponentState =
            switch life.state {
            case .greeting, .starting: .starting
            case .ready, .reloading: .ready
            case .leaving, .restarting, .killed, .stopping: .stopping
            case .waiting, .unusable, .ended: .waiting
            }
        return .component(role, pid: pid, state, restarts: restarts, refusal ?? statusLine)
    }
}

/// The ends of links that wait for a child which has no process yet.
struct PendingLinks {
    private var ends: [Role: [Role: Descriptor]] = [:]

    /// Removes the stored end of the link from `role` to `peer`; nil when there is none.
    mutating func remove(_ role: Role, to peer: Role) -> Descriptor? {
        ends[role]?.removeValue(forKey: peer)
    }

    /// Stores the end of the link from `role` to `peer` until `role` starts.
    mutating func store(_ end: Descriptor, for role: Role, to peer: Role) {
        ends[role, default: [:]][peer] = end
    }

    /// Forgets the ends whose other end was the process of `role` that is gone.
    mutating func forget(_ role: Role) {
        for other in Role.children { ends[other]?[role] = nil }
    }
}
