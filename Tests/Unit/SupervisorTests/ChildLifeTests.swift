import Messages
import Spawning
import Sys
import Testing

@testable import supervisor

/// A moment of the tests' own clock, in seconds.
private func second(_ count: Int64) -> Milliseconds { .seconds(count) }

/// A life that has come into a state by the shortest way.
private func life(in state: ChildState) -> ChildLife {
    var life = ChildLife(heartbeatLimit: Role.router.heartbeatLimit, at: second(0))
    func run(_ events: ChildEvent...) {
        for event in events { _ = life.handle(event, at: second(0)) }
    }
    switch state {
    case .waiting: break
    case .greeting: run(.deadline)
    case .starting: run(.deadline, .hello)
    case .ready: run(.deadline, .hello, .ready)
    case .reloading: run(.deadline, .hello, .ready, .reload)
    case .leaving: run(.deadline, .hello, .ready, .leaving)
    case .restarting: run(.deadline, .hello, .ready, .restart)
    case .killed: run(.deadline, .hello, .ready, .broken("x"))
    case .stopping: run(.deadline, .hello, .ready, .stop)
    case .unusable: run(.deadline, .exited(100))
    case .ended: run(.stop)
    }
    return life
}

private let everyEvent: [ChildEvent] = [
    .hello, .ready, .watchdog, .status, .refused, .leaving, .broken("x"), .exited(1), .exited(100),
    .deadline, .reload, .restart, .stop,
]

/// What a cell of the table does, without the words of a reason.
private func outline(_ action: ChildAction) -> String {
    switch action {
    case .none: "-"
    case .start: "start"
    case .wait(let span): "wait \(span.seconds)"
    case .waitForSettings: "hold"
    case .serve: "serve"
    case .storeStatus: "note"
    case .sendReload: "send"
    case .keepOld: "keep"
    case .sendStop: "tell"
    case .kill: "kill"
    case .gone: "gone"
    case .leave: "leave"
    }
}

@Suite struct ChildLifeTests {
    /// One row a state: what each event of `everyEvent`, in its order, makes of it.
    static let table: [(ChildState, [(String, ChildState)])] = [
        (
            .greeting,
            [
                ("-", .starting), ("kill", .killed), ("kill", .killed), ("kill", .killed),
                ("kill", .killed), ("-", .leaving), ("kill", .killed), ("wait 1", .waiting),
                ("hold", .unusable), ("kill", .killed), ("-", .greeting), ("tell", .restarting),
                ("tell", .stopping),
            ]
        ),
        (
            .starting,
            [
                ("kill", .killed), ("serve", .ready), ("-", .starting), ("note", .starting),
                ("kill", .killed), ("-", .leaving), ("kill", .killed), ("wait 1", .waiting),
                ("hold", .unusable), ("kill", .killed), ("-", .starting), ("tell", .restarting),
                ("tell", .stopping),
            ]
        ),
        (
            .ready,
            [
                ("kill", .killed), ("kill", .killed), ("-", .ready), ("note", .ready),
                ("kill", .killed), ("-", .leaving), ("kill", .killed), ("start", .greeting),
                ("hold", .unusable), ("kill", .killed), ("send", .reloading), ("tell", .restarting),
                ("tell", .stopping),
            ]
        ),
        (
            .reloading,
            [
                ("kill", .killed), ("serve", .ready), ("-", .reloading), ("note", .reloading),
                ("keep", .ready), ("-", .leaving), ("kill", .killed), ("start", .greeting),
                ("hold", .unusable), ("kill", .killed), ("-", .reloading), ("tell", .restarting),
                ("tell", .stopping),
            ]
        ),
        (
            .leaving,
            [
                ("-", .leaving), ("-", .leaving), ("-", .leaving), ("-", .leaving),
                ("-", .leaving), ("-", .leaving), ("-", .leaving), ("start", .greeting),
                ("hold", .unusable), ("kill", .killed), ("-", .leaving), ("-", .restarting),
                ("tell", .stopping),
            ]
        ),
        (
            .restarting,
            [
                ("-", .restarting), ("-", .restarting), ("-", .restarting), ("-", .restarting),
                ("-", .restarting), ("-", .restarting), ("-", .restarting), ("start", .greeting),
                ("start", .greeting), ("kill", .killed), ("-", .restarting),
                ("-", .restarting), ("-", .stopping),
            ]
        ),
        (
            .killed,
            [
                ("-", .killed), ("-", .killed), ("-", .killed), ("-", .killed), ("-", .killed),
                ("-", .killed), ("-", .killed), ("start", .greeting), ("hold", .unusable),
                ("-", .killed), ("-", .killed), ("-", .killed), ("-", .stopping),
            ]
        ),
        (
            .stopping,
            [
                ("-", .stopping), ("-", .stopping), ("-", .stopping), ("-", .stopping),
                ("-", .stopping), ("-", .stopping), ("-", .stopping), ("gone", .ended),
                ("gone", .ended), ("kill", .stopping), ("-", .stopping), ("-", .stopping),
                ("-", .stopping),
            ]
        ),
        (
            .waiting,
            [
                ("-", .waiting), ("-", .waiting), ("-", .waiting), ("-", .waiting),
                ("-", .waiting), ("-", .waiting), ("-", .waiting), ("-", .waiting),
                ("-", .waiting), ("start", .greeting), ("start", .greeting),
                ("start", .greeting), ("gone", .ended),
            ]
        ),
        (
            .unusable,
            [
                ("-", .unusable), ("-", .unusable), ("-", .unusable), ("-", .unusable),
                ("-", .unusable),
                ("-", .unusable), ("-", .unusable), ("-", .unusable), ("-", .unusable),
                ("start", .greeting),
                ("start", .greeting), ("start", .greeting), ("gone", .ended),
            ]
        ),
        (.ended, Array(repeating: ("-", .ended), count: 13)),
    ]

