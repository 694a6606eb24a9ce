internal import Messages
internal import Sys

/// Where a child is in its life.
enum ChildState: CaseIterable {
    /// Its program runs; it has not said hello.
    case greeting
    /// It has said hello and initialises itself.
    case starting
    /// It serves.
    case ready
    /// It serves, and has not answered a reload yet.
    case reloading
    /// It said that it ends, or closed its link.
    case leaving
    /// It was told to end, to be started again.
    case restarting
    /// It was sent SIGKILL.
    case killed
    /// It was told to end, for good.
    case stopping
    /// There is no process; it is started again after a while.
    case waiting
    /// There is no process: it cannot use its settings, and waits for others.
    case unusable
    /// There is no process, and there will be none.
    case ended
}

/// What happens to a child.
enum ChildEvent: Equatable {
    /// It said the right hello.
    case hello
    /// It said READY=1.
    case ready
    /// It said WATCHDOG=1.
    case watchdog
    /// It said STATUS=.
    case status
    /// It refused a reload.
    case refused
    /// It said STOPPING=1, or closed its link.
    case leaving
    /// It broke the protocol; how.
    case broken(String)
    /// Its process ended, with this code; -1 stands for a signal.
    case exited(Int32)
    /// The deadline of its state has come.
    case deadline
    /// There are new settings.
    case reload
    /// Somebody wants it restarted.
    case restart
    /// The daemon stops.
    case stop
}

/// What the supervisor has to do about an event.
enum ChildAction: Equatable {
    /// Nothing.
    case none
    /// Start its process now.
    case start
    /// Nothing now: its process is started again after this span.
    case wait(Milliseconds)
    /// Nothing now: its process is started again after a reload, at the latest after this span.
    case waitForSettings(Milliseconds)
    /// It serves, with the newest settings.
    case serve
    /// Store its status line.
    case storeStatus
    /// Send it the newest settings.
    case sendReload
    /// It keeps its old settings.
    case keepOld
    /// Send it the order to end.
    case sendStop
    /// Send it SIGKILL; why.
    case kill(String)
    /// It is gone for good.
    case gone
    /// It hangs in the kernel, and the daemon ends without it.
    case leave
}

/// The life of one child as a total function of its state and an event.
struct ChildLife {
    /// From exec to hello, and from one heartbeat to the next while it takes a reload.
    static let helloLimit = Milliseconds.seconds(10)
    /// From hello to READY=1.
    static let startLimit = Milliseconds.seconds(60)
    /// From being told to end to SIGKILL.
    static let stopLimit = Milliseconds(1500)
    /// From SIGKILL to the end; a process that is still there hangs in the kernel.
    static let killLimit = Milliseconds.seconds(10)
    /// The same when the daemon stops, which then ends without that process.
    static let lastLimit = Milliseconds(400)
    /// How many deaths after READY within `deathWindow` are made good at once.
    static let deathLimit = 10
    /// The window of `deathLimit`; a child that served this long has no past.
    static let deathWindow = Milliseconds.seconds(60)
    /// The longest wait before a start.
    static let longestWait = Milliseconds.seconds(60)

    /// From one heartbeat, which leaves once a second, to the next.
    let heartbeatLimit: Milliseconds
    private(set) var state = ChildState.waiting
    /// When the state has lasted too long; nil: it may last.
    private(set) var deadline: Milliseconds?
    /// Whether the process of now has served.
    private(set) var hasServed = false

    private var servingSince = Milliseconds(0)
    private var reloadIsDue = false
    /// Whether it was killed while the daemon stops.
    private var isKilledAtLast = false
    /// Whether somebody waits for the successor of a process that was killed.
    private var restartIsDue = false
    /// Failures in a row, each doubling the wait.
    private var failures = 0
    /// The moments of the last deaths after READY, oldest first, at most `deathLimit`.
    private var deaths: [Milliseconds] = []

    /// A child that has yet to be started: at the first `deadline` event.
    init(heartbeatLimit: Milliseconds, at now: Milliseconds) {
        self.heartbeatLimit = heartbeatLimit
        deadline = now
    }

    /// Whether a process is there.
    var isAlive: Bool {
        switch state {
        case .waiting, .unusable, .ended: false
        default: true
        }
    }

    /// Whether the child takes messages.
    var isListening: Bool {
        switch state {
        case .greeting, .starting, .ready, .reloading: true
        default: false
        }
    }

    /// Whether it serves.
    var isServing: Bool { state == .ready || state == .reloading }

    /// Whether the supervisor has the child in hand: false for one that survives SIGKILL.
    var isInHand: Bool { state != .killed || deadline != nil }

    /// What the event makes of the state, and what is to be done about it.
    mutating func handle(_ event: ChildEvent, at now: Milliseconds) -> ChildAction {
        switch state {
        case .greeting: whenGreeting(event, now)
        case .starting: whenStarting(event, now)
        case .ready: whenReady(event, now)
        case .reloading: whenReloading(event, now)
        case .leaving: whenLeaving(event, now)
        case .restarting: whenRestarting(event, now)
        case .killed: whenKilled(event, now)
        case .stopping: whenStopping(event, now)
        case .waiting, .unusable: whenAway(event, now)
        case .ended: .none
        }
    }

    private mutating func whenGreeting(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .hello: return enter(.starting, until: now + Self.startLimit, .none)
        case .ready, .watchdog, .status, .refused:
            return kill("spoke before its hello", now)
        case .deadline: return kill("said no hello within 10 s", now)
        case .reload: return rememberReload()
        case .leaving, .broken, .exited, .restart, .stop: return whenListening(event, now)
        }
    }

    private mutating func whenStarting(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .ready:
            hasServed = true
            servingSince = now
            return serveOrReload(now)
        case .watchdog: return .none
        case .status: return .storeStatus
        case .hello: return kill("said hello twice", now)
        case .refused: return kill("refused a reload that nobody asked for", now)
        case .deadline: return kill("was not ready within 60 s", now)
        case .reload: return rememberReload()
        case .leaving, .broken, .exited, .restart, .stop: return whenListening(event, now)
        }
    }

    private mutating func whenReady(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .watchdog: return beat(now)
        case .status: return .storeStatus
        case .hello: return kill("said hello twice", now)
        case .ready, .refused: return kill("answered a reload that nobody asked for", now)
        case .deadline: return miss(now)
        case .reload: return enter(.reloading, until: now + Self.helloLimit, .sendReload)
        case .leaving, .broken, .exited, .restart, .stop: return whenListening(event, now)
        }
    }

    private mutating func whenReloading(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .ready: return serveOrReload(now)
        case .refused: return enter(.ready, until: now + heartbeatLimit, .keepOld)
        case .watchdog: return beat(now)
        case .status: return .storeStatus
        case .hello: return kill("said hello twice", now)
        case .deadline: return miss(now)
        case .reload: return rememberReload()
        case .leaving, .broken, .exited, .restart, .stop: return whenListening(event, now)
        }
    }

    /// The events that mean the same in every state in which the child takes messages.
    private mutating func whenListening(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .leaving: return enter(.leaving, until: now + Self.stopLimit, .none)
        case .broken(let how): return kill(how, now)
        case .exited(let code): return after(code, now)
        case .restart: return enter(.restarting, until: now + Self.stopLimit, .sendStop)
        case .stop: return enter(.stopping, until: now + Self.stopLimit, .sendStop)
        case .hello, .ready, .watchdog, .status, .refused, .deadline, .reload: return .none
        }
    }

    private mutating func whenLeaving(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .exited(let code): return after(code, now)
        case .deadline: return kill("said that it ends, and did not", now)
        case .restart: return enter(.restarting, until: deadline, .none)
        case .stop: return enter(.stopping, until: now + Self.stopLimit, .sendStop)
        case .hello, .ready, .watchdog, .status, .refused, .leaving, .broken, .reload:
            return .none
        }
    }

    private mutating func whenRestarting(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .exited: return start(now)
        case .deadline:
            restartIsDue = true
            return kill("did not end within 1.5 s", now)
        case .stop: return enter(.stopping, until: now + Self.stopLimit, .none)
        case .hello, .ready, .watchdog, .status, .refused, .leaving, .broken, .reload, .restart:
            return .none
        }
    }

    private mutating func whenKilled(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .exited(let code): return restartIsDue ? start(now) : after(code, now)
        case .deadline: return enter(.killed, until: nil, .none)
        case .stop:
            isKilledAtLast = true
            return enter(.stopping, until: now + Self.lastLimit, .none)
        case .hello, .ready, .watchdog, .status, .refused, .leaving, .broken, .reload, .restart:
            return .none
        }
    }

    private mutating func whenStopping(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .exited: return enter(.ended, until: nil, .gone)
        case .deadline where isKilledAtLast: return enter(.ended, until: nil, .leave)
        case .deadline:
            isKilledAtLast = true
            return enter(
                .stopping, until: now + Self.lastLimit, .kill("did not end within 1.5 s"))
        case .hello, .ready, .watchdog, .status, .refused, .leaving, .broken, .reload, .restart,
            .stop:
            return .none
        }
    }

    private mutating func whenAway(_ event: ChildEvent, _ now: Milliseconds) -> ChildAction {
        switch event {
        case .deadline, .reload, .restart: return start(now)
        case .stop: return enter(.ended, until: nil, .gone)
        case .hello, .ready, .watchdog, .status, .refused, .leaving, .broken, .exited:
            return .none
        }
    }

    private mutating func enter(
        _ next: ChildState, until deadline: Milliseconds?, _ action: ChildAction
    ) -> ChildAction {
        state = next
        self.deadline = deadline
        return action
    }

    private mutating func start(_ now: Milliseconds) -> ChildAction {
        hasServed = false
        reloadIsDue = false
        restartIsDue = false
        return enter(.greeting, until: now + Self.helloLimit, .start)
    }

    private mutating func kill(_ why: String, _ now: Milliseconds) -> ChildAction {
        enter(.killed, until: now + Self.killLimit, .kill(why))
    }

    /// SIGKILL at once: a stopped process does not act on a signal that it might handle.
    ///
    /// No component leaves a core behind that another signal would be good for.
    private mutating func miss(_ now: Milliseconds) -> ChildAction {
        let limit = patience
        let seconds =
            "\(limit.seconds)" + (limit.count % 1000 == 0 ? "" : ".\(limit.count % 1000 / 100)")
        return kill("gave no heartbeat for \(seconds) s", now)
    }

    /// From the last heartbeat to the next; taking a reload may take a turn of its loop longer.
    private var patience: Milliseconds {
        state == .reloading ? Self.helloLimit : heartbeatLimit
    }

    private mutating func beat(_ now: Milliseconds) -> ChildAction {
        deadline = now + patience
        return .none
    }

    /// Gives a child the time in which the supervisor itself did not run.
    mutating func excuse(_ late: Milliseconds) {
        if isAlive { deadline = deadline.map { $0 + late } }
    }

    private mutating func rememberReload() -> ChildAction {
        reloadIsDue = true
        return .none
    }

    /// It is ready; the newest settings follow when they came while it was not.
    private mutating func serveOrReload(_ now: Milliseconds) -> ChildAction {
        let reloadFollows = reloadIsDue
        let next: ChildState = reloadFollows ? .reloading : .ready
        let action: ChildAction = reloadFollows ? .sendReload : .serve
        reloadIsDue = false
        return enter(next, until: now + (reloadFollows ? Self.helloLimit : heartbeatLimit), action)
    }

    private mutating func after(_ code: Int32, _ now: Milliseconds) -> ChildAction {
        if code == ChildExit.unusable {
            return enter(
                .unusable, until: now + Self.longestWait, .waitForSettings(Self.longestWait))
        }
        if hasServed {
            if now - servingSince >= Self.deathWindow { failures = 0 }
            deaths.removeAll { now - $0 >= Self.deathWindow }
            if deaths.count < Self.deathLimit {
                deaths.append(now)
                return start(now)
            }
        }
        let wait = min(Milliseconds.seconds(1 << min(failures, 6)), Self.longestWait)
        failures += 1
        return enter(.waiting, until: now + wait, .wait(wait))
    }
}