    @Test("every event has one meaning in every state", arguments: table)
    func cells(_ state: ChildState, _ cells: [(String, ChildState)]) {
        #expect(cells.count == everyEvent.count)
        for (event, (action, next)) in zip(everyEvent, cells) {
            var life = life(in: state)
            #expect(life.state == state)
            let found = outline(life.handle(event, at: second(1)))
            #expect(found == action && life.state == next, "\(event) in \(state)")
        }
    }

    @Test("the table has a row for every state")
    func complete() {
        #expect(Set(Self.table.map(\.0)) == Set(ChildState.allCases))
    }

    @Test("a child that dies before it is ready waits 1 s, 2 s, 4 s, and so on to 60 s")
    func backsOff() {
        var life = ChildLife(heartbeatLimit: Role.router.heartbeatLimit, at: second(0))
        var waits: [Int64] = []
        for _ in 0..<8 {
            #expect(life.handle(.deadline, at: second(0)) == .start)
            guard case .wait(let span) = life.handle(.exited(1), at: second(0)) else { return }
            waits.append(span.seconds)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60])
    }

    @Test("a child that dies when it serves is started at once, ten times a minute, then waits")
    func deathsInAMinute() {
        var life = life(in: .ready)
        for death in 0..<10 {
            #expect(life.handle(.exited(-1), at: second(Int64(death))) == .start)
            _ = life.handle(.hello, at: second(Int64(death)))
            #expect(life.handle(.ready, at: second(Int64(death))) == .serve)
        }
        #expect(life.handle(.exited(-1), at: second(10)) == .wait(.seconds(1)))
        _ = life.handle(.deadline, at: second(11))
        _ = life.handle(.hello, at: second(11))
        _ = life.handle(.ready, at: second(11))
        // The first of the ten is now more than a minute old.
        #expect(life.handle(.exited(-1), at: second(61)) == .start)
    }

    @Test("a minute of service makes earlier failures forgotten")
    func forgets() {
        var life = ChildLife(heartbeatLimit: Role.router.heartbeatLimit, at: second(0))
        for _ in 0..<5 {
            _ = life.handle(.deadline, at: second(0))
            _ = life.handle(.exited(1), at: second(0))
        }
        _ = life.handle(.deadline, at: second(0))
        _ = life.handle(.hello, at: second(0))
        _ = life.handle(.ready, at: second(0))
        #expect(life.handle(.exited(1), at: second(100)) == .start)
        #expect(life.handle(.exited(1), at: second(100)) == .wait(.seconds(1)))
    }

    @Test("a child that cannot use its settings is tried again after a reload, or after 60 s")
    func held() {
        var life = life(in: .unusable)
        #expect(life.deadline == second(60))
        #expect(life.handle(.reload, at: second(5)) == .start)
    }

    @Test("each heartbeat gives a limit more, and a missed one is the end at once")
    func heartbeat() {
        var life = life(in: .ready)
        #expect(life.deadline == Milliseconds(2500))
        _ = life.handle(.watchdog, at: second(2))
        #expect(life.deadline == Milliseconds(4500))
        #expect(
            life.handle(.deadline, at: Milliseconds(4500))
                == .kill("gave no heartbeat for 2.5 s"))
        #expect(life.deadline == Milliseconds(14_500))
        #expect(life.isInHand)
        _ = life.handle(.deadline, at: Milliseconds(14_500))
        #expect(!life.isInHand)
    }

    @Test(
        "a child is given the time in which the supervisor stood still",
        arguments: [ChildState.greeting, .starting, .ready, .reloading, .restarting, .stopping])
    func excused(_ state: ChildState) throws {
        var life = life(in: state)
        let limit = try #require(life.deadline)
        life.excuse(second(30))
        #expect(life.deadline == limit + second(30))
    }

    @Test("a process that survives SIGKILL at a restart is told of, else it is followed at once")
    func hangsAtRestart() {
        var life = life(in: .restarting)
        _ = life.handle(.deadline, at: second(2))
        #expect(life.isInHand)
        var other = life
        #expect(other.handle(.exited(-1), at: second(3)) == .start)
        _ = life.handle(.deadline, at: second(12))
        #expect(!life.isInHand)
    }

    @Test("the daemon ends without a process that survives SIGKILL")
    func hangsAtTheEnd() {
        var told = life(in: .ready)
        #expect(told.handle(.stop, at: second(1)) == .sendStop)
        #expect(told.handle(.deadline, at: Milliseconds(2500)) == .kill("did not end within 1.5 s"))
        #expect(told.deadline == Milliseconds(2900))
        #expect(told.handle(.deadline, at: Milliseconds(2900)) == .leave && told.state == .ended)
        var killed = life(in: .killed)
        _ = killed.handle(.stop, at: second(1))
        #expect(killed.deadline == Milliseconds(1400))
        #expect(killed.handle(.deadline, at: Milliseconds(1400)) == .leave)
    }

    @Test("who takes a reload may be silent for longer, and no longer than that")
    func slowReload() {
        var life = life(in: .reloading)
        #expect(life.deadline == second(10))
        #expect(life.handle(.ready, at: second(9)) == .serve)
        #expect(life.deadline == Milliseconds(11_500))
    }

    @Test("who waits for a source, a disk or the firewall has more time than who serves SIP")
    func limits() {
        let limits = Role.children.map(\.heartbeatLimit)
        #expect(Role.router.heartbeatLimit == limits.min())
        #expect(Role.accountsReader.heartbeatLimit == limits.max())
        // A heartbeat leaves once a second: with the start of the next one it is less than three.
        #expect(Role.router.heartbeatLimit < Milliseconds(2600))
    }

    @Test("a reload that comes while a child starts is sent as soon as it is ready")
    func reloadWhileStarting() {
        var life = life(in: .starting)
        #expect(life.handle(.reload, at: second(0)) == .none)
        #expect(life.handle(.ready, at: second(0)) == .sendReload)
        #expect(life.handle(.ready, at: second(0)) == .serve)
    }
}
